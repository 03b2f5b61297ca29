/* collect_test: from a worker with clients and nodes to figures; an hour of seconds in a row leaves
 * nothing behind. */
#define _GNU_SOURCE
#include "base/memory.h"
#include "http/collect.h"
#include "http/csv.h"
#include "http/json.h"
#include "http/metrics.h"
#include "support/flow.h"
#include "support/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(MEMORY_CHECKED) || defined(__SANITIZE_THREAD__)
#define ALLOCATED_BY_SANITIZER
size_t __sanitizer_get_current_allocated_bytes(void);
#elif defined(SLOTWAY_JEMALLOC)
#include <jemalloc/jemalloc.h>
#else
#include <malloc.h>
#endif

#define HOUR 3600

/* Bytes that are allocated now. */
static size_t allocated(void)
{
#ifdef ALLOCATED_BY_SANITIZER
    return __sanitizer_get_current_allocated_bytes();
#elif defined(SLOTWAY_JEMALLOC)
    uint64_t epoch = 1;
    size_t bytes = 0, len = sizeof bytes;
    mallctl("epoch", NULL, NULL, &epoch, sizeof epoch);
    mallctl("stats.allocated", &bytes, &len, NULL, 0);
    return bytes;
#else
    return mallinfo2().uordblks;
#endif
}

static struct flow *f;
static struct collector *collector;
static struct mailbox asker;
static int c;

static void setup(void)
{
    f = flow_start("slowlog-log-slower-than 0");
    c = flow_client(f);
    f->w->thread = pthread_self();
    mailbox_init(&asker, f->w->loop, NULL);
    collector = collector_new(&f->process);
    collector_set_config(collector, config_ref(f->config));
    collector_set_topology(collector, topology_ref(f->w->topology));
}

static void teardown(void)
{
    mailbox_destroy(&asker);
    collector_free(collector);
    flow_stop(f);
}

static bool all_answered;

static void on_survey(void *owner, void *arg)
{
    (void)owner;
    all_answered = collector_on_survey(collector, arg);
}

/* A second passes. */
static const struct stats *tick(void)
{
    all_answered = false;
    collector_ask(collector, &asker, on_survey);
    for (int i = 0; i < 100 && !all_answered; i++)
        flow_turn(f);
    ck_assert(all_answered);
    collector_take(collector);
    return collector_stats(collector);
}

static void ask(enum flow_node node, const char *request, const char *answer)
{
    flow_send(f, c, request);
    flow_node_gets(f, node, request);
    flow_answer(f, node, answer);
    flow_expect(f, c, answer);
}

START_TEST(figures_of_nodes_and_commands)
{
    ask(NODE_A, "GET b", "$1\r\n1\r\n");
    ask(NODE_A, "SET b 1", "+OK\r\n");
    ask(NODE_B, "GET c", "-WRONGTYPE no\r\n");
    const struct stats *s = tick();
    const struct stats_node *a = stats_node_at(s, NODE_A), *b = stats_node_at(s, NODE_B);
    ck_assert(a->v[NODE_requests] == 2 && b->v[NODE_requests] == 1);
    ck_assert_uint_eq(b->count[WATCH_replied], 1);
    ck_assert(a->v[NODE_connections_shared] == 1 && a->v[NODE_slots] > 0);
    ck_assert_uint_gt(a->count[WATCH_bytes_in], 0);
    ck_assert_uint_eq(s->ncommands, 2);
    ck_assert_str_eq(s->commands[0].name, "get");
    ck_assert_uint_eq(s->commands[0].calls, 2);
    ck_assert_uint_eq(s->commands[0].errors, 1);
    ck_assert_uint_eq(s->counters[COUNTER_commands], 3);
    ck_assert(s->now[NOW_requests_rate] > 0);
    ck_assert_uint_eq(s->nnodes, FLOW_NODES);
}
END_TEST

START_TEST(what_is_under_way)
{
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    const struct stats *s = tick();
    ck_assert(s->now[NOW_in_flight] == 1);
    ck_assert(stats_node_at(s, NODE_A)->v[NODE_in_flight] == 1);
    flow_answer(f, NODE_A, "-LOADING wait\r\n");
    flow_settle(f);
    s = tick();
    ck_assert(stats_node_at(s, NODE_A)->count[WATCH_refused] == 1);
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "$-1\r\n");
    flow_expect(f, c, "$-1\r\n");
    s = tick();
    ck_assert(s->now[NOW_in_flight] == 0 && s->now[NOW_waiting] == 0);
}
END_TEST

START_TEST(clients_slow_requests_and_refusals)
{
    flow_send(f, c, "CLIENT SETNAME me");
    flow_expect(f, c, "+OK\r\n");
    ask(NODE_A, "GET b", "$1\r\n1\r\n");
    flow_send(f, c, "RENAME a b", "RENAME a b");
    flow_expect(f, c,
                "-CROSSSLOT Keys in request don't hash to the same slot\r\n"
                "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    const struct stats *s = tick();
    ck_assert_uint_eq(s->nrate, 1);
    ck_assert_str_eq(s->by_rate[0].name, "me");
    ck_assert_uint_eq(s->by_rate[0].commands, 4);
    uint32_t nslow = s->nslow;
    ck_assert_uint_ge(nslow, 1);
    ck_assert_str_eq(s->slow[0].command, "GET b");
    ck_assert_uint_eq(s->slow[0].node, NODE_A);
    ck_assert_uint_eq(s->ncross, 1);
    ck_assert_uint_eq(s->cross[0].count, 2);
    ck_assert_str_eq(s->cross[0].seen.command, "RENAME a b");
    s = tick(); /* they are not taken twice */
    ck_assert_uint_eq(s->nslow, nslow);
    ck_assert_uint_eq(s->cross[0].count, 2);
    flow_send(f, c, "RENAME a c", "RENAME a b");
    flow_settle(f);
    s = tick(); /* the same again is one line, wherever it was */
    ck_assert_uint_eq(s->ncross, 2);
    ck_assert_uint_eq(s->cross[0].count, 3);
    ck_assert_str_eq(s->cross[0].seen.command, "RENAME a b");
    ck_assert_str_eq(s->cross[1].seen.command, "RENAME a c");
    s = tick();
    ck_assert_uint_eq(s->nrate, 1); /* it is idle now, and shown */
}
END_TEST

START_TEST(a_hot_key)
{
    tick(); /* sampling begins */
    for (int i = 0; i < 20; i++)
        ask(NODE_A, "GET b", "$1\r\n1\r\n");
    const struct stats *s = tick();
    ck_assert_uint_eq(s->ncount, 1);
    ck_assert_str_eq(s->by_count[0].key, "b");
    ck_assert_uint_eq(s->by_count[0].slot, 3300);
    ck_assert(s->by_count[0].share == 1);
    ck_assert(s->load[3300 / 64] > 0);
}
END_TEST

START_TEST(a_node_changes_and_leaves)
{
    tick();
    f->nodes[NODE_C].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    collector_set_topology(collector, topology_ref(f->w->topology));
    const struct stats *s = tick();
    const struct stats_node *node = stats_node_at(s, NODE_C);
    ck_assert_int_eq(node->state, STATS_DOWN);
    ck_assert(node->state_since > 0 && s->slot_since[15495] == node->state_since);
    ck_assert_int_eq(verdict_severity(&s->verdict), VERDICT_CRITICAL);
    f->nodes[NODE_C].flags &= ~(uint32_t)TOPOLOGY_SILENT;
    flow_publish(f);
    collector_set_topology(collector, topology_ref(f->w->topology));
    s = tick();
    ck_assert_int_eq(stats_node_at(s, NODE_C)->state, STATS_UP);
    ck_assert(s->slot_since[15495] == 0);
    f->nodes[REPLICA_C].hidden = true;
    flow_publish(f);
    collector_set_topology(collector, topology_ref(f->w->topology));
    s = tick();
    ck_assert_uint_eq(s->topology->nnodes, FLOW_NODES - 1);
    for (uint16_t i = 0; i < s->topology->nnodes; i++) /* positions agree */
        ck_assert_str_eq(s->nodes[i].id, s->topology->nodes[i].id);
}
END_TEST

START_TEST(a_burst_of_redirects_is_an_event)
{
    tick();
    counters_add(&f->w->counters, COUNTER_redirects_ask, 99);
    uint32_t before = tick()->nevents;
    counters_add(&f->w->counters, COUNTER_redirects_moved, 150);
    tick();
    counters_add(&f->w->counters, COUNTER_redirects_moved, 200); /* it goes on */
    tick();
    const struct stats *s = tick();
    ck_assert_uint_eq(s->nevents, before + 1);
    ck_assert_int_eq(s->events[0].kind, EVENT_REDIRECTS);
    ck_assert_str_eq(s->events[0].text,
                     "a burst of redirects begins: 150 MOVED and ASK replies in a second");
}
END_TEST

START_TEST(an_hour_leaves_nothing_behind)
{
    size_t len, settled = 0;
    for (int i = 0; i < HOUR; i++) {
        struct gather_part out = {0};
        if (i % 100 == 0)
            ask(NODE_A, "GET b", "$1\r\n1\r\n");
        const struct stats *s = tick();
        if (i % 10 == 0) { /* what listeners get */
            free(json_snapshot(s, 0, &len));
            free(json_all(s, &len));
            metrics_write(s, &out);
            csv_write(s, &out);
            free(out.data);
        }
        if (i == HOUR / 6)
            settled = allocated();
    }
    size_t end = allocated();
    printf("  in use after ten minutes %zu bytes, after an hour %zu\n", settled, end);
    ck_assert_uint_gt(settled, 0);
    ck_assert_uint_le(end, settled + settled / 20);
}
END_TEST

UNIT_SUITE_WITH("collect", setup, teardown, {figures_of_nodes_and_commands}, {what_is_under_way},
                {clients_slow_requests_and_refusals}, {a_hot_key}, {a_node_changes_and_leaves},
                {a_burst_of_redirects_is_an_event}, {an_hour_leaves_nothing_behind})
