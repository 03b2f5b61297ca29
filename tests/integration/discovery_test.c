/* discovery_test: discovery in a thread of its own against a real cluster to which things happen.
 * What counts is that it publishes what the other nodes say, soon after they say it. */
#include "cluster/discovery.h"

#include "support/client.h"
#include "support/cluster.h"
#include "support/testing.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define PROMISED_MS 150 /* from the others' knowing of a failover to its publication */
#define SOON        20000

static struct cluster *cluster;

/* What discovery has published so far. */
static struct {
    pthread_mutex_t lock;
    struct topology *topology;
    const struct command_table *commands;
    uint16_t slot; /* the one that is watched … */
    int port;      /* … its owner, and */
    int64_t at_us; /* when that was published */
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct {
    pthread_t thread;
    struct ev_loop *loop;
    ev_async stop;
    ev_async configure;
    struct config *config;
    struct discovery *discovery;
} running;

static bool wrong_password; /* start() sets one */

/* --- running it --- */

static int owner_port(const struct topology *t, uint16_t slot)
{
    return t->owner[slot] == TOPOLOGY_NO_NODE ? 0 : t->nodes[t->owner[slot]].port;
}

static void on_topology(void *owner, struct topology *t)
{
    (void)owner;
    pthread_mutex_lock(&seen.lock);
    if (!seen.topology || owner_port(t, seen.slot) != seen.port) {
        seen.port = owner_port(t, seen.slot);
        seen.at_us = now_us();
    }
    topology_unref(seen.topology);
    seen.topology = t;
    pthread_mutex_unlock(&seen.lock);
}

static void on_commands(void *owner, const struct command_table *table)
{
    (void)owner;
    pthread_mutex_lock(&seen.lock);
    seen.commands = table;
    pthread_mutex_unlock(&seen.lock);
}

static const struct discovery_events events = {on_topology, on_commands};

static void on_stop(struct ev_loop *loop, ev_async *w, int revents)
{
    (void)w;
    (void)revents;
    ev_break(loop, EVBREAK_ALL);
}

static void *loop_main(void *arg)
{
    (void)arg;
    ev_run(running.loop, 0);
    discovery_stop(running.discovery);
    return NULL;
}

static void set(const char *name, const char *value)
{
    struct config_error error;
    struct config *next = config_set(running.config, name, value, &error);

    ck_assert_msg(next != NULL, "%s", error.text);
    config_unref(running.config);
    running.config = next;
}

static void on_configure(struct ev_loop *loop, ev_async *w, int revents)
{
    (void)loop;
    (void)w;
    (void)revents;
    discovery_configure(running.discovery, running.config);
}

/* Change one directive while it runs. */
static void configure(const char *name, const char *value)
{
    set(name, value);
    ev_async_send(running.loop, &running.configure);
}

static void start(const char *seeds)
{
    running.config = config_default();
    set("cluster-nodes", seeds);
    if (wrong_password) {
        set("auth-user", "slotway");
        set("auth-password", "wrong");
    }
    running.loop = ev_loop_new(0);
    ev_async_init(&running.stop, on_stop);
    ev_async_start(running.loop, &running.stop);
    ev_async_init(&running.configure, on_configure);
    ev_async_start(running.loop, &running.configure);
    running.discovery = discovery_start(running.loop, running.config, &events, NULL);
    ck_assert_ptr_nonnull(running.discovery);
    ck_assert_int_eq(pthread_create(&running.thread, NULL, loop_main, NULL), 0);
}

static void stop(void)
{
    ev_async_send(running.loop, &running.stop);
    pthread_join(running.thread, NULL);
    ev_async_stop(running.loop, &running.stop);
    ev_async_stop(running.loop, &running.configure);
    ev_loop_destroy(running.loop);
    config_unref(running.config);
    topology_unref(seen.topology);
    seen.topology = NULL;
}

static struct topology *current(void)
{
    struct topology *t;

    pthread_mutex_lock(&seen.lock);
    t = seen.topology ? topology_ref(seen.topology) : NULL;
    pthread_mutex_unlock(&seen.lock);
    return t;
}

static void watch(uint16_t slot)
{
    pthread_mutex_lock(&seen.lock);
    seen.slot = slot;
    seen.port = seen.topology ? owner_port(seen.topology, slot) : 0;
    pthread_mutex_unlock(&seen.lock);
}

/* --- conditions --- */

static const struct topology_node *node_at(const struct topology *t, int port)
{
    for (uint16_t i = 0; t && i < t->nnodes; i++)
        if (t->nodes[i].port == port)
            return &t->nodes[i];
    return NULL;
}

static bool agrees(const struct topology *t, const struct cluster *c)
{
    if (!t || t->nnodes != c->nnodes || t->covered != SLOT_COUNT)
        return false;
    for (int i = 0; i < c->nnodes; i++) {
        const struct topology_node *node = node_at(t, c->nodes[i].port);

        if (!node || strcmp(node->id, c->nodes[i].id) != 0 ||
            node->flags != (c->nodes[i].master ? TOPOLOGY_MASTER : TOPOLOGY_REPLICA) ||
            !*node->run_id || !node->addrlen)
            return false;
    }
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        if (owner_port(t, (uint16_t)slot) != c->owner[slot])
            return false;
    return true;
}

/* The topology is exactly what the cluster says, with all nodes well. */
static bool is_like_the_cluster(void *arg)
{
    struct topology *t = current();
    bool same = cluster_refresh(arg) && agrees(t, arg);

    topology_unref(t);
    return same;
}

struct flag_wait {
    int port;
    uint32_t flag;
};

static bool has_flag(void *arg)
{
    const struct flag_wait *w = arg;
    struct topology *t = current();
    const struct topology_node *node = node_at(t, w->port);
    bool has = node && node->flags & w->flag;

    topology_unref(t);
    return has;
}

static bool has_commands(void *arg)
{
    bool has;

    (void)arg;
    pthread_mutex_lock(&seen.lock);
    has = seen.commands != NULL;
    pthread_mutex_unlock(&seen.lock);
    return has;
}

static bool watched_is_at(void *arg)
{
    bool is;

    pthread_mutex_lock(&seen.lock);
    is = seen.port == *(int *)arg;
    pthread_mutex_unlock(&seen.lock);
    return is;
}

static void expect_like_the_cluster(void)
{
    if (wait_until(is_like_the_cluster, cluster, SOON))
        return;
    struct topology *t = current();
    for (uint16_t i = 0; t && i < t->nnodes; i++)
        printf("published: %s:%u flags %x slots %u\n", t->nodes[i].host, t->nodes[i].port,
               t->nodes[i].flags, t->nodes[i].slots);
    ck_abort_msg("discovery does not come to agree with the cluster");
}

/* --- measuring a failover --- */

struct opinion {
    int port;  /* the node that is asked … */
    int owner; /* … who is not the owner any more */
    const char *key;
    int new_owner;
};

/* Does the node send us elsewhere for this key? */
static bool thinks_otherwise(void *arg)
{
    struct opinion *o = arg;
    const char *reply = ask_port(o->port, "GET %s", o->key);
    const char *colon = strstr(reply, "MOVED") ? strrchr(reply, ':') : NULL;

    o->new_owner = colon ? atoi(colon + 1) : reply[0] == '-' ? o->owner : o->port;
    return o->new_owner != o->owner;
}

/* Take the master of this slot away with how(), and see how long after another master's word for
 * the new one it is published. */
static void measure_failover(const char *what, void (*how)(struct cluster *, int))
{
    struct opinion o = {.port = cluster_master(cluster, 1), .owner = cluster_master(cluster, 0)};
    struct flag_wait silent = {o.owner, TOPOLOGY_SILENT};
    int64_t known;

    o.key = cluster_key(cluster, o.owner, "k", 0);
    watch(cluster_slot(o.key, strlen(o.key)));
    how(cluster, o.owner);
    ck_assert(wait_until(has_flag, &silent, 5000));
    ck_assert(wait_until(thinks_otherwise, &o, SOON));
    known = now_us();
    ck_assert(wait_until(watched_is_at, &o.new_owner, SOON));
    pthread_mutex_lock(&seen.lock);
    known = seen.at_us - known;
    pthread_mutex_unlock(&seen.lock);
    report_figure(what, known > 0 ? (double)known / 1000 : 0, PROMISED_MS, "ms");
}

/* --- tests --- */

static char *seed(int port)
{
    static char text[64];

    snprintf(text, sizeof(text), "127.0.0.1:%d", port);
    return text;
}

static void begin(void)
{
    cluster_heal(cluster);
    start(seed(cluster_master(cluster, 0)));
    expect_like_the_cluster();
}

START_TEST(one_seed_is_enough_to_know_all)
{
    ck_assert(wait_until(has_commands, NULL, SOON));
    ck_assert_uint_gt(command_count(seen.commands), 200);
}
END_TEST

START_TEST(a_planned_failover_is_known_by_a_hint)
{
    int old = cluster_master(cluster, 0);
    struct opinion o = {.port = cluster_master(cluster, 1), .owner = old};

    o.key = cluster_key(cluster, old, "k", 0);
    watch(cluster_slot(o.key, strlen(o.key)));
    ck_assert_str_eq(ask_port(cluster_replica_of(cluster, old), "CLUSTER FAILOVER"), "OK");
    ck_assert(wait_until(thinks_otherwise, &o, SOON));
    int64_t known = now_us();
    discovery_hint(running.discovery);
    ck_assert(wait_until(watched_is_at, &o.new_owner, SOON));
    pthread_mutex_lock(&seen.lock);
    known = seen.at_us - known;
    pthread_mutex_unlock(&seen.lock);
    report_figure("planned failover published after a hint", known > 0 ? (double)known / 1000 : 0,
                  PROMISED_MS, "ms");
    expect_like_the_cluster();
}
END_TEST

START_TEST(a_killed_master_and_its_successor)
{
    measure_failover("successor of a killed master published", cluster_kill);
    cluster_heal(cluster);
    expect_like_the_cluster();
}
END_TEST

START_TEST(a_frozen_master_its_successor_and_its_return)
{
    int now;

    measure_failover("successor of a frozen master published", cluster_freeze);
    now = seen.port;
    cluster_thaw(cluster);
    expect_like_the_cluster();
    ck_assert_int_eq(seen.port, now); /* never turned back: this is the time of the last change */
    cluster_heal(cluster);
}
END_TEST

START_TEST(slots_that_move)
{
    ck_assert(cluster_reshard(cluster, 50, cluster_master(cluster, 0), cluster_master(cluster, 1)));
    discovery_hint(running.discovery);
    expect_like_the_cluster();
    ck_assert(cluster_reshard(cluster, 50, cluster_master(cluster, 1), cluster_master(cluster, 0)));
    expect_like_the_cluster();
}
END_TEST

START_TEST(a_node_that_comes_and_goes)
{
    int port = cluster_add_node(cluster);
    struct topology *t;

    expect_like_the_cluster();
    t = current();
    ck_assert_ptr_nonnull(node_at(t, port));
    topology_unref(t);
    ck_assert(cluster_remove_node(cluster, port));
    expect_like_the_cluster();
    t = current();
    ck_assert_ptr_null(node_at(t, port));
    topology_unref(t);
}
END_TEST

START_TEST(a_node_that_comes_back_at_another_port)
{
    int port = cluster_replica_of(cluster, cluster_master(cluster, 0));
    int other = free_ports(1, true);
    struct topology *t = current();
    uint16_t index = node_at(t, port)->index;

    topology_unref(t);
    ck_assert(cluster_restart(cluster, port, other));
    expect_like_the_cluster();
    t = current();
    ck_assert_ptr_null(node_at(t, port));
    ck_assert_uint_eq(node_at(t, other)->index, index);
    topology_unref(t);
    ck_assert(cluster_restart(cluster, other, port));
    expect_like_the_cluster();
}
END_TEST

START_TEST(all_nodes_down_and_up)
{
    struct flag_wait silent = {0, TOPOLOGY_SILENT};

    for (int i = 0; i < cluster->nnodes; i++)
        cluster_kill(cluster, cluster->nodes[i].port);
    for (int i = 0; i < cluster->nnodes; i++) {
        silent.port = cluster->nodes[i].port;
        ck_assert(wait_until(has_flag, &silent, 5000));
    }
    cluster_heal(cluster);
    expect_like_the_cluster();
}
END_TEST

START_TEST(names_as_seeds)
{
    char seeds[64];

    snprintf(seeds, sizeof(seeds), "localhost:%d", cluster_master(cluster, 1));
    stop();
    start(seeds);
    expect_like_the_cluster();
}
END_TEST

static void on_all_nodes(const char *command)
{
    for (int i = 0; i < cluster->nnodes; i++)
        ck_assert_str_eq(ask_port(cluster->nodes[i].port, command), "OK");
}

static bool refuses_us(void *arg)
{
    return strstr(ask_port(*(int *)arg, "ACL LOG"), "slotway") != NULL;
}

START_TEST(a_user_whose_password_is_set_right_later)
{
    int port = cluster_master(cluster, 0);

    on_all_nodes("ACL SETUSER slotway on >right +@all");
    on_all_nodes("ACL LOG RESET");
    stop();
    wrong_password = true;
    start(seed(port));
    ck_assert(wait_until(refuses_us, &port, SOON));
    ck_assert_ptr_null(current());
    configure("auth-password", "right");
    expect_like_the_cluster();
    ck_assert_ptr_nonnull(strstr(ask_port(port, "CLIENT LIST"), "user=slotway"));
    for (int i = 0; i < cluster->nnodes; i++)
        ask_port(cluster->nodes[i].port, "ACL DELUSER slotway");
}
END_TEST

static void set_up(void)
{
    cluster = cluster_start();
}

static void tear_down(void)
{
    cluster_stop(cluster);
}

static Suite *discovery_suite(void)
{
    const TTest *const tests[] = {
        one_seed_is_enough_to_know_all,
        a_planned_failover_is_known_by_a_hint,
        a_killed_master_and_its_successor,
        a_frozen_master_its_successor_and_its_return,
        slots_that_move,
        a_node_that_comes_and_goes,
        a_node_that_comes_back_at_another_port,
        all_nodes_down_and_up,
        names_as_seeds,
        a_user_whose_password_is_set_right_later,
    };
    Suite *suite = suite_create("discovery");
    TCase *tc = tcase_create("discovery");
    const char *only = getenv("SLOTWAY_TEST_ONLY");

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        if (!only || strcmp(only, tests[i]->name) == 0)
            tcase_add_test(tc, tests[i]);
    tcase_set_timeout(tc, 90 * test_slack());
    tcase_add_unchecked_fixture(tc, set_up, tear_down);
    tcase_add_checked_fixture(tc, begin, stop);
    suite_add_tcase(suite, tc);
    return suite;
}

INTEGRATION_MAIN(discovery_suite)
