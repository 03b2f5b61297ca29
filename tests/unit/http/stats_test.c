/* stats_test: looking things up in the figures of one second. */
#include "support/stats_unit.h"
#include <string.h>

static void set_up(void)
{
    s = world_new(3, "");
}

START_TEST(nodes_are_found_by_their_index)
{
    s->nodes[4].index = 77;
    ck_assert_ptr_eq(stats_node_at(s, 0), &s->nodes[0]);
    ck_assert_ptr_eq(stats_node_at(s, 77), &s->nodes[4]);
    ck_assert_ptr_null(stats_node_at(s, 4));
    ck_assert_ptr_null(stats_node_at(s, TOPOLOGY_NO_NODE));
    s->nnodes = 4;
    ck_assert_ptr_null(stats_node_at(s, 77));
}
END_TEST

/* Of two nodes at one address: the states of both, and which one is shown. */
static const struct {
    enum stats_state first, second;
    int shown;
} pairs[] = {
    {STATS_DOWN, STATS_UP, 1},    {STATS_DRAIN, STATS_UP, 1},     {STATS_UP, STATS_DOWN, 0},
    {STATS_UP, STATS_DRAIN, 0},   {STATS_DOWN, STATS_LOADING, 1}, {STATS_UP, STATS_UP, 0},
    {STATS_DOWN, STATS_DRAIN, 0}, {STATS_DRAIN, STATS_DOWN, 0},   {STATS_LAGGING, STATS_UP, 0},
};

START_TEST(of_nodes_at_one_address_that_is_shown_which_is_there)
{
    const struct stats_node *shown[6];
    ck_assert_uint_eq(stats_by_address(s, shown), 6);
    memcpy(s->nodes[5].address, s->nodes[2].address, sizeof s->nodes[5].address);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        s->nodes[2].state = pairs[i].first;
        s->nodes[5].state = pairs[i].second;
        ck_assert_uint_eq(stats_by_address(s, shown), 5);
        ck_assert_ptr_eq(shown[0], &s->nodes[0]);
        ck_assert_msg(shown[pairs[i].shown ? 4 : 2] == &s->nodes[pairs[i].shown ? 5 : 2], "%s, %s",
                      stats_states[pairs[i].first], stats_states[pairs[i].second]);
    }
    memcpy(s->nodes[0].address, s->nodes[2].address, sizeof s->nodes[5].address);
    s->nodes[0].state = s->nodes[2].state = STATS_DRAIN;
    s->nodes[5].state = STATS_UP;
    ck_assert_uint_eq(stats_by_address(s, shown), 4);
    ck_assert_ptr_eq(shown[3], &s->nodes[5]);
}
END_TEST

START_TEST(slots_without_a_living_master)
{
    ck_assert_uint_eq(stats_uncovered(s), 0);
    s->topology->owner[7] = TOPOLOGY_NO_NODE;
    world_set_flags(s, 2, TOPOLOGY_SILENT);
    ck_assert_uint_eq(stats_uncovered(s), 1 + 5461);
    ck_assert(stats_slot_is_uncovered(s, 7) && stats_slot_is_uncovered(s, 16383));
    ck_assert(!stats_slot_is_uncovered(s, 8));
    topology_unref(s->topology);
    s->topology = NULL; /* no node has answered yet */
    ck_assert_uint_eq(stats_uncovered(s), SLOT_COUNT);
}
END_TEST

START_TEST(quantiles)
{
    struct histogram h = {{0}};
    struct stats_latency none = stats_latency_of(&h);
    ck_assert(none.p50 < 0 && none.p99 < 0 && none.p999 < 0);
    histogram_add(&h, 100, 980);
    histogram_add(&h, 10000, 18);
    histogram_add(&h, 1000000, 2);
    struct stats_latency some = stats_latency_of(&h);
    ck_assert(some.p50 > 80 && some.p50 < 130);
    ck_assert(some.p99 > 8000 && some.p99 < 13000);
    ck_assert(some.p999 > 800000 && some.p999 < 1300000);
}
END_TEST

START_TEST(each_state_has_a_name)
{
    for (int i = 0; i < STATS_STATES; i++)
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(stats_states[i], stats_states[j]);
    ck_assert_str_eq(stats_states[STATS_UP], "up");
    ck_assert_str_eq(stats_states[STATS_GOING_DOWN], "going-down");
    ck_assert_str_eq(stats_states[STATS_DOWN], "down");
    ck_assert_str_eq(stats_states[STATS_DRAIN], "drain");
    ck_assert_str_eq(stats_states[STATS_LOADING], "loading");
    ck_assert_str_eq(stats_states[STATS_BUSY], "busy");
    ck_assert_str_eq(stats_states[STATS_LAGGING], "lagging");
}
END_TEST

UNIT_SUITE_WITH("stats", set_up, stats_end, {nodes_are_found_by_their_index},
                {of_nodes_at_one_address_that_is_shown_which_is_there},
                {slots_without_a_living_master}, {quantiles}, {each_state_has_a_name})
