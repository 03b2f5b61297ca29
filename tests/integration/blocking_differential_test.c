/* blocking, differential: random blocking commands, and what wakes them, on interleaved
 * connections, RESP2 and RESP3, to slotway and to one plain redis-server: the same clients wait at
 * any moment, and get the same replies, byte for byte. SLOTWAY_TEST_SEED repeats a run. */
#include "support/fixture.h"
#include "support/plain_redis.h"
#include "support/wire.h"
#include <string.h>

enum { CONNECTIONS = 7, SENT = 160 };

/* %d: a key of one slot; %u: the id of some client; %n: a number that grows. */
static const char *const blocking[] = {
    "BLPOP {t}%d 0",
    "BLPOP {t}%d {t}%d 0",
    "BRPOP {t}%d {t}%d {t}%d 0",
    "BLPOP {t}%d 0.01",
    "BLMOVE {t}%d {t}%d LEFT RIGHT 0",
    "BLMOVE {t}%d {t}%d RIGHT LEFT 0.01",
    "BLMOVE {t}%d {t}%d RIGHT UP 0",
    "BRPOPLPUSH {t}%d {t}%d 0",
    "BLMPOP 0 2 {t}%d {t}%d LEFT COUNT 2",
    "BLMPOP 0.01 1 {t}%d RIGHT",
    "BLMPOP 0 3 {t}%d LEFT",
    "BLMPOP 0 0 {t}%d LEFT",
    "BZPOPMIN {z}%d {z}%d 0",
    "BZPOPMAX {z}%d 0.01",
    "BZMPOP 0 2 {z}%d {z}%d MIN COUNT 2",
    "BZMPOP 0 1 {z}%d UP",
    "BLPOP {t}%d -1",
    "BLPOP {t}%d x",
    "BLPOP {t}%d nan",
    "BLPOP",
    "XREAD BLOCK 0 STREAMS {s}%d $",
    "XREAD BLOCK 0 STREAMS {s}%d {s}%d $ 0",
    "XREAD BLOCK 10 STREAMS {s}%d $",
    "XREAD COUNT 1 BLOCK 0 STREAMS {s}%d 5",
    "XREAD BLOCK x STREAMS {s}%d $",
    "XREAD BLOCK 0 STREAMS {s}%d",
    "XREAD BLOCK -1 STREAMS {s}%d 0",
    "XREADGROUP GROUP g c BLOCK 0 STREAMS {s}%d >",
    "XREADGROUP GROUP g c BLOCK 10 STREAMS {s}%d >",
    "XREADGROUP GROUP g c BLOCK 0 STREAMS {s}%d 0",
};
static const char *const others[] = {
    "LPUSH {t}%d a",
    "RPUSH {t}%d a b",
    "RPUSH {t}%d a b c",
    "LPOP {t}%d",
    "LRANGE {t}%d 0 -1",
    "DEL {t}%d",
    "SET {t}%d x",
    "DEL {t}1 {t}2",
    "RPOPLPUSH {t}%d {t}%d",
    "RENAME {t}%d {t}%d",
    "EVAL return(redis.call('LPUSH',KEYS[1],'e')) 1 {t}%d",
    "ZADD {z}%d 1 a 2 b",
    "ZADD {z}%d 3 c",
    "ZRANGE {z}%d 0 -1",
    "DEL {z}%d",
    "XADD {s}%d %n-1 f v",
    "XADD {s}%d %n-1 f w",
    "XGROUP CREATE {s}%d g $ MKSTREAM",
    "XGROUP DESTROY {s}%d g",
    "DEL {s}%d",
    "CLIENT UNBLOCK %u",
    "CLIENT UNBLOCK %u ERROR",
    "CLIENT UNBLOCK %u TIMEOUT",
    "CLIENT UNBLOCK %u SOON",
    "CLIENT UNBLOCK x",
    "CLIENT UNBLOCK 123456789",
    "XREAD STREAMS {s}%d 0",
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

struct side {
    struct wire *control, *w[CONNECTIONS];
    char id[CONNECTIONS][24];
};

static struct side ours, theirs;
static char waits[CONNECTIONS][SENT]; /* the command that the connection waits in, or "" */
static uint64_t seed;
static int grows, step;

static uint64_t chance(uint64_t n)
{
    return random_next(&seed) % n;
}

static void side_open(struct side *s, int port)
{
    s->control = wire_open(port);
    wire_ask(s->control, "FLUSHALL");
    for (int i = 0; i < CONNECTIONS; i++) {
        s->w[i] = wire_open(port);
        wire_ask(s->w[i], i % 2 ? "HELLO 3" : "HELLO 2");
        snprintf(s->id[i], sizeof s->id[i], "%s", wire_ask(s->w[i], "CLIENT ID") + 1);
    }
}

static void side_close(struct side *s)
{
    wire_close(s->control);
    for (int i = 0; i < CONNECTIONS; i++)
        wire_close(s->w[i]);
}

static int side_blocked(struct side *s)
{
    const char *at = strstr(wire_ask(s->control, "INFO clients"), "blocked_clients:");
    ck_assert_ptr_nonnull(at);
    return atoi(at + strlen("blocked_clients:"));
}

/* The template with random keys, for both sides. */
static void make(const char *template, char mine[SENT], char other[SENT])
{
    size_t m = 0, o = 0;
    for (const char *p = template; *p; p++) {
        if (*p != '%') {
            mine[m++] = other[o++] = *p;
            continue;
        }
        char a[24], b[24];
        uint64_t n = *++p == 'd'   ? chance(4)
                     : p[0] == 'n' ? (uint64_t)++grows
                                   : chance(CONNECTIONS);
        snprintf(a, sizeof a, "%llu", (unsigned long long)n);
        snprintf(b, sizeof b, "%s", a);
        if (*p == 'u') {
            snprintf(a, sizeof a, "%s", ours.id[n]);
            snprintf(b, sizeof b, "%s", theirs.id[n]);
        }
        m += (size_t)sprintf(mine + m, "%s", a);
        o += (size_t)sprintf(other + o, "%s", b);
    }
    mine[m] = other[o] = '\0';
}

static void compare(int i, const char *sent)
{
    char *want = wire_read(theirs.w[i], WIRE_EXACT);
    char *got = wire_read(ours.w[i], WIRE_EXACT);
    ck_assert_msg(strcmp(got, want) == 0,
                  "step %d of SLOTWAY_TEST_SEED=%llu: %s\n  slotway %.800s\n  redis   %.800s", step,
                  (unsigned long long)test_seed(), sent, got, want);
    free(got);
    free(want);
    waits[i][0] = '\0';
}

struct wait {
    int blocked;
};

static bool as_many_blocked(void *arg)
{
    const struct wait *wait = arg;
    return side_blocked(&ours) == wait->blocked;
}

static int count_waits(void)
{
    int waiting = 0;
    for (int i = 0; i < CONNECTIONS; i++)
        waiting += *waits[i] != '\0';
    return waiting;
}

/* Read what has been answered, until as many are left as redis-server knows to be waiting. It may
 * look at INFO before the command that was sent before it on another connection, so it is asked
 * again. */
static void settle(void)
{
    struct wait wait;
    while (count_waits() > (wait.blocked = side_blocked(&theirs)))
        for (int i = 0; i < CONNECTIONS; i++)
            if (*waits[i] && !wire_is_silent(theirs.w[i], 0))
                compare(i, waits[i]);
    ck_assert_msg(wait_until(as_many_blocked, &wait, 10000),
                  "step %d of SLOTWAY_TEST_SEED=%llu: slotway has %d blocked, redis %d", step,
                  (unsigned long long)test_seed(), side_blocked(&ours), wait.blocked);
}

static void one_step(void)
{
    char mine[SENT], other[SENT];
    int i = (int)chance(CONNECTIONS), waiting = count_waits();
    while (*waits[i] && waiting < CONNECTIONS)
        i = (i + 1) % CONNECTIONS;
    bool block = waiting < CONNECTIONS - 1 && chance(2);
    make(block ? blocking[chance(COUNT(blocking))] : others[chance(COUNT(others))], mine, other);
    wire_send(theirs.w[i], other);
    wire_send(ours.w[i], mine);
    snprintf(waits[i], SENT, "%s", mine);
    if (!block || strstr(mine, " 0.01") || strstr(mine, "BLOCK 10 "))
        compare(i, mine);
    settle();
}

START_TEST(same_clients_wait_and_get_the_same)
{
    seed = test_seed();
    side_open(&theirs, plain_redis_start(NULL));
    side_open(&ours, proxy->port);
    int total = test_full() ? 20000 : 1500; /* some 4 ms each: many wait for 10 ms */
    for (step = 0; step < total; step++)
        one_step();
    side_close(&ours);
    side_close(&theirs);
}
END_TEST

FIXTURE_SUITE("blocking, differential", 240, NULL, same_clients_wait_and_get_the_same)
