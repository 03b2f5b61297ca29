/* route_park_test: requests that wait for a node: until when, how many, and in which order they go.
 * Slot 3300 is that of key b. */
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOO_MANY "-CLUSTERDOWN Too many requests wait for nodes of the cluster\r\n"

START_TEST(a_waiting_request_is_not_overtaken_by_a_later_one_of_its_client)
{
    int other = flow_client(f);
    flow_send(f, c, "SET b 1");
    flow_node_serves(f, NODE_A, "SET b 1", "-TRYAGAIN later\r\n");
    flow_send(f, c, "GET b", "GET c");
    flow_send(f, other, "GET f");
    flow_node_serves(f, NODE_A, "GET f", "+other\r\n");
    flow_expect(f, other, "+other\r\n");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets_nothing(f, NODE_A);
    flow_node_gets_nothing(f, NODE_B);
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_node_serves(f, NODE_B, "GET c", "+2\r\n");
    flow_expect(f, c, "+OK\r\n+1\r\n+2\r\n");
    close(other);
}
END_TEST

START_TEST(several_refused_requests_are_sent_again_one_after_the_other)
{
    flow_send(f, c, "SET b 1", "SET b 2", "SET b 3");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "SET b 2");
    flow_node_gets(f, NODE_A, "SET b 3");
    flow_answer(f, NODE_A, "-TRYAGAIN x\r\n-CLUSTERDOWN x\r\n-LOADING x\r\n");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "-TRYAGAIN x\r\n");
    flow_node_serves(f, NODE_A, "SET b 1", "+1\r\n");
    flow_node_serves(f, NODE_A, "SET b 2", "+2\r\n");
    flow_node_serves(f, NODE_A, "SET b 3", "+3\r\n");
    flow_expect(f, c, "+1\r\n+2\r\n+3\r\n");
}
END_TEST

START_TEST(a_request_for_a_dead_node_waits_for_it_to_return)
{
    flow_node_dies(f, NODE_A);
    flow_send(f, c, "INCR b", "GET b");
    flow_expect_nothing(f, c);
    ck_assert_uint_eq(f->w->nparked, 2);
    flow_node_returns(f, NODE_A);
    flow_node_serves(f, NODE_A, "INCR b", ":1\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, ":1\r\n+1\r\n");
    ck_assert_uint_eq(f->w->nparked, 0);
}
END_TEST

START_TEST(a_request_for_a_dead_master_goes_to_the_replica_that_takes_over)
{
    int other = flow_client(f);
    flow_node_dies(f, NODE_A);
    flow_send(f, c, "INCR b");
    flow_send(f, other, "GET c");
    flow_node_serves(f, NODE_B, "GET c", "+well\r\n");
    flow_expect(f, other, "+well\r\n");
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        if (f->owner[slot] == NODE_A)
            f->owner[slot] = REPLICA_A;
    f->nodes[NODE_A].flags |= TOPOLOGY_FAIL;
    f->nodes[REPLICA_A].flags = TOPOLOGY_MASTER;
    flow_publish(f);
    flow_node_serves(f, REPLICA_A, "INCR b", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
    close(other);
}
END_TEST

START_TEST(waiting_ends_with_an_error_at_failover_timeout)
{
    flow_again_wide("failover-timeout 50\n");
    flow_node_dies(f, NODE_A);
    flow_send(f, c, "INCR b", "DEL b c", "PING");
    flow_node_serves(f, NODE_B, "DEL c", ":1\r\n");
    flow_expect(f, c,
                "-CLUSTERDOWN No node of the cluster answers for this slot\r\n"
                "-CLUSTERDOWN No node of the cluster answers for this slot\r\n+PONG\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_waiting_expired), 2);
    ck_assert_uint_eq(flow_count(f, COUNTER_waiting), 0);
    ck_assert_uint_eq(flow_count(f, COUNTER_waiting_bytes), 0);
}
END_TEST

START_TEST(an_uncovered_slot_waits_for_an_owner)
{
    f->owner[3300] = 0xffff;
    flow_publish(f);
    flow_send(f, c, "INCR b");
    flow_expect_nothing(f, c);
    f->owner[3300] = NODE_C;
    flow_publish(f);
    flow_node_serves(f, NODE_C, "INCR b", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
}
END_TEST

START_TEST(too_many_waiting_requests_are_refused)
{
    int others[4];
    flow_again_wide("max-waiting-requests 2\n");
    flow_node_dies(f, NODE_A);
    for (int i = 0; i < 4; i++) {
        others[i] = flow_client(f);
        flow_send(f, others[i], "INCR b");
    }
    flow_settle(f);
    flow_expect(f, others[3], TOO_MANY);
    flow_expect_nothing(f, others[0]);
    ck_assert_uint_eq(flow_count(f, COUNTER_waiting_refused), 1);
    flow_node_returns(f, NODE_A);
    for (int i = 0; i < 3; i++)
        flow_node_serves(f, NODE_A, "INCR b", ":1\r\n");
    for (int i = 0; i < 4; i++) {
        if (i < 3)
            flow_expect(f, others[i], ":1\r\n");
        close(others[i]);
    }
}
END_TEST

START_TEST(waiting_requests_are_bounded_in_bytes)
{
    char *value = flow_pattern(5000), *request = malloc(6000);
    size_t n = (size_t)sprintf(request, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$5000\r\n%s\r\n", value);
    flow_again_wide("max-waiting-memory 8kb\n");
    flow_node_dies(f, NODE_A);
    int other = flow_client(f);
    flow_send_raw(f, other, request, n);
    flow_send_raw(f, c, request, n);
    flow_expect(f, c, TOO_MANY);
    flow_expect_nothing(f, other);
    close(other);
    free(value);
    free(request);
}
END_TEST

START_TEST(a_refused_split_request_is_one_error)
{
    flow_again_wide("max-waiting-memory 0\n");
    flow_node_dies(f, NODE_A);
    flow_send(f, c, "MSET b 1 f 2 c 3", "PING");
    flow_node_serves(f, NODE_B, "MSET c 3", "+OK\r\n");
    flow_expect(f, c, TOO_MANY "+PONG\r\n");
}
END_TEST

START_TEST(a_waiting_request_whose_client_leaves_is_no_harm)
{
    flow_node_dies(f, NODE_A);
    flow_send(f, c, "INCR b", "MGET b c");
    flow_node_gets(f, NODE_B, "MGET c");
    close(c);
    flow_settle(f);
    flow_node_returns(f, NODE_A);
    flow_answer(f, NODE_B, "*1\r\n+c\r\n");
    c = flow_client(f);
    flow_send(f, c, "GET c");
    flow_node_serves(f, NODE_B, "GET c", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
}
END_TEST

UNIT_SUITE_WITH("route_park", flow_begin_wide, flow_end,
                {a_waiting_request_is_not_overtaken_by_a_later_one_of_its_client},
                {several_refused_requests_are_sent_again_one_after_the_other},
                {a_request_for_a_dead_node_waits_for_it_to_return},
                {a_request_for_a_dead_master_goes_to_the_replica_that_takes_over},
                {waiting_ends_with_an_error_at_failover_timeout},
                {an_uncovered_slot_waits_for_an_owner}, {too_many_waiting_requests_are_refused},
                {waiting_requests_are_bounded_in_bytes}, {a_refused_split_request_is_one_error},
                {a_waiting_request_whose_client_leaves_is_no_harm})
