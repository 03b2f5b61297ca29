/* local_cluster_test: CLUSTER: slotway as the one node that owns all slots, in the formats of
 * redis-server 7. */
#include "support/flow_unit.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ID         "0000000000000000000000000000000000000007"
#define NO_INT     "-ERR value is not an integer or out of range\r\n"
#define NO_SLOT    "-ERR Invalid slot\r\n"
#define NO_COUNT   "-ERR Invalid slot or number of keys\r\n"
#define ARITY(sub) "-ERR wrong number of arguments for 'cluster|" sub "' command\r\n"

/* How a client is told of the node, in both protocols: ip and port as bulk and integer. */
#define SLOTS(ip, port, none)                                                                      \
    "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n" ip ":" port "\r\n$40\r\n" ID "\r\n" none "\r\n"
#define SHARDS(map2, map7, ip, port)                                                               \
    "*1\r\n" map2 "\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n*1\r\n" map7            \
    "\r\n$2\r\nid\r\n$40\r\n" ID "\r\n$4\r\nport\r\n:" port "\r\n$2\r\nip\r\n" ip                  \
    "$8\r\nendpoint\r\n" ip "$4\r\nrole\r\n$6\r\nmaster\r\n$18\r\nreplication-offset\r\n:0\r\n"    \
    "$6\r\nhealth\r\n$6\r\nonline\r\n"
#define NOWHERE "$0\r\n\r\n" /* the address of a Unix socket */

START_TEST(slotway_is_the_only_node)
{
    static const struct flow_case resp2[] = {
        {"CLUSTER MYID", "$40\r\n" ID "\r\n"},
        {"CLUSTER SLOTS", SLOTS(NOWHERE, "5000", "*0")},
        {"CLUSTER SHARDS", SHARDS("*4", "*14", NOWHERE, "5000")},
        {"CLUSTER NODES", "$93\r\n" ID " :5000@15000 myself,master - 0 0 1 connected 0-16383\n"
                          "\r\n"},
    };
    static const struct flow_case resp3[] = {
        {"CLUSTER MYID", "$40\r\n" ID "\r\n"},
        {"CLUSTER SLOTS", SLOTS(NOWHERE, "5000", "%0")},
        {"CLUSTER SHARDS", SHARDS("%2", "%7", NOWHERE, "5000")},
        {"CLUSTER NODES", "=97\r\ntxt:" ID " :5000@15000 myself,master - 0 0 1 connected 0-16383\n"
                          "\r\n"},
    };
    flow_asks(c, resp2);
    flow_hello(c, 3);
    flow_asks(c, resp3);
}
END_TEST

START_TEST(its_address_is_that_by_which_the_client_came)
{
    uint16_t port;
    char line[200], want[300];
    int client = flow_client_at(f, "0.0.0.0", "127.0.0.1", &port);
    snprintf(line, sizeof line, ID " 127.0.0.1:%u@%u myself,master - 0 0 1 connected 0-16383\n",
             port, port <= 55535 ? port + 10000u : 0);
    snprintf(want, sizeof want, "$%zu\r\n%s\r\n", strlen(line), line);
    flow_send(f, client, "CLUSTER NODES");
    flow_expect(f, client, want);
    snprintf(want, sizeof want, SLOTS("$9\r\n127.0.0.1\r\n", "%u", "*0"), port);
    flow_send(f, client, "CLUSTER SLOTS");
    flow_expect(f, client, want);
    flow_send(f, client, "CLUSTER SHARDS");
    snprintf(want, sizeof want, ":%u\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nendpoint\r\n$9\r\n",
             port);
    flow_contains(flow_received(client), want);
    close(client);
}
END_TEST

START_TEST(a_bus_port_that_could_not_be_is_0)
{
    static const struct flow_case last[] = {
        {"CLUSTER NODES",
         "$94\r\n" ID " :55535@65535 myself,master - 0 0 1 connected 0-16383\n\r\n"}};
    static const struct flow_case none[] = {
        {"CLUSTER NODES", "$90\r\n" ID " :55536@0 myself,master - 0 0 1 connected 0-16383\n\r\n"}};
    flow_again("port 55535\n");
    flow_asks(c, last);
    flow_again("port 55536\n");
    flow_asks(c, none);
}
END_TEST

/* CLUSTER INFO has these lines, in a text of its length. */
#define info_has(...) flow_contains(info(), __VA_ARGS__)
static const char *info(void)
{
    flow_send(f, c, "CLUSTER INFO");
    return flow_received(c);
}

START_TEST(the_state_is_that_of_all_slots)
{
    f->w->topology->epoch = 42;
    info_has("$", "\r\ncluster_state:ok\r\n", "\r\ncluster_slots_assigned:16384\r\n",
             "\r\ncluster_slots_ok:16384\r\n", "\r\ncluster_slots_fail:0\r\n",
             "\r\ncluster_slots_pfail:0\r\n", "\r\ncluster_known_nodes:1\r\n",
             "\r\ncluster_size:1\r\n", "\r\ncluster_current_epoch:42\r\n",
             "\r\ncluster_my_epoch:42\r\n", "\r\ncluster_stats_messages_sent:0\r\n",
             "\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n\r\n");
    for (unsigned slot = 100; slot < 103; slot++)
        f->owner[slot] = FLOW_NODES; /* nobody's */
    flow_publish(f);
    info_has("\r\ncluster_state:fail\r\n", "\r\ncluster_slots_ok:16381\r\n",
             "\r\ncluster_slots_fail:3\r\n");
    flow_hello(c, 3);
    info_has("=", "\r\ntxt:cluster_state:fail\r\n");
}
END_TEST

START_TEST(a_slots_owner_knows_its_keys)
{
    flow_send(f, c, "CLUSTER COUNTKEYSINSLOT 0", "cluster getkeysinslot 16383 0",
              "CLUSTER COUNTKEYSINSLOT 16383", "CLUSTER GETKEYSINSLOT 7365 5");
    flow_node_serves(f, NODE_A, "CLUSTER COUNTKEYSINSLOT 0", ":17\r\n");
    flow_node_serves(f, NODE_C, "cluster getkeysinslot 16383 0", "*0\r\n");
    flow_node_serves(f, NODE_C, "CLUSTER COUNTKEYSINSLOT 16383", ":3\r\n");
    flow_node_serves(f, NODE_B, "CLUSTER GETKEYSINSLOT 7365 5", "*1\r\n$1\r\nc\r\n");
    flow_expect(f, c, ":17\r\n*0\r\n:3\r\n*1\r\n$1\r\nc\r\n");
    flow_send(f, c, "CLUSTER COUNTKEYSINSLOT 0");
    flow_node_serves(f, NODE_A, "CLUSTER COUNTKEYSINSLOT 0", "-ERR no\r\n");
    flow_expect(f, c, "-ERR no\r\n");
}
END_TEST

START_TEST(slots_of_keys_and_bad_arguments)
{
    static const struct flow_case cases[] = {
        {"CLUSTER KEYSLOT foo", ":12182\r\n"},
        {"CLUSTER KEYSLOT {foo}bar", ":12182\r\n"},
        {"CLUSTER KEYSLOT ", ":0\r\n"},
        {"CLUSTER KEYSLOT", ARITY("keyslot")},
        {"CLUSTER KEYSLOT a b", ARITY("keyslot")},
        {"CLUSTER COUNTKEYSINSLOT x", NO_INT},
        {"CLUSTER COUNTKEYSINSLOT -1", NO_SLOT},
        {"CLUSTER COUNTKEYSINSLOT 16384", NO_SLOT},
        {"CLUSTER GETKEYSINSLOT x 1", NO_INT},
        {"CLUSTER GETKEYSINSLOT 1 x", NO_INT},
        {"CLUSTER GETKEYSINSLOT 1 -1", NO_COUNT},
        {"CLUSTER GETKEYSINSLOT -1 1", NO_COUNT},
        {"CLUSTER GETKEYSINSLOT 16384 1", NO_COUNT},
        {"CLUSTER GETKEYSINSLOT 1", ARITY("getkeysinslot")},
        {"CLUSTER COUNT-FAILURE-REPORTS " ID, ":0\r\n"},
        {"CLUSTER COUNT-FAILURE-REPORTS x", "-ERR Unknown node x\r\n"},
        {"CLUSTER INFO x", ARITY("info")},
        {"CLUSTER", "-ERR wrong number of arguments for 'cluster' command\r\n"},
        {"CLUSTER nosuch", "-ERR unknown subcommand 'nosuch'. Try CLUSTER HELP.\r\n"},
    };
    flow_asks(c, cases);
    flow_send(f, c, "CLUSTER HELP");
    flow_contains(flow_received(c), "+CLUSTER <subcommand> [<arg> [value] [opt] ...]. ",
                  "+COUNT-FAILURE-REPORTS <node-id>\r", "+COUNTKEYSINSLOT <slot>\r",
                  "+GETKEYSINSLOT <slot> <count>\r", "+INFO\r", "+KEYSLOT <key>\r", "+MYID\r",
                  "+NODES, SHARDS, SLOTS\r", "+HELP\r");
}
END_TEST

START_TEST(what_would_change_the_cluster_is_refused)
{
    static const char *const lines[] = {"CLUSTER RESET",         "CLUSTER MEET 127.0.0.1 1",
                                        "CLUSTER ADDSLOTS 1",    "CLUSTER FAILOVER",
                                        "CLUSTER FORGET " ID,    "CLUSTER SETSLOT 1 STABLE",
                                        "CLUSTER REPLICATE " ID, "CLUSTER FLUSHSLOTS"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        flow_send(f, c, lines[i]);
        flow_contains(flow_received(c), "-ERR ");
        for (int node = NODE_A; node < FLOW_NODES; node++)
            flow_node_gets_nothing(f, (enum flow_node)node);
    }
}
END_TEST

UNIT_SUITE_WITH("local_cluster", flow_begin, flow_end, {slotway_is_the_only_node},
                {its_address_is_that_by_which_the_client_came}, {a_bus_port_that_could_not_be_is_0},
                {the_state_is_that_of_all_slots}, {a_slots_owner_knows_its_keys},
                {slots_of_keys_and_bad_arguments}, {what_would_change_the_cluster_is_refused})
