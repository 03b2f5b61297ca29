/* transactions, differential: random MULTI, EXEC, WATCH … on interleaved connections, RESP2 and
 * RESP3, to slotway and to one plain redis-server must give the same replies, byte for byte.
 * SLOTWAY_TEST_SEED repeats a run. */
#include "support/fixture.h"
#include "support/plain_redis.h"
#include "support/wire.h"
#include <string.h>

enum { CONNECTIONS = 6, LONGEST = 8 };

/* %d: a key of the one slot. */
static const char *const anytime[] = {
    "MULTI",
    "MULTI",
    "MULTI",
    "EXEC",
    "EXEC",
    "EXEC",
    "DISCARD",
    "WATCH {t}%d",
    "WATCH {t}%d {t}2",
    "UNWATCH",
    "RESET",
    "MULTI now",
    "EXEC now",
    "WATCH",
    "NOSUCH {t}%d",
    "GET {t}%d {t}2",
    "GET {t}%d",
    "GET {t}%d",
    "SET {t}%d 1",
    "SET {t}%d text",
    "INCR {t}%d",
    "INCR {t}%d",
    "APPEND {t}%d x",
    "DEL {t}%d",
    "DEL {t}%d {t}2 {t}3",
    "MGET {t}%d {t}2",
    "MSET {t}%d 5 {t}2 6",
    "EXPIRE {t}%d 1000",
    "EXPIRE {t}%d -1",
    "LPUSH {t}%d a b",
    "LRANGE {t}%d 0 -1",
    "HSET {t}%d f v",
    "HGETALL {t}%d",
    "ZADD {t}%d 1.5 m",
    "ZSCORE {t}%d m",
    "EVAL return{KEYS[1],{1,2}} 1 {t}%d",
    "EVAL return(redis.call('INCR',KEYS[1])) 1 {t}%d",
    "EVAL return(1)+ 1 {t}%d",
    "EVALSHA 0123456789012345678901234567890123456789 1 {t}%d",
    "PING",
    "ECHO %d",
    "SELECT 0",
    "DBSIZE",
    "FLUSHALL",
    "KEYS {t}%d",
    "CLIENT SETNAME me%d",
    "CLIENT GETNAME",
    "CLIENT SETNAME {t}%d {t}2",
    "CLIENT NOSUCH",
    "CLIENT NO-EVICT on",
    "CLIENT UNPAUSE",
    "SCRIPT EXISTS 0123456789012345678901234567890123456789",
    "CONFIG SET nosuch %d",
    "CONFIG SET maxmemory bla",
    "CONFIG GET maxmemory",
    "SLOWLOG LEN x",
    "SAVE now please",
    "OBJECT HELP me",
    "PUBLISH {t}%d x",
};
/* Outside they would wait, or do harm. (WAIT with right arguments counts replicas, of which the one
 * redis-server has none.) */
static const char *const inside[] = {
    "BLPOP {t}%d 0",
    "BRPOP {t}%d {t}2 0",
    "BZPOPMIN {t}%d 0",
    "XREAD BLOCK 0 STREAMS {t}%d $",
    "WAIT 0 x",
    "BLMOVE {t}%d {t}2 LEFT LEFT 0",
    "SAVE",
    "SHUTDOWN",
};

static uint64_t seed;

static uint64_t chance(uint64_t n)
{
    return random_next(&seed) % n;
}

struct pair {
    struct wire *ours, *theirs;
    const char *hello;
    bool multi;
    char sent[LONGEST][100];
};

static void pair_greet(struct pair *p)
{
    wire_ask(p->ours, p->hello);
    wire_ask(p->theirs, p->hello);
}

static void pair_open(struct pair *p, int theirs, const char *hello)
{
    memset(p, 0, sizeof *p);
    p->ours = wire_open(proxy->port);
    p->theirs = wire_open(theirs);
    p->hello = hello;
    pair_greet(p);
}

static void pair_close(struct pair *p)
{
    wire_close(p->ours);
    wire_close(p->theirs);
}

#define COUNT(list) (sizeof(list) / sizeof *(list))

static void pair_send(struct pair *p, char sent[100])
{
    const char *template = p->multi && chance(8) == 0 ? inside[chance(COUNT(inside))]
                                                      : anytime[chance(COUNT(anytime))];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(sent, 100, template, (int)chance(6));
#pragma GCC diagnostic pop
    if (strcmp(sent, "MULTI") == 0)
        p->multi = true;
    if (strncmp(sent, "EXEC", 4) == 0 || strcmp(sent, "DISCARD") == 0 || strcmp(sent, "RESET") == 0)
        p->multi = false;
    wire_send(p->ours, sent);
    wire_send(p->theirs, sent);
}

/* What was sent last on all connections, for the report of a difference. */
enum { RECENT = 60, RECENT_LINE = 110 };
static char recent[RECENT][RECENT_LINE];
static unsigned nrecent;

static void recent_add(int connection, const char *sent)
{
    snprintf(recent[nrecent++ % RECENT], RECENT_LINE, "%d: %.99s", connection, sent);
}

static void recent_print(void)
{
    for (unsigned i = nrecent < RECENT ? 0 : nrecent - RECENT; i < nrecent; i++)
        printf("  %s\n", recent[i % RECENT]);
    fflush(stdout);
}

static void pair_compare(struct pair *p, const char *sent, int number)
{
    char *want = wire_read(p->theirs, WIRE_EXACT);
    char *got = wire_read(p->ours, WIRE_EXACT);
    if (strcmp(got, want) != 0)
        recent_print();
    ck_assert_msg(strcmp(got, want) == 0,
                  "command %d of SLOTWAY_TEST_SEED=%llu: %s\n  slotway %.800s\n  redis   %.800s",
                  number, (unsigned long long)test_seed(), sent, got, want);
    free(got);
    free(want);
}

START_TEST(same_replies_as_one_redis_server)
{
    struct pair pairs[CONNECTIONS];
    seed = test_seed();
    int redis = plain_redis_start(NULL);
    for (int i = 0; i < CONNECTIONS; i++)
        pair_open(&pairs[i], redis, i % 2 ? "HELLO 3" : "HELLO 2");
    wire_expect(pairs[0].ours, "FLUSHALL", "+OK");
    int total = test_full() ? 500000 : 20000;
    for (int done = 0; done < total;) {
        struct pair *p = &pairs[chance(CONNECTIONS)];
        int n = chance(2) ? 1 : 1 + (int)chance(LONGEST);
        bool reset = false;
        for (int i = 0; i < n; i++) {
            pair_send(p, p->sent[i]);
            recent_add((int)(p - pairs), p->sent[i]);
            reset = reset || strcmp(p->sent[i], "RESET") == 0;
        }
        for (int i = 0; i < n; i++)
            pair_compare(p, p->sent[i], done + i);
        if (reset && !p->multi) /* it has ended RESP3 */
            pair_greet(p);
        done += n;
    }
    for (int i = 0; i < CONNECTIONS; i++)
        pair_close(&pairs[i]);
}
END_TEST

FIXTURE_SUITE("transactions, differential", 240, NULL, same_replies_as_one_redis_server)
