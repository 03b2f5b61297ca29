/* local_info_test: INFO of the whole cluster: who is asked for which sections, and what slotway
 * says in the nodes' place. How texts are merged is in combine_info_test. */
#include "flow/client.h"
#include "flow/pubsub_hub.h"
#include "support/pubsub_unit.h"
#include "version.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Texts are compared with their length before them. */
static void expect_text(int protocol, const char *text)
{
    char want[4096];
    if (protocol == 3)
        snprintf(want, sizeof want, "=%zu\r\ntxt:%s\r\n", strlen(text) + 4, text);
    else
        snprintf(want, sizeof want, "$%zu\r\n%s\r\n", strlen(text), text);
    flow_expect(f, c, want);
}

/* Each master gets the line and answers with this text. */
static void masters_say(const char *line, const char *text)
{
    char reply[2048];
    snprintf(reply, sizeof reply, "$%zu\r\n%s\r\n", strlen(text), text);
    for (int node = NODE_A; node <= NODE_C; node++)
        flow_node_serves(f, (enum flow_node)node, line, reply);
}

/* c asks for line, the masters answer with text, and this is what c gets. */
static const char *asks(const char *line, const char *text)
{
    flow_send(f, c, line);
    masters_say(line, text);
    return flow_received(c);
}

START_TEST(figures_of_all_masters_are_one_servers)
{
    flow_send(f, c, "INFO keyspace");
    masters_say("INFO keyspace", "# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=0\r\n");
    expect_text(2, "# Keyspace\r\ndb0:keys=6,expires=3,avg_ttl=0\r\n");
    flow_send(f, c, "INFO nosuch");
    masters_say("INFO nosuch", "");
    expect_text(2, "");
    flow_hello(c, 3);
    flow_send(f, c, "INFO cpu");
    for (int node = NODE_A; node <= NODE_C; node++) {
        flow_node_serves(f, (enum flow_node)node, "HELLO 3", "%0\r\n");
        flow_node_serves(f, (enum flow_node)node, "INFO cpu",
                         "=25\r\ntxt:# CPU\r\nused_cpu:1.5\r\n\r\n");
    }
    expect_text(3, "# CPU\r\nused_cpu:4.5\r\n");
}
END_TEST

START_TEST(what_is_about_who_answers_is_slotways)
{
    char pid[40], server[80];
    flow_again("port 5018\nmaxclients 321\n");
    int other = flow_client(f);
    const char *got = asks("INFO server clients stats",
                           "# Server\r\nredis_version:7.0.15\r\nprocess_id:9\r\nrun_id:x\r\n"
                           "tcp_port:7000\r\nserver_time_usec:5\r\nuptime_in_seconds:5\r\n"
                           "uptime_in_days:6\r\nexecutable:/redis\r\nconfig_file:/redis.conf\r\n"
                           "io_threads_active:1\r\n\r\n# Clients\r\nconnected_clients:40\r\n"
                           "cluster_connections:8\r\nmaxclients:10000\r\ntracking_clients:7\r\n"
                           "clients_in_timeout_table:3\r\nblocked_clients:9\r\n\r\n# Stats\r\n"
                           "total_connections_received:40\r\nrejected_connections:50\r\n"
                           "keyspace_hits:2\r\npubsub_channels:3\r\npubsub_patterns:3\r\n"
                           "pubsubshard_channels:3\r\n");
    snprintf(pid, sizeof pid, "\r\nprocess_id:%d\r\n", (int)getpid());
    snprintf(server, sizeof server, "\r\nrun_id:%s\r\ntcp_port:5018\r\n", f->process.id);
    flow_contains(got, "redis_version:7.0.15\r\n", pid, server, "\r\nio_threads_active:0\r\n",
                  "\r\nconfig_file:test\r\n",
                  "\r\nconnected_clients:2\r\ncluster_connections:0\r\n",
                  "\r\nmaxclients:321\r\ntracking_clients:0\r\nclients_in_timeout_table:0\r\n"
                  "blocked_clients:0\r\n",
                  "\r\ntotal_connections_received:2\r\nrejected_connections:0\r\n"
                  "keyspace_hits:6\r\npubsub_channels:0\r\npubsub_patterns:0\r\n"
                  "pubsubshard_channels:0\r\n");
    ck_assert_msg(!strstr(got, "/redis") && !strstr(got, "server_time_usec:5\r"), "%s", got);
    ck_assert_msg(strstr(got, "local_info_test\r\n") != NULL, "executable: %s", got);
    ck_assert_msg(!strstr(got, "# slotway"), "%s", got);
    close(other);
}
END_TEST

/* The number behind the name in the text. */
static unsigned long long number(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    unsigned long long n = 0;
    ck_assert_msg(at && sscanf(at + strlen(name), ":%llu", &n) == 1, "no %s in %s", name, text);
    return n;
}

START_TEST(uptime_is_in_seconds_and_days)
{
    static const char text[] = "# Server\r\nuptime_in_seconds:1\r\nuptime_in_days:1\r\n";
    f->process.started_mono = (int64_t)f->w->now - 200000 * 1000000LL;
    const char *got = asks("INFO server", text);
    ck_assert_uint_ge(number(got, "\r\nuptime_in_seconds"), 200000);
    ck_assert_uint_le(number(got, "\r\nuptime_in_seconds"), 200300);
    ck_assert_uint_eq(number(got, "\r\nuptime_in_days"), 2);
}
END_TEST

START_TEST(the_section_of_slotway_is_in_what_has_all)
{
    static const struct {
        const char *line;
        bool nodes, own;
    } asked[] = {{"INFO", true, true},
                 {"INFO all", true, true},
                 {"info DEFAULT", true, true},
                 {"INFO everything", true, true},
                 {"INFO memory", true, false},
                 {"INFO memory slotway", true, true},
                 {"INFO slotway memory", true, true},
                 {"INFO Slotway", false, true}};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        flow_send(f, c, asked[i].line);
        if (asked[i].nodes)
            masters_say(asked[i].line, "# Memory\r\nused_memory:2\r\n");
        const char *got = flow_received(c);
        ck_assert_msg(!strstr(got, "# Memory\r\nused_memory:6\r\n") == !asked[i].nodes, "%s: %s",
                      asked[i].line, got);
        ck_assert_msg(!strstr(got, "# slotway\r\nslotway_version:" SLOTWAY_VERSION "\r\n") ==
                          !asked[i].own,
                      "%s: %s", asked[i].line, got);
        for (int node = NODE_A; node < FLOW_NODES; node++)
            flow_node_gets_nothing(f, (enum flow_node)node);
    }
}
END_TEST

START_TEST(slotways_figures_are_those_of_all_workers)
{
    char want[80];
    int other = flow_client_of(f, flow_second(f));
    f->w->topology->epoch = 42;
    flow_send(f, c, "INFO slotway");
    const char *got = flow_received(c);
    snprintf(want, sizeof want, "\r\nslotway_process_id:%d\r\n", (int)getpid());
    flow_contains(got, want, "\r\nslotway_threads:2\r\n", "\r\nslotway_cluster_nodes:6\r\n",
                  "\r\nslotway_cluster_masters:3\r\n", "\r\nslotway_slots_covered:16384\r\n",
                  "\r\nslotway_topology_version:1\r\nslotway_cluster_epoch:42\r\n",
                  "\r\nslotway_clients:2\r\n", "\r\nslotway_clients_accepted:2\r\n");
    for (int i = 0; i < COUNTER_COUNT; i++) {
        snprintf(want, sizeof want, "\r\nslotway_%s:", counter_info[i].name);
        flow_contains(got, want);
    }
    close(other);
}
END_TEST

START_TEST(resetstat_counts_connections_anew)
{
    static const char text[] = "# Stats\r\ntotal_connections_received:1\r\n"
                               "rejected_connections:1\r\n";
    atomic_store(&f->process.rejected, 5);
    const char *got = asks("INFO stats", text);
    ck_assert_uint_eq(number(got, "total_connections_received"), 1);
    ck_assert_uint_eq(number(got, "rejected_connections"), 5);
    flow_merges("CONFIG RESETSTAT", "+OK\r\n", "+OK\r\n", "+OK\r\n", "+OK\r\n");
    int other = flow_client(f);
    atomic_store(&f->process.rejected, 7);
    got = asks("INFO stats", text);
    ck_assert_uint_eq(number(got, "total_connections_received"), 1);
    ck_assert_uint_eq(number(got, "rejected_connections"), 2);
    close(other);
}
END_TEST

START_TEST(who_waits_for_keys_is_blocked_wherever_it_waits)
{
    static const char text[] = "# Clients\r\nblocked_clients:5\r\ntracking_clients:0\r\n";
    struct flow_link *bells[2];
    int across = flow_client(f), one = flow_client(f);
    flow_waits_at_bells(across, bells);
    ck_assert_uint_eq(number(asks("INFO clients", text), "blocked_clients"), 1);
    flow_send(f, one, "BLPOP b 0");
    flow_lease_opens(NODE_A, "9");
    flow_node_gets(f, NODE_A, "BLPOP b 0");
    ck_assert_uint_eq(number(asks("INFO clients", text), "blocked_clients"), 2);
    /* a node that does not know of it yet */
    ck_assert_uint_eq(
        number(asks("INFO clients", "# Clients\r\nblocked_clients:0\r\n"), "blocked_clients"), 1);
    flow_hello(c, 2);
    flow_send(f, c, "CLIENT PAUSE 100000 WRITE");
    flow_expect(f, c, "+OK\r\n");
    int paused = flow_client(f);
    flow_send(f, paused, "SET b 1");
    flow_settle(f);
    ck_assert_uint_eq(number(asks("INFO clients", text), "blocked_clients"), 3);
    flow_send(f, c, "CLIENT UNPAUSE");
    flow_expect(f, c, "+OK\r\n");
    close(across);
    close(one);
    close(paused);
}
END_TEST

START_TEST(who_tracks_and_subscribes_is_counted)
{
    static const char text[] = "# Clients\r\ntracking_clients:0\r\n\r\n# Stats\r\n"
                               "pubsub_channels:1\r\npubsub_patterns:1\r\n"
                               "pubsubshard_channels:1\r\n";
    int other = flow_client(f);
    f->w->pubsub->home_choice = 0; /* NODE_A */
    flow_send(f, other, "SUBSCRIBE x y");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_node_serves(f, NODE_A, "SUBSCRIBE y", SUBSCRIBED("1\r\ny", 2));
    flow_expect(f, other, SUBSCRIBED("1\r\nx", 1) SUBSCRIBED("1\r\ny", 2));
    int tracks = flow_client(f);
    flow_hello(tracks, 3);
    flow_send(f, tracks, "CLIENT TRACKING on");
    flow_expect(f, tracks, "+OK\r\n");
    flow_contains(asks("INFO clients stats", text), "\r\ntracking_clients:1\r\n",
                  "\r\npubsub_channels:2\r\npubsub_patterns:0\r\npubsubshard_channels:0\r\n");
    close(other);
    close(tracks);
}
END_TEST

START_TEST(while_no_node_is_known_it_tells_what_it_can)
{
    for (int i = 0; i < FLOW_NODES; i++)
        f->nodes[i].hidden = true;
    flow_publish(f);
    flow_send(f, c, "INFO");
    flow_contains(flow_received(c), "# Server\r\nredis_version:7.0.0\r\nredis_mode:cluster\r\n",
                  "\r\ntcp_port:5000\r\n",
                  "# Clients\r\nconnected_clients:1\r\nmaxclients:", "\r\nblocked_clients:0\r\n",
                  "# Cluster\r\ncluster_enabled:1\r\n", "# slotway\r\n",
                  "\r\nslotway_cluster_nodes:0\r\n");
    flow_send(f, c, "INFO stats");
    ck_assert_msg(!strstr(flow_received(c), "# slotway"), "not asked for");
}
END_TEST

START_TEST(what_is_no_text_is_an_error)
{
    flow_merges("INFO cpu", "$0\r\n\r\n", "$-1\r\n", "$0\r\n\r\n",
                "-ERR slotway can't merge what the nodes answered\r\n");
    flow_merges("INFO cpu", "$0\r\n\r\n", "-ERR no\r\n", "$0\r\n\r\n", "-ERR no\r\n");
}
END_TEST

UNIT_SUITE_WITH("local_info", flow_begin, flow_end, {figures_of_all_masters_are_one_servers},
                {what_is_about_who_answers_is_slotways}, {uptime_is_in_seconds_and_days},
                {the_section_of_slotway_is_in_what_has_all},
                {slotways_figures_are_those_of_all_workers}, {resetstat_counts_connections_anew},
                {who_waits_for_keys_is_blocked_wherever_it_waits},
                {who_tracks_and_subscribes_is_counted},
                {while_no_node_is_known_it_tells_what_it_can}, {what_is_no_text_is_an_error})
