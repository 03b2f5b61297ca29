/* discovery_test: from the seeds of a configuration to topologies and command tables, over real
 * connections to nodes that say what the test wants them to. */
#include "base/log.h"
#include "cluster/discovery.h"
#include "cluster/health.h"
#include "support/command_unit.h"
#include "support/config_unit.h"
#include "support/fake_node.h"
#include "support/log_unit.h"
#include "support/testing.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define NODES   2
#define PATIENT 20000 /* ms until a wait has failed */
/* Nothing is asked a second time by itself. */
#define CALM "refresh-interval 600000\n"

#define COMMANDS(name) "*1\r\n*6\r\n$4\r\n" name "\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n"

static struct ev_loop *loop;
static struct discovery *d;
static struct config *config;
static struct fake_node *nodes[NODES];
static struct topology *topology;            /* the newest */
static const struct command_table *commands; /* likewise */
static unsigned topologies, tables;
static bool elsewhere; /* a topology had a node at 127.0.0.2 */

static void on_topology(void *owner, struct topology *t)
{
    ck_assert_ptr_eq(owner, &topologies);
    topology_unref(topology);
    topology = t;
    topologies++;
    elsewhere = elsewhere || strcmp(t->nodes[0].host, "127.0.0.2") == 0;
}

static void on_commands(void *owner, const struct command_table *table)
{
    ck_assert_ptr_eq(owner, &topologies);
    commands = table;
    tables++;
}

static const struct discovery_events events = {on_topology, on_commands};

/* A configuration of which the seed is this node. */
static struct config *seed_of(unsigned node, const char *more)
{
    char text[256];
    snprintf(text, sizeof text, "cluster-nodes 127.0.0.1:%d\n%s", fake_node_port(nodes[node]),
             more);
    return config_good(text);
}

static void start(const char *more)
{
    config = seed_of(0, more);
    d = discovery_start(loop, config, &events, &topologies);
    ck_assert_ptr_nonnull(d);
}

static void configure(struct config *newer)
{
    discovery_configure(d, newer);
    config_unref(config);
    config = newer;
}

static void set_up(void)
{
    ck_assert(log_open("/dev/null"));
    loop = ev_loop_new(0);
    for (int i = 0; i < NODES; i++)
        nodes[i] = fake_node_start();
}

static void tear_down(void)
{
    discovery_stop(d);
    topology_unref(topology);
    config_unref(config);
    for (int i = 0; i < NODES; i++) {
        ck_assert_int_eq(fake_node_malformed(nodes[i]), 0);
        fake_node_stop(nodes[i]);
    }
    ev_loop_destroy(loop);
}

static void on_second(struct ev_loop *l, ev_timer *timer, int what)
{
    (void)l;
    (void)timer;
    (void)what;
}

/* Turns of the loop until the expression is true. */
#define until(expression)                                                                          \
    do {                                                                                           \
        int64_t end_ = now_ms() + (int64_t)(PATIENT * test_slack());                               \
        while (!(expression)) {                                                                    \
            turn();                                                                                \
            ck_assert_msg(now_ms() < end_, "waited in vain for " #expression);                     \
        }                                                                                          \
    } while (0)

static void turn(void)
{
    ev_timer wake; /* a condition may be another thread's */
    ev_timer_init(&wake, on_second, 0.005, 0);
    ev_timer_start(loop, &wake);
    ev_run(loop, EVRUN_ONCE);
    ev_timer_stop(loop, &wake);
}

static int asked(unsigned node)
{
    return fake_node_received(nodes[node], "CLUSTER NODES");
}

/* From now on node says that the cluster is this: of "%d" the first is its port. */
static void node_says(unsigned node, const char *text)
{
    char reply[1024];
    char port[8];
    const char *at = strstr(text, "%d");
    snprintf(port, sizeof port, "%d", fake_node_port(nodes[node]));
    size_t len = strlen(text) - (at ? 2 : 0) + (at ? strlen(port) : 0);
    snprintf(reply, sizeof reply, "$%zu\r\n%s\r\n", len, text);
    fake_node_rule(nodes[node], "CLUSTER NODES", FAKE_TEXT, reply, 0, -1);
}

#define ID_A "00112233445566778899aabbccddeeff00112233"
#define ID_B "ff112233445566778899aabbccddeeff00112233"

/* Both nodes are a cluster of a master each; node 0 names node 1 at its port. */
static void cluster_of_two(void)
{
    char text[512];
    snprintf(text, sizeof text,
             ID_A " 127.0.0.1:%d@1 myself,master - 0 0 1 connected 0-8191\n" ID_B
                  " 127.0.0.1:%d@1 master - 0 0 2 connected 8192-16383\n",
             fake_node_port(nodes[0]), fake_node_port(nodes[1]));
    node_says(0, text);
    snprintf(text, sizeof text,
             ID_A " 127.0.0.1:%d@1 master - 0 0 1 connected 0-8191\n" ID_B
                  " 127.0.0.1:%d@1 myself,master - 0 0 2 connected 8192-16383\n",
             fake_node_port(nodes[0]), fake_node_port(nodes[1]));
    node_says(1, text);
}

/* All that a new connection is asked has been answered. */
static bool is_known(unsigned node)
{
    return fake_node_received(nodes[node], "MODULE") > 0 && topology && node < topology->nnodes &&
           *topology->nodes[node].run_id;
}

START_TEST(a_seed_is_asked_and_the_cluster_published)
{
    start(CALM);
    until(topologies > 0 && topology->nodes[0].run_id[0]);
    ck_assert_uint_eq(topology->version, topologies);
    ck_assert_uint_eq(topology->covered, SLOT_COUNT);
    ck_assert_uint_eq(topology->nodes[0].port, fake_node_port(nodes[0]));
    ck_assert_str_eq(topology->nodes[0].version, "7.0.15");
    ck_assert_int_eq(asked(1), 0);
}
END_TEST

START_TEST(slots_that_no_node_claims_are_nobodys)
{
    node_says(0, ID_A " 127.0.0.1:%d@1 myself,master - 0 0 0 connected 0-16381\n");
    start(CALM);
    until(topologies > 0);
    ck_assert_uint_eq(topology->covered, SLOT_COUNT - 2);
    ck_assert_uint_eq(topology->owner[16382], TOPOLOGY_NO_NODE);
}
END_TEST

START_TEST(nodes_that_a_seed_names_are_found)
{
    cluster_of_two();
    start(CALM);
    until(is_known(0) && is_known(1));
    ck_assert_uint_eq(topology->nnodes, 2);
    ck_assert_uint_eq(topology->nodes[0].slots, 8192);
    ck_assert_uint_eq(topology->nodes[1].flags, TOPOLOGY_MASTER);
    ck_assert_uint_eq(topology_uncovered(topology), 0);
}
END_TEST

/* Hints that come together are one question; one that comes while an answer is due is another. */
START_TEST(a_hint_asks_at_once_and_the_same_again_is_not_published)
{
    start(CALM);
    until(is_known(0));
    unsigned published = topologies;
    int before = asked(0);
    discovery_hint(d);
    discovery_hint(d);
    until(asked(0) > before);
    before = asked(0);
    discovery_hint(d);
    until(asked(0) > before);
    ck_assert_uint_eq(topologies, published);
}
END_TEST

static void *hint_from_elsewhere(void *arg)
{
    discovery_hint(arg);
    return NULL;
}

START_TEST(what_has_changed_is_published_after_a_hint_of_another_thread)
{
    pthread_t thread;
    start(CALM);
    until(is_known(0));
    uint64_t version = topology->version;
    node_says(0, ID_A " 127.0.0.1:%d@1 myself,master - 0 0 1 connected 0-16382\n");
    ck_assert_int_eq(pthread_create(&thread, NULL, hint_from_elsewhere, d), 0);
    pthread_join(thread, NULL);
    until(topology->version > version);
    ck_assert_uint_eq(topology->version, version + 1);
    ck_assert_uint_eq(topology->covered, SLOT_COUNT - 1);
    ck_assert(topology_is_uncovered(topology, 16383));
    int before = asked(0); /* uncovered slots: it is asked often from now on */
    until(asked(0) > before);
}
END_TEST

START_TEST(a_node_that_is_lost_is_published_as_silent)
{
    cluster_of_two();
    start(CALM);
    until(is_known(0) && is_known(1));
    ck_assert_uint_eq(topology->nodes[1].flags, TOPOLOGY_MASTER);
    fake_node_rule(nodes[1], "INFO", FAKE_CLOSE, NULL, 0, -1);
    fake_node_stop(nodes[1]);
    until(topology->nodes[1].flags & TOPOLOGY_SILENT);
    ck_assert_uint_eq(topology->nodes[0].flags, TOPOLOGY_MASTER);
    ck_assert_uint_eq(topology_uncovered(topology), 8192);
    nodes[1] = fake_node_start();
}
END_TEST

/* As after a reload, when the first seed was wrong. */
START_TEST(another_seed_is_asked_when_the_configuration_has_one)
{
    char text[128];
    snprintf(text, sizeof text, "cluster-nodes 127.0.0.1:%d\n" CALM, free_ports(1, false));
    config = config_good(text);
    d = discovery_start(loop, config, &events, &topologies);
    for (int i = 0; i < 10; i++)
        turn();
    ck_assert_ptr_null(topology);
    configure(seed_of(1, CALM));
    until(topologies > 0);
    ck_assert_uint_eq(topology->nodes[0].port, fake_node_port(nodes[1]));
    ck_assert_int_eq(asked(0), 0);
}
END_TEST

START_TEST(a_reload_with_another_password_connects_anew)
{
    start(CALM "auth-password old\n");
    until(is_known(0));
    ck_assert_int_eq(fake_node_received(nodes[0], "AUTH"), 1);
    ck_assert_int_eq(fake_node_received(nodes[0], "AUTH old"), 1);
    configure(seed_of(0, CALM "auth-password old\nmaxclients 77\n"));
    discovery_hint(d);
    int before = asked(0);
    until(asked(0) > before);
    ck_assert_int_eq(fake_node_received(nodes[0], "AUTH"), 1); /* nothing that concerns it */
    configure(seed_of(0, CALM "auth-password new\n"));
    until(fake_node_received(nodes[0], "AUTH new") == 1);
    configure(seed_of(0, CALM "auth-password new\nauth-user me\n"));
    until(fake_node_received(nodes[0], "AUTH me new") == 1);
    until(!(topology->nodes[0].flags & TOPOLOGY_SILENT));
}
END_TEST

START_TEST(a_reload_with_another_map_of_addresses_is_published)
{
    char text[128];
    int port = fake_node_port(nodes[0]);
    start(CALM);
    until(is_known(0));
    for (int64_t end = now_ms() + 70; now_ms() < end;) /* the first tick looks at it once more */
        turn();
    ck_assert(!elsewhere);
    snprintf(text, sizeof text, CALM "node-address-map 127.0.0.1:%d=127.0.0.2:%d\n", port, port);
    configure(seed_of(0, text));
    until(elsewhere);
    ck_assert_str_eq(topology->nodes[0].announced, "127.0.0.1");
}
END_TEST

/* Twice the same software: one of them is enough. */
START_TEST(commands_are_learned_once_of_each_software)
{
    cluster_of_two();
    for (int i = 0; i < NODES; i++) {
        fake_node_rule(nodes[i], "COMMAND", FAKE_TEXT, COMMANDS("mine"), 0, -1);
        fake_node_rule(nodes[i], "MODULE", FAKE_TEXT, "*0\r\n", 0, -1);
    }
    start(CALM);
    until(is_known(0) && is_known(1) && tables > 0);
    discovery_hint(d);
    int before = asked(1);
    until(asked(1) > before);
    ck_assert_int_eq(
        fake_node_received(nodes[0], "COMMAND") + fake_node_received(nodes[1], "COMMAND"), 1);
    ck_assert_uint_eq(tables, 1);
    ck_assert_ptr_nonnull(commands);
}
END_TEST

START_TEST(the_latest_of_different_softwares_is_in_force)
{
    cluster_of_two();
    fake_node_rule(nodes[0], "COMMAND", FAKE_TEXT, COMMANDS("mine"), 0, -1);
    fake_node_rule(nodes[1], "COMMAND", FAKE_TEXT, COMMANDS("late"), 0, -1);
    fake_node_rule(nodes[0], "MODULE", FAKE_TEXT, "*0\r\n", 0, -1);
    fake_node_rule(nodes[1], "MODULE", FAKE_TEXT,
                   "*1\r\n*4\r\n$4\r\nname\r\n$4\r\njson\r\n$3\r\nver\r\n:20609\r\n", 0, -1);
    start(CALM);
    until(fake_node_received(nodes[0], "COMMAND") && fake_node_received(nodes[1], "COMMAND"));
    until(commands && line_find(commands, "late x"));
    ck_assert_uint_le(tables, 2);
}
END_TEST

START_TEST(commands_that_make_no_sense_are_not_asked_for_again)
{
    log_keep();
    fake_node_rule(nodes[0], "COMMAND", FAKE_TEXT, "*1\r\n:5\r\n", 0, -1);
    start(CALM);
    until(fake_node_received(nodes[0], "COMMAND") > 0);
    for (int i = 0; i < 3; i++) {
        int before = asked(0);
        discovery_hint(d);
        until(asked(0) > before);
    }
    ck_assert_int_eq(fake_node_received(nodes[0], "COMMAND"), 1);
    ck_assert_uint_eq(tables, 0);
    ck_assert_uint_eq(log_count("COMMAND is not understood"), 1);
}
END_TEST

START_TEST(what_a_node_says_of_itself_is_there_for_the_statistics)
{
    node_says(0, ID_A " 127.0.0.1:%d@1 myself,master - 0 0 1 connected 0-16383 [93->-" ID_B "]\n");
    fake_node_rule(nodes[0], "INFO replication", FAKE_TEXT,
                   "$38\r\nrole:master\r\nmaster_repl_offset:4711\r\n\r\n", 0, -1);
    start(CALM);
    const struct health *health = discovery_health(d, 0);
    ck_assert_int_eq(health_get(&health->offset), HEALTH_UNKNOWN);
    ck_assert_int_eq(health_get(&discovery_health(d, TOPOLOGY_MAX_NODES - 1)->keys),
                     HEALTH_UNKNOWN);
    ck_assert(!discovery_is_moving(d, 93));
    until(is_known(0) && discovery_is_moving(d, 93));
    until(health_get(&discovery_health(d, topology->nodes[0].index)->offset) == 4711);
    ck_assert(!discovery_is_moving(d, 94));
}
END_TEST

/* In the middle of anything: AddressSanitizer's build sees what is left. */
START_TEST(it_can_be_stopped_at_any_time)
{
    static const char *const stages[] = {"", "CLUSTER NODES", "MODULE", "COMMAND"};
    fake_node_rule(nodes[0], "COMMAND", FAKE_SILENCE, NULL, 0, -1);
    start(_i == 4 ? "cluster-nodes no.such.host.invalid:1\n" CALM : CALM);
    if (_i == 4)
        turn();
    else if (*stages[_i])
        until(fake_node_received(nodes[0], stages[_i]));
    discovery_hint(d);
    discovery_stop(d);
    unsigned before = topologies;
    turn();
    ck_assert_uint_eq(topologies, before);
    d = NULL;
    discovery_stop(NULL);
}
END_TEST

UNIT_SUITE_WITH("discovery", set_up, tear_down, {a_seed_is_asked_and_the_cluster_published},
                {slots_that_no_node_claims_are_nobodys}, {nodes_that_a_seed_names_are_found},
                {a_hint_asks_at_once_and_the_same_again_is_not_published},
                {what_has_changed_is_published_after_a_hint_of_another_thread},
                {a_node_that_is_lost_is_published_as_silent},
                {another_seed_is_asked_when_the_configuration_has_one},
                {a_reload_with_another_password_connects_anew},
                {a_reload_with_another_map_of_addresses_is_published},
                {commands_are_learned_once_of_each_software},
                {the_latest_of_different_softwares_is_in_force},
                {commands_that_make_no_sense_are_not_asked_for_again},
                {what_a_node_says_of_itself_is_there_for_the_statistics},
                {it_can_be_stopped_at_any_time, 5})
