/* all down: every node dies, and comes back. Started before the cluster exists. A node that comes
 * back at another address. */
#include "support/fixture.h"
#include "support/load.h"
#include <pthread.h>
#include <string.h>

static bool state_ok(void *arg)
{
    int port = *(int *)arg;
    return strstr(ask_port(port, "CLUSTER INFO"), "cluster_state:ok") != NULL;
}

static void *revive(void *arg)
{
    cluster_revive(arg);
    return NULL;
}

/* Every node says cluster_state:ok, asked from the first moment on. */
static int64_t wait_all_ok(struct cluster *c)
{
    for (int i = 0; i < 3; i++) {
        int port = c->port + i;
        ck_assert(wait_until(state_ok, &port, 30000));
    }
    return now_ms();
}

START_TEST(all_nodes_down_then_up)
{
    struct cluster *c = cluster_start_own(3, 1);
    struct proxy *p = proxy_start(c, "--failover-timeout 2000");
    redisContext *r = client_open(p->port);
    expect(r, "OK", "SET before x");
    for (int i = 0; i < 6; i++)
        cluster_kill(c, c->port + i);
    /* A clear error after the deadline, for reads and writes; what needs no node goes on. */
    int64_t start = now_ms();
    const char *text = ask(r, "GET before");
    printf("  error after %lld ms: %s\n", (long long)(now_ms() - start), text);
    ck_assert_msg(text[0] == '-' && strncmp(text, "-MOVED", 6) != 0, "%s", text);
    report_figure("error after the deadline of 2,000 ms", (double)(now_ms() - start), 3000, "ms");
    text = ask(r, "SET during x");
    ck_assert_msg(text[0] == '-', "%s", text);
    expect(r, "-*", "MGET a b c");
    expect(r, "PONG", "PING");
    ck_assert(proxy_alive(p));

    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, revive, c), 0);
    int64_t ok = wait_all_ok(c);
    ck_assert_msg(proxy_wait_serves_all(p, 10000), "not served again");
    report_figure("all slots served after cluster_state:ok", (double)(now_ms() - ok), 200, "ms");
    pthread_join(thread, NULL);
    expect(r, "OK", "SET after x");
    expect(r, "\"x\"", "GET after");
    redisFree(r);
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

START_TEST(started_before_the_cluster_exists)
{
    /* Seeds where nobody listens yet: the ports that the cluster will get. */
    struct cluster *c = cluster_start_own(3, 1);
    for (int i = 0; i < 6; i++)
        cluster_kill(c, c->port + i);
    struct proxy *p = proxy_start_unready(c, "--failover-timeout 300 --redirect-timeout 300");
    redisContext *r = client_open(p->port);
    expect(r, "PONG", "PING");
    expect(r, "-*", "GET a");
    char seed[32];
    snprintf(seed, sizeof seed, "127.0.0.1:%d", c->port);
    ck_assert_msg(proxy_wait_log(p, seed, 3000), "the log does not say that %s doesn't answer",
                  seed);
    cluster_revive(c);
    ck_assert_msg(proxy_wait_serves_all(p, 10000), "does not serve by itself");
    expect(r, "OK", "SET a x");
    redisFree(r);
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

static uint8_t groups[CLUSTER_SLOTS];

START_TEST(node_comes_back_at_another_address)
{
    struct cluster *c = cluster_start_own(3, 1);
    struct proxy *p = proxy_start(c, NULL);
    cluster_groups(c, groups);
    struct load_options o = {
        .port = p->port, .mixed = 9, .pinned = 4, .groups = 3, .group_of_slot = groups};
    struct load *l = load_start(&o);
    load_fault_begins(l);
    /* Master 0 hands over to its replica, moves to another port and takes its slots back. */
    int master = cluster_master(c, 0), replica = cluster_replica_of(c, master);
    int moved = free_ports(1, true);
    ck_assert(cluster_failover(c, replica));
    ck_assert_msg(cluster_restart(c, master, moved), "restart at another port");
    ck_assert(cluster_wait_whole(c, 15000));
    ck_assert_msg(cluster_failover(c, moved), "failover to the moved node");
    ck_assert_msg(load_wait_progress(l, 20, 10000), "clients are stuck");
    struct load_result r = load_finish(l);
    load_assert_clean(&r);
    ck_assert_int_eq(r.lost, 0);
    for (int g = 0; g < 3; g++)
        report_figure("longest gap of a master's slots", r.gap_ms[g], 200, "ms");
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

PLAIN_SUITE("all down", 60, all_nodes_down_then_up, started_before_the_cluster_exists,
            node_comes_back_at_another_address)
