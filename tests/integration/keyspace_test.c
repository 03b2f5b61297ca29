/* keyspace: SCAN, KEYS, DBSIZE, RANDOMKEY and FLUSHALL look at all masters as at one server. */
#include "support/fixture.h"
#include <string.h>

#define KEYS 3000

static redisContext *c;

static void fill(void)
{
    c = client_open(proxy->port);
    expect(c, "OK", "FLUSHALL");
    for (int i = 0; i < KEYS; i++)
        redisAppendCommand(c, i % 10 == 0 ? "RPUSH scan:%d x" : "SET scan:%d x", i);
    for (int i = 0; i < KEYS; i++) {
        void *reply;
        ck_assert_int_eq(redisGetReply(c, &reply), REDIS_OK);
        ck_assert_int_ne(((redisReply *)reply)->type, REDIS_REPLY_ERROR);
        freeReplyObject(reply);
    }
}

/* Scan to the end with these further arguments; count how often each key came. Returns the calls.
 */
static int scan_all(const char *more, unsigned char seen[KEYS])
{
    memset(seen, 0, KEYS);
    char cursor[32] = "0";
    int calls = 0;
    do {
        char command[200];
        snprintf(command, sizeof command, "SCAN %s %s", cursor, more);
        redisReply *r = redisCommand(c, command);
        ck_assert(r && r->type == REDIS_REPLY_ARRAY && r->elements == 2);
        ck_assert_int_lt(r->element[0]->len, sizeof cursor);
        char *end;
        uint64_t value = strtoull(r->element[0]->str, &end, 10);
        ck_assert_msg(*end == 0, "cursor %s is no integer", r->element[0]->str);
        /* Clients in JavaScript keep it in a double: beyond this it changes and SCAN never ends. */
        ck_assert_msg(value < 1ull << 53, "cursor %s is too large", r->element[0]->str);
        strcpy(cursor, r->element[0]->str);
        for (size_t i = 0; i < r->element[1]->elements; i++) {
            int n;
            ck_assert_int_eq(sscanf(r->element[1]->element[i]->str, "scan:%d", &n), 1);
            seen[n]++;
        }
        freeReplyObject(r);
        ck_assert_int_lt(++calls, 20000);
    } while (strcmp(cursor, "0") != 0);
    return calls;
}

START_TEST(scan_sees_every_key)
{
    fill();
    static unsigned char seen[KEYS];
    static const char *const ways[] = {"", "COUNT 1", "COUNT 100", "COUNT 10000"};
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        int calls = scan_all(ways[w], seen);
        for (int i = 0; i < KEYS; i++)
            ck_assert_msg(seen[i] >= 1, "SCAN %s missed scan:%d", ways[w], i);
        ck_assert_int_ge(calls, w == 3 ? 1 : 3);
    }
}
END_TEST

START_TEST(scan_filters)
{
    fill();
    static unsigned char seen[KEYS];
    scan_all("MATCH scan:1*5 COUNT 50", seen);
    for (int i = 0; i < KEYS; i++) {
        char name[16];
        int len = snprintf(name, sizeof name, "%d", i);
        bool want = name[0] == '1' && name[len - 1] == '5' && len >= 2;
        ck_assert_msg((seen[i] > 0) == want, "scan:%d: %d", i, seen[i]);
    }
    scan_all("TYPE list COUNT 200", seen);
    for (int i = 0; i < KEYS; i++)
        ck_assert_msg((seen[i] > 0) == (i % 10 == 0), "scan:%d: %d", i, seen[i]);
    scan_all("COUNT 500 TYPE hash", seen);
    for (int i = 0; i < KEYS; i++)
        ck_assert_int_eq(seen[i], 0);
}
END_TEST

START_TEST(scan_refuses_what_redis_refuses)
{
    c = client_open(proxy->port);
    expect(c, "-ERR invalid cursor", "SCAN abc");
    expect(c, "-ERR syntax error", "SCAN 0 COUNT");
    expect(c, "-ERR syntax error", "SCAN 0 COUNT 0");
    expect(c, "-ERR value is not an integer or out of range", "SCAN 0 COUNT x");
    expect(c, "-ERR wrong number of arguments for 'scan' command", "SCAN");
    expect(c, "-ERR syntax error", "SCAN 0 NONSENSE 1");
    /* A cursor nobody gave out must not crash or hang anything. */
    expect(c, "*", "SCAN 18446744073709551615");
    expect(c, "*", "SCAN 123456789");
    expect(c, "PONG", "PING");
}
END_TEST

/* The state is in the cursor alone: another connection can go on. */
START_TEST(scan_continues_on_another_connection)
{
    fill();
    static unsigned char seen[KEYS];
    memset(seen, 0, sizeof seen);
    char cursor[32] = "0";
    do {
        redisContext *one = client_open(proxy->port);
        redisReply *r = redisCommand(one, "SCAN %s COUNT 100", cursor);
        ck_assert(r && r->type == REDIS_REPLY_ARRAY);
        snprintf(cursor, sizeof cursor, "%s", r->element[0]->str);
        for (size_t i = 0; i < r->element[1]->elements; i++)
            seen[atoi(r->element[1]->element[i]->str + 5)]++;
        freeReplyObject(r);
        redisFree(one);
    } while (strcmp(cursor, "0") != 0);
    for (int i = 0; i < KEYS; i++)
        ck_assert_int_ge(seen[i], 1);
}
END_TEST

START_TEST(keys_dbsize_and_randomkey)
{
    fill();
    char want[32];
    snprintf(want, sizeof want, ":%d", KEYS);
    expect(c, want, "DBSIZE");
    redisReply *r = redisCommand(c, "KEYS *");
    ck_assert_int_eq(r->elements, KEYS);
    freeReplyObject(r);
    r = redisCommand(c, "KEYS scan:12?");
    ck_assert_int_eq(r->elements, 10);
    freeReplyObject(r);
    expect(c, "[]", "KEYS nothing*");
    bool port_seen[65536] = {false};
    for (int i = 0; i < 200; i++) {
        r = redisCommand(c, "RANDOMKEY");
        ck_assert_int_eq(r->type, REDIS_REPLY_STRING);
        port_seen[cluster_owner_of(cluster, r->str)] = true;
        freeReplyObject(r);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_msg(port_seen[cluster_master(cluster, i)], "no random key of master %d", i);
}
END_TEST

START_TEST(flushall_empties_every_master)
{
    fill();
    expect(c, "OK", "FLUSHALL SYNC");
    expect(c, ":0", "DBSIZE");
    expect(c, "nil", "RANDOMKEY");
    fill();
    expect(c, "OK", "FLUSHDB ASYNC");
    expect(c, ":0", "DBSIZE");
    /* RANDOMKEY finds the one key that is left. */
    expect(c, "OK", "SET single x");
    for (int i = 0; i < 5; i++)
        expect(c, "\"single\"", "RANDOMKEY");
    expect(c, "-ERR syntax error", "FLUSHALL NONSENSE");
}
END_TEST

FIXTURE_SUITE("keyspace", 30, NULL, scan_sees_every_key, scan_filters,
              scan_refuses_what_redis_refuses, scan_continues_on_another_connection,
              keys_dbsize_and_randomkey, flushall_empties_every_master)
