/* server commands: what slotway answers itself or puts together, so that clients see one server. */
#include "support/fixture.h"
#include "support/wire.h"
#include <stdarg.h>
#include <string.h>

static redisContext *c;

static void begin(void)
{
    c = client_open(proxy->port);
}

/* The whole reply of a command as raw text. */
static char *raw(redisContext *on, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    redisReply *r = redisvCommand(on, fmt, ap);
    va_end(ap);
    ck_assert(r != NULL);
    ck_assert_msg(r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS,
                  "%s: type %d %.200s", fmt, r->type, r->str ? r->str : "");
    char *text = strdup(r->str);
    freeReplyObject(r);
    return text;
}

static long long number_in(const char *text, const char *field)
{
    const char *at = strstr(text, field);
    ck_assert_msg(at != NULL, "no %s in %.2000s", field, text);
    return atoll(at + strlen(field));
}

START_TEST(info_looks_like_one_server)
{
    begin();
    expect(c, "OK", "FLUSHALL");
    for (int i = 0; i < 300; i++)
        expect(c, "OK", i % 3 ? "SET info:%d x" : "SETEX info:%d 1000 x", i);
    char *info = raw(c, "INFO");
    static const char *const sections[] = {"# Server",
                                           "# Clients",
                                           "# Memory",
                                           "# Stats",
                                           "# Replication",
                                           "# CPU",
                                           "# Cluster",
                                           "# Keyspace",
                                           "# slotway",
                                           "redis_version:7.",
                                           "redis_mode:",
                                           "process_id:",
                                           "tcp_port:",
                                           "uptime_in_seconds:",
                                           "connected_clients:",
                                           "used_memory:",
                                           "total_commands_processed:",
                                           "role:master",
                                           "db0:keys=300,expires=100"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        ck_assert_msg(strstr(info, sections[i]) != NULL, "INFO lacks %s", sections[i]);
    char want[32];
    snprintf(want, sizeof want, "tcp_port:%d", proxy->port);
    ck_assert_msg(strstr(info, want) != NULL, "INFO lacks %s", want);
    /* Each line is a comment, empty or field:value, each field once. */
    char *save, *copy = strdup(info);
    for (char *line = strtok_r(copy, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
        ck_assert_msg(line[0] == '#' || strchr(line, ':'), "odd line in INFO: %s", line);
    char *keyspace = raw(c, "INFO keyspace");
    ck_assert(strstr(keyspace, "# Keyspace") && !strstr(keyspace, "# Server"));
    char *two = raw(c, "INFO server memory");
    ck_assert(strstr(two, "# Server") && strstr(two, "# Memory") && !strstr(two, "# Keyspace"));
    char *own = raw(c, "INFO slotway");
    ck_assert(strstr(own, "# slotway") && !strstr(own, "# Server"));
    ck_assert_str_eq(raw(c, "INFO nosuchsection"), "");
    struct wire *resp3 = wire_open(proxy->port);
    wire_expect(resp3, "HELLO 3", "%{*}");
    wire_expect(resp3, "INFO cpu", "=\"txt:# CPU*used_cpu_sys:*\"");
    wire_expect(resp3, "INFO cpu memory", "=\"txt:*# CPU*\"");
    wire_expect(resp3, "INFO cpu memory", "=\"txt:*# Memory*\"");
    wire_close(resp3);
    ck_assert_int_gt(number_in(raw(c, "INFO everything"), "used_memory:"), 1000);
    ck_assert_int_gt(number_in(raw(c, "INFO stats"), "total_connections_received:"), 0);
    expect(c, "OK", "CONFIG RESETSTAT");
    ck_assert_int_eq(number_in(raw(c, "INFO stats"), "total_connections_received:"), 0);
    ck_assert_int_eq(number_in(raw(c, "INFO stats"), "pubsub_channels:"), 0);
    redisContext *s = client_open(proxy->port);
    expect(s, "[\"subscribe\", \"info\", :1]", "SUBSCRIBE info");
    expect(s, "[\"psubscribe\", \"a*\", :2]", "PSUBSCRIBE a*");
    expect(s, "[\"ssubscribe\", \"info\", :1]", "SSUBSCRIBE info");
    info = raw(c, "INFO stats");
    ck_assert_int_eq(number_in(info, "total_connections_received:"), 1);
    ck_assert_int_eq(number_in(info, "pubsub_channels:"), 1);
    ck_assert_int_eq(number_in(info, "pubsub_patterns:"), 1);
    ck_assert_int_eq(number_in(info, "pubsubshard_channels:"), 1);
    redisFree(s);
}
END_TEST

START_TEST(one_node_owns_all_slots)
{
    begin();
    char *nodes = raw(c, "CLUSTER NODES"), want[128];
    ck_assert_msg(strstr(nodes, "myself,master") != NULL, "%s", nodes);
    ck_assert_msg(strstr(nodes, " 0-16383") != NULL, "%s", nodes);
    ck_assert_msg(strchr(nodes, '\n') == strrchr(nodes, '\n'), "more than one node: %s", nodes);
    snprintf(want, sizeof want, "127.0.0.1:%d@", proxy->port);
    ck_assert_msg(strstr(nodes, want) != NULL, "%s", nodes);
    char *id = raw(c, "CLUSTER MYID");
    ck_assert_int_eq(strlen(id), 40);
    ck_assert(strncmp(nodes, id, 40) == 0);
    snprintf(want, sizeof want, "[[:0, :16383, [\"127.0.0.1\", :%d, \"%s\", []]]]", proxy->port,
             id);
    expect(c, want, "CLUSTER SLOTS");
    expect(c, "*cluster_state:ok*cluster_slots_assigned:16384*", "CLUSTER INFO");
    expect(c, "[[\"slots\", [:0, :16383], \"nodes\", [[*]]]]", "CLUSTER SHARDS");
    expect(c, ":12182", "CLUSTER KEYSLOT foo");
    expect(c, ":0", "CLUSTER COUNT-FAILURE-REPORTS %s", id);
    expect(c, "OK", "SET {slot}a x");
    expect(c, "OK", "SET {slot}b x");
    snprintf(want, sizeof want, "%d", cluster_slot("slot", 4));
    expect(c, ":2", "CLUSTER COUNTKEYSINSLOT %s", want);
    expect(c, "[\"{slot}*\", \"{slot}*\"]", "CLUSTER GETKEYSINSLOT %s 10", want);
    expect(c, "[\"{slot}*\"]", "CLUSTER GETKEYSINSLOT %s 1", want);
    expect(c, "-ERR*", "CLUSTER COUNTKEYSINSLOT 20000");
    expect(c, "-ERR*", "CLUSTER RESET");
    expect(c, "-ERR*", "CLUSTER MEET 127.0.0.1 1");
    expect(c, "-ERR*", "CLUSTER ADDSLOTS 1");
    expect(c, "-ERR*", "CLUSTER FAILOVER");
    expect(c, "-ERR wrong number of arguments for 'cluster' command", "CLUSTER");
    expect(c, "-ERR unknown subcommand 'nonsense'. Try CLUSTER HELP.", "CLUSTER nonsense");
    expect(c, "[*]", "CLUSTER HELP");
}
END_TEST

START_TEST(connection_commands)
{
    begin();
    expect(c, "PONG", "PING");
    expect(c, "\"a b\"", "PING %s", "a b");
    expect(c, "-ERR wrong number of arguments for 'ping' command", "PING a b");
    expect(c, "\"x\"", "ECHO x");
    expect(c, "OK", "SELECT 0");
    expect(c, "-ERR SELECT is not allowed in cluster mode", "SELECT 1");
    expect(c, "-ERR value is not an integer or out of range", "SELECT x");
    expect(c, "OK", "READONLY");
    expect(c, "OK", "READWRITE");
    expect(c, "OK", "ASKING");
    expect(c, "RESET", "RESET");
    expect(
        c,
        "[\"server\", \"redis\", \"version\", \"7.*\", \"proto\", :2, \"id\", :*, \"mode\", \"*\", "
        "\"role\", \"master\", \"modules\", []]",
        "HELLO 2");
    expect(c, "[\"server\"*", "HELLO");
    expect(c, "-NOPROTO *", "HELLO 4");
    expect(c, "-NOPROTO unsupported protocol version", "HELLO 9");
    expect(c, "-ERR Protocol version is not an integer or out of range", "HELLO x");
    expect(c, "[\"server\"*", "HELLO 2 SETNAME byhello");
    expect(c, "\"byhello\"", "CLIENT GETNAME");
    expect(c, "-ERR*AUTH*", "AUTH nopassword");
    expect(c, "-ERR syntax error", "AUTH a b c");
    expect(c, "OK", "QUIT");
    expect(c, "closed*", "PING");
}
END_TEST

START_TEST(client_commands)
{
    begin();
    redisContext *two = client_open(proxy->port);
    long long id1 = atoll(ask(c, "CLIENT ID") + 1), id2 = atoll(ask(two, "CLIENT ID") + 1);
    ck_assert_int_gt(id1, 0);
    ck_assert_int_ne(id1, id2);
    expect(c, "nil", "CLIENT GETNAME");
    expect(c, "OK", "CLIENT SETNAME first");
    expect(c, "\"first\"", "CLIENT GETNAME");
    expect(c, "-ERR Client names cannot contain spaces, newlines or special characters.",
           "CLIENT SETNAME %s", "a b");
    expect(c, "OK", "CLIENT SETINFO lib-name tests");
    char *info = raw(c, "CLIENT INFO"), want[64];
    snprintf(want, sizeof want, "id=%lld ", id1);
    ck_assert_msg(strncmp(info, want, strlen(want)) == 0, "%s", info);
    static const char *const fields[] = {
        " addr=127.0.0.1:", " laddr=127.0.0.1:", " fd=",   " name=first ",     " age=",
        " idle=",           " flags=",           " db=0 ", " cmd=client|info", " user=default"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        ck_assert_msg(strstr(info, fields[i]) != NULL, "no%s in %s", fields[i], info);
    char *list = raw(c, "CLIENT LIST");
    snprintf(want, sizeof want, "id=%lld ", id2);
    ck_assert_msg(strstr(list, want) != NULL, "%s", list);
    ck_assert(strstr(list, "name=first") != NULL);
    char *some = raw(c, "CLIENT LIST ID %lld", id2);
    ck_assert(strstr(some, want) && !strstr(some, "name=first"));
    expect(c, "\"\"", "CLIENT LIST TYPE replica");
    expect(c, "-ERR Unknown client type 'x'", "CLIENT LIST TYPE x");
    expect(c, ":-1", "CLIENT GETREDIR");
    expect(c, "OK", "CLIENT NO-EVICT on");
    expect(c, "-ERR unknown subcommand 'nonsense'. Try CLIENT HELP.", "CLIENT nonsense");
    expect(c, "-ERR wrong number of arguments for 'client' command", "CLIENT");
    redisFree(two);
}
END_TEST

START_TEST(client_kill)
{
    begin();
    redisContext *two = client_open(proxy->port), *three = client_open(proxy->port);
    long long id = atoll(ask(two, "CLIENT ID") + 1);
    expect(c, ":1", "CLIENT KILL ID %lld", id);
    expect(two, "closed*", "PING");
    expect(c, ":0", "CLIENT KILL ID %lld", id);
    expect(c, "-ERR No such client", "CLIENT KILL 127.0.0.1:1");
    char *info = raw(three, "CLIENT INFO"), address[64];
    ck_assert_int_eq(sscanf(strstr(info, "addr=") + 5, "%63s", address), 1);
    expect(c, "OK", "CLIENT KILL %s", address);
    expect(three, "closed*", "PING");
    expect(c, "-ERR No such client", "CLIENT KILL ID");
    expect(c, "-ERR syntax error", "CLIENT KILL ID 1 ADDR");
    expect(c, "PONG", "PING");
}
END_TEST

START_TEST(client_reply)
{
    begin();
    redisContext *r = client_open(proxy->port);
    redisAppendCommand(r, "CLIENT REPLY SKIP");
    redisAppendCommand(r, "SET reply a");
    redisAppendCommand(r, "GET reply");
    void *reply;
    ck_assert_int_eq(redisGetReply(r, &reply), REDIS_OK);
    ck_assert_str_eq(render(reply), "\"a\"");
    redisAppendCommand(r, "CLIENT REPLY OFF");
    for (int i = 0; i < 50; i++)
        redisAppendCommand(r, "MSET reply %d other%d x", i, i);
    redisAppendCommand(r, "NOSUCH");
    redisAppendCommand(r, "CLIENT REPLY ON");
    redisAppendCommand(r, "GET reply");
    ck_assert_int_eq(redisGetReply(r, &reply), REDIS_OK);
    ck_assert_str_eq(render(reply), "OK");
    ck_assert_int_eq(redisGetReply(r, &reply), REDIS_OK);
    ck_assert_str_eq(render(reply), "\"49\"");
}
END_TEST

START_TEST(client_pause)
{
    begin();
    redisContext *two = client_open(proxy->port);
    expect(c, "OK", "SET paused before");
    expect(c, "OK", "CLIENT PAUSE 60000 WRITE");
    expect(two, "\"before\"", "GET paused");
    redisAppendCommand(two, "SET paused after");
    int done = 0;
    redisBufferWrite(two, &done);
    for (int i = 0; i < 20; i++)
        expect(c, "\"before\"", "GET paused");
    expect(c, "OK", "CLIENT UNPAUSE");
    void *reply;
    ck_assert_int_eq(redisGetReply(two, &reply), REDIS_OK);
    ck_assert_str_eq(render(reply), "OK");
    int64_t start = now_ms();
    expect(c, "OK", "CLIENT PAUSE 300 ALL");
    expect(two, "\"after\"", "GET paused");
    ck_assert_int_ge(now_ms() - start, 250);
    expect(c, "-ERR timeout is not an integer or out of range", "CLIENT PAUSE x");
}
END_TEST

START_TEST(command_table)
{
    begin();
    char want[32];
    redisReply *r = redisCommand(c, "COMMAND");
    ck_assert(r && r->type == REDIS_REPLY_ARRAY);
    ck_assert_int_gt(r->elements, 200);
    snprintf(want, sizeof want, ":%zu", r->elements);
    expect(c, want, "COMMAND COUNT");
    freeReplyObject(r);
    expect(c, "[[\"get\", :2, [*readonly*], :1, :1, :1, [*], [], [*], []]]", "COMMAND INFO get");
    expect(c, "[nil]", "COMMAND INFO nosuch");
    expect(c, "[\"a\", \"b\"]", "COMMAND GETKEYS MSET a 1 b 2");
    expect(c, "[\"k\"]", "COMMAND GETKEYS EVAL x 1 k arg");
    expect(c, "-ERR The command has no key arguments", "COMMAND GETKEYS PING a");
    expect(c, "[\"get\", [*]]", "COMMAND DOCS get");
    expect(c, "[*\"get\"*]", "COMMAND LIST");
    expect(c, "[*]", "COMMAND HELP");
}
END_TEST

START_TEST(unknown_and_wrong_commands)
{
    begin();
    expect(c, "-ERR unknown command 'nosuch', with args beginning with: ", "nosuch");
    expect(c, "-ERR unknown command 'nosuch', with args beginning with: 'a' 'b' ", "nosuch a b");
    expect(c, "-ERR wrong number of arguments for 'get' command", "GET");
    expect(c, "-ERR wrong number of arguments for 'get' command", "GET a b");
    expect(c, "-ERR wrong number of arguments for 'set' command", "SET a");
    expect(c, "-ERR wrong number of arguments for 'mget' command", "MGET");
    expect(c, "-ERR wrong number of arguments for 'config|get' command", "CONFIG GET");
    expect(c, "-ERR unknown subcommand 'nonsense'. Try CONFIG HELP.", "CONFIG nonsense");
    expect(c, "-ERR syntax error", "SET wrong:key v NONSENSE");
    expect(c, "-ERR value is not an integer or out of range", "INCRBY wrong:key x");
    expect(c, "OK", "SET wrong:key v");
    expect(c, "-WRONGTYPE Operation against a key holding the wrong kind of value",
           "LPUSH wrong:key x");
}
END_TEST

START_TEST(dangerous_commands_are_refused)
{
    static const char *const refused[] = {
        "SHUTDOWN",      "REPLICAOF NO ONE", "SLAVEOF NO ONE",   "FAILOVER",
        "DEBUG SLEEP 0", "BGREWRITEAOF",     "MODULE LOAD /x",   "SYNC",
        "PSYNC ? -1",    "REPLCONF x y",     "BGSAVE",           "SAVE",
        "SWAPDB 0 1",    "MOVE a 1",         "MIGRATE h 1 a 0 1"};
    begin();
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const char *text = ask(c, refused[i]);
        /* Those that Redis itself refuses in a cluster may have its text. */
        ck_assert_msg(text[0] == '-' || strncmp(refused[i], "MIGRATE", 7) == 0, "%s: %s",
                      refused[i], text);
    }
    for (int i = 0; i < cluster->nnodes; i++)
        ck_assert_str_eq(ask_port(cluster->nodes[i].port, "PING"), "PONG");
}
END_TEST

START_TEST(config_goes_to_all_nodes)
{
    begin();
    expect(c, "[\"maxmemory-samples\", \"5\"]", "CONFIG GET maxmemory-samples");
    expect(c, "OK", "CONFIG SET maxmemory-samples 7");
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(ask_port(cluster_master(cluster, i), "CONFIG GET maxmemory-samples"),
                         "[\"maxmemory-samples\", \"7\"]");
    expect(c, "OK", "CONFIG SET maxmemory-samples 5");
    expect(c, "-ERR *", "CONFIG SET nosuch 1");
    expect(c, "OK", "CONFIG RESETSTAT");
    expect(c, "[*]", "SLOWLOG GET");
    expect(c, ":*", "SLOWLOG LEN");
    expect(c, "OK", "SLOWLOG RESET");
    expect(c, "*", "LATENCY LATEST");
    expect(c, "[*]", "MEMORY STATS");
}
END_TEST

/* Settings about clients are slotway's, limits on requests both sides', others the nodes'. */
START_TEST(config_of_clients_is_slotways)
{
    static const char failed[] = "-ERR CONFIG SET failed (possibly related to argument '%s') - *";
    char want[160], limit[64];
    begin();
    snprintf(limit, sizeof limit, "%s", ask_port(cluster_master(cluster, 0), "CONFIG GET timeout"));
    expect(c, "OK", "CONFIG SET timeout 77 maxmemory-samples 6 proto-max-bulk-len 3mb");
    expect(c, "[\"timeout\", \"77\"]", "CONFIG GET timeout");
    expect(c, "[\"timeout\", \"77\"]", "PROXY CONFIG GET timeout");
    expect(c, "[\"proto-max-bulk-len\", \"3145728\"]", "PROXY CONFIG GET proto-max-bulk-len");
    expect(c, "[\"proto-max-bulk-len\", \"3145728\"]", "CONFIG GET proto-max-bulk-len");
    for (int i = 0; i < 3; i++) {
        int port = cluster_master(cluster, i);
        ck_assert_str_eq(ask_port(port, "CONFIG GET timeout"), limit);
        ck_assert_str_eq(ask_port(port, "CONFIG GET maxmemory-samples"),
                         "[\"maxmemory-samples\", \"6\"]");
        ck_assert_str_eq(ask_port(port, "CONFIG GET proto-max-bulk-len"),
                         "[\"proto-max-bulk-len\", \"3145728\"]");
    }
    /* What is wrong on one side changes nothing on the other. */
    snprintf(want, sizeof want, failed, "maxmemory-samples");
    expect(c, want, "CONFIG SET timeout 78 maxmemory-samples minus");
    snprintf(want, sizeof want, failed, "port");
    expect(c, want, "CONFIG SET maxmemory-samples 7 port 1");
    snprintf(want, sizeof want, failed, "cluster-announce-port");
    expect(c, want, "CONFIG SET cluster-announce-port 7000");
    snprintf(want, sizeof want, failed, "timeout");
    expect(c, want, "CONFIG SET timeout 1 timeout 2");
    expect(c, want, "CONFIG SET timeout minus");
    expect(c, "-ERR syntax error", "CONFIG SET timeout 1 maxmemory-samples");
    expect(c, "[\"timeout\", \"77\"]", "CONFIG GET timeout");
    expect(c, "[\"maxmemory-samples\", \"6\"]", "CONFIG GET maxmemory-samples");
    expect(c, "OK", "CONFIG SET timeout 0 maxmemory-samples 5 proto-max-bulk-len 512mb");
}
END_TEST

/* The slow log that takes everything has what slotway answers itself too. */
START_TEST(slowlog_of_everything)
{
    begin();
    expect(c, "OK", "CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 3");
    expect(c, "[[:*, :*, :*, [\"CONFIG\", \"SET\", \"slowlog-*\", \"0\", *], *]]", "SLOWLOG GET 1");
    expect(c, "OK", "SLOWLOG RESET");
    expect(c, "OK", "SET slow 1");
    expect(c,
           "[[:*, :*, :*, [\"SET\", \"slow\", \"1\"], *], [:*, :*, :*, [\"SLOWLOG\", "
           "\"RESET\"], *]]",
           "SLOWLOG GET");
    for (int i = 0; i < 5; i++)
        expect(c, "PONG", "PING");
    expect(c, ":3", "SLOWLOG LEN");
    expect(c, "[[:*, :*, :*, [\"PING\"], *]]", "SLOWLOG GET 1");
    expect(c, ":*", "DBSIZE");
    expect(c, "[[:*, :*, :*, [\"DBSIZE\"], *], [:*, :*, :*, [\"PING\"], *]]", "SLOWLOG GET 2");
    expect(c, "OK", "CONFIG SET slowlog-log-slower-than 10000 slowlog-max-len 128");
}
END_TEST

/* CLIENT PAUSE WRITE: what may write waits and counts as blocked; the rest goes on, and so do
 * scripts that say that they do not write. */
START_TEST(a_pause_holds_writes)
{
    static const char *const go_on[] = {"GET paused", "PING", "INFO", "EVAL_RO %s 0"};
    begin();
    redisContext *other = client_open(proxy->port);
    expect(c, "OK", "CLIENT PAUSE 60000 WRITE");
    for (size_t i = 0; i < sizeof go_on / sizeof *go_on; i++)
        ck_assert_str_ne(ask(c, go_on[i], "return 1"), "");
    expect(c, ":12", "EVAL %s 0", "#!lua flags=no-writes\nreturn 12");
    expect(c, "-ERR wrong number of arguments for 'set' command", "SET paused");
    expect(c, "*blocked_clients:0*", "INFO clients");
    redisAppendCommand(other, "PFCOUNT held");
    int done = 0;
    ck_assert_int_eq(redisBufferWrite(other, &done), REDIS_OK);
    expect_soon(c, "*blocked_clients:1*", "INFO clients");
    /* A second pause can't shorten the first. */
    expect(c, "OK", "CLIENT PAUSE 1 WRITE");
    expect(c, "*blocked_clients:1*", "INFO clients");
    expect(c, "OK", "CLIENT UNPAUSE");
    redisReply *reply;
    ck_assert_int_eq(redisGetReply(other, (void **)&reply), REDIS_OK);
    ck_assert_msg(reply->type == REDIS_REPLY_INTEGER, "PFCOUNT: %s", reply->str ? reply->str : "");
    freeReplyObject(reply);
    redisFree(other);
}
END_TEST

START_TEST(proxy_commands)
{
    begin();
    expect(c, "[*]", "PROXY HELP");
    expect(c, "*", "PROXY INFO");
    expect(c, "\"*.*\"", "PROXY VERSION");
    expect(c, "[\"maxclients\", \"10000\"]", "PROXY CONFIG GET maxclients");
    expect(c, "OK", "PROXY CONFIG SET maxclients 9000");
    expect(c, "[\"maxclients\", \"9000\"]", "PROXY CONFIG GET maxclients");
    expect(c, "OK", "PROXY CONFIG SET maxclients 10000");
    expect(c, "-ERR *", "PROXY CONFIG SET nosuch 1");
    expect(c, "-ERR *", "PROXY CONFIG SET maxclients minus");
    expect(c, "-ERR *", "PROXY CONFIG SET port 1");
    const char *nodes = ask(c, "PROXY NODES");
    for (int i = 0; i < cluster->nnodes; i++) {
        char port[12];
        snprintf(port, sizeof port, "%d", cluster->nodes[i].port);
        ck_assert_msg(strstr(nodes, port) != NULL, "PROXY NODES lacks %s: %s", port, nodes);
    }
    expect(c, "*", "PROXY SLOTS");
    expect(c, "OK", "PROXY REFRESH");
    expect(c, "-ERR *", "PROXY nonsense");
}
END_TEST

START_TEST(slow_commands_are_kept)
{
    begin();
    expect(c, "OK", "PROXY CONFIG SET slowlog-log-slower-than 0");
    expect(c, "OK", "SLOWLOG RESET");
    expect(c, "OK", "SET slow:key value");
    expect(c, "[*[:*, :*, :*, [\"SET\", \"slow:key\", \"value\"], \"127.0.0.1:*\", \"\"]*]",
           "SLOWLOG GET 10");
    expect(c, "OK", "PROXY CONFIG SET slowlog-log-slower-than 10000");
}
END_TEST

FIXTURE_SUITE("server commands", 30, NULL, info_looks_like_one_server, one_node_owns_all_slots,
              connection_commands, client_commands, client_kill, client_reply, client_pause,
              command_table, unknown_and_wrong_commands, dangerous_commands_are_refused,
              config_goes_to_all_nodes, config_of_clients_is_slotways, slowlog_of_everything,
              a_pause_holds_writes, proxy_commands, slow_commands_are_kept)
