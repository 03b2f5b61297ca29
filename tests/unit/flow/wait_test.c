/* wait_test: WAIT asks the masters that the client wrote to, each on a connection of its own, and
 * the least number of replicas is the answer. */
#include "flow/client.h"
#include "support/flow_unit.h"
#include <sys/socket.h>
#include <unistd.h>

/* As a string shows what is restored: up to its second byte. */
#define MARK "FUNCTION RESTORE \n APPEND"

START_TEST(wait_asks_the_masters_that_were_written_to_and_the_least_counts)
{
    flow_send(f, c, "SET b 1", "SET c 1", "GET a");
    flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
    flow_node_serves(f, NODE_B, "SET c 1", "+OK\r\n");
    flow_node_serves(f, NODE_C, "GET a", "$-1\r\n");
    flow_expect(f, c, "+OK\r\n+OK\r\n$-1\r\n");
    flow_send(f, c, "WAIT 1 0");
    flow_lease_opens(NODE_A, "7");
    flow_node_serves(f, NODE_A, MARK, "+OK\r\n");
    flow_node_serves(f, NODE_A, "WAIT 1 0", ":2\r\n");
    flow_lease_opens(NODE_B, "7");
    flow_node_serves(f, NODE_B, MARK, "+OK\r\n");
    flow_expect_nothing(f, c);
    flow_node_serves(f, NODE_B, "WAIT 1 0", ":1\r\n");
    flow_node_gets_nothing(f, NODE_C);
    flow_expect(f, c, ":1\r\n");
}
END_TEST

START_TEST(wait_goes_to_all_masters_for_who_wrote_nothing)
{
    flow_send(f, c, "WAIT 1 20000");
    for (int node = 0; node < 3; node++) {
        flow_lease_opens((enum flow_node)node, "7");
        flow_node_serves(f, (enum flow_node)node, MARK, "+OK\r\n");
    }
    flow_node_serves(f, NODE_A, "WAIT 1 20000", ":1\r\n");
    flow_node_serves(f, NODE_B, "WAIT 1 20000", ":2\r\n");
    flow_node_gets(f, NODE_C, "WAIT 1 20000");
    flow_node_cuts(f, NODE_C);
    flow_lease_opens(NODE_C, "8");
    flow_node_serves(f, NODE_C, MARK, "+OK\r\n");
    ck_assert(flow_node_gets_timed(NODE_C, "WAIT 1") < 20000);
    flow_answer(f, NODE_C, ":3\r\n");
    flow_expect(f, c, ":1\r\n");
}
END_TEST

START_TEST(wait_does_not_count_where_the_offset_could_not_be_noted)
{
    flow_send(f, c, "SET b 1");
    flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, c, "WAIT 1 0", "GET b");
    flow_lease_opens(NODE_A, "7");
    flow_node_serves(f, NODE_A, MARK, "-OOM command not allowed\r\n");
    flow_node_serves(f, NODE_A, "WAIT 1 0", ":2\r\n");
    flow_expect(f, c, "-OOM command not allowed\r\n");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n1\r\n");
    flow_expect(f, c, "$1\r\n1\r\n");
    flow_send(f, c, "WAIT 1 0"); /* the lease is whole, and the next one counts again */
    flow_node_serves(f, NODE_A, MARK, "-READONLY You can't write against a read only replica.\r\n");
    flow_node_serves(f, NODE_A, "WAIT 1 0", "-ERR WAIT cannot be used with replica instances.\r\n");
    flow_lease_opens(NODE_A, "8");
    flow_node_serves(f, NODE_A, MARK, "+OK\r\n");
    flow_node_serves(f, NODE_A, "WAIT 1 0", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
}
END_TEST

START_TEST(a_client_that_leaves_takes_its_wait_from_all_nodes)
{
    flow_send(f, c, "WAIT 1 0");
    for (int node = 0; node < 3; node++) {
        flow_lease_opens((enum flow_node)node, "7");
        flow_node_serves(f, (enum flow_node)node, MARK, "+OK\r\n");
        flow_node_gets(f, (enum flow_node)node, "WAIT 1 0");
    }
    shutdown(c, SHUT_RDWR);
    flow_settle(f);
    for (int node = 0; node < 3; node++)
        ck_assert_uint_eq(flow_node_links(f, (enum flow_node)node), 0);
    ck_assert_uint_eq(flow_count(f, COUNTER_blocked), 0);
}
END_TEST

UNIT_SUITE_WITH("wait", flow_begin, flow_end,
                {wait_asks_the_masters_that_were_written_to_and_the_least_counts},
                {wait_goes_to_all_masters_for_who_wrote_nothing},
                {wait_does_not_count_where_the_offset_could_not_be_noted},
                {a_client_that_leaves_takes_its_wait_from_all_nodes})
