/* The table of commands: lookup, key positions as a real server gives them (COMMAND GETKEYS),
 * policies, error texts, and learning from COMMAND replies of new and old servers. */
#include "resp/command.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

/* A request written as an inline command. */
struct request {
    char bytes[4096];
    struct resp_args args;
    const struct command *cmd;
    bool unknown_sub;
};

static const struct command *parse(struct request *request, const struct command_table *table,
                                   const char *line)
{
    resp_args_init(&request->args);
    ck_assert_uint_gt(resp_inline_encode(line, strlen(line), request->bytes, &request->args), 0);
    request->cmd = command_lookup(table, request->bytes, &request->args, &request->unknown_sub);
    return request->cmd;
}

static const struct command *find(const struct command_table *table, const char *line)
{
    struct request request;

    parse(&request, table, line);
    resp_args_free(&request.args);
    return request.cmd;
}

/* The keys of a request as "a b c"; "error" if its arguments make no sense. */
static const char *keys_of(const struct command_table *table, const char *line)
{
    static char text[1024];
    struct request request;
    struct command_keys keys = {NULL, 0, 0};

    ck_assert_ptr_nonnull(parse(&request, table, line));
    text[0] = '\0';
    if (command_find_keys(request.cmd, request.bytes, &request.args, &keys) < 0)
        strcpy(text, "error");
    for (uint32_t i = 0; i < keys.count; i++) {
        const struct resp_arg *arg = &request.args.v[keys.v[i]];
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s", i ? " " : "",
                 (int)arg->len, request.bytes + arg->off);
    }
    command_keys_free(&keys);
    resp_args_free(&request.args);
    return text;
}

/* What redis-server 7.0.15 answers to COMMAND GETKEYS. */
static const struct {
    const char *line;
    const char *keys;
} known_keys[] = {
    {"get a", "a"},
    {"set a b ex 10", "a"},
    {"mget a b a", "a b a"},
    {"mset a 1 b 2", "a b"},
    {"msetnx a 1 b 2", "a b"},
    {"del a b c", "a b c"},
    {"exists a", "a"},
    {"rename a b", "a b"},
    {"copy a b replace", "a b"},
    {"bitop and d a b", "d a b"},
    {"pfmerge d a b", "d a b"},
    {"pfcount a b", "a b"},
    {"lcs a b", "a b"},
    {"smove a b m", "a b"},
    {"rpoplpush a b", "a b"},
    {"lmove a b left right", "a b"},
    {"blmove a b left right 0", "a b"},
    {"blpop a b 0", "a b"},
    {"brpoplpush a b 0", "a b"},
    {"bzpopmin a b 0", "a b"},
    {"bzmpop 0 2 a b min", "a b"},
    {"blmpop 0 1 a left", "a"},
    {"lmpop 2 a b left", "a b"},
    {"lmpop 2x a b left", "a b"},
    {"eval s 1.5 a", "a"},
    {"zmpop 2 a b min", "a b"},
    {"sintercard 2 a b limit 1", "a b"},
    {"zintercard 2 a b", "a b"},
    {"sinter a b c", "a b c"},
    {"sinterstore d a b", "d a b"},
    {"zunionstore d 2 a b weights 1 2", "d a b"},
    {"zinterstore d 1 a", "d a"},
    {"zdiffstore d 2 a b", "d a b"},
    {"zunion 2 a b", "a b"},
    {"zinter 1 a", "a"},
    {"zdiff 2 a b", "a b"},
    {"zrangestore d a 0 1", "d a"},
    {"geosearchstore d a frommember m byradius 1 m", "d a"},
    {"georadius a 0 0 1 m", "a"},
    {"georadius a 0 0 1 m store d", "a d"},
    {"georadius a 0 0 1 m storedist d", "a d"},
    {"georadiusbymember a m 1 m store d", "a d"},
    {"georadius_ro a 0 0 1 m", "a"},
    {"sort a", "a"},
    {"sort a by nosort get # limit 0 1", "a"},
    {"sort a store d", "a d"},
    {"sort a store d store e", "a e"},
    {"sort a get store store d", "a d"},
    {"sort a by store store d", "a d"},
    {"sort_ro a by x get y", "a"},
    {"migrate h 1 a 0 5", "a"},
    {"migrate h 1 \"\" 0 5 keys a b c", "a b c"},
    {"migrate h 1 \"\" 0 5 copy replace auth keys keys a b", "a b"},
    {"migrate h 1 \"\" 0 5 auth2 keys keys keys a", "a"},
    {"eval s 2 a b c", "a b"},
    {"eval s 1.5 a", "a"}, /* refused, but by the node of the key */
    {"eval s +2x a b", "a b"},
    {"zunionstore d 1e9 a", "d a"},
    {"eval s 0", ""},
    {"eval_ro s 1 a", "a"},
    {"evalsha s 1 a b", "a"},
    {"fcall f 2 a b", "a b"},
    {"fcall_ro f 1 a x", "a"},
    {"xread streams a 0", "a"},
    {"xread count 1 block 0 streams a b 0 0", "a b"},
    {"xread count streams streams a 0", "streams"},
    {"xreadgroup group g c streams a >", "a"},
    {"xreadgroup group streams c streams a b > >", "a b"},
    {"xadd a * f v", "a"},
    {"xinfo stream a", "a"},
    {"xinfo groups a", "a"},
    {"xgroup create a g $", "a"},
    {"xdel a 1", "a"},
    {"memory usage a", "a"},
    {"object encoding a", "a"},
    {"watch a b", "a b"},
    {"restore a 0 v", "a"},
    {"hset a f v", "a"},
    {"setrange a 0 x", "a"},
    {"append a b", "a"},
    {"getex a", "a"},
    {"zadd a 1 m", "a"},
    {"touch a b", "a b"},
    {"unlink a", "a"},
    {"type a", "a"},
    {"dump a", "a"},
    {"expire a 10", "a"},
    {"move a 1", "a"},
    {"pfdebug encoding a", "a"},
    {"restore-asking a 0 v", "a"},
    /* Not asked of a server: no keys there, but the slot is that of the channel. */
    {"spublish ch m", "ch"},
    {"ssubscribe a b", "a b"},
    /* Newer than 7.0. */
    {"hexpire a 10 fields 1 f", "a"},
    {"hgetex a persist fields 1 f", "a"},
    /* No keys at all. */
    {"publish a b", ""},
    {"object help", ""},
    {"scan 0", ""},
    {"eval s 0 a b", ""},
    {"client kill x", ""},
};

START_TEST(keys_as_a_server_finds_them)
{
    ck_assert_str_eq(keys_of(command_builtin(), known_keys[_i].line), known_keys[_i].keys);
}
END_TEST

START_TEST(arguments_without_sense_give_no_keys)
{
    static const char *const lines[] = {
        "eval s 3 a b",
        "eval s -1 a",
        "eval s x a",
        "zunion 9999999999 a",
        "lmpop 4 a b left",
        "xread count 1 a 0",
        "xread streams",
        "migrate h 1 k 0 5 keys a",
        "zunionstore d 4 a b",
        "get",
        "eval s 9223372036854775807 a",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        ck_assert_str_eq(keys_of(command_builtin(), lines[i]), "error");
}
END_TEST

START_TEST(names_are_found_in_any_case)
{
    const struct command_table *table = command_builtin();

    ck_assert_str_eq(find(table, "get a")->name, "get");
    ck_assert_str_eq(find(table, "GeT a")->name, "get");
    ck_assert_str_eq(find(table, "GEORADIUSBYMEMBER_RO a b 1 m")->name, "georadiusbymember_ro");
    ck_assert_str_eq(find(table, "Config GET x")->name, "config|get");
    ck_assert_str_eq(find(table, "CLUSTER Count-Failure-Reports x")->name,
                     "cluster|count-failure-reports");
    ck_assert_str_eq(find(table, "client")->name, "client");
}
END_TEST

START_TEST(names_that_are_no_commands)
{
    static const char *const lines[] = {
        "ge",
        "gett",
        "xget a",
        "config|get x",
        "\"\"",
        "\"get\\x00\"",
        "\"sort\\x7fro\" a",
        "\"restore\\x0dasking\"",
        "GEORADIUSBYMEMBER-RO",
        "GEORADIUSBYxEMBER_RO",
        "getget",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        ck_assert_ptr_null(find(command_builtin(), lines[i]));
}
END_TEST

START_TEST(every_command_is_found_by_its_name)
{
    const struct command_table *table = command_builtin();

    for (uint32_t i = 0; i < command_count(table); i++) {
        const struct command *cmd = command_at(table, i);
        char line[128];
        char *bar;
        snprintf(line, sizeof(line), "%s", cmd->name);
        if ((bar = strchr(line, '|')) != NULL)
            *bar = ' ';
        ck_assert_ptr_eq(find(table, line), cmd);
        ck_assert_uint_eq(cmd->family, i);
    }
    ck_assert_ptr_null(command_at(table, command_count(table)));
}
END_TEST

START_TEST(arity)
{
    const struct command_table *table = command_builtin();

    ck_assert(command_arity_ok(find(table, "get"), 2));
    ck_assert(!command_arity_ok(find(table, "get"), 1));
    ck_assert(!command_arity_ok(find(table, "get"), 3));
    ck_assert(command_arity_ok(find(table, "del"), 20));
    ck_assert(!command_arity_ok(find(table, "del"), 1));
    ck_assert(command_arity_ok(find(table, "mset"), 5));
    ck_assert(!command_arity_ok(find(table, "mset"), 4));
    ck_assert(!command_arity_ok(find(table, "msetnx"), 6));
}
END_TEST

START_TEST(one_key_commands)
{
    static const char *const one[] = {"get", "set", "incr", "lpush", "expire", "hgetall", "zadd"};
    static const char *const other[] = {"mget", "del",   "rename", "sort",
                                        "eval", "xread", "ping",   "georadius"};
    const struct command_table *table = command_builtin();

    for (size_t i = 0; i < sizeof(one) / sizeof(one[0]); i++) {
        ck_assert(find(table, one[i])->flags & COMMAND_ONE_KEY);
        ck_assert_int_eq(find(table, one[i])->first_key, 1);
    }
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        ck_assert(!(find(table, other[i])->flags & COMMAND_ONE_KEY));
    ck_assert_int_eq(find(table, "object encoding")->first_key, 2);
}
END_TEST

static const struct {
    const char *line;
    uint8_t kind;
    uint8_t merge;
    uint8_t local;
} known_policies[] = {
    {"get", COMMAND_KEYED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"mget", COMMAND_SPLIT, COMMAND_MERGE_KEYS, COMMAND_LOCAL_NONE},
    {"mset", COMMAND_SPLIT, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"msetnx", COMMAND_KEYED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"touch", COMMAND_SPLIT, COMMAND_MERGE_SUM, COMMAND_LOCAL_NONE},
    {"dbsize", COMMAND_MASTERS, COMMAND_MERGE_SUM, COMMAND_LOCAL_NONE},
    {"keys", COMMAND_MASTERS, COMMAND_MERGE_CONCAT, COMMAND_LOCAL_NONE},
    {"script exists", COMMAND_MASTERS, COMMAND_MERGE_SPECIAL, COMMAND_LOCAL_SCRIPT_EXISTS},
    {"script kill", COMMAND_MASTERS, COMMAND_MERGE_OR, COMMAND_LOCAL_NONE},
    {"scan", COMMAND_MASTERS, COMMAND_MERGE_SPECIAL, COMMAND_LOCAL_SCAN},
    {"info", COMMAND_MASTERS, COMMAND_MERGE_SPECIAL, COMMAND_LOCAL_INFO},
    {"ping", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_PING},
    {"client setname", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_CLIENT},
    {"client tracking", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_CLIENT},
    {"cluster nodes", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_CLUSTER},
    {"cluster meet", COMMAND_REFUSED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"proxy info", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_PROXY},
    {"shutdown", COMMAND_ADMIN, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"acl setuser", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_ACL},
    {"blpop", COMMAND_KEYED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"wait", COMMAND_MASTERS, COMMAND_MERGE_MIN, COMMAND_LOCAL_WAIT},
    {"multi", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_MULTI},
    {"xread", COMMAND_KEYED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"command docs", COMMAND_ANY, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"publish", COMMAND_ANY, COMMAND_MERGE_FIRST, COMMAND_LOCAL_PUBLISH},
    {"psync", COMMAND_REFUSED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
};

START_TEST(policies)
{
    const struct command *cmd = find(command_builtin(), known_policies[_i].line);

    ck_assert_uint_eq(cmd->kind, known_policies[_i].kind);
    ck_assert_uint_eq(cmd->merge, known_policies[_i].merge);
    ck_assert_uint_eq(cmd->local, known_policies[_i].local);
}
END_TEST

/* A shared connection must never see what changes or holds it. */
START_TEST(no_blocking_or_pubsub_command_is_forwarded)
{
    const struct command_table *table = command_builtin();

    for (uint32_t i = 0; i < command_count(table); i++) {
        const struct command *cmd = command_at(table, i);
        if (cmd->flags & COMMAND_BLOCKING)
            ck_assert_msg(cmd->flags & COMMAND_ALONE, "%s", cmd->name);
        if (cmd->flags & COMMAND_PUBSUB && strstr(cmd->name, "subscribe"))
            ck_assert_uint_eq(cmd->kind, COMMAND_LOCAL);
    }
}
END_TEST

static bool blocks(const char *line)
{
    struct request request;
    bool blocking;

    parse(&request, command_builtin(), line);
    blocking = command_is_blocking(request.cmd, request.bytes, &request.args);
    resp_args_free(&request.args);
    return blocking;
}

START_TEST(requests_that_may_block)
{
    ck_assert(blocks("blpop a 0"));
    ck_assert(blocks("xread block 0 streams a 0"));
    ck_assert(blocks("xread count 1 BLOCK 5 streams a 0"));
    ck_assert(blocks("xreadgroup group g c block 5 streams a >"));
    ck_assert(!blocks("xread streams block 0"));
    ck_assert(!blocks("xread count block streams a 0"));
    ck_assert(!blocks("xreadgroup group block block streams a >"));
    ck_assert(!blocks("xreadgroup group g c noack streams block >"));
    ck_assert(!blocks("get a"));
}
END_TEST

/* The error text for a line, as slotway's client would choose it. */
static const char *error_of(const char *line)
{
    static char text[COMMAND_ERROR_MAX + 1];
    struct request request;
    size_t len;

    if (!parse(&request, command_builtin(), line))
        len = command_error_unknown(text, COMMAND_ERROR_MAX, request.bytes, &request.args);
    else if (request.unknown_sub)
        len = command_error_subcommand(text, COMMAND_ERROR_MAX, request.cmd, request.bytes,
                                       &request.args);
    else
        len = command_error_arity(text, COMMAND_ERROR_MAX, request.cmd);
    text[len] = '\0';
    resp_args_free(&request.args);
    return text;
}

START_TEST(error_texts_of_redis)
{
    char line[2000], text[COMMAND_ERROR_MAX];
    struct request request;

    ck_assert_str_eq(error_of("foo"), "ERR unknown command 'foo', with args beginning with: ");
    ck_assert_str_eq(error_of("foo a \"b\\r\\nc\""),
                     "ERR unknown command 'foo', with args beginning with: 'a' 'b  c' ");
    ck_assert_str_eq(error_of("CLIENT foo"), "ERR unknown subcommand 'foo'. Try CLIENT HELP.");
    ck_assert_str_eq(error_of("client kill"),
                     "ERR wrong number of arguments for 'client|kill' command");
    ck_assert_str_eq(error_of("get"), "ERR wrong number of arguments for 'get' command");

    /* Names and arguments are cut at 128 bytes. */
    memset(line, 'x', sizeof(line));
    memcpy(line + 200, " aaaa ", 6);
    line[500] = '\0';
    snprintf(text, sizeof(text),
             "ERR unknown command '%.128s', with args beginning with: 'aaaa' '%.121s' ", line,
             line + 206);
    ck_assert_str_eq(error_of(line), text);

    /* A buffer that is too small is filled, not overrun. */
    parse(&request, command_builtin(), "foo a b c");
    ck_assert_uint_eq(command_error_unknown(text, 10, request.bytes, &request.args), 10);
    resp_args_free(&request.args);
}
END_TEST

/* --- learning ---------------------------------------------------------------------------------*/

#define BYTES(s) (s), sizeof(s) - 1
#define HEAD(n)  "*10\r\n" n ":-2\r\n"
#define NO_LISTS "*0\r\n*0\r\n*0\r\n*0\r\n"
#define INDEX_RANGE(index, last, step)                                                             \
    "*1\r\n*6\r\n$5\r\nflags\r\n*1\r\n+RO\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\n"    \
    "index\r\n$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:" index                                          \
    "\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\n"         \
    "lastkey\r\n:" last "\r\n$7\r\nkeystep\r\n:" step "\r\n$5\r\nlimit\r\n:0\r\n"

/* One command after the other. */
/* clang-format off */
static const char new_server[] =
    "*5\r\n"
    HEAD("$8\r\nMOD.READ\r\n") "*1\r\n+readonly\r\n:2\r\n:2\r\n:1\r\n*0\r\n*0\r\n"
        INDEX_RANGE("2", "0", "1") "*0\r\n"
    HEAD("$9\r\nmod.count\r\n")
        "*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*2\r\n$25\r\nrequest_policy:all_shards\r\n$23\r\n"
        "response_policy:agg_sum\r\n*0\r\n*0\r\n"
    HEAD("$9\r\nmod.admin\r\n") "*1\r\n+admin\r\n:0\r\n:0\r\n:0\r\n" NO_LISTS
    HEAD("$8\r\nmod.wait\r\n") "*1\r\n+blocking\r\n:0\r\n:0\r\n:0\r\n" NO_LISTS
    HEAD("$3\r\nbox\r\n") "*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*1\r\n"
    HEAD("$7\r\nbox|put\r\n") "*1\r\n+write\r\n:2\r\n:2\r\n:1\r\n*0\r\n*0\r\n"
        INDEX_RANGE("2", "-1", "1") "*0\r\n";
/* clang-format on */

START_TEST(learned_from_a_new_server)
{
    const char *error = "";
    struct command_table *table = command_learn(BYTES(new_server), &error);

    ck_assert_ptr_nonnull(table);
    ck_assert_ptr_null(error);
    ck_assert_str_eq(keys_of(table, "mod.read x k"), "k");
    ck_assert_str_eq(keys_of(table, "box put a b"), "a b");
    ck_assert(find(table, "mod.read")->flags & COMMAND_READONLY);
    ck_assert_uint_eq(find(table, "mod.read")->kind, COMMAND_KEYED);
    ck_assert_uint_eq(find(table, "mod.count")->kind, COMMAND_MASTERS);
    ck_assert_uint_eq(find(table, "mod.count")->merge, COMMAND_MERGE_SUM);
    ck_assert_uint_eq(find(table, "mod.admin")->kind, COMMAND_ADMIN);
    ck_assert_uint_eq(find(table, "mod.wait")->kind, COMMAND_LATER);
    ck_assert_uint_eq(find(table, "proxy info")->kind, COMMAND_LOCAL);
    ck_assert_uint_eq(find(table, "client setinfo")->kind, COMMAND_LOCAL);
    ck_assert_ptr_null(find(table, "get a"));
    command_table_free(table);
}
END_TEST

/* A server that says of commands which slotway knows what it is not ready for. */
/* clang-format off */
static const char odd_server[] =
    "*3\r\n"
    HEAD("$3\r\ndel\r\n") "*1\r\n+write\r\n:2\r\n:-1\r\n:2\r\n*0\r\n*0\r\n"
        INDEX_RANGE("2", "-1", "2") "*0\r\n"
    HEAD("$4\r\nmget\r\n") "*1\r\n+readonly\r\n:1\r\n:-1\r\n:1\r\n*0\r\n*0\r\n"
        INDEX_RANGE("1", "-1", "1") "*0\r\n"
    "*10\r\n$4\r\necho\r\n:-1\r\n*0\r\n:0\r\n:0\r\n:0\r\n" NO_LISTS;
/* clang-format on */

START_TEST(what_is_split_or_answered_here_has_the_arguments_for_it)
{
    const char *error;
    struct command_table *table = command_learn(BYTES(odd_server), &error);

    ck_assert_ptr_nonnull(table);
    ck_assert_uint_eq(find(table, "del a b")->kind, COMMAND_KEYED);
    ck_assert_uint_eq(find(table, "mget a b")->kind, COMMAND_SPLIT);
    ck_assert(!command_arity_ok(find(table, "echo a"), 1));
    command_table_free(table);
}
END_TEST

static const char old_server[] =
    "*4\r\n"
    "*6\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
    "*6\r\n$4\r\neval\r\n:-3\r\n*1\r\n+movablekeys\r\n:0\r\n:0\r\n:0\r\n"
    "*6\r\n$6\r\nconfig\r\n:-2\r\n*1\r\n+admin\r\n:0\r\n:0\r\n:0\r\n"
    "*6\r\n$7\r\nmod.old\r\n:-3\r\n*1\r\n+write\r\n:1\r\n:-2\r\n:1\r\n";

START_TEST(learned_from_an_old_server)
{
    const char *error;
    struct command_table *table = command_learn(BYTES(old_server), &error);

    ck_assert_ptr_nonnull(table);
    ck_assert(find(table, "get a")->flags & COMMAND_ONE_KEY);
    ck_assert_str_eq(keys_of(table, "eval s 1 a b"), "a");
    ck_assert_str_eq(keys_of(table, "mod.old a b c"), "a b");
    ck_assert_uint_eq(find(table, "config set")->kind, COMMAND_MASTERS);
    command_table_free(table);
}
END_TEST

START_TEST(reply_that_is_not_of_command)
{
    static const char *const bad[] = {
        "",
        "*0\r\n",
        "+OK\r\n",
        "-ERR unknown command\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*-1\r\n",
        "*1\r\n*1\r\n$3\r\nget\r\n",
        "*1\r\n*6\r\n$3\r\nget\r\n:99999\r\n*0\r\n:1\r\n:1\r\n:1\r\n",
        "*1\r\n*6\r\n$4\r\na b \r\n:1\r\n*0\r\n:1\r\n:1\r\n:1\r\n",
        "*1\r\n*6\r\n$0\r\n\r\n:1\r\n*0\r\n:1\r\n:1\r\n:1\r\n",
        "*1\r\n*6\r\n$-1\r\n:1\r\n*0\r\n:1\r\n:1\r\n:1\r\n",
        "*2\r\n*6\r\n$3\r\nget\r\n:2\r\n*0\r\n:1\r\n:1\r\n:1\r\n",
        "*1\r\n*6\r\n$3\r\nget\r\n:2\r\n*0\r\n:1\r\n:1\r\n:1\r\n+trailing\r\n",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *error = NULL;
        ck_assert_ptr_null(command_learn(bad[i], strlen(bad[i]), &error));
        ck_assert_ptr_nonnull(error);
    }
}
END_TEST

START_TEST(cut_reply_is_not_learned)
{
    const char *error;

    for (size_t len = 0; len < sizeof(new_server) - 1; len++)
        ck_assert_ptr_null(command_learn(new_server, len, &error));
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static Suite *command_suite(void)
{
    Suite *suite = suite_create("command");
    TCase *tcase = tcase_create("command");

    tcase_add_loop_test(tcase, keys_as_a_server_finds_them, 0, COUNT(known_keys));
    tcase_add_test(tcase, arguments_without_sense_give_no_keys);
    tcase_add_test(tcase, names_are_found_in_any_case);
    tcase_add_test(tcase, names_that_are_no_commands);
    tcase_add_test(tcase, every_command_is_found_by_its_name);
    tcase_add_test(tcase, arity);
    tcase_add_test(tcase, one_key_commands);
    tcase_add_loop_test(tcase, policies, 0, COUNT(known_policies));
    tcase_add_test(tcase, no_blocking_or_pubsub_command_is_forwarded);
    tcase_add_test(tcase, requests_that_may_block);
    tcase_add_test(tcase, error_texts_of_redis);
    tcase_add_test(tcase, learned_from_a_new_server);
    tcase_add_test(tcase, what_is_split_or_answered_here_has_the_arguments_for_it);
    tcase_add_test(tcase, learned_from_an_old_server);
    tcase_add_test(tcase, reply_that_is_not_of_command);
    tcase_add_test(tcase, cut_reply_is_not_learned);
    suite_add_tcase(suite, tcase);
    return suite;
}

UNIT_MAIN(command_suite)
