/* verdict_test: each rule finds what it is for and nothing else, and says since when. */
#include "support/stats_world.h"
#include "support/unit.h"
#include <stdio.h>
#include <string.h>

static struct stats *s;

static void setup(void)
{
    s = world_new(3, "stats-password sesame");
}

static void teardown(void)
{
    world_free(s);
}

static void expect_text(const char *rule, const char *text)
{
    const struct finding *f = world_finding(s, rule);
    ck_assert_msg(f != NULL, "%s found nothing", rule);
    ck_assert_str_eq(f->text, text);
    ck_assert_str_ne(f->advice, "");
}

static void expect_nothing(void)
{
    ck_assert_msg(s->verdict.n == 0, "%s", s->verdict.findings[0].text);
}

START_TEST(all_is_well)
{
    char text[VERDICT_TEXT];
    world_tick(s);
    expect_nothing();
    verdict_text(s, text, sizeof text);
    ck_assert_str_eq(text, "all 16384 slots are served by 3 masters");
    ck_assert_int_eq(verdict_severity(&s->verdict), VERDICT_OK);
}
END_TEST

START_TEST(slots_without_a_master)
{
    world_tick(s);
    world_set_flags(s, 2, TOPOLOGY_SILENT);
    s->nodes[2].v[NODE_waiting] = 1200;
    s->nodes[2].v[NODE_in_flight] = 40;
    world_tick(s);
    double since = s->time;
    for (int i = 0; i < 5; i++)
        world_tick(s);
    expect_text("slots-uncovered", "slots 10923-16383 have no master, 1,240 requests wait");
    const struct finding *f = world_finding(s, "slots-uncovered");
    ck_assert(f->since == since && f->first == 10923 && f->last == 16383 && f->value == 5461);
    ck_assert_str_eq(f->node, s->nodes[2].id);
    ck_assert_int_eq(verdict_severity(&s->verdict), VERDICT_CRITICAL);
    ck_assert(verdict_since(&s->verdict) == since);
    ck_assert_str_eq(s->verdict.findings[0].rule, "slots-uncovered");
    expect_text("node-down", "master 10.0.0.3:6379 does not answer");
    ck_assert_ptr_null(world_finding(s, "no-cluster"));
    world_set_flags(s, 2, 0);
    world_tick(s);
    expect_nothing();
    ck_assert(verdict_since(&s->verdict) == s->time);
}
END_TEST

START_TEST(slots_that_nobody_owns)
{
    for (uint32_t slot = 100; slot < 200; slot++)
        s->topology->owner[slot] = TOPOLOGY_NO_NODE;
    s->topology->owner[7000] = TOPOLOGY_NO_NODE;
    s->waiting_nowhere = 3;
    world_tick(s);
    ck_assert_uint_eq(s->verdict.n, 2);
    expect_text("slots-uncovered", "slots 100-199 have no master, 3 requests wait");
    ck_assert_str_eq(s->verdict.findings[1].text, "slot 7000 has no master, 3 requests wait");
}
END_TEST

START_TEST(no_node_at_all)
{
    topology_unref(s->topology);
    s->topology = NULL;
    s->nnodes = 0;
    char text[VERDICT_TEXT];
    verdict_find(s);
    expect_nothing(); /* it has just started */
    verdict_text(s, text, sizeof text);
    ck_assert_str_eq(text, "the nodes are being asked what the cluster looks like");
    s->time++;
    verdict_find(s);
    expect_text("no-cluster", "no node of the cluster has answered");
    ck_assert(world_finding(s, "no-cluster")->since == s->started);
    ck_assert_int_eq(world_finding(s, "no-cluster")->where, VERDICT_PROXY);
}
END_TEST

START_TEST(a_replica_that_is_down_is_less_bad)
{
    world_set_flags(s, 4, TOPOLOGY_SILENT); /* of master 1 */
    for (int i = 0; i < 3; i++)
        world_tick(s);
    expect_text("node-down", "replica 10.0.0.3:6380 does not answer");
    expect_text("no-replica", "master 10.0.0.2:6379 has no replica");
    ck_assert_int_eq(verdict_severity(&s->verdict), VERDICT_WARNING);
}
END_TEST

/* Its replica has taken over. */
START_TEST(a_lost_master_that_was_replaced_is_less_bad)
{
    world_set_flags(s, 2, TOPOLOGY_FAIL);
    s->nodes[5].v[NODE_slots] = s->nodes[2].v[NODE_slots];
    s->nodes[2].v[NODE_slots] = 0;
    s->nodes[5].is_master = true;
    s->nodes[5].master = TOPOLOGY_NO_NODE;
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        if (s->topology->owner[slot] == 2)
            s->topology->owner[slot] = 5;
    for (int i = 0; i < 3; i++)
        world_tick(s);
    expect_text("node-down", "master 10.0.0.3:6379 (no slots) does not answer");
    ck_assert_int_eq(world_finding(s, "node-down")->severity, VERDICT_WARNING);
    ck_assert_int_eq(verdict_severity(&s->verdict), VERDICT_WARNING);
}
END_TEST

START_TEST(no_replicas_anywhere_is_one_finding)
{
    s->nnodes = 3;
    for (int i = 0; i < 3; i++)
        world_tick(s);
    ck_assert_uint_eq(s->verdict.n, 1);
    expect_text("no-replica", "no master has a replica");
}
END_TEST

START_TEST(a_cluster_that_never_had_replicas_is_meant_so)
{
    char text[VERDICT_TEXT];
    s->nnodes = 3;
    s->replicas_known = false;
    for (int i = 0; i < 3; i++)
        world_tick(s);
    expect_nothing();
    verdict_text(s, text, sizeof text);
    ck_assert_str_eq(text, "all 16384 slots are served by 3 masters, without replicas");
}
END_TEST

START_TEST(a_replica_that_catches_up_is_not_told)
{
    s->nodes[4].state = STATS_LAGGING;
    for (int i = 0; i < 9; i++)
        world_tick(s);
    expect_nothing();
    for (int i = 0; i < 3; i++)
        world_tick(s);
    expect_text("node-state", "replica 10.0.0.3:6380 is too far behind its master, or has lost it");
}
END_TEST

START_TEST(a_node_slower_than_its_peers)
{
    for (unsigned i = 0; i < 3; i++) {
        s->nodes[i].requests_rate = 1000;
        s->nodes[i].latency = (struct stats_latency){i == 1 ? 4000 : 200, 9000, 9000};
    }
    world_tick(s);
    expect_nothing(); /* for one second it may be chance */
    for (int i = 0; i < 3; i++)
        world_tick(s);
    ck_assert_uint_eq(s->verdict.n, 1);
    expect_text("node-slow", "10.0.0.2:6379 answers 20 times slower than its peers");
    const char *advice = world_finding(s, "node-slow")->advice;
    ck_assert_msg(
        strncmp(advice, "Half of its replies take more than 4 ms, its peers' 0.2 ms.", 59) == 0,
        "%s", advice);
    s->nodes[1].latency.p50 = 600;
    world_tick(s);
    expect_nothing();
}
END_TEST

START_TEST(all_masters_on_one_host)
{
    for (unsigned i = 0; i < 3; i++) {
        world_set_host(s, i, "10.0.0.9");
        world_set_host(s, i + 3, i == 2 ? "10.0.0.7" : "10.0.0.8");
    }
    world_tick(s);
    expect_text("masters-on-one-host", "all masters are on host 10.0.0.9");
    const char *advice = world_finding(s, "masters-on-one-host")->advice;
    ck_assert_ptr_nonnull(strstr(advice, "redis-cli -h 10.0.0.8 -p 6380 CLUSTER FAILOVER"));
    world_set_host(s, 2, "10.0.0.7");
    world_tick(s);
    expect_text("masters-on-one-host", "2 of 3 masters are on host 10.0.0.9");
}
END_TEST

START_TEST(one_host_for_all_is_no_drift)
{
    for (unsigned i = 0; i < 6; i++)
        world_set_host(s, i, "127.0.0.1");
    world_tick(s);
    expect_nothing();
}
END_TEST

START_TEST(a_client_that_does_not_read)
{
    s->noutput = 2;
    s->by_output[0].id = 17;
    s->by_output[0].output = 310ull * 1024 * 1024;
    snprintf(s->by_output[0].address, NET_ADDRESS_LEN, "10.1.2.3:50122");
    s->by_output[1].output = 1024;
    world_tick(s);
    ck_assert_uint_eq(s->verdict.n, 1);
    expect_text("client-unread", "client 10.1.2.3:50122 holds 310 MB unread");
    ck_assert_uint_eq(world_finding(s, "client-unread")->client, 17);
}
END_TEST

/* Their limit is lower. */
START_TEST(a_subscriber_that_does_not_read)
{
    s->noutput = 2;
    for (int i = 0; i < 2; i++) {
        s->by_output[i].output = (17 - (uint64_t)i) * 1024 * 1024;
        snprintf(s->by_output[i].address, NET_ADDRESS_LEN, "10.1.2.%d:50122", 3 + i);
    }
    world_tick(s);
    expect_nothing();
    s->by_output[1].subscribed = true;
    world_tick(s);
    ck_assert_uint_eq(s->verdict.n, 1);
    expect_text("client-unread", "client 10.1.2.4:50122 holds 16 MB unread");
    const char *advice = world_finding(s, "client-unread")->advice;
    ck_assert_ptr_nonnull(strstr(advice, "Beyond client-output-limit-pubsub (32.0 MB)"));
}
END_TEST

START_TEST(limits_that_are_nearly_reached)
{
    s->now[NOW_clients] = 9500;
    s->now[NOW_waiting] = 95000;
    s->nodes[1].v[NODE_memory_used_bytes] = 95;
    s->nodes[1].v[NODE_memory_limit_bytes] = 100;
    world_tick(s);
    expect_text("clients-full", "9,500 of at most 10,000 clients");
    expect_text("waiting-full", "95,000 of at most 100,000 requests wait");
    expect_text("node-memory", "10.0.0.2:6379 uses 95% of its memory");
    ck_assert_str_eq(s->verdict.findings[0].rule, "waiting-full"); /* the worst */
}
END_TEST

START_TEST(many_errors)
{
    s->now[NOW_requests_rate] = 100;
    s->now[NOW_errors_rate] = 50;
    for (int i = 0; i < 4; i++)
        world_tick(s);
    expect_text("errors", "50% of the replies are errors");
}
END_TEST

START_TEST(states_of_slotway_itself)
{
    s->draining = true;
    s->workers[1].stuck = 3;
    world_tick(s);
    expect_text("draining", "slotway takes no new clients");
    expect_text("worker-stuck", "worker 1 is stuck");
}
END_TEST

START_TEST(the_default_password)
{
    world_free(s);
    s = world_new(3, "");
    world_tick(s);
    ck_assert_uint_eq(s->verdict.n, 1);
    expect_text("default-password", "the password of this page is the default one");
    ck_assert(verdict_since(&s->verdict) == s->started);
}
END_TEST

START_TEST(the_oldest_warning_hides_no_worse_one)
{
    world_free(s);
    s = world_new(3, "");
    world_tick(s);
    world_set_flags(s, 4, TOPOLOGY_SILENT);
    for (int i = 0; i < 3; i++)
        world_tick(s);
    ck_assert_uint_eq(s->verdict.n, 3);
    ck_assert_str_eq(s->verdict.findings[0].rule, "node-down");
    ck_assert_str_eq(s->verdict.findings[1].rule, "no-replica");
    ck_assert_str_eq(s->verdict.findings[2].rule, "default-password");
}
END_TEST

/* What each rule finds is about something, and began with the first second of it. */
static const struct {
    const char *rule;
    enum verdict_where where;
} all_at_once[] = {
    {"slots-uncovered", VERDICT_SLOTS}, {"worker-stuck", VERDICT_PROXY},
    {"waiting-full", VERDICT_PROXY},    {"node-down", VERDICT_NODE},
    {"clients-full", VERDICT_PROXY},    {"errors", VERDICT_PROXY},
    {"node-state", VERDICT_NODE},       {"node-slow", VERDICT_NODE},
    {"node-memory", VERDICT_NODE},      {"client-unread", VERDICT_CLIENT},
    {"no-replica", VERDICT_NODE},       {"masters-on-one-host", VERDICT_HOST},
    {"draining", VERDICT_PROXY},        {"default-password", VERDICT_PROXY},
};

static void everything_is_wrong(void)
{
    for (unsigned i = 0; i < 3; i++) {
        world_set_host(s, i, "10.0.0.9");
        s->nodes[i].requests_rate = 1000;
        s->nodes[i].latency = (struct stats_latency){i == 1 ? 4000 : 200, 9000, 9000};
    }
    world_set_flags(s, 2, TOPOLOGY_SILENT);
    world_set_flags(s, 3, TOPOLOGY_SILENT); /* the replica of 0 */
    s->nodes[4].state = STATS_LOADING;
    s->nodes[1].v[NODE_memory_used_bytes] = 95;
    s->nodes[1].v[NODE_memory_limit_bytes] = 100;
    s->now[NOW_clients] = 9500;
    s->now[NOW_waiting] = 95000;
    s->now[NOW_requests_rate] = s->now[NOW_errors_rate] = 100;
    s->noutput = 1;
    s->by_output[0].id = 17;
    s->by_output[0].output = 310ull * 1024 * 1024;
    s->draining = true;
    s->workers[1].stuck = 3;
}

START_TEST(each_rule_says_where_and_since_when)
{
    world_free(s);
    s = world_new(3, "");
    everything_is_wrong();
    world_tick(s);
    double first = s->time;
    for (int i = 0; i < 4; i++)
        world_tick(s);
    for (size_t i = 0; i < sizeof all_at_once / sizeof all_at_once[0]; i++) {
        const char *rule = all_at_once[i].rule;
        const struct finding *f = world_finding(s, rule);
        ck_assert_msg(f != NULL, "%s found nothing", rule);
        ck_assert_msg(f->where == all_at_once[i].where, "%s is about %s", rule,
                      verdict_wheres[f->where]);
        ck_assert_msg((f->where == VERDICT_NODE) <= (*f->node != '\0'), "%s names no node", rule);
        ck_assert_msg((f->where == VERDICT_CLIENT) == (f->client != 0), "%s names no client", rule);
        ck_assert_msg((f->where == VERDICT_HOST) == (*f->host != '\0'), "%s names no host", rule);
        ck_assert_msg(f->since == (strcmp(rule, "default-password") ? first : s->started),
                      "%s since %f", rule, f->since);
        ck_assert_str_ne(f->advice, "");
    }
    /* and "no-cluster", for which there is nothing else to be found */
    ck_assert_uint_eq(verdict_rule_count, sizeof all_at_once / sizeof all_at_once[0] + 1);
}
END_TEST

START_TEST(a_node_that_loads_or_runs_a_script)
{
    s->nodes[0].state = STATS_LOADING;
    s->nodes[4].state = STATS_BUSY;
    for (int i = 0; i < 3; i++)
        world_tick(s);
    ck_assert_uint_eq(s->verdict.n, 2);
    expect_text("node-state", "master 10.0.0.1:6379 is loading its data");
    ck_assert_str_eq(s->verdict.findings[1].text, "replica 10.0.0.3:6380 is busy with a script");
}
END_TEST

START_TEST(suspicion)
{
    world_set_flags(s, 0, TOPOLOGY_PFAIL);
    for (int i = 0; i < 3; i++)
        world_tick(s);
    ck_assert_uint_eq(s->verdict.n, 1);
    expect_text("node-state", "master 10.0.0.1:6379 is suspected to be down");
}
END_TEST

UNIT_SUITE_WITH("verdict", setup, teardown, {all_is_well}, {slots_without_a_master},
                {slots_that_nobody_owns}, {no_node_at_all}, {a_replica_that_is_down_is_less_bad},
                {a_lost_master_that_was_replaced_is_less_bad},
                {no_replicas_anywhere_is_one_finding},
                {a_cluster_that_never_had_replicas_is_meant_so},
                {a_replica_that_catches_up_is_not_told}, {a_node_slower_than_its_peers},
                {all_masters_on_one_host}, {one_host_for_all_is_no_drift},
                {a_client_that_does_not_read}, {a_subscriber_that_does_not_read},
                {limits_that_are_nearly_reached}, {many_errors}, {states_of_slotway_itself},
                {the_default_password}, {the_oldest_warning_hides_no_worse_one},
                {each_rule_says_where_and_since_when}, {a_node_that_loads_or_runs_a_script},
                {suspicion})
