/* route_test: which node a request goes to: owners, replicas, any master; and what a new topology
 * changes for what is under way. Slot 3300 is that of key b. */
#include "flow/route.h"
#include "support/flow_unit.h"
#include <unistd.h>

/* --- topology --- */

START_TEST(what_is_in_flight_to_an_old_owner_comes_before_what_follows)
{
    flow_send(f, c, "SET b 1");
    flow_node_gets(f, NODE_A, "SET b 1");
    f->owner[3300] = NODE_B;
    flow_publish(f);
    flow_send(f, c, "GET b");
    flow_node_gets_nothing(f, NODE_B);
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_node_serves(f, NODE_B, "SET b 1", "+OK\r\n");
    flow_node_serves(f, NODE_B, "GET b", "+1\r\n");
    flow_expect(f, c, "+OK\r\n+1\r\n");
}
END_TEST

START_TEST(requests_of_a_node_that_the_cluster_calls_dead_are_taken_back)
{
    flow_send(f, c, "GET b", "INCR b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets(f, NODE_A, "INCR b");
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        if (f->owner[slot] == NODE_A)
            f->owner[slot] = REPLICA_A;
    f->nodes[NODE_A].flags |= TOPOLOGY_FAIL;
    f->nodes[REPLICA_A].flags = TOPOLOGY_MASTER;
    flow_publish(f);
    flow_node_serves(f, REPLICA_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n" MAYBE);
    flow_node_gets_nothing(f, REPLICA_A);
}
END_TEST

START_TEST(a_demoted_node_that_is_silent_has_little_time)
{
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        if (f->owner[slot] == NODE_A)
            f->owner[slot] = REPLICA_A;
    f->nodes[NODE_A].flags = TOPOLOGY_REPLICA;
    f->nodes[REPLICA_A].flags = TOPOLOGY_MASTER;
    flow_publish(f);
    flow_node_gets_nothing(f, REPLICA_A);
    flow_node_serves(f, REPLICA_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
}
END_TEST

/* --- choosing --- */

START_TEST(requests_without_keys_avoid_a_node_that_is_not_well)
{
    f->nodes[NODE_A].flags |= TOPOLOGY_PFAIL;
    f->nodes[NODE_B].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    for (int i = 0; i < 4; i++) {
        int other = flow_client(f);
        flow_send(f, other, "PUBLISH x y");
        flow_node_serves(f, NODE_C, "PUBLISH x y", ":0\r\n");
        flow_expect(f, other, ":0\r\n");
        close(other);
    }
}
END_TEST

static void readonly(void)
{
    flow_send(f, c, "READONLY");
    flow_expect(f, c, "+OK\r\n");
}

START_TEST(a_readonly_client_reads_from_a_replica_and_writes_to_the_master)
{
    readonly();
    flow_send(f, c, "GET b", "SET b 1", "GET b");
    flow_node_serves(f, REPLICA_A, "READONLY", "+OK\r\n");
    flow_node_serves(f, REPLICA_A, "GET b", "+1\r\n");
    flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
    flow_node_serves(f, REPLICA_A, "GET b", "+2\r\n");
    flow_expect(f, c, "+1\r\n+OK\r\n+2\r\n");
    flow_send(f, c, "EVAL_RO s 1 b");
    flow_node_serves(f, REPLICA_A, "EVAL_RO s 1 b", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
    flow_send(f, c, "READWRITE", "GET b");
    flow_node_serves(f, NODE_A, "GET b", "+3\r\n");
    flow_expect(f, c, "+OK\r\n+3\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_replica_reads), 3);
}
END_TEST

START_TEST(a_replica_that_is_not_fit_is_not_asked)
{
    static const uint32_t unfit[] = {TOPOLOGY_FAIL, TOPOLOGY_PFAIL, TOPOLOGY_SILENT,
                                     TOPOLOGY_LAGGING, TOPOLOGY_LOADING};
    readonly();
    for (size_t i = 0; i < sizeof unfit / sizeof *unfit; i++) {
        f->nodes[REPLICA_A].flags = TOPOLOGY_REPLICA | unfit[i];
        flow_publish(f);
        flow_send(f, c, "GET b");
        flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
        flow_expect(f, c, "+1\r\n");
    }
}
END_TEST

START_TEST(the_master_serves_what_a_replica_refuses_or_loses)
{
    static const char *const refusals[] = {"-MASTERDOWN x\r\n", "-LOADING x\r\n",
                                           "-MOVED 3300 127.0.0.1:1\r\n", "-CLUSTERDOWN x\r\n"};
    readonly();
    flow_send(f, c, "GET b");
    flow_node_serves(f, REPLICA_A, "READONLY", "+OK\r\n");
    flow_node_serves(f, REPLICA_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        flow_send(f, c, "GET b");
        flow_node_serves(f, REPLICA_A, "GET b", refusals[i]);
        flow_node_serves(f, NODE_A, "GET b", "+2\r\n");
        flow_expect(f, c, "+2\r\n");
    }
    flow_send(f, c, "GET b");
    flow_node_gets(f, REPLICA_A, "GET b");
    flow_node_dies(f, REPLICA_A);
    flow_node_serves(f, NODE_A, "GET b", "+3\r\n");
    flow_expect(f, c, "+3\r\n");
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", "+4\r\n");
    flow_expect(f, c, "+4\r\n");
}
END_TEST

START_TEST(a_replica_that_cannot_be_reached_costs_no_read)
{
    readonly();
    flow_node_dies(f, REPLICA_A);
    flow_send(f, c, "GET b", "MGET b c");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_node_serves(f, REPLICA_B, "READONLY", "+OK\r\n");
    flow_node_serves(f, REPLICA_B, "MGET c", "*1\r\n+c\r\n");
    flow_node_serves(f, NODE_A, "MGET b", "*1\r\n+b\r\n");
    flow_expect(f, c, "+1\r\n*2\r\n+b\r\n+c\r\n");
}
END_TEST

START_TEST(read_from_sends_every_clients_reads_to_replicas)
{
    flow_again("read-from prefer-replica\n");
    flow_send(f, c, "GET b");
    flow_node_serves(f, REPLICA_A, "READONLY", "+OK\r\n");
    flow_node_serves(f, REPLICA_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
}
END_TEST

UNIT_SUITE_WITH("route", flow_begin_wide, flow_end,
                {what_is_in_flight_to_an_old_owner_comes_before_what_follows},
                {requests_of_a_node_that_the_cluster_calls_dead_are_taken_back},
                {a_demoted_node_that_is_silent_has_little_time},
                {requests_without_keys_avoid_a_node_that_is_not_well},
                {a_readonly_client_reads_from_a_replica_and_writes_to_the_master},
                {a_replica_that_is_not_fit_is_not_asked},
                {the_master_serves_what_a_replica_refuses_or_loses},
                {a_replica_that_cannot_be_reached_costs_no_read},
                {read_from_sends_every_clients_reads_to_replicas})
