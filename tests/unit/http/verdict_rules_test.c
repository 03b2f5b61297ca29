/* verdict_rules_test: where each rule begins to find something, and where it does not yet. What is
 * found, since when and in which order is verdict_test's. */
#include "support/stats_unit.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MB (1024.0 * 1024)

static void set_up(void)
{
    s = world_new(3, "stats-password sesame\nmaxclients 1000\nmax-waiting-requests 1000\n"
                     "client-output-limit 100mb\nclient-output-limit-pubsub 1mb\n");
    for (unsigned i = 0; i < s->nnodes; i++) {
        s->nodes[i].requests_rate = 100;
        s->nodes[i].latency.p50 = 200;
    }
}

/* Each makes one thing as bad as x. */
static void clients(double x)
{
    s->now[NOW_clients] = x;
}

static void waiting(double x)
{
    s->now[NOW_waiting] = x;
}

static void errors_of_100(double x)
{
    s->now[NOW_requests_rate] = 100;
    s->now[NOW_errors_rate] = x;
}

static void errors_of_10(double x)
{
    s->now[NOW_requests_rate] = 10;
    s->now[NOW_errors_rate] = x;
}

static void memory_of_1000(double x)
{
    s->nodes[4].v[NODE_memory_used_bytes] = x;
    s->nodes[4].v[NODE_memory_limit_bytes] = 1000;
}

static void memory_without_a_limit(double x)
{
    s->nodes[4].v[NODE_memory_used_bytes] = x;
}

static void latency(double x)
{
    s->nodes[1].latency.p50 = x;
}

static void latency_of_others_at_10(double x)
{
    for (unsigned i = 0; i < s->nnodes; i++)
        s->nodes[i].latency.p50 = 10;
    latency(x);
}

static void latency_beside_idle_ones(double x)
{
    for (unsigned i = 0; i < s->nnodes; i++)
        s->nodes[i].requests_rate = i == 1 ? 100 : 9;
    latency(x);
}

/* One other is slower than the rest: the median counts. */
static void latency_beside_a_slow_one(double x)
{
    s->nodes[0].latency.p50 = 700;
    s->nodes[0].requests_rate = 100;
    latency(x);
}

static void unread(double x)
{
    s->noutput = 1;
    s->by_output[0].id = 5;
    s->by_output[0].output = (uint64_t)x;
}

/* However high the limit is. */
static void unread_of_a_gigabyte(double x)
{
    ((struct config *)(uintptr_t)s->config)->client_output_limit = 1u << 30;
    unread(x);
}

static void unread_messages(double x)
{
    unread(x);
    s->by_output[0].subscribed = true;
}

static void stuck(double x)
{
    s->workers[1].stuck = x;
}

static void draining(double x)
{
    s->draining = x > 0;
}

/* So many masters on the first host; replicas are on hosts of their own. */
static void masters_on_one_host(double x)
{
    char host[20];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(host, sizeof host, "10.1.0.%u", i);
        world_set_host(s, i, i < x ? "10.1.0.0" : host);
        snprintf(host, sizeof host, "10.2.0.%u", i);
        world_set_host(s, i + 3, host);
    }
}

/* So many of the replicas that could even it out are not fit to. */
static void masters_on_one_host_without_a_way_out(double x)
{
    masters_on_one_host(3);
    for (unsigned i = 0; i < 3; i++)
        s->nodes[i + 3].state = i < 3 - x ? STATS_LAGGING : STATS_UP;
}

/* So many masters' replicas are down. */
static void replicas_down(double x)
{
    for (unsigned i = 0; i < x; i++)
        s->nodes[i + 3].state = STATS_DOWN;
}

static void replicas_gone(double x)
{
    for (unsigned i = 0; i < x; i++)
        s->nodes[i + 3].state = STATS_DRAIN;
}

static void slots_of_nobody(double x)
{
    for (unsigned i = 0; i < x; i++)
        s->topology->owner[i] = TOPOLOGY_NO_NODE;
}

static void lasts(double seconds, enum stats_state state)
{
    s->nodes[4].state = state;
    s->nodes[4].state_since = s->time + 1 - seconds;
}

static void suspected(double x)
{
    lasts(x, STATS_GOING_DOWN);
}

static void loads(double x)
{
    lasts(x, STATS_LOADING);
}

static void is_busy(double x)
{
    lasts(x, STATS_BUSY);
}

static void lags(double x)
{
    lasts(x, STATS_LAGGING);
}

static const struct {
    const char *rule;
    void (*make)(double x);
    double good, bad; /* the greatest that is nothing, the least that is found; NAN: none is */
} rules[] = {
    {"clients-full", clients, 899, 900},
    {"waiting-full", waiting, 899, 900},
    {"errors", errors_of_100, 9.9, 10},
    {"errors", errors_of_10, 4.9, 5}, /* one in ten of few is nothing */
    {"node-memory", memory_of_1000, 899, 900},
    {"node-memory", memory_without_a_limit, 1e18, NAN},
    {"node-slow", latency, 999, 1000},                 /* five times 200 */
    {"node-slow", latency_of_others_at_10, 509, 510},  /* half a millisecond more */
    {"node-slow", latency_beside_idle_ones, 1e6, NAN}, /* nobody to compare with */
    {"node-slow", latency_beside_a_slow_one, 999, 1000},
    {"client-unread", unread, 50 * MB - 1, 50 * MB}, /* half of the limit */
    {"client-unread", unread_of_a_gigabyte, 64 * MB - 1, 64 * MB},
    {"client-unread", unread_messages, MB - 1, MB}, /* no less than a megabyte */
    {"worker-stuck", stuck, 0, 0.1},
    {"draining", draining, 0, 1},
    {"masters-on-one-host", masters_on_one_host, 1, 2},
    {"masters-on-one-host", masters_on_one_host_without_a_way_out, 0, 1},
    {"no-replica", replicas_down, 0, 1},
    {"no-replica", replicas_gone, 0, 3},
    {"slots-uncovered", slots_of_nobody, 0, 1},
    {"node-state", suspected, 0.9, 1},
    {"node-state", loads, 0.9, 1},
    {"node-state", is_busy, 0.9, 1},
    {"node-state", lags, 9.9, 10},
};

/* Several seconds like this one pass, as many as a rule waits for; states have their own time. */
static bool finds(const char *rule, void (*make)(double x), double x)
{
    make(x);
    for (int i = 0; i < (strcmp(rule, "node-state") == 0 ? 1 : 5); i++)
        world_tick(s);
    return world_finding(s, rule) != NULL;
}

START_TEST(where_a_rule_begins)
{
    ck_assert_msg(!finds(rules[_i].rule, rules[_i].make, rules[_i].good), "%s at %g",
                  rules[_i].rule, rules[_i].good);
    if (!isnan(rules[_i].bad)) {
        stats_end();
        set_up();
        ck_assert_msg(finds(rules[_i].rule, rules[_i].make, rules[_i].bad), "%s at %g",
                      rules[_i].rule, rules[_i].bad);
    }
}
END_TEST

START_TEST(how_long_a_finding_must_last)
{
    static const struct {
        const char *rule;
        void (*make)(double x);
        double x;
        int seconds; /* for which it is not told */
    } patience[] = {
        {"clients-full", clients, 1000, 0},
        {"errors", errors_of_100, 100, 2},
        {"node-slow", latency, 5000, 3},
        {"no-replica", replicas_down, 1, 1},
        {"node-memory", memory_of_1000, 1000, 0},
        {"waiting-full", waiting, 1000, 0},
        {"client-unread", unread, 90 * MB, 0},
        {"masters-on-one-host", masters_on_one_host, 3, 0},
    };
    for (size_t i = 0; i < sizeof patience / sizeof *patience; i++) {
        stats_end();
        set_up();
        world_tick(s);
        patience[i].make(patience[i].x);
        for (int second = 0; second <= patience[i].seconds; second++) {
            world_tick(s);
            ck_assert_msg((world_finding(s, patience[i].rule) != NULL) ==
                              (second == patience[i].seconds),
                          "%s after %d s", patience[i].rule, second);
        }
    }
}
END_TEST

/* With a replica in its place it is not that bad. */
static void first_is_down(double x)
{
    world_set_flags(s, 0, TOPOLOGY_SILENT);
    s->nodes[0].state_since = 777;
    s->nodes[0].v[NODE_slots] = x;
    s->nodes[0].v[NODE_waiting] = 30;
    s->nodes[0].v[NODE_in_flight] = 12;
}

START_TEST(how_bad_it_is)
{
    static const struct {
        const char *rule;
        void (*make)(double x);
        double x, value;
        enum verdict_severity severity;
    } bad[] = {
        {"clients-full", clients, 950, 950, VERDICT_WARNING},
        {"waiting-full", waiting, 950, 950, VERDICT_CRITICAL},
        {"errors", errors_of_100, 40, 40, VERDICT_WARNING},
        {"node-memory", memory_of_1000, 950, 0.95, VERDICT_WARNING},
        {"node-slow", latency, 2000, 10, VERDICT_WARNING},
        {"client-unread", unread, 90 * MB, 90 * MB, VERDICT_WARNING},
        {"worker-stuck", stuck, 3, 3, VERDICT_CRITICAL},
        {"masters-on-one-host", masters_on_one_host, 2, 2, VERDICT_WARNING},
        {"no-replica", replicas_down, 1, 5462, VERDICT_WARNING},
        {"no-replica", replicas_down, 3, 3, VERDICT_WARNING},
        {"slots-uncovered", slots_of_nobody, 7, 7, VERDICT_CRITICAL},
        {"node-down", first_is_down, 5462, 30, VERDICT_CRITICAL},
        {"node-down", first_is_down, 0, 30, VERDICT_WARNING},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        stats_end();
        set_up();
        ck_assert_msg(finds(bad[i].rule, bad[i].make, bad[i].x), "%s", bad[i].rule);
        const struct finding *f = world_finding(s, bad[i].rule);
        ck_assert_msg(fabs(f->value - bad[i].value) < 1e-9, "%s: %g", f->rule, f->value);
        ck_assert_msg(f->severity == bad[i].severity, "%s", f->rule);
        ck_assert_msg(*f->advice, "%s", f->rule);
    }
    ck_assert(world_finding(s, "node-down")->since == 777);
    ck_assert_str_eq(world_finding(s, "slots-uncovered")->text,
                     "slots 0-5461 have no master, 42 requests wait");
}
END_TEST

START_TEST(no_more_ranges_of_slots_than_are_shown)
{
    for (uint32_t slot = 0; slot < 200; slot += 2)
        s->topology->owner[slot] = TOPOLOGY_NO_NODE;
    world_tick(s);
    ck_assert_uint_eq(s->verdict.n, 16);
    ck_assert_str_eq(s->verdict.findings[0].text, "slot 0 has no master");
    ck_assert_str_eq(s->verdict.findings[15].text, "slot 30 has no master");
}
END_TEST

/* Neighbours of different masters are different ranges. */
START_TEST(ranges_end_where_their_owner_does)
{
    world_set_flags(s, 0, TOPOLOGY_FAIL);
    world_set_flags(s, 1, TOPOLOGY_FAIL);
    world_tick(s);
    const struct finding *f = s->verdict.findings;
    ck_assert(f[0].first == 0 && f[0].last == 5461 && f[1].first == 5462 && f[1].last == 10922);
    ck_assert_str_eq(f[0].node, s->nodes[0].id);
    ck_assert_str_eq(f[0].advice, "Start 10.0.0.1:6379 again, or one of its replicas.");
}
END_TEST

START_TEST(who_was_asked_is_told)
{
    static const struct {
        const char *config, *asked;
    } seeds[] = {
        {"cluster-nodes 10.0.0.1:1\n", "Asked is 10.0.0.1:1. "},
        {"cluster-nodes 10.0.0.1:1 10.0.0.2:1 10.0.0.3:1\n", "Asked are 10.0.0.1:1 and 2 more. "},
        {"", "Asked is nobody. "},
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        stats_end();
        s = world_new(3, seeds[i].config);
        topology_unref(s->topology);
        s->topology = NULL;
        s->nnodes = 0;
        s->time += 5;
        verdict_find(s);
        const struct finding *f = world_finding(s, "no-cluster");
        ck_assert_ptr_nonnull(f);
        ck_assert_msg(strncmp(f->advice, seeds[i].asked, strlen(seeds[i].asked)) == 0, "%s",
                      f->advice);
    }
}
END_TEST

START_TEST(unlimited_is_never_full)
{
    stats_end();
    s = world_new(3, "stats-password sesame\nmax-waiting-requests 0\n");
    s->now[NOW_waiting] = 0;
    world_tick(s);
    ck_assert_ptr_null(world_finding(s, "waiting-full"));
}
END_TEST

START_TEST(numbers_are_grouped)
{
    s->now[NOW_clients] = 1234567;
    world_tick(s);
    ck_assert_str_eq(world_finding(s, "clients-full")->text, "1,234,567 of at most 1,000 clients");
    s->now[NOW_clients] = 900;
    world_tick(s);
    ck_assert_str_eq(world_finding(s, "clients-full")->text, "900 of at most 1,000 clients");
}
END_TEST

START_TEST(a_client_is_called_by_its_name)
{
    unread_messages(40 * MB);
    strcpy(s->by_output[0].address, "1.2.3.4:5");
    strcpy(s->by_output[0].name, "me");
    world_tick(s);
    ck_assert_str_eq(world_finding(s, "client-unread")->text,
                     "client 1.2.3.4:5 (me) holds 40 MB unread");
    ck_assert_str_eq(world_finding(s, "client-unread")->advice,
                     "It is sent more messages than it reads. Beyond client-output-limit-pubsub "
                     "(1.0 MB) it is closed.");
}
END_TEST

START_TEST(all_errors_are_a_hundred_percent)
{
    s->now[NOW_requests_rate] = 50; /* some were to requests of the second before */
    s->now[NOW_errors_rate] = 80;
    for (int i = 0; i < 3; i++)
        world_tick(s);
    ck_assert_str_eq(world_finding(s, "errors")->text, "100% of the replies are errors");
}
END_TEST

/* The replica on the host with the fewest masters. */
START_TEST(the_promotion_that_helps_most_is_advised)
{
    for (unsigned i = 0; i < 3; i++)
        world_set_host(s, i, i < 2 ? "10.1.0.0" : "10.2.0.0");
    world_set_host(s, 3, "10.2.0.0"); /* has one already */
    world_set_host(s, 4, "10.3.0.0");
    world_tick(s);
    const struct finding *f = world_finding(s, "masters-on-one-host");
    ck_assert_str_eq(f->text, "2 of 3 masters are on host 10.1.0.0");
    ck_assert_ptr_nonnull(strstr(f->advice, "redis-cli -h 10.3.0.0 -p 6380 CLUSTER FAILOVER"));
    world_set_host(s, 4, "10.1.0.0"); /* on the same host: no way out, and the other one none */
    world_tick(s);
    ck_assert_ptr_null(world_finding(s, "masters-on-one-host"));
}
END_TEST

START_TEST(each_rule_has_its_own_name_and_help)
{
    for (size_t i = 0; i < verdict_rule_count; i++) {
        ck_assert_msg(*verdict_rules[i].help && verdict_rules[i].find, "%s", verdict_rules[i].name);
        ck_assert_int_ne(verdict_rules[i].severity, VERDICT_OK);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(verdict_rules[i].name, verdict_rules[j].name);
    }
}
END_TEST

UNIT_SUITE_WITH("verdict_rules", set_up, stats_end,
                {where_a_rule_begins, sizeof rules / sizeof *rules}, {how_long_a_finding_must_last},
                {how_bad_it_is}, {no_more_ranges_of_slots_than_are_shown},
                {ranges_end_where_their_owner_does}, {who_was_asked_is_told},
                {unlimited_is_never_full}, {numbers_are_grouped}, {a_client_is_called_by_its_name},
                {all_errors_are_a_hundred_percent}, {the_promotion_that_helps_most_is_advised},
                {each_rule_has_its_own_name_and_help})
