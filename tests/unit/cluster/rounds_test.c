/* rounds_test: who is asked, and when. Rounds are put into the past instead of waiting for them;
 * where a pause of the test itself could change the outcome, it is made again. */
#include "support/discovery_unit.h"
#include "support/log_unit.h"
#include <stdio.h>

#define CALM   "refresh-interval 600000\n" /* ten minutes: nothing of it passes by itself */
#define LONG   1000.0
#define PAUSE  0.02 /* s that the test may lose in a place where time counts */
#define PROBED 3    /* questions of a first probe */

static struct endpoint *at[30];
static unsigned nodes;

/* A healthy cluster of n nodes, each connected, the first of them masters; nothing is due. */
static void cluster(unsigned n, unsigned masters)
{
    char id[TOPOLOGY_ID_LEN + 1];
    struct topology *t = topology_new((uint16_t)n);
    for (unsigned i = 0; i < n; i++) {
        at[i] = endpoints_need(d, "127.0.0.1", (uint16_t)(i + 1));
        discovery_connect(at[i]);
        snprintf(id, sizeof id, "%040u", i);
        at[i]->node = t->nodes[i].index = registry_see(d->env.registry, id, 0);
        at[i]->wanted = true;
        t->nodes[i].flags = i < masters ? TOPOLOGY_MASTER : TOPOLOGY_REPLICA;
        t->nodes[i].slots = i < masters;
    }
    t->covered = SLOT_COUNT;
    d->published = t;
    d->last_round = d->last_probe = control_clock();
    nodes = n;
}

static void set_up(void)
{
    discovery_begin();
    discovery_reconfigure(CALM);
}

static unsigned asked(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < nodes; i++)
        n += at[i]->asking;
    return n;
}

/* The nodes have answered. */
static void answered(void)
{
    for (unsigned i = 0; i < nodes; i++)
        at[i]->asking = at[i]->again = false;
}

/* How many are asked by a tick so long after the round before. */
static unsigned asked_after(double seconds)
{
    double begin, last_probe = d->last_probe;
    do {
        answered();
        begin = control_clock();
        d->last_round = begin - seconds;
        d->last_probe = last_probe;
        rounds_tick(d);
    } while (control_clock() - begin > PAUSE);
    return asked();
}

START_TEST(when_all_is_well_the_interval_of_the_configuration_counts)
{
    cluster(3, 1);
    ck_assert_uint_eq(asked_after(599.9), 0);
    ck_assert(d->trouble_since == 0);
    ck_assert_uint_eq(asked_after(600), 3);
    /* the timer is never exactly on time */
    ck_assert_uint_eq(asked_after(600 - ROUNDS_TICK / 4), 3);
    discovery_reconfigure("refresh-interval 1000\n");
    ck_assert_uint_eq(asked_after(0.9), 0);
    ck_assert_uint_eq(asked_after(1), 3);
}
END_TEST

static void no_topology(void)
{
    topology_unref(d->published);
    d->published = NULL;
}

static void slot_uncovered(void)
{
    d->published->covered--;
}

/* However long the test takes. */
static void hint_now(void)
{
    d->last_hint = control_clock() + LONG;
}

static void hint_before(void)
{
    d->last_hint = control_clock() - 1;
}

static void node_fails(void)
{
    d->published->nodes[2].flags |= TOPOLOGY_FAIL;
}

static void node_suspected(void)
{
    d->published->nodes[2].flags |= TOPOLOGY_PFAIL;
}

static void node_silent(void)
{
    d->published->nodes[2].flags |= TOPOLOGY_SILENT;
}

static void node_loads(void)
{
    d->published->nodes[0].flags |= TOPOLOGY_LOADING;
}

/* These end by themselves: asking more often would bring nothing. */
static void node_lags(void)
{
    d->published->nodes[2].flags |= TOPOLOGY_LAGGING | TOPOLOGY_BUSY;
}

static void an_answer_is_missing(void)
{
    at[1]->unwell_since = control_clock();
}

static void a_way_that_nobody_needs(void)
{
    an_answer_is_missing();
    at[1]->wanted = false;
}

static const struct {
    const char *what;
    void (*happens)(void);
    bool troubled;
} troubles[] = {
    {"no topology", no_topology, true},
    {"a slot without an owner", slot_uncovered, true},
    {"a hint", hint_now, true},
    {"an old hint", hint_before, false},
    {"a dead node", node_fails, true},
    {"a suspected node", node_suspected, true},
    {"a silent node", node_silent, true},
    {"a node that loads", node_loads, true},
    {"a node that lags, or is busy", node_lags, false},
    {"a missing answer", an_answer_is_missing, true},
    {"a missing answer of nobody", a_way_that_nobody_needs, false},
};

START_TEST(in_trouble_all_are_asked_every_50_ms)
{
    cluster(3, 1);
    troubles[_i].happens();
    ck_assert_msg((asked_after(0.05) == 3) == troubles[_i].troubled, "%s", troubles[_i].what);
    ck_assert_uint_eq(asked_after(0), 0);
    ck_assert((d->trouble_since > 0) == troubles[_i].troubled);
}
END_TEST

START_TEST(the_same_trouble_tires)
{
    cluster(3, 1);
    node_silent();
    double now = control_clock();
    d->trouble_since = now - 50;
    ck_assert_uint_eq(asked_after(0.1), 3);
    ck_assert(d->trouble_since == now - 50); /* it is the same */
    d->trouble_since = now - 70;
    ck_assert_uint_eq(asked_after(0.1), 0);
    ck_assert_uint_eq(asked_after(0.5), 3);
    hint_now(); /* somebody is waiting for it */
    ck_assert_uint_eq(asked_after(0.1), 3);
    d->last_hint = ROUNDS_NEVER;
    d->published->nodes[2].flags &= ~(uint32_t)TOPOLOGY_SILENT;
    ck_assert_uint_eq(asked_after(0.5), 0);
    ck_assert(d->trouble_since == 0);
    node_fails();
    ck_assert_uint_eq(asked_after(0.1), 3); /* another one */
}
END_TEST

START_TEST(tired_is_not_slower_than_calm)
{
    cluster(3, 1);
    discovery_reconfigure("refresh-interval 100\n");
    node_silent();
    d->trouble_since = control_clock() - LONG;
    ck_assert_uint_eq(asked_after(0.1), 3);
}
END_TEST

START_TEST(who_is_being_asked_is_not_asked_again)
{
    cluster(16, 5);
    d->last_round = ROUNDS_NEVER;
    rounds_tick(d);
    ck_assert_uint_eq(asked(), 16);
    at[3]->asking = false;
    d->last_round = ROUNDS_NEVER;
    rounds_tick(d);
    ck_assert_uint_eq(asked(), 16);
    for (unsigned i = 0; i < 16; i++)
        ck_assert(!at[i]->again);
    endpoint_disconnect(at[7]); /* nor who cannot be asked */
    answered();
    d->last_round = ROUNDS_NEVER;
    rounds_tick(d);
    ck_assert_uint_eq(asked(), 15);
}
END_TEST

START_TEST(of_a_big_cluster_some_are_asked_in_turn)
{
    unsigned times[30] = {0};
    cluster(30, 10);
    at[29]->node = TOPOLOGY_NO_NODE; /* nobody knows it: no master either */
    for (int round = 0; round < 10; round++) {
        ck_assert_uint_eq(asked_after(LONG), 8);
        for (unsigned i = 0; i < nodes; i++)
            times[i] += at[i]->asking;
    }
    for (unsigned i = 0; i < nodes; i++) /* 80 questions, to masters only: they know their slots */
        ck_assert_uint_eq(times[i], i < 10 ? 8 : 0);
    node_silent();
    ck_assert_uint_eq(asked_after(LONG), 4); /* they come that much more often */
}
END_TEST

START_TEST(a_big_cluster_of_few_masters_has_its_replicas_asked_too)
{
    unsigned times[30] = {0};
    cluster(30, 3);
    for (int round = 0; round < 27; round++) {
        asked_after(LONG);
        for (unsigned i = 0; i < nodes; i++)
            times[i] += at[i]->asking;
    }
    for (unsigned i = 0; i < nodes; i++)
        ck_assert_msg(i < 3 ? times[i] == 27 : times[i] >= 4, "%u was asked %u times", i, times[i]);
    answered();
    at[0]->asking = true; /* it has not answered yet: another one takes its turn */
    endpoint_disconnect(at[1]);
    endpoint_disconnect(at[4]);
    d->last_round = ROUNDS_NEVER;
    rounds_tick(d);
    ck_assert_uint_eq(asked(), 9);
    ck_assert(!at[1]->asking && !at[4]->asking && at[2]->asking && !at[0]->again);
}
END_TEST

START_TEST(each_is_probed_once_an_interval)
{
    cluster(20, 10);
    d->changed = false;
    rounds_tick(d);
    ck_assert(!d->changed);
    for (unsigned i = 0; i < nodes; i++)
        ck_assert_uint_eq(control_unanswered(at[i]->control), 0);
    d->last_probe = control_clock() - 600;
    rounds_tick(d);
    for (unsigned i = 0; i < nodes; i++)
        ck_assert_uint_eq(control_unanswered(at[i]->control), PROBED);
    ck_assert(d->changed); /* replicas fall behind by time */
    d->changed = false;
    rounds_tick(d);
    ck_assert(!d->changed);
}
END_TEST

/* Only its answer to the question for its view says that it does not any more. */
START_TEST(who_loads_or_is_busy_is_asked_with_each_probe)
{
    cluster(20, 10);
    at[15]->loading = at[17]->busy = at[18]->loading = at[18]->asking = true;
    d->last_probe = control_clock() - 600;
    rounds_tick(d);
    for (unsigned i = 0; i < nodes; i++)
        ck_assert(at[i]->asking == (i == 15 || i == 17 || i == 18));
    ck_assert(!at[18]->again);
}
END_TEST

/* Its answer may be older than what gave rise to the hint. */
START_TEST(a_hint_asks_at_once_even_who_is_being_asked)
{
    cluster(3, 1);
    endpoint_ask(at[1]);
    d->last_round = control_clock() - 0.1;
    rounds_hint(d);
    ck_assert_uint_eq(asked(), 3);
    ck_assert(at[1]->again && !at[0]->again);
    ck_assert(control_clock() - d->last_round < LONG && !ev_is_active(&d->hint_timer));
}
END_TEST

START_TEST(of_a_big_cluster_a_hint_asks_some)
{
    cluster(30, 10);
    endpoint_ask(at[0]);
    d->last_round = control_clock() - 0.1;
    rounds_hint(d);
    ck_assert_uint_eq(asked(), 9);
    ck_assert(!at[0]->again);
}
END_TEST

/* Is the question asked at once, if there was a round so long before, and hints come without a
 * pause for so long? */
static bool hint_asks(double round, double burst)
{
    double begin;
    do {
        answered();
        ev_timer_stop(d->loop, &d->hint_timer);
        begin = control_clock();
        d->last_round = begin - round;
        d->last_hint = begin - 0.1;
        d->burst_since = begin - burst;
        rounds_hint(d);
    } while (control_clock() - begin > PAUSE);
    ck_assert_uint_eq(asked(), ev_is_active(&d->hint_timer) ? 0 : nodes);
    return asked() > 0;
}

START_TEST(hints_are_put_together)
{
    cluster(3, 1);
    ck_assert(hint_asks(0.01, 1));
    ck_assert(!hint_asks(-LONG, 1)); /* as if the round had been far later */
    ev_tstamp left = ev_timer_remaining(d->loop, &d->hint_timer);
    ck_assert_double_gt(left, LONG - 1);
    ck_assert_double_le(left, LONG + 0.01 + PAUSE);
    rounds_hint(d); /* one that waits already is enough */
    ck_assert_uint_eq(asked(), 0);
    rounds_hint_is_due(d);
    ck_assert_uint_eq(asked(), 3);
}
END_TEST

START_TEST(a_long_burst_of_hints_is_slowed_down)
{
    cluster(3, 1);
    ck_assert(hint_asks(0.02, 1.9));
    ck_assert(!hint_asks(0.02, 2.1));
    ck_assert(hint_asks(0.05, 2.1));
    d->last_hint = control_clock() - 0.6; /* they had ceased: a new one begins */
    rounds_hint(d);
    ck_assert(d->burst_since == d->last_hint);
}
END_TEST

START_TEST(that_nobody_answers_is_said_once_a_minute)
{
    log_keep();
    cluster(2, 1);
    no_topology();
    rounds_tick(d);
    ck_assert_uint_eq(log_count("no node answers yet"), 0); /* they may answer yet */
    for (unsigned i = 0; i < nodes; i++) {
        ck_assert_uint_eq(log_count("no node answers yet"), 0);
        at[i]->refused = true;
        snprintf(at[i]->trouble, sizeof at[i]->trouble, "connection refused");
        rounds_tick(d);
    }
    ck_assert_uint_eq(log_count("no node answers yet (127.0.0.1:1: connection refused)"), 1);
    rounds_tick(d);
    ck_assert_uint_eq(log_count("no node answers yet"), 1);
    d->said_waiting = control_clock() - 61;
    rounds_tick(d);
    ck_assert_uint_eq(log_count("no node answers yet"), 2);
}
END_TEST

START_TEST(a_cluster_that_was_seen_is_not_said_to_be_missing)
{
    log_keep();
    cluster(1, 1);
    at[0]->refused = true;
    rounds_tick(d);
    ck_assert_uint_eq(log_count("no node answers yet"), 0);
}
END_TEST

UNIT_SUITE_WITH("rounds", set_up, discovery_end,
                {when_all_is_well_the_interval_of_the_configuration_counts},
                {in_trouble_all_are_asked_every_50_ms, sizeof troubles / sizeof *troubles},
                {the_same_trouble_tires}, {tired_is_not_slower_than_calm},
                {who_is_being_asked_is_not_asked_again}, {of_a_big_cluster_some_are_asked_in_turn},
                {a_big_cluster_of_few_masters_has_its_replicas_asked_too},
                {each_is_probed_once_an_interval}, {who_loads_or_is_busy_is_asked_with_each_probe},
                {a_hint_asks_at_once_even_who_is_being_asked}, {of_a_big_cluster_a_hint_asks_some},
                {hints_are_put_together}, {a_long_burst_of_hints_is_slowed_down},
                {that_nobody_answers_is_said_once_a_minute},
                {a_cluster_that_was_seen_is_not_said_to_be_missing})
