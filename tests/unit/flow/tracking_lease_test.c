/* tracking_lease_test: leases of clients that track: what they are told first, their listeners, and
 * what becomes of them when a slot moves, a node is lost or says what it may not. */
#include "support/tracking_unit.h"
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static bool node_is_left(void *arg)
{
    (void)arg;
    return flow_node_links(f, NODE_A) == 0;
}

START_TEST(a_lease_is_told_before_its_first_request)
{
    tracking_turn_on(" NOLOOP");
    flow_send(f, c, "GET b", "SET b 1");
    tracking_leases(NODE_A, "CLIENT TRACKING ON noloop");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n0\r\n");
    flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
    flow_expect(f, c, "$1\r\n0\r\n+OK\r\n");
    flow_answer(f, NODE_A, INVALID("b"));
    flow_expect(f, c, INVALID("b"));
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 1);
    flow_send(f, c, "CLIENT TRACKING OFF");
    flow_expect(f, c, "+OK\r\n");
    flow_until(f, node_is_left, NULL, "the lease is closed");
}
END_TEST

START_TEST(everything_is_invalid_when_a_lease_is_lost)
{
    tracking_turn_on("");
    flow_send(f, c, "GET b");
    tracking_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n0\r\n");
    flow_expect(f, c, "$1\r\n0\r\n");
    flow_node_cuts(f, NODE_A);
    flow_expect(f, c, FLUSH);
    flow_send(f, c, "GET b");
    tracking_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n1\r\n");
    flow_expect(f, c, "$1\r\n1\r\n");
}
END_TEST

START_TEST(everything_is_invalid_when_a_slot_moves)
{
    tracking_turn_on("");
    flow_send(f, c, "GET b");
    tracking_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n0\r\n");
    flow_expect(f, c, "$1\r\n0\r\n");
    f->owner[3300] = NODE_B;
    flow_publish(f);
    flow_expect(f, c, FLUSH);
}
END_TEST

START_TEST(a_listener_stands_beside_each_lease_of_a_redirection)
{
    int other = flow_client(f);
    char command[100], id[32];
    flow_send(f, other, "CLIENT ID");
    flow_settle(f);
    ssize_t n = recv(other, id, sizeof id - 1, 0);
    ck_assert_int_gt(n, 3);
    id[n - 2] = '\0';
    flow_send(f, other, "HELLO 2");
    snprintf(command, sizeof command, "CLIENT TRACKING ON REDIRECT %s", id + 1);
    flow_hello(c, 2);
    flow_send(f, c, command);
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, c, "GET b");
    flow_lease_opens(NODE_A, "5");
    flow_node_serves(f, NODE_A, "HELLO 3", "%0\r\n"); /* the listener */
    flow_lease_opens(NODE_A, "6");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 2);
    flow_node_serves(f, NODE_A, "CLIENT TRACKING ON REDIRECT 6", "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n0\r\n");
    flow_expect(f, c, "$1\r\n0\r\n");
    close(other);
}
END_TEST

START_TEST(what_is_no_invalidation_closes_the_lease)
{
    tracking_turn_on("");
    flow_send(f, c, "GET b");
    tracking_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, ">2\r\n$7\r\nmessage\r\n$1\r\nx\r\n");
    tracking_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n0\r\n");
    flow_expect(f, c, FLUSH "$1\r\n0\r\n");
}
END_TEST

START_TEST(a_client_that_leaves_takes_its_leases_along)
{
    tracking_turn_on("");
    flow_send(f, c, "GET b");
    tracking_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n0\r\n");
    flow_expect(f, c, "$1\r\n0\r\n");
    flow_send(f, c, "PING");
    flow_node_gets(f, NODE_A, "PING");
    close(c);
    flow_answer(f, NODE_A, "+PONG\r\n");
    flow_until(f, node_is_left, NULL, "the lease is closed");
    c = flow_client(f);
}
END_TEST

/* EXEC gives the lease away while the node may still send what it knew before OFF. */
START_TEST(an_invalidation_on_its_way_when_tracking_ends_is_no_harm)
{
    tracking_turn_on("");
    flow_send(f, c, "WATCH b", "CLIENT TRACKING OFF", "MULTI", "SET b 1", "EXEC");
    tracking_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_A, "WATCH b", "+OK\r\n");
    flow_node_gets_all(NODE_A, "CLIENT TRACKING OFF", "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_A, INVALID("b") "+OK\r\n+OK\r\n+QUEUED\r\n_\r\n");
    flow_expect(f, c, "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n_\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_failed), 0);
}
END_TEST

UNIT_SUITE_WITH("tracking_lease", tracking_begin, flow_end,
                {a_lease_is_told_before_its_first_request},
                {everything_is_invalid_when_a_lease_is_lost},
                {everything_is_invalid_when_a_slot_moves},
                {a_listener_stands_beside_each_lease_of_a_redirection},
                {what_is_no_invalidation_closes_the_lease},
                {a_client_that_leaves_takes_its_leases_along},
                {an_invalidation_on_its_way_when_tracking_ends_is_no_harm})
