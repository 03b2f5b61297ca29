/* planned changes: failovers on request, rolling restart, nodes that come and go, resharding under
 * load. Clients see no error at all, no long gap, and nothing acknowledged is lost. */
#include "support/fixture.h"
#include "support/load.h"
#include <pthread.h>
#include <string.h>

static uint8_t groups[CLUSTER_SLOTS];

static struct load *begin_load(int mixed, int pinned)
{
    cluster_groups(cluster, groups);
    struct load_options o = {.port = proxy->port,
                             .mixed = mixed,
                             .pinned = pinned,
                             .groups = 3,
                             .pace_ms = 15,
                             .group_of_slot = groups};
    struct load *l = load_start(&o);
    load_fault_begins(l);
    return l;
}

static void end_load(struct load *l, double longest_gap)
{
    ck_assert_msg(load_wait_progress(l, 20, 10000), "clients are stuck after the change");
    struct load_result r = load_finish(l);
    load_assert_clean(&r);
    ck_assert_int_eq(r.lost, 0);
    for (int g = 0; g < 3; g++)
        report_figure("longest gap of a master's slots", r.gap_ms[g], longest_gap, "ms");
    report_figure("longest wait of a pipeline over any slots", r.longest_pipeline_ms, longest_gap,
                  "ms");
}

START_TEST(failover_of_each_master)
{
    struct load *l = begin_load(15, 4);
    for (int i = 0; i < 3; i++) {
        int replica = cluster_replica_of(cluster, cluster_master(cluster, i));
        ck_assert_msg(cluster_failover(cluster, replica), "failover of master %d", i);
        ck_assert(load_wait_progress(l, 5, 10000));
    }
    end_load(l, 150);
}
END_TEST

START_TEST(rolling_restart)
{
    struct load *l = begin_load(9, 3);
    ck_assert(cluster_rolling_restart(cluster));
    end_load(l, 150);
}
END_TEST

START_TEST(node_is_added_and_removed)
{
    struct load *l = begin_load(9, 3);
    int port = cluster_add_node(cluster);
    int from = cluster_master(cluster, 0);
    ck_assert_msg(cluster_reshard(cluster, 50, from, port), "resharding to the new node");
    ck_assert(load_wait_progress(l, 5, 10000));
    ck_assert_msg(cluster_reshard(cluster, 50, port, from), "resharding back");
    ck_assert(load_wait_progress(l, 5, 10000));
    ck_assert_msg(cluster_remove_node(cluster, port), "removing the node");
    end_load(l, 150);
}
END_TEST

/* Keys of the slots that will move: many small ones and MGETs across them are the load's; some of
 * 12 MiB are here. */
enum { LARGE = 12 << 20 };

static void put_large(redisContext *c, const char *key, char fill)
{
    char *value = malloc(LARGE);
    memset(value, fill, LARGE);
    expect(c, "OK", "SET %s %b", key, value, (size_t)LARGE);
    free(value);
}

static void check_large(redisContext *c, const char *key, char fill)
{
    redisReply *r = redisCommand(c, "GET %s", key);
    ck_assert(r != NULL);
    ck_assert_msg(r->type == REDIS_REPLY_STRING, "%s: %s", key, r->str ? r->str : "nil");
    ck_assert_int_eq(r->len, LARGE);
    for (size_t i = 0; i < LARGE; i += 4099) /* each assertion writes to a file */
        if (r->str[i] != fill)
            ck_abort_msg("%s: wrong byte at %zu", key, i);
    freeReplyObject(r);
}

struct mover {
    int slots, from, to;
    bool ok;
    int done;
};

static void *move(void *arg)
{
    struct mover *m = arg;
    m->ok = cluster_reshard(cluster, m->slots, m->from, m->to);
    __atomic_store_n(&m->done, 1, __ATOMIC_RELEASE);
    return NULL;
}

START_TEST(resharding_with_large_keys)
{
    int slots = test_full() ? 1000 : 200;
    int from = cluster_master(cluster, 0), to = cluster_master(cluster, 1);
    redisContext *c = client_open(proxy->port);
    char large[3][64];
    /* redis-cli moves the lowest slots of the node first. */
    for (int i = 0, found = 0; found < 3; i++) {
        snprintf(large[found], sizeof large[0], "large:%d", i);
        if (cluster_slot(large[found], strlen(large[found])) < slots)
            put_large(c, large[found++], 'a');
    }
    struct load *l = begin_load(12, 4);
    struct mover m = {.slots = slots, .from = from, .to = to};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, move, &m), 0);
    /* Keys across moving and staying slots, and the large ones, all the while. */
    uint64_t rounds = 0;
    while (!__atomic_load_n(&m.done, __ATOMIC_ACQUIRE)) {
        for (int i = 0; i < 3; i++)
            check_large(c, large[i], 'a');
        expect(c, "OK", "MSET a:%d 1 b:%d 2 c:%d 3 d:%d 4 e:%d 5", (int)rounds, (int)rounds,
               (int)rounds, (int)rounds, (int)rounds);
        expect(c, "[\"1\", \"2\", \"3\", \"4\", \"5\", nil]", "MGET a:%d b:%d c:%d d:%d e:%d f:%d",
               (int)rounds, (int)rounds, (int)rounds, (int)rounds, (int)rounds, (int)rounds);
        rounds++;
    }
    pthread_join(thread, NULL);
    ck_assert_msg(m.ok, "resharding failed");
    for (int i = 0; i < 3; i++)
        check_large(c, large[i], 'a');
    printf("  %d slots moved, %llu rounds beside it\n", slots, (unsigned long long)rounds);
    end_load(l, 250);
    expect(c, "OK", "FLUSHALL");
    ck_assert_msg(cluster_reshard(cluster, slots, to, from), "moving back");
}
END_TEST

/* While a slot is half moved, a write of two keys is refused until the move is done. A read behind
 * it on the same connection must see it. */
START_TEST(read_waits_behind_a_write_that_is_tried_again)
{
    int from = cluster_master(cluster, 0), to = cluster_master(cluster, 1);
    const char *tag = cluster_key(cluster, from, "half", 0);
    int slot = cluster_owner_of(cluster, tag) ? cluster_slot(tag, strlen(tag)) : -1;
    const char *from_id = cluster_node_at(cluster, from)->id,
               *to_id = cluster_node_at(cluster, to)->id;
    redisContext *c = client_open(proxy->port), *watch = client_open(proxy->port);
    expect(c, "OK", "MSET {%s}a old {%s}b old", tag, tag);
    ck_assert_str_eq(ask_port(to, "CLUSTER SETSLOT %d IMPORTING %s", slot, from_id), "OK");
    ck_assert_str_eq(ask_port(from, "CLUSTER SETSLOT %d MIGRATING %s", slot, to_id), "OK");
    ck_assert_str_eq(ask_port(from, "MIGRATE 127.0.0.1 %d {%s}a 0 5000", to, tag), "OK");
    redisAppendCommand(c, "MSET {%s}a new {%s}b new", tag, tag);
    redisAppendCommand(c, "GET {%s}a", tag);
    redisAppendCommand(c, "GET {%s}b", tag);
    int done = 0;
    redisBufferWrite(c, &done);
    for (int i = 0; i < 20; i++) {
        expect(watch, "\"old\"", "GET {%s}a", tag);
        expect(watch, "\"old\"", "GET {%s}b", tag);
    }
    ck_assert_str_eq(ask_port(from, "MIGRATE 127.0.0.1 %d {%s}b 0 5000", to, tag), "OK");
    for (int i = 0; i < 3; i++) {
        static const int order[] = {1, 0, 2};
        ck_assert_str_eq(
            ask_port(cluster_master(cluster, order[i]), "CLUSTER SETSLOT %d NODE %s", slot, to_id),
            "OK");
    }
    static const char *const want[] = {"OK", "\"new\"", "\"new\""};
    for (int i = 0; i < 3; i++) {
        void *reply;
        ck_assert_int_eq(redisGetReply(c, &reply), REDIS_OK);
        char *text = render(reply);
        ck_assert_msg(strcmp(text, want[i]) == 0, "reply %d is %s, not %s", i, text, want[i]);
        free(text);
        freeReplyObject(reply);
    }
    redisFree(c);
    redisFree(watch);
}
END_TEST

FIXTURE_SUITE("planned changes", 90, NULL, failover_of_each_master, rolling_restart,
              node_is_added_and_removed, resharding_with_large_keys,
              read_waits_behind_a_write_that_is_tried_again)
