/* dead master: kill -9 and SIGSTOP of a master. Its requests wait and go on as soon as the cluster
 * has a new one; the other masters' slots notice nothing. */
#include "support/fixture.h"
#include "support/load.h"
#include <string.h>

#define VICTIM 1

static uint8_t groups[CLUSTER_SLOTS];

struct takeover {
    int replica;
    int64_t at; /* when the replica first said that it is master */
};

static bool replica_is_master(void *arg)
{
    struct takeover *t = arg;
    if (!strstr(ask_port(t->replica, "INFO replication"), "role:master"))
        return false;
    t->at = now_ms();
    return true;
}

/* harm(port of the victim) under load; returns when the slots are served again. */
static void master_dies(void (*harm)(struct cluster *, int))
{
    cluster_groups(cluster, groups);
    int victim = cluster_master(cluster, VICTIM);
    struct takeover t = {.replica = cluster_replica_of(cluster, victim)};
    struct load_options o = {.port = proxy->port,
                             .mixed = 12,
                             .pinned = 4,
                             .groups = 3,
                             .pace_ms = 10,
                             .group_of_slot = groups};
    struct load *l = load_start(&o);
    ck_assert(load_wait_progress(l, 500, 20000));
    load_may_lose(l, VICTIM);
    load_may_fail(l, VICTIM); /* looked at more closely below */
    load_fault_begins(l);
    int64_t harmed = now_ms();
    harm(cluster, victim);
    ck_assert_msg(wait_until(replica_is_master, &t, 15000), "the cluster did not fail over");
    ck_assert_msg(load_wait_progress(l, 50, 15000), "clients are stuck after the failover");
    load_may_lose(l, -1);
    ck_assert(load_wait_progress(l, 100, 15000));
    int64_t served = load_all_served(l, VICTIM, t.at - 100);
    struct load_result r = load_finish(l);
    printf("  the cluster needed %lld ms for its failover\n", (long long)(t.at - harmed));
    /* Errors are those of writes under way, once each, and of this master's slots. */
    ck_assert_msg(r.errors == r.maybe_errors, "%llu errors of which %llu say 'may or may not'",
                  (unsigned long long)r.errors, (unsigned long long)r.maybe_errors);
    ck_assert_int_eq(r.wrong, 0);
    ck_assert_int_eq(r.redirects_seen, 0);
    ck_assert_int_eq(r.closed, 0);
    ck_assert_int_ge(served, 0);
    report_figure("all served again after the cluster's failover", (double)(served - t.at), 150,
                  "ms");
    report_figure("last error after it", r.last_error > t.at ? (double)(r.last_error - t.at) : 0,
                  1000, "ms");
    for (int g = 0; g < 3; g++) {
        if (g == VICTIM)
            continue;
        ck_assert_msg(r.group_errors[g] == 0, "%llu errors for slots of another master",
                      (unsigned long long)r.group_errors[g]);
        report_figure("longest gap of another master", r.gap_ms[g], 250, "ms");
        report_figure("throughput of another master, lost",
                      100 - 100 * r.during_rate[g] / r.before_rate[g], test_full() ? 10 : -1, "%");
    }
}

START_TEST(master_is_killed)
{
    master_dies(cluster_kill);
}
END_TEST

START_TEST(master_is_stopped)
{
    master_dies(cluster_freeze);
}
END_TEST

/* Frozen for less than the cluster's timeout: requests wait, nothing fails, nothing is lost. */
START_TEST(node_is_frozen_for_a_moment)
{
    cluster_groups(cluster, groups);
    int victim = cluster_master(cluster, VICTIM);
    struct load_options o = {
        .port = proxy->port, .mixed = 12, .pinned = 4, .groups = 3, .group_of_slot = groups};
    struct load *l = load_start(&o);
    ck_assert(load_wait_progress(l, 200, 20000));
    load_fault_begins(l);
    cluster_freeze(cluster, victim);
    poll_pause(1200); /* the situation itself: a node that is away for so long */
    cluster_thaw(cluster);
    ck_assert_msg(load_wait_progress(l, 50, 10000), "clients are stuck");
    struct load_result r = load_finish(l);
    load_assert_clean(&r);
    ck_assert_int_eq(r.lost, 0);
    for (int g = 0; g < 3; g++)
        if (g != VICTIM)
            report_figure("longest gap of another master", r.gap_ms[g], 250, "ms");
    report_figure("longest gap of the frozen one", r.gap_ms[VICTIM], 1400, "ms");
}
END_TEST

FIXTURE_SUITE("dead master", 60, NULL, master_is_killed, master_is_stopped,
              node_is_frozen_for_a_moment)
