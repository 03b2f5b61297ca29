/* cut connections: real nodes that drop slotway's connections under load. Reads are asked again,
 * writes under way get the one clear error, nothing is applied twice. */
#include "support/fixture.h"
#include "support/load.h"
#include <string.h>

static uint8_t groups[CLUSTER_SLOTS];

START_TEST(nodes_drop_connections_under_load)
{
    cluster_groups(cluster, groups);
    struct load_options o = {
        .port = proxy->port, .mixed = 12, .pinned = 4, .groups = 3, .group_of_slot = groups};
    struct load *l = load_start(&o);
    load_fault_begins(l);
    load_may_fail(l, -1);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 3; i++)
            ask_port(cluster_master(cluster, i), "CLIENT KILL TYPE normal");
        ck_assert_msg(load_wait_progress(l, 20, 10000), "clients are stuck");
    }
    struct load_result r = load_finish(l);
    ck_assert_int_eq(r.wrong, 0);
    ck_assert_int_eq(r.redirects_seen, 0);
    ck_assert_int_eq(r.closed, 0);
    ck_assert_int_eq(r.lost, 0);
    ck_assert_msg(r.errors == r.maybe_errors, "%llu errors of which %llu say 'may or may not'",
                  (unsigned long long)r.errors, (unsigned long long)r.maybe_errors);
    for (int g = 0; g < 3; g++)
        report_figure("longest gap of a master's slots", r.gap_ms[g], 250, "ms");
}
END_TEST

/* Reads alone see no error at all. */
START_TEST(reads_see_nothing_of_it)
{
    cluster_groups(cluster, groups);
    struct load_options o = {.port = proxy->port,
                             .mixed = 9,
                             .pinned = 3,
                             .groups = 3,
                             .reads_only = true,
                             .group_of_slot = groups};
    struct load *l = load_start(&o);
    load_fault_begins(l);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3; i++)
            ask_port(cluster_master(cluster, i), "CLIENT KILL TYPE normal");
        ck_assert_msg(load_wait_progress(l, 20, 10000), "clients are stuck");
    }
    struct load_result r = load_finish(l);
    load_assert_clean(&r);
}
END_TEST

FIXTURE_SUITE("cut connections", 60, NULL, nodes_drop_connections_under_load,
              reads_see_nothing_of_it)
