/* routing: every command reaches the node that owns its keys, and what needs several nodes is split
 * and put together as one server would answer. */
#include "support/fixture.h"
#include <string.h>

static redisContext *c;

/* Three names, each owned by another master. */
static const char *far[3];

static void open_client(void)
{
    c = client_open(proxy->port);
    expect(c, "OK", "FLUSHALL");
    for (int i = 0; i < 3; i++)
        far[i] = strdup(cluster_key(cluster, cluster_master(cluster, i), "far:", 0));
}

START_TEST(every_type_works_on_keys_of_every_master)
{
    open_client();
    for (int i = 0; i < 60; i++) {
        expect(c, "OK", "SET s:%d value%d", i, i);
        expect(c, ":1", "INCR n:%d", i);
        expect(c, ":2", "RPUSH l:%d a b", i);
        expect(c, ":1", "HSET h:%d f v", i);
        expect(c, ":2", "SADD m:%d a b", i);
        expect(c, ":1", "ZADD z:%d 1 one", i);
        expect(c, "\"1-1\"", "XADD x:%d 1-1 f v", i);
        expect(c, ":1", "PFADD p:%d a", i);
        expect(c, ":0", "SETBIT b:%d 7 1", i);
        expect(c, ":1", "GEOADD g:%d 13.361389 38.115556 Palermo", i);
    }
    for (int i = 0; i < 60; i++) {
        char want[32];
        snprintf(want, sizeof want, "\"value%d\"", i);
        expect(c, want, "GET s:%d", i);
        expect(c, "\"1\"", "GET n:%d", i);
        expect(c, "[\"a\", \"b\"]", "LRANGE l:%d 0 -1", i);
        expect(c, "[\"f\", \"v\"]", "HGETALL h:%d", i);
        expect(c, ":2", "SCARD m:%d", i);
        expect(c, "[\"one\", \"1\"]", "ZRANGE z:%d 0 -1 WITHSCORES", i);
        expect(c, "[[\"1-1\", [\"f\", \"v\"]]]", "XRANGE x:%d - +", i);
        expect(c, ":1", "PFCOUNT p:%d", i);
        expect(c, ":1", "BITCOUNT b:%d", i);
        expect(c, "list", "TYPE l:%d", i);
    }
}
END_TEST

START_TEST(keys_are_where_the_cluster_wants_them)
{
    open_client();
    for (int i = 0; i < 200; i++) {
        char key[40];
        snprintf(key, sizeof key, i % 3 ? "where:%d" : "{tag%d}where", i);
        expect(c, "OK", "SET %s x", key);
        ck_assert_str_eq(ask_port(cluster_owner_of(cluster, key), "EXISTS %s", key), ":1");
        char want[16];
        snprintf(want, sizeof want, ":%d", cluster_slot(key, strlen(key)));
        expect(c, want, "CLUSTER KEYSLOT %s", key);
    }
}
END_TEST

START_TEST(hash_tags_follow_the_specification)
{
    static const char *const keys[] = {"{user1000}.following",
                                       "foo{}{bar}",
                                       "foo{{bar}}zap",
                                       "foo{bar}{zap}",
                                       "{}",
                                       "{",
                                       "}",
                                       "{}x",
                                       "a{b",
                                       "a}b{c}d",
                                       "\x01\xff{\x02}\xfe"};
    open_client();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        expect(c, "OK", "SET %s v%d", keys[i], (int)i);
        char want[16];
        snprintf(want, sizeof want, "\"v%d\"", (int)i);
        expect(c, want, "GET %s", keys[i]);
        ck_assert_str_eq(ask_port(cluster_owner_of(cluster, keys[i]), "EXISTS %s", keys[i]), ":1");
    }
    expect(c, "OK", "SET %b empty", "", (size_t)0);
    expect(c, "\"empty\"", "GET %b", "", (size_t)0);
    expect(c, "OK", "MSET {t}a 1 {t}b 2 {t}c 3");
    expect(c, ":0", "MSETNX {t}c 4 {t}d 5");
    expect(c, ":1", "MSETNX {t}e 4 {t}d 5");
    expect(c, "OK", "RENAME {t}a {t}z");
    expect(c, ":2", "SADD {t}s1 a b");
    expect(c, ":2", "SUNIONSTORE {t}s {t}s1 {t}s2");
    expect(c, "[\"a\", \"b\"]", "SORT {t}s1 ALPHA");
    expect(c, ":2", "SORT {t}s1 ALPHA STORE {t}sorted");
}
END_TEST

START_TEST(mget_keeps_order_duplicates_and_nils)
{
    open_client();
    for (int i = 0; i < 3; i++)
        expect(c, "OK", "SET %s %d", far[i], i);
    expect(c, "[\"0\", \"1\", \"2\"]", "MGET %s %s %s", far[0], far[1], far[2]);
    expect(c, "[\"2\", \"0\", \"2\", nil, \"1\", \"0\"]", "MGET %s %s %s nothing %s %s", far[2],
           far[0], far[2], far[1], far[0]);
    expect(c, ":1", "RPUSH alist x");
    expect(c, "[nil, \"1\"]", "MGET alist %s", far[1]);
    expect(c, "[\"0\"]", "MGET %s", far[0]);
}
END_TEST

START_TEST(mset_last_duplicate_wins)
{
    open_client();
    expect(c, "OK", "MSET %s a %s b %s c %s d", far[0], far[1], far[0], far[2]);
    expect(c, "[\"c\", \"b\", \"d\"]", "MGET %s %s %s", far[0], far[1], far[2]);
    expect(c, "-ERR wrong number of arguments for 'mset' command", "MSET %s a %s", far[0], far[1]);
    expect(c, "-ERR wrong number of arguments for 'mset' command", "MSET a");
}
END_TEST

START_TEST(counting_commands_add_up)
{
    open_client();
    expect(c, "OK", "MSET %s a %s b %s c", far[0], far[1], far[2]);
    expect(c, ":3", "EXISTS %s %s %s", far[0], far[1], far[2]);
    expect(c, ":4", "EXISTS %s %s %s %s no", far[0], far[1], far[1], far[2]);
    expect(c, ":2", "TOUCH %s no %s", far[0], far[2]);
    expect(c, ":2", "DEL %s %s %s no", far[0], far[0], far[1]);
    expect(c, ":1", "UNLINK %s %s %s", far[0], far[1], far[2]);
    expect(c, ":0", "DBSIZE");
}
END_TEST

START_TEST(wide_split_over_a_thousand_keys)
{
    open_client();
    enum { N = 1000 };
    static char keys[N][24], values[N][24];
    const char *argv[1 + 2 * N];
    size_t lens[1 + 2 * N];
    argv[0] = "MSET";
    lens[0] = 4;
    for (int i = 0; i < N; i++) {
        lens[1 + 2 * i] = (size_t)snprintf(keys[i], sizeof keys[i], "wide:%d", i);
        lens[2 + 2 * i] = (size_t)snprintf(values[i], sizeof values[i], "v%d", i);
        argv[1 + 2 * i] = keys[i];
        argv[2 + 2 * i] = values[i];
    }
    ck_assert_str_eq(ask_argv(c, 1 + 2 * N, argv, lens), "OK");
    argv[0] = "MGET";
    for (int i = 0; i < N; i++) {
        argv[1 + i] = keys[i];
        lens[1 + i] = strlen(keys[i]);
    }
    redisReply *r = redisCommandArgv(c, 1 + N, argv, lens);
    ck_assert(r && r->type == REDIS_REPLY_ARRAY);
    ck_assert_int_eq(r->elements, N);
    for (int i = 0; i < N; i++)
        ck_assert_str_eq(r->element[i]->str, values[i]);
    freeReplyObject(r);
    argv[0] = "DEL";
    lens[0] = 3;
    ck_assert_str_eq(ask_argv(c, 1 + N, argv, lens), ":1000");
}
END_TEST

START_TEST(commands_across_slots_are_refused_as_the_cluster_does)
{
    open_client();
    const char *want = "-CROSSSLOT Keys in request don't hash to the same slot";
    expect(c, want, "MSETNX %s 1 %s 2", far[0], far[1]);
    expect(c, want, "RENAME %s %s", far[0], far[1]);
    expect(c, want, "SUNION %s %s", far[0], far[1]);
    expect(c, want, "SINTERSTORE %s %s %s", far[0], far[1], far[2]);
    expect(c, want, "ZUNIONSTORE %s 2 %s %s", far[0], far[1], far[2]);
    expect(c, want, "BITOP AND %s %s %s", far[0], far[1], far[2]);
    expect(c, want, "PFCOUNT %s %s", far[0], far[1]);
    expect(c, want, "LMOVE %s %s LEFT LEFT", far[0], far[1]);
    expect(c, want, "SORT %s STORE %s", far[0], far[1]);
    expect(c, want, "COPY %s %s", far[0], far[1]);
    expect(c, want, "EVAL %s 2 %s %s", "return 1", far[0], far[1]);
    expect(c, want, "XREAD STREAMS %s %s 0 0", far[0], far[1]);
    /* The connection goes on. */
    expect(c, "PONG", "PING");
}
END_TEST

START_TEST(movable_keys_are_found)
{
    open_client();
    for (int i = 0; i < 3; i++) {
        char key[200];
        snprintf(key, sizeof key, "{%s}x", far[i]);
        expect(c, "\"1-1\"", "XADD %s 1-1 a b", key);
        expect(c, "[[\"*\", [[\"1-1\", [\"a\", \"b\"]]]]]", "XREAD COUNT 2 STREAMS %s 0", key);
        expect(c, "OK", "XGROUP CREATE %s group 0", key);
        expect(c, "[[\"*\", [[\"1-1\", [\"a\", \"b\"]]]]]",
               "XREADGROUP GROUP group me COUNT 1 STREAMS %s >", key);
        expect(c, ":1", "ZADD {%s}z1 1 a", far[i]);
        expect(c, ":2", "ZADD {%s}z2 2 a 3 b", far[i]);
        expect(c, ":2", "ZUNIONSTORE {%s}z3 2 {%s}z1 {%s}z2 WEIGHTS 1 2", far[i], far[i], far[i]);
        expect(c, "[\"a\", \"5\", \"b\", \"6\"]", "ZRANGE {%s}z3 0 -1 WITHSCORES", far[i]);
        expect(c, "[\"a\"]", "ZINTER 2 {%s}z1 {%s}z2", far[i], far[i]);
        expect(c, "\"stream\"", "OBJECT ENCODING %s", key);
    }
}
END_TEST

START_TEST(replies_of_a_pipeline_keep_the_order)
{
    open_client();
    for (int i = 0; i < 3000; i++) {
        switch (i % 6) {
        case 0:
            redisAppendCommand(c, "SET order:%d %d", i, i);
            break;
        case 1:
            redisAppendCommand(c, "GET order:%d", i - 1);
            break;
        case 2:
            redisAppendCommand(c, "ECHO %d", i);
            break;
        case 3:
            redisAppendCommand(c, "MGET order:%d nope order:%d", i - 3, i - 3);
            break;
        case 4:
            redisAppendCommand(c, "NOSUCHCOMMAND %d", i);
            break;
        default:
            redisAppendCommand(c, "DEL order:%d", i - 5);
        }
    }
    for (int i = 0; i < 3000; i++) {
        void *reply;
        ck_assert_int_eq(redisGetReply(c, &reply), REDIS_OK);
        char *text = render(reply), want[100];
        int n = i - i % 6;
        switch (i % 6) {
        case 0:
            strcpy(want, "OK");
            break;
        case 1:
            snprintf(want, sizeof want, "\"%d\"", n);
            break;
        case 2:
            snprintf(want, sizeof want, "\"%d\"", i);
            break;
        case 3:
            snprintf(want, sizeof want, "[\"%d\", nil, \"%d\"]", n, n);
            break;
        case 4:
            snprintf(want, sizeof want,
                     "-ERR unknown command 'NOSUCHCOMMAND', with args beginning with: '%d' ", i);
            break;
        default:
            strcpy(want, ":1");
        }
        ck_assert_str_eq(text, want);
        free(text);
        freeReplyObject(reply);
    }
}
END_TEST

START_TEST(publish_and_commands_without_keys_work)
{
    open_client();
    expect(c, ":0", "PUBLISH channel message");
    expect(c, ":0", "SPUBLISH channel message");
    expect(c, "*", "LOLWUT");
    expect(c, ":*", "LASTSAVE");
    expect(c, "PONG", "PING");
    expect(c, "\"hi\"", "PING hi");
    expect(c, "\"hi\"", "ECHO hi");
    expect(c, "[\"*\", \"*\"]", "TIME");
}
END_TEST

FIXTURE_SUITE("routing", 30, NULL, every_type_works_on_keys_of_every_master,
              keys_are_where_the_cluster_wants_them, hash_tags_follow_the_specification,
              mget_keeps_order_duplicates_and_nils, mset_last_duplicate_wins,
              counting_commands_add_up, wide_split_over_a_thousand_keys,
              commands_across_slots_are_refused_as_the_cluster_does, movable_keys_are_found,
              replies_of_a_pipeline_keep_the_order, publish_and_commands_without_keys_work)
