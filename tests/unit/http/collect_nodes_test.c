/* collect_nodes_test: from the topology, discovery and the counts of two made-up workers to what is
 * shown of each node and command. */
#include "base/memory.h"
#include "cluster/discovery_state.h"
#include "flow/process.h"
#include "http/collector.h"
#include "support/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS 2
enum { A, B, R, NODES }; /* masters a and b, r a replica of b: by index 5, 6, 7 */
#define INDEX(node) (uint16_t)((node) + 5)

static struct process process;
static struct worker *workers[WORKERS];
static struct collector *c;
static struct stats *s;
static struct topology *t;
static struct health health[TOPOLOGY_MAX_NODES];
static struct discovery discovery;
static struct survey_node survey_nodes[WORKERS][NODES];

static void make_topology(void)
{
    topology_unref(t);
    t = topology_new(NODES);
    for (int i = 0; i < NODES; i++) {
        struct topology_node *node = &t->nodes[i];
        memset(node->id, 'a' + i, TOPOLOGY_ID_LEN);
        snprintf(node->host, sizeof node->host, "10.0.0.%d", i + 1);
        node->port = 6379;
        node->index = INDEX(i);
        node->flags = i == R ? TOPOLOGY_REPLICA : TOPOLOGY_MASTER;
        node->master = i == R ? B : TOPOLOGY_NO_NODE;
    }
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        t->owner[slot] = slot < 8192 ? A : B;
    t->nodes[A].slots = t->nodes[B].slots = 8192;
}

static void set_up(void)
{
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = memory_zalloc(sizeof *workers[i]);
        workers[i]->watch = watch_new();
    }
    process.workers = workers;
    process.nworkers = WORKERS;
    for (int i = 0; i < TOPOLOGY_MAX_NODES; i++)
        health_forget(&health[i]);
    discovery.env.health = health;
    process.discovery = &discovery;
    c = collector_new(&process);
    s = collector_stats(c);
    c->elapsed = 2;
    make_topology();
}

static void tear_down(void)
{
    for (int i = 0; i < WORKERS; i++) {
        c->workers[i].survey->nodes = NULL; /* the test's own */
        watch_free(workers[i]->watch);
        free(workers[i]);
    }
    collector_free(c);
    topology_unref(t);
}

/* The topology is as t says from this second on. */
static void follow(double now)
{
    topology_unref(s->topology);
    s->topology = topology_ref(t);
    collector_follow(c, t, now);
    collector_take_nodes(c);
}

static const struct stats_node *node(int which)
{
    return stats_node_at(s, INDEX(which));
}

/* --- following the topology --- */

static const struct {
    uint32_t flags;
    enum stats_state state;
} states[] = {
    {0, STATS_UP},
    {TOPOLOGY_FAIL, STATS_DOWN},
    {TOPOLOGY_SILENT, STATS_DOWN},
    {TOPOLOGY_SILENT | TOPOLOGY_LOADING, STATS_DOWN},
    {TOPOLOGY_PFAIL, STATS_GOING_DOWN},
    {TOPOLOGY_PFAIL | TOPOLOGY_LAGGING, STATS_GOING_DOWN},
    {TOPOLOGY_LOADING | TOPOLOGY_LAGGING, STATS_LOADING},
    {TOPOLOGY_BUSY | TOPOLOGY_LAGGING, STATS_BUSY},
    {TOPOLOGY_LAGGING, STATS_LAGGING},
};

START_TEST(the_worst_of_a_node_is_its_state)
{
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        make_topology();
        t->nodes[R].flags |= states[i].flags;
        follow(100);
        ck_assert_int_eq(node(R)->state, states[i].state);
        ck_assert(node(R)->v[NODE_up] == (states[i].state != STATS_DOWN));
        ck_assert_int_eq(node(A)->state, STATS_UP);
    }
}
END_TEST

START_TEST(what_changed_since_when)
{
    follow(100);
    ck_assert(node(A)->state_since == 0 && node(A)->role_since == 0); /* it always was so */
    t->nodes[B].flags |= TOPOLOGY_SILENT;
    follow(200);
    ck_assert(node(B)->state_since == 200 && node(B)->role_since == 0);
    follow(300);
    ck_assert(node(B)->state_since == 200);
    t->nodes[R].flags = TOPOLOGY_MASTER;
    t->nodes[R].master = TOPOLOGY_NO_NODE;
    follow(400);
    ck_assert(node(R)->role_since == 400 && node(R)->is_master && node(R)->state_since == 0);
    ck_assert_uint_eq(node(R)->master, TOPOLOGY_NO_NODE);
    t->nodes[B].flags = TOPOLOGY_MASTER;
    follow(500);
    ck_assert(node(B)->state_since == 500 && node(A)->state_since == 0);
}
END_TEST

START_TEST(slots_without_a_master_since_when)
{
    follow(100);
    ck_assert(s->slot_since[0] == 0 && s->slot_since[16383] == 0);
    t->nodes[B].flags |= TOPOLOGY_FAIL;
    t->owner[5] = TOPOLOGY_NO_NODE;
    follow(200);
    follow(300);
    ck_assert(s->slot_since[0] == 0 && s->slot_since[5] == 200 && s->slot_since[16383] == 200);
    t->owner[5] = A;
    follow(400);
    ck_assert(s->slot_since[5] == 0 && s->slot_since[16383] == 200);
}
END_TEST

START_TEST(a_cluster_that_had_replicas_is_remembered)
{
    t->nodes[R].flags = TOPOLOGY_MASTER;
    follow(100);
    ck_assert(!s->replicas_known);
    t->nodes[R].flags = TOPOLOGY_REPLICA;
    follow(200);
    t->nodes[R].flags = TOPOLOGY_MASTER;
    follow(300);
    ck_assert(s->replicas_known);
}
END_TEST

START_TEST(another_node_at_the_same_index_starts_anew)
{
    follow(100);
    t->nodes[B].flags |= TOPOLOGY_SILENT;
    follow(200);
    memset(t->nodes[B].id, 'x', TOPOLOGY_ID_LEN);
    follow(300);
    ck_assert_int_eq(node(B)->id[0], 'x');
    ck_assert(node(B)->state_since == 0 && node(B)->role_since == 0);
    ck_assert_uint_eq(s->nnodes, NODES);
}
END_TEST

/* A node that left is shown as long as there are connections to it. */
START_TEST(a_node_leaves)
{
    follow(100);
    t->nnodes = R;
    c->workers[1].survey->nodes = survey_nodes[1];
    c->workers[1].survey->nnodes = 1;
    survey_nodes[1][0].index = INDEX(R);
    follow(200);
    ck_assert_uint_eq(s->nnodes, NODES);
    ck_assert_ptr_eq(node(R), &s->nodes[R]);
    ck_assert_int_eq(node(R)->state, STATS_DRAIN);
    ck_assert(node(R)->v[NODE_up] == 0 && node(R)->state_since == 200);
    ck_assert_uint_eq(node(R)->master, TOPOLOGY_NO_NODE);
    c->workers[1].asked = true; /* what it said is old */
    follow(300);
    ck_assert_uint_eq(s->nnodes, NODES - 1);
    c->workers[1].asked = false;
    c->workers[1].survey->nnodes = 0;
    follow(300);
    ck_assert_uint_eq(s->nnodes, NODES - 1);
    t->nnodes = NODES; /* and comes back */
    follow(400);
    ck_assert_int_eq(node(R)->state, STATS_UP);
    ck_assert(node(R)->state_since == 400);
}
END_TEST

START_TEST(facts_of_the_topology)
{
    snprintf(t->nodes[A].host, sizeof t->nodes[A].host, "fd00::1");
    snprintf(t->nodes[A].hostname, sizeof t->nodes[A].hostname, "a.example");
    snprintf(t->nodes[A].version, sizeof t->nodes[A].version, "7.0.15");
    t->nodes[A].epoch = 77;
    follow(100);
    ck_assert_str_eq(node(A)->address, "[fd00::1]:6379");
    ck_assert_str_eq(node(A)->host, "fd00::1");
    ck_assert_str_eq(node(A)->hostname, "a.example");
    ck_assert_str_eq(node(A)->version, "7.0.15");
    ck_assert_str_eq(node(B)->address, "10.0.0.2:6379");
    ck_assert(node(A)->epoch == 77 && node(A)->v[NODE_slots] == 8192);
    ck_assert(node(R)->master == B && !node(R)->is_master && node(R)->v[NODE_slots] == 0);
    for (uint32_t i = 0; i < s->nnodes; i++) /* positions agree with the topology's */
        ck_assert_str_eq(s->nodes[i].id, t->nodes[i].id);
}
END_TEST

/* --- what nodes say --- */

START_TEST(what_a_node_has_not_said_is_unknown)
{
    follow(100);
    ck_assert(node(A)->v[NODE_keys] == STATS_UNKNOWN && node(A)->v[NODE_probe_ms] == STATS_UNKNOWN);
    ck_assert(node(A)->v[NODE_memory_limit_bytes] == STATS_UNKNOWN);
    ck_assert(node(R)->v[NODE_replication_lag_bytes] == STATS_UNKNOWN && node(R)->link_up == -1);
    ck_assert(node(A)->v[NODE_in_flight] == 0 && node(A)->v[NODE_waiting] == 0);
    process.discovery = NULL;
    health_set(&health[INDEX(A)].keys, 5);
    follow(200);
    ck_assert(node(A)->v[NODE_keys] == STATS_UNKNOWN);
}
END_TEST

START_TEST(what_a_node_has_said)
{
    struct health *a = &health[INDEX(A)];
    health_set(&a->probe_us, 1500);
    health_set(&a->memory_used, 1000);
    health_set(&a->memory_limit, 0); /* none */
    health_set(&a->keys, 0);
    health_set(&health[INDEX(B)].memory_limit, 4000);
    follow(100);
    ck_assert_double_eq_tol(node(A)->v[NODE_probe_ms], 1.5, 1e-9);
    ck_assert(node(A)->v[NODE_memory_used_bytes] == 1000 && node(A)->v[NODE_keys] == 0);
    ck_assert(node(A)->v[NODE_memory_limit_bytes] == STATS_UNKNOWN);
    ck_assert(node(B)->v[NODE_memory_limit_bytes] == 4000);
}
END_TEST

START_TEST(how_far_a_replica_is_behind)
{
    health_set(&health[INDEX(B)].offset, 1000);
    health_set(&health[INDEX(R)].offset, 900);
    health_set(&health[INDEX(R)].link_up, 1);
    follow(100);
    ck_assert(node(R)->v[NODE_replication_lag_bytes] == 100 && node(R)->link_up == 1);
    ck_assert(node(B)->v[NODE_replication_lag_bytes] == STATS_UNKNOWN && node(B)->link_up == -1);
    health_set(&health[INDEX(R)].offset, 1010); /* it answered later than its master */
    health_set(&health[INDEX(R)].link_up, 0);
    follow(100);
    ck_assert(node(R)->v[NODE_replication_lag_bytes] == 0 && node(R)->link_up == 0);
    health_set(&health[INDEX(B)].offset, HEALTH_UNKNOWN);
    follow(100);
    ck_assert(node(R)->v[NODE_replication_lag_bytes] == STATS_UNKNOWN);
    t->nodes[R].master = TOPOLOGY_NO_NODE;
    health_set(&health[INDEX(R)].link_up, 1);
    follow(100);
    ck_assert(node(R)->link_up == -1);
}
END_TEST

START_TEST(what_workers_hold_adds_up)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        survey_nodes[i][0] = (struct survey_node){.index = INDEX(B),
                                                  .in_flight = 1 + i,
                                                  .waiting = 10 + i,
                                                  .waiting_oldest = 5000 + 2000 * i,
                                                  .shared = 2,
                                                  .bulk = 3,
                                                  .leased = 4};
        survey_nodes[i][1].index = 900; /* nobody knows it */
        c->workers[i].survey->nodes = survey_nodes[i];
        c->workers[i].survey->nnodes = 2;
    }
    follow(100);
    ck_assert(node(B)->v[NODE_in_flight] == 3 && node(B)->v[NODE_waiting] == 21);
    ck_assert(node(B)->v[NODE_waiting_oldest_ms] == 7 && node(A)->v[NODE_in_flight] == 0);
    ck_assert(node(B)->v[NODE_connections_shared] == 4 && node(B)->v[NODE_connections_bulk] == 6);
    ck_assert(node(B)->v[NODE_connections_leased] == 8);
    c->workers[1].asked = true;
    follow(100);
    ck_assert(node(B)->v[NODE_in_flight] == 1 && node(B)->v[NODE_waiting_oldest_ms] == 5);
}
END_TEST

/* --- counts --- */

/* So many replies to a command came from a node within so long, as worker saw it. */
static void replies(unsigned worker, int at, const char *name, uint64_t us, uint64_t n,
                    uint64_t errors)
{
    struct watch *watch = workers[worker]->watch;
    struct watch_node *counts = watch_node(watch, INDEX(at), t->nodes[at].id);
    uint32_t stat = 0;
    while (strcmp(command_stat_name(stat), name) != 0)
        stat++;
    struct watch_command *command = atomic_load(&counts->commands[stat]);
    if (!command)
        atomic_store(&counts->commands[stat], command = memory_zalloc(sizeof *command));
    histogram_add(&command->latency, us, n);
    command->errors += errors;
    watch->calls[stat] += n;
}

static const struct stats_command *command(const char *name)
{
    for (uint32_t i = 0; i < s->ncommands; i++)
        if (strcmp(s->commands[i].name, name) == 0)
            return &s->commands[i];
    return NULL;
}

START_TEST(replies_of_nodes_and_commands_add_up)
{
    command_builtin();
    replies(0, A, "get", 100, 10, 1);
    replies(1, A, "get", 100, 20, 2);
    replies(1, A, "set", 200, 4, 0);
    replies(0, B, "get", 100, 6, 0);
    follow(100);
    ck_assert(node(A)->v[NODE_requests] == 34 && node(B)->v[NODE_requests] == 6);
    ck_assert(node(R)->v[NODE_requests] == 0);
    ck_assert_double_eq_tol(node(A)->requests_rate, 17, 1e-9); /* in two seconds */
    ck_assert_uint_eq(histogram_count(&s->at_nodes), 40);
    ck_assert_uint_eq(s->ncommands, 2);
    ck_assert_str_eq(s->commands[0].name, "get"); /* most calls first */
    ck_assert_str_eq(s->commands[1].name, "set");
    ck_assert(command("get")->calls == 36 && command("get")->errors == 3);
    ck_assert_double_eq_tol(command("get")->calls_rate, 18, 1e-9);
    ck_assert_double_gt(node(A)->latency.p50, 90);
    ck_assert_double_lt(node(A)->latency.p50, 130);
    ck_assert(node(R)->latency.p50 < 0);
    uint64_t families = 0;
    for (unsigned i = 0; i < COMMAND_STAT_FAMILIES; i++)
        families += histogram_count(&node(A)->families[i]);
    ck_assert_uint_eq(families, 34);
    follow(102); /* nothing has come since */
    ck_assert(node(A)->requests_rate == 0 && command("get")->calls_rate == 0);
    ck_assert(node(A)->v[NODE_requests] == 34 && command("get")->calls == 36);
    ck_assert_uint_eq(histogram_count(&s->at_nodes), 40);
    replies(0, B, "set", 100, 100, 0);
    follow(104);
    ck_assert_str_eq(s->commands[0].name, "set");
    ck_assert_double_eq_tol(node(B)->requests_rate, 50, 1e-9);
}
END_TEST

START_TEST(errors_and_bytes_of_a_node)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        struct watch_node *counts = watch_node(workers[i]->watch, INDEX(A), t->nodes[A].id);
        watch_add(counts, WATCH_redirects, 1);
        watch_add(counts, WATCH_refused, 2);
        watch_add(counts, WATCH_lost, 3);
        watch_add(counts, WATCH_replied, 4);
        watch_add(counts, WATCH_opened, 50);
        watch_add(counts, WATCH_bytes_in, 600);
        watch_add(counts, WATCH_bytes_out, 7000);
    }
    follow(100);
    ck_assert_uint_eq(node(A)->count[WATCH_lost], 6);
    ck_assert_double_eq_tol(node(A)->errors_rate, 10, 1e-9); /* opened ones are none */
    ck_assert_double_eq_tol(node(A)->bytes_in_rate, 600, 1e-9);
    ck_assert_double_eq_tol(node(A)->bytes_out_rate, 7000, 1e-9);
    ck_assert(node(B)->errors_rate == 0 && node(B)->count[WATCH_lost] == 0);
}
END_TEST

/* What came from a node that is not shown any more stays in the sums, which never go back. */
START_TEST(a_node_that_left_stays_in_the_sums)
{
    command_builtin();
    replies(0, R, "get", 100, 10, 5);
    follow(100);
    t->nnodes = R;
    follow(200);
    ck_assert_uint_eq(s->nnodes, NODES - 1);
    ck_assert_uint_eq(histogram_count(&s->at_nodes), 10);
    ck_assert(command("get")->calls == 10 && command("get")->errors == 5);
}
END_TEST

/* Latencies are those of the last five to ten seconds. */
START_TEST(old_latencies_go)
{
    command_builtin();
    replies(0, A, "get", 5000, 100, 0);
    follow(100);
    ck_assert_double_gt(node(A)->latency.p50, 4000);
    for (int i = 0; i < 2; i++) {
        c->rotate = true;
        follow(101);
    }
    c->rotate = false;
    follow(102);
    ck_assert(node(A)->latency.p50 < 0 && command("get")->latency.p50 < 0);
    replies(0, A, "get", 50, 10, 0);
    follow(103);
    ck_assert_double_lt(node(A)->latency.p99, 100);
}
END_TEST

UNIT_SUITE_WITH("collect_nodes", set_up, tear_down, {the_worst_of_a_node_is_its_state},
                {what_changed_since_when}, {slots_without_a_master_since_when},
                {a_cluster_that_had_replicas_is_remembered},
                {another_node_at_the_same_index_starts_anew}, {a_node_leaves},
                {facts_of_the_topology}, {what_a_node_has_not_said_is_unknown},
                {what_a_node_has_said}, {how_far_a_replica_is_behind}, {what_workers_hold_adds_up},
                {replies_of_nodes_and_commands_add_up}, {errors_and_bytes_of_a_node},
                {a_node_that_left_stays_in_the_sums}, {old_latencies_go})
