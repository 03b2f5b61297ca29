/* transactions: MULTI … EXEC and WATCH in front of a real cluster: whole or not at all, through
 * failovers, resharding and dead masters, and without connections of their own. */
#include "support/fixture.h"
#include "support/wire.h"
#include <pthread.h>
#include <string.h>

enum { WORKERS = 8 };

/* Clients that change two counters together, or one optimistically, as long as a test does harm. */
struct worker {
    pthread_t thread;
    bool watching;
    char key[32];               /* hash tag of its counters */
    uint64_t done, nil, failed; /* EXECs: array, nil, error */
    uint64_t unclear;           /* errors that say "may or may not" */
    char other[200];            /* another error */
    bool torn;                  /* a transaction was executed in part */
};

static struct worker workers[WORKERS];
static int stop;

static void note_error(struct worker *w, const redisReply *r)
{
    if (strstr(r->str, "may or may not"))
        w->unclear++;
    else if (!*w->other)
        snprintf(w->other, sizeof w->other, "%s", r->str);
}

/* The test's own thread looks at it meanwhile. */
static void count_done(struct worker *w)
{
    __atomic_fetch_add(&w->done, 1, __ATOMIC_RELAXED);
}

static void note_exec(struct worker *w, const redisReply *r, size_t elements)
{
    if (r->type == REDIS_REPLY_ARRAY) {
        count_done(w);
        w->torn = w->torn || r->elements != elements;
        for (size_t i = 0; i < r->elements; i++)
            w->torn = w->torn || r->element[i]->type != REDIS_REPLY_INTEGER;
    } else if (r->type == REDIS_REPLY_NIL) {
        w->nil++;
    } else {
        w->failed++;
        note_error(w, r);
    }
}

static redisReply *reply(redisContext *c)
{
    void *r = NULL;
    return redisGetReply(c, &r) == REDIS_OK ? r : NULL;
}

/* MULTI, INCR a, INCR b, EXEC in one go: both are always equal. */
static bool add_to_both(struct worker *w, redisContext *c)
{
    redisAppendCommand(c, "MULTI");
    redisAppendCommand(c, "INCR {%s}a", w->key);
    redisAppendCommand(c, "INCR {%s}b", w->key);
    redisAppendCommand(c, "EXEC");
    for (int i = 0; i < 4; i++) {
        redisReply *r = reply(c);
        if (!r)
            return false;
        if (i == 3)
            note_exec(w, r, 2);
        else if (r->type == REDIS_REPLY_ERROR)
            note_error(w, r);
        freeReplyObject(r);
    }
    return true;
}

/* WATCH, GET, MULTI, SET, EXEC on a counter that all workers share. */
static bool add_optimistically(struct worker *w, redisContext *c)
{
    redisReply *r = redisCommand(c, "WATCH {%s}n", w->key);
    if (!r)
        return false;
    bool good = r->type != REDIS_REPLY_ERROR;
    if (!good)
        note_error(w, r);
    freeReplyObject(r);
    if (!good)
        return true;
    r = redisCommand(c, "GET {%s}n", w->key);
    long long n = r && r->type == REDIS_REPLY_STRING ? atoll(r->str) : 0;
    good = r && r->type != REDIS_REPLY_ERROR;
    if (r && !good)
        note_error(w, r);
    freeReplyObject(r);
    if (!good)
        return c->err == 0;
    redisAppendCommand(c, "MULTI");
    redisAppendCommand(c, "SET {%s}n %lld", w->key, n + 1);
    redisAppendCommand(c, "STRLEN {%s}n", w->key);
    redisAppendCommand(c, "EXEC");
    for (int i = 0; i < 4; i++) {
        r = reply(c);
        if (!r)
            return false;
        if (i == 3) {
            if (r->type == REDIS_REPLY_ARRAY && r->elements == 2)
                count_done(w);
            else
                note_exec(w, r, 2);
        }
        freeReplyObject(r);
    }
    return true;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    redisContext *c = client_open(proxy->port);
    bool alive = true;
    while (alive && !__atomic_load_n(&stop, __ATOMIC_RELAXED))
        alive = w->watching ? add_optimistically(w, c) : add_to_both(w, c);
    if (!alive)
        snprintf(w->other, sizeof w->other, "connection closed");
    redisFree(c);
    return NULL;
}

/* Half of them watch one counter of the slot of `shared`, the others have counters of their own,
 * beside it or in any slot. */
static void begin_work(const char *shared)
{
    redisContext *c = client_open(proxy->port);
    expect(c, "OK", "FLUSHALL");
    redisFree(c);
    memset(workers, 0, sizeof workers);
    __atomic_store_n(&stop, 0, __ATOMIC_RELAXED);
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &workers[i];
        w->watching = i % 2;
        snprintf(w->key, sizeof w->key, i % 2 ? "%s" : "w:%s:%d", i % 2 ? shared : "", i);
        ck_assert_int_eq(pthread_create(&w->thread, NULL, work, w), 0);
    }
}

static uint64_t work_done(void)
{
    uint64_t n = 0;
    for (int i = 0; i < WORKERS; i++)
        n += __atomic_load_n(&workers[i].done, __ATOMIC_RELAXED);
    return n;
}

static bool work_goes_on(void *arg)
{
    return work_done() > *(uint64_t *)arg;
}

static void wait_for_work(void)
{
    uint64_t least = work_done() + 50;
    ck_assert_msg(wait_until(work_goes_on, &least, 15000), "transactions are stuck");
}

/* may_fail: a master died, so that errors and lost writes are its right. */
static void end_work(const char *shared, bool may_fail)
{
    uint64_t counted = 0, unclear = 0, nil = 0, total = 0;
    char want[64];
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    redisContext *c = client_open(proxy->port);
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &workers[i];
        total += w->done;
        nil += w->nil;
        unclear += w->unclear;
        ck_assert_msg(!w->torn, "a transaction was executed in part");
        if (!may_fail)
            ck_assert_msg(!*w->other && w->unclear == 0, "error: %s", w->other);
        if (w->watching) {
            counted += w->done;
            continue;
        }
        const char *a = ask(c, "GET {%s}a", w->key), *b = ask(c, "GET {%s}b", w->key);
        ck_assert_msg(strcmp(a, b) == 0, "a is %s, b is %s", a, b);
        snprintf(want, sizeof want, "\"%llu\"", (unsigned long long)w->done);
        if (!may_fail)
            ck_assert_str_eq(a, want);
    }
    printf("  %llu transactions, %llu nil, %llu unclear\n", (unsigned long long)total,
           (unsigned long long)nil, (unsigned long long)unclear);
    snprintf(want, sizeof want, "\"%llu\"", (unsigned long long)counted);
    if (!may_fail)
        expect(c, want, "GET {%s}n", shared);
    redisFree(c);
}

START_TEST(planned_failovers_show_in_no_transaction)
{
    begin_work("shared");
    wait_for_work();
    for (int i = 0; i < 3; i++) {
        int replica = cluster_replica_of(cluster, cluster_master(cluster, i));
        ck_assert_msg(cluster_failover(cluster, replica), "failover of master %d", i);
        wait_for_work();
    }
    end_work("shared", false);
}
END_TEST

START_TEST(resharding_shows_in_no_transaction)
{
    int from = cluster_master(cluster, 0), to = cluster_master(cluster, 1);
    /* redis-cli moves the lowest slots of a node first. */
    int n = 0;
    char shared[32];
    do
        snprintf(shared, sizeof shared, "s%d", n++);
    while (cluster_slot(shared, strlen(shared)) >= 20);
    begin_work(shared);
    for (int round = 0; round < 2; round++) {
        wait_for_work();
        ck_assert_msg(cluster_reshard(cluster, 20, from, to), "resharding");
        wait_for_work();
        ck_assert_msg(cluster_reshard(cluster, 20, to, from), "resharding back");
    }
    wait_for_work();
    end_work(shared, false);
}
END_TEST

START_TEST(a_dead_master_tears_no_transaction)
{
    begin_work("shared");
    wait_for_work();
    cluster_kill(cluster, cluster_owner_of(cluster, "shared"));
    wait_for_work();
    cluster_heal(cluster);
    wait_for_work();
    end_work("shared", true);
}
END_TEST

/* The keys of a transaction while its slot is half moved: one at the old owner, one at the new. */
START_TEST(a_half_moved_slot_holds_transactions_up_until_it_is_whole)
{
    int from = cluster_master(cluster, 0), to = cluster_master(cluster, 1);
    const char *tag = cluster_key(cluster, from, "half", 0);
    int slot = cluster_slot(tag, strlen(tag));
    const char *from_id = cluster_node_at(cluster, from)->id;
    const char *to_id = cluster_node_at(cluster, to)->id;
    struct wire *c = wire_open(proxy->port), *d = wire_open(proxy->port);
    char command[200];
#define SAY(w, want, ...)                                                                          \
    do {                                                                                           \
        snprintf(command, sizeof command, __VA_ARGS__);                                            \
        wire_expect(w, command, want);                                                             \
    } while (0)
    SAY(c, "+OK", "MSET {%s}1 1 {%s}2 2", tag, tag);
    ck_assert_str_eq(ask_port(to, "CLUSTER SETSLOT %d IMPORTING %s", slot, from_id), "OK");
    ck_assert_str_eq(ask_port(from, "CLUSTER SETSLOT %d MIGRATING %s", slot, to_id), "OK");
    ck_assert_str_eq(ask_port(from, "MIGRATE 127.0.0.1 %d {%s}1 0 5000", to, tag), "OK");
    /* What is all on one side is executed there: here, and behind ASKING there. */
    wire_expect(c, "MULTI", "+OK");
    SAY(c, "+QUEUED", "GET {%s}2", tag);
    SAY(c, "+QUEUED", "APPEND {%s}2 x", tag);
    wire_expect(c, "EXEC", "*[$\"2\", :2]");
    wire_expect(c, "MULTI", "+OK");
    SAY(c, "+QUEUED", "GET {%s}1", tag);
    SAY(c, "+QUEUED", "APPEND {%s}1 x", tag);
    wire_expect(c, "EXEC", "*[$\"1\", :2]");
    /* WATCH there, too. */
    SAY(c, "+OK", "WATCH {%s}1", tag);
    wire_expect(c, "MULTI", "+OK");
    SAY(c, "+QUEUED", "APPEND {%s}1 y", tag);
    wire_expect(c, "EXEC", "*[:3]");
    SAY(c, "+OK", "WATCH {%s}1", tag);
    SAY(d, ":4", "APPEND {%s}1 z", tag);
    wire_expect(c, "MULTI", "+OK");
    wire_expect(c, "EXEC", "*nil");
    /* A key that leaves while it is watched counts as touched. */
    SAY(d, "+OK", "WATCH {%s}2", tag);
    /* Both: not before the other key has come. */
    wire_expect(c, "MULTI", "+OK");
    SAY(c, "+QUEUED", "GET {%s}1", tag);
    SAY(c, "+QUEUED", "GET {%s}2", tag);
    wire_send(c, "EXEC");
    ck_assert(wire_is_silent(c, 100));
    ck_assert_str_eq(ask_port(from, "MIGRATE 127.0.0.1 %d {%s}2 0 5000", to, tag), "OK");
    static const int order[] = {1, 0, 2};
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(
            ask_port(cluster_master(cluster, order[i]), "CLUSTER SETSLOT %d NODE %s", slot, to_id),
            "OK");
    wire_expect(c, NULL, "*[$\"1xyz\", $\"2x\"]");
    wire_expect(d, "MULTI", "+OK");
    wire_expect(d, "PING", "+QUEUED");
    wire_expect(d, "EXEC", "*nil");
    wire_close(c);
    wire_close(d);
}
END_TEST

static long long connections_opened(redisContext *c)
{
    redisReply *r = redisCommand(c, "PROXY INFO");
    ck_assert(r && r->str);
    const char *at = strstr(r->str, "backends_opened:");
    ck_assert_msg(at != NULL, "no backends_opened in %s", r->str);
    long long n = atoll(at + strlen("backends_opened:"));
    freeReplyObject(r);
    return n;
}

/* 50 clients; counted, not timed. */
START_TEST(transactions_open_no_connections)
{
    enum { CLIENTS = 50, ROUNDS = 40, DEPTH = 10 };
    redisContext *clients[CLIENTS], *c = client_open(proxy->port);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(proxy->port);
        expect(clients[i], "*", "GET warm:%d", i);
    }
    long long before = connections_opened(c);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            for (int k = 0; k < DEPTH; k++) {
                redisAppendCommand(clients[i], "MULTI");
                redisAppendCommand(clients[i], "INCR {c%d}a", i);
                redisAppendCommand(clients[i], "INCR {c%d}b", i);
                redisAppendCommand(clients[i], "EXEC");
            }
        }
        for (int i = 0; i < CLIENTS; i++) {
            for (int k = 0; k < 4 * DEPTH; k++) {
                redisReply *r = reply(clients[i]);
                ck_assert(r && r->type != REDIS_REPLY_ERROR);
                freeReplyObject(r);
            }
        }
    }
    ck_assert_int_eq(connections_opened(c), before);
    for (int i = 0; i < CLIENTS; i++) {
        char want[32];
        snprintf(want, sizeof want, "\"%d\"", ROUNDS * DEPTH);
        expect(clients[i], want, "GET {c%d}b", i);
    }
    /* WATCH borrows one, over and over the same, also when clients leave while they watch. */
    for (int i = 0; i < 200; i++) {
        if (i == 1)
            before = connections_opened(c);
        expect(clients[0], "OK", "WATCH {c0}a");
        expect(clients[0], "OK", "MULTI");
        expect(clients[0], "QUEUED", "GET {c0}a");
        expect(clients[0], "[\"400\"]", "EXEC");
    }
    ck_assert_int_eq(connections_opened(c), before);
    for (int i = 0; i < CLIENTS; i++)
        redisFree(clients[i]);
    redisFree(c);
}
END_TEST

START_TEST(clients_that_leave_while_they_watch_leave_nothing)
{
    redisContext *c = client_open(proxy->port);
    expect(c, "OK", "SET {l}k 0");
    long long before = connections_opened(c);
    for (int i = 0; i < 300; i++) {
        redisContext *d = client_open(proxy->port);
        expect(d, "OK", "WATCH {l}k");
        if (i % 3 == 1)
            expect(d, "OK", "MULTI");
        if (i % 3 == 2) {
            redisAppendCommand(d, "MULTI");
            redisAppendCommand(d, "INCR {l}k");
            redisAppendCommand(d, "EXEC");
            int done = 0;
            while (!done)
                redisBufferWrite(d, &done);
        }
        redisFree(d);
    }
    /* Connections are used again as soon as they are back; of 300 some may overlap. */
    ck_assert_int_lt(connections_opened(c) - before, 50);
    redisFree(c);
}
END_TEST

/* In RESP3, and with slotway's own commands in the array, some of which ask all threads or all
 * masters. */
START_TEST(own_commands_among_those_of_the_node)
{
    struct wire *w = wire_open(proxy->port);
    for (int protocol = 2; protocol <= 3; protocol++) {
        wire_expect(w, protocol == 2 ? "HELLO 2" : "HELLO 3", "*");
        wire_expect(w, "FLUSHALL", "+OK");
        static const char *const commands[] = {"HSET {o}h f v",
                                               "CLIENT SETNAME me",
                                               "HGETALL {o}h",
                                               "DBSIZE",
                                               "CLIENT GETNAME",
                                               "KEYS *",
                                               "SCRIPT LOAD return(7)",
                                               "EVALSHA 2d50eeef6b2cf5f9ab1f6ea9db14c0e1bd1bd9b9 0",
                                               "CLIENT LIST",
                                               "INFO nosuch",
                                               "FLUSHALL",
                                               "DBSIZE"};
        wire_expect(w, "MULTI", "+OK");
        for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
            wire_expect(w, commands[i], "+QUEUED");
        const char *got = wire_ask(w, "EXEC");
        const char *want = protocol == 2
                               ? "*[:1, +OK, *[$\"f\", $\"v\"], :1, $\"me\", *[$\"{o}h\"], $\"*\", "
                                 "-NOSCRIPT *, $\"id=*\", $\"\", +OK, :0]"
                               : "*[:1, +OK, %{$\"f\": $\"v\"}, :1, $\"me\", *[$\"{o}h\"], $\"*\", "
                                 "-NOSCRIPT *, =\"txt:id=*\", =\"txt:\", +OK, :0]";
        ck_assert_msg(text_matches(got, want), "%s", got);
        wire_expect(w, "RESET", "+RESET");
    }
    wire_close(w);
}
END_TEST

START_TEST(publish_and_subscribe_inside)
{
    struct wire *s = wire_open(proxy->port), *c = wire_open(proxy->port);
    wire_expect(s, "MULTI", "+OK");
    wire_expect(s, "SET {o}x 1", "+QUEUED");
    wire_expect(s, "SUBSCRIBE inside other", "+QUEUED");
    wire_expect(s, "SUBSCRIBE again", "+QUEUED");
    /* As in Redis the second channel is one element more than announced. */
    wire_expect(s, "EXEC",
                "*[+OK, *[$\"subscribe\", $\"inside\", :1], *[$\"subscribe\", $\"other\", :2]]");
    wire_expect(s, NULL, "*[$\"subscribe\", $\"again\", :3]");
    /* A node may still count a connection that slotway has left. */
    bool settled = false;
    for (int i = 0; i < 200 && !settled; i++) {
        settled = strcmp(wire_ask(c, "PUBLISH inside before"), ":1") == 0;
        wire_expect(s, NULL, "*[$\"message\", $\"inside\", $\"before\"]");
    }
    ck_assert_msg(settled, "PUBLISH does not count one receiver");
    wire_expect(c, "MULTI", "+OK");
    wire_expect(c, "PUBLISH inside first", "+QUEUED");
    wire_expect(c, "SET {o}x 2", "+QUEUED");
    wire_expect(c, "PUBLISH nobody first", "+QUEUED");
    wire_expect(c, "PUBLISH other second", "+QUEUED");
    wire_expect(c, "EXEC", "*[:1, +OK, :0, :1]");
    wire_expect(s, NULL, "*[$\"message\", $\"inside\", $\"first\"]");
    wire_expect(s, NULL, "*[$\"message\", $\"other\", $\"second\"]");
    ck_assert(wire_is_silent(s, 20));
    wire_close(s);
    wire_close(c);
}
END_TEST

FIXTURE_SUITE("transactions", 60, NULL, planned_failovers_show_in_no_transaction,
              resharding_shows_in_no_transaction, a_dead_master_tears_no_transaction,
              a_half_moved_slot_holds_transactions_up_until_it_is_whole,
              transactions_open_no_connections, clients_that_leave_while_they_watch_leave_nothing,
              own_commands_among_those_of_the_node, publish_and_subscribe_inside)
