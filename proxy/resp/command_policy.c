/* How slotway treats each command: one table of decisions, and rules from the server's own tips for
 * commands that it does not name. */
#include "resp/command_row.h"

#include <string.h>

struct policy {
    const char *name; /* a command, or a container for all its subcommands without own row */
    uint8_t kind;
    uint8_t merge;
    uint8_t local;
    bool alone;
};

#define ROW(name, kind, merge, local, alone)                                                       \
    {                                                                                              \
        name, COMMAND_##kind, COMMAND_MERGE_##merge, COMMAND_LOCAL_##local, alone                  \
    }
#define LOCAL(name, handler) ROW(name, LOCAL, FIRST, handler, false)
/* Changes what the connection is: waits for all that is under way, and holds up what follows. */
#define ALONE(name, handler) ROW(name, LOCAL, FIRST, handler, true)
/* Waits at the node of its keys. */
#define BLOCKS(name)           ROW(name, KEYED, FIRST, NONE, true)
#define SPECIAL(name, handler) ROW(name, MASTERS, SPECIAL, handler, false)
#define MASTERS(name, merge)   ROW(name, MASTERS, merge, NONE, false)
/* Refused unless allow-admin yes. */
#define ADMIN(name, handler) ROW(name, ADMIN, FIRST, handler, false)
#define SPLIT(name, merge)   ROW(name, SPLIT, merge, NONE, false)
#define IS(name, kind)       ROW(name, kind, FIRST, NONE, false)

/* Sorted by name. */
static const struct policy policies[] = {
    LOCAL("acl", ACL),
    IS("acl|cat", ANY),
    IS("acl|genpass", ANY),
    IS("acl|help", ANY),
    LOCAL("asking", ASKING),
    LOCAL("auth", AUTH),
    ADMIN("bgrewriteaof", TO_MASTERS),
    ADMIN("bgsave", TO_MASTERS),
    BLOCKS("blmove"),
    BLOCKS("blmpop"),
    BLOCKS("blpop"),
    BLOCKS("brpop"),
    BLOCKS("brpoplpush"),
    BLOCKS("bzmpop"),
    BLOCKS("bzpopmax"),
    BLOCKS("bzpopmin"),
    LOCAL("client", CLIENT),
    ALONE("client|tracking", CLIENT),
    IS("cluster", REFUSED),
    LOCAL("cluster|count-failure-reports", CLUSTER),
    LOCAL("cluster|countkeysinslot", CLUSTER),
    LOCAL("cluster|getkeysinslot", CLUSTER),
    LOCAL("cluster|help", CLUSTER),
    LOCAL("cluster|info", CLUSTER),
    LOCAL("cluster|keyslot", CLUSTER),
    LOCAL("cluster|myid", CLUSTER),
    LOCAL("cluster|nodes", CLUSTER),
    LOCAL("cluster|shards", CLUSTER),
    LOCAL("cluster|slots", CLUSTER),
    IS("command", ANY),
    ADMIN("config", NONE),
    SPECIAL("config|get", CONFIG),
    IS("config|help", ANY),
    SPECIAL("config|resetstat", CONFIG),
    MASTERS("config|rewrite", FIRST),
    SPECIAL("config|set", CONFIG),
    MASTERS("dbsize", SUM),
    ADMIN("debug", DEBUG),
    SPLIT("del", SUM),
    LOCAL("discard", DISCARD),
    LOCAL("echo", ECHO),
    ALONE("exec", EXEC),
    SPLIT("exists", SUM),
    ADMIN("failover", NONE),
    MASTERS("flushall", FIRST),
    MASTERS("flushdb", FIRST),
    MASTERS("function|delete", FIRST),
    IS("function|dump", ANY),
    MASTERS("function|flush", FIRST),
    IS("function|help", ANY),
    MASTERS("function|kill", OR),
    IS("function|list", ANY),
    MASTERS("function|load", FIRST),
    MASTERS("function|restore", FIRST),
    SPECIAL("function|stats", FUNCTION_STATS),
    ALONE("hello", HELLO),
    SPECIAL("info", INFO),
    MASTERS("keys", CONCAT),
    MASTERS("lastsave", MIN),
    IS("latency", ANY),
    SPECIAL("latency|histogram", LATENCY),
    SPECIAL("latency|history", LATENCY),
    SPECIAL("latency|latest", LATENCY),
    MASTERS("latency|reset", SUM),
    LOCAL("lolwut", LOLWUT),
    IS("memory|doctor", ANY),
    IS("memory|help", ANY),
    IS("memory|malloc-stats", ANY),
    MASTERS("memory|purge", FIRST),
    IS("memory|stats", ANY),
    SPLIT("mget", KEYS),
    ADMIN("module", NONE),
    IS("module|help", ANY),
    IS("module|list", ANY),
    ALONE("monitor", MONITOR),
    SPLIT("mset", FIRST),
    LOCAL("multi", MULTI),
    IS("object|help", ANY),
    IS("pfdebug", KEYED),
    IS("pfselftest", ANY),
    LOCAL("ping", PING),
    LOCAL("proxy", PROXY),
    ALONE("psubscribe", SUBSCRIBE),
    IS("psync", REFUSED),
    ROW("publish", ANY, FIRST, PUBLISH, false),
    SPECIAL("pubsub", PUBSUB),
    IS("pubsub|help", ANY),
    LOCAL("punsubscribe", UNSUBSCRIBE),
    LOCAL("quit", QUIT),
    SPECIAL("randomkey", RANDOMKEY),
    LOCAL("readonly", READONLY),
    LOCAL("readwrite", READWRITE),
    IS("replconf", REFUSED),
    ADMIN("replicaof", NONE),
    ALONE("reset", RESET),
    IS("restore-asking", REFUSED), /* acts only after ASKING on the same connection */
    IS("role", ANY),
    ADMIN("save", TO_MASTERS),
    SPECIAL("scan", SCAN),
    IS("script", REFUSED), /* DEBUG: changes the connection */
    SPECIAL("script|exists", SCRIPT_EXISTS),
    MASTERS("script|flush", FIRST),
    IS("script|help", ANY),
    MASTERS("script|kill", OR),
    MASTERS("script|load", FIRST),
    LOCAL("select", SELECT),
    IS("sflush", REFUSED), /* names slots of one node */
    ADMIN("shutdown", NONE),
    ADMIN("slaveof", NONE),
    LOCAL("slowlog", SLOWLOG),
    ROW("spublish", KEYED, FIRST, PUBLISH, false),
    ALONE("ssubscribe", SUBSCRIBE),
    ALONE("subscribe", SUBSCRIBE),
    LOCAL("sunsubscribe", UNSUBSCRIBE),
    IS("swapdb", ANY), /* the node's own "not allowed in cluster mode" */
    IS("sync", REFUSED),
    LOCAL("time", TIME),
    SPLIT("touch", SUM),
    SPLIT("unlink", SUM),
    LOCAL("unsubscribe", UNSUBSCRIBE),
    LOCAL("unwatch", UNWATCH),
    ROW("wait", MASTERS, MIN, WAIT, true),
    ROW("waitaof", MASTERS, MIN, WAIT, true),
    ALONE("watch", WATCH),
    BLOCKS("xread"), /* with BLOCK: see command_is_blocking */
    BLOCKS("xreadgroup"),
};

#define NPOLICIES (sizeof(policies) / sizeof(policies[0]))

/* The policy for the first len bytes of a name; NULL: none. */
static const struct policy *policy_find(const char *name, size_t len)
{
    for (size_t i = 0; i < NPOLICIES; i++)
        if (strncmp(policies[i].name, name, len) == 0 && policies[i].name[len] == '\0')
            return &policies[i];
    return NULL;
}

static struct policy policy_of_keyless(const struct command_row *row)
{
    if (row->flags & (COMMAND_PUBSUB | COMMAND_BLOCKING))
        return (struct policy){NULL, COMMAND_LATER, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE, false};
    if (row->flags & COMMAND_ADMINISTRATIVE)
        return (struct policy){NULL, COMMAND_ADMIN, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE, false};
    if (row->request == COMMAND_REQUEST_ALL && row->response >= 0)
        return (struct policy){NULL, COMMAND_MASTERS, (uint8_t)row->response, COMMAND_LOCAL_NONE,
                               false};
    return (struct policy){NULL, COMMAND_ANY, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE, false};
}

/* For commands that the table does not name: those of modules and of servers newer than it. */
static struct policy policy_derive(const struct command *cmd, const struct command_row *row)
{
    if (cmd->nspecs == 0)
        return policy_of_keyless(row);
    return (struct policy){NULL, COMMAND_KEYED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE,
                           row->flags & COMMAND_BLOCKING};
}

/* Are all arguments behind the name keys, or keys with a value each? Only then can the request be
 * taken apart (and put together again) key by key. */
static bool policy_may_split(const struct command *cmd)
{
    const struct command_keyspec *spec = cmd->specs;

    return cmd->nspecs == 1 && spec->begin == COMMAND_BEGIN_INDEX &&
           spec->find == COMMAND_FIND_RANGE && spec->at == 1 && spec->last == -1 &&
           spec->limit <= 1 && (spec->step == 1 || cmd->flags & COMMAND_PAIRS);
}

void command_policy_apply(struct command *cmd, const struct command_row *row)
{
    const char *bar = strchr(cmd->name, '|');
    const struct policy *known = policy_find(cmd->name, strlen(cmd->name));
    struct policy policy;

    if (!known && bar)
        known = policy_find(cmd->name, (size_t)(bar - cmd->name));
    policy = known ? *known : policy_derive(cmd, row);
    if (!known && !(cmd->flags & COMMAND_READONLY)) /* a module's flags may tell too little */
        cmd->flags |= COMMAND_WRITE;
    if (strcmp(cmd->name, "pfcount") == 0) /* writes its cache; COMMAND does not tell */
        cmd->flags |= COMMAND_MAY_REPLICATE;
    cmd->kind = policy.kind;
    if (cmd->kind == COMMAND_SPLIT && !policy_may_split(cmd))
        cmd->kind = COMMAND_KEYED;
    cmd->merge = policy.merge;
    cmd->local = policy.local;
    if (policy.local != COMMAND_LOCAL_NONE)
        cmd->flags &= (uint16_t)~COMMAND_ONE_KEY; /* not for the path of plain forwarding */
    if (policy.alone)
        cmd->flags |= COMMAND_ALONE;
    if (cmd->local == COMMAND_LOCAL_EXEC)
        cmd->flags |= COMMAND_WRITE; /* whatever was queued; REQUEST_READONLY if it was all reads */
}
