/* blocking_test: commands that wait at their node: order, connections of their own, refusals and
 * lost connections with the time that is left, clients that leave, CLIENT UNBLOCK. */
#include "base/memory.h"
#include "flow/client.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHANGED                                                                                    \
    "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> "         \
    "replica?)\r\n"

START_TEST(waits_on_a_connection_of_its_own_and_gives_it_back)
{
    int other = flow_client(f);
    flow_send(f, c, "BLPOP b 0");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLPOP b 0");
    struct flow_link *lease = f->nodes[NODE_A].last;
    ck_assert_uint_eq(flow_count(f, COUNTER_blocked), 1);
    flow_send(f, other, "GET b");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\nx\r\n");
    flow_expect(f, other, "$1\r\nx\r\n");
    flow_expect_nothing(f, c);
    f->nodes[NODE_A].last = lease;
    flow_answer(f, NODE_A, "*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
    flow_expect(f, c, "*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_blocked), 0);
    flow_send(f, other, "BRPOP f 1");
    flow_node_gets(f, NODE_A, "BRPOP f 1");
    ck_assert_ptr_eq(f->nodes[NODE_A].last, lease);
    flow_answer(f, NODE_A, "*-1\r\n");
    flow_expect(f, other, "*-1\r\n");
    close(other);
}
END_TEST

START_TEST(comes_behind_what_was_sent_before_and_before_what_follows)
{
    flow_send(f, c, "LPUSH b 1", "BLPOP b 0", "GET c");
    flow_node_gets(f, NODE_A, "LPUSH b 1");
    flow_node_gets_nothing(f, NODE_B);
    flow_answer(f, NODE_A, ":1\r\n");
    flow_expect(f, c, ":1\r\n");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLPOP b 0");
    flow_node_gets_nothing(f, NODE_B);
    flow_answer(f, NODE_A, "*-1\r\n");
    flow_node_serves(f, NODE_B, "GET c", "$-1\r\n");
    flow_expect(f, c, "*-1\r\n$-1\r\n");
}
END_TEST

START_TEST(streams_block_only_with_their_option)
{
    flow_send(f, c, "XREAD STREAMS b 0", "XREAD BLOCK 100 STREAMS b 0");
    flow_node_serves(f, NODE_A, "XREAD STREAMS b 0", "*-1\r\n");
    flow_lease_opens(NODE_A, "7");
    flow_node_serves(f, NODE_A, "XREAD BLOCK 100 STREAMS b 0", "*-1\r\n");
    flow_expect(f, c, "*-1\r\n*-1\r\n");
}
END_TEST

START_TEST(bad_arguments_get_the_nodes_error)
{
    flow_send(f, c, "BLPOP b x", "BLMPOP 1 0 b LEFT");
    flow_lease_opens(NODE_A, "7");
    flow_node_serves(f, NODE_A, "BLPOP b x", "-ERR timeout is not a float or out of range\r\n");
    flow_expect(f, c, "-ERR timeout is not a float or out of range\r\n");
    for (int node = 0; node < 3; node++) /* which one is the client's affair */
        if (flow_newest(f)->id % 3 == (uint64_t)node && node != NODE_A)
            flow_lease_opens((enum flow_node)node, "8");
    enum flow_node any = (enum flow_node)(flow_newest(f)->id % 3);
    flow_node_serves(f, any, "BLMPOP 1 0 b LEFT", "-ERR numkeys should be greater than 0\r\n");
    flow_expect(f, c, "-ERR numkeys should be greater than 0\r\n");
}
END_TEST

static const struct resend {
    const char *first, *again;
    double least, most;
} resends[] = {
    {"BLPOP b 20", "BLPOP b", 15, 20},
    {"BRPOPLPUSH b b 20.5", "BRPOPLPUSH b b", 15, 20.5},
    {"BLMOVE b b LEFT RIGHT 20", "BLMOVE b b LEFT RIGHT", 15, 20},
    {"BZPOPMIN b 20", "BZPOPMIN b", 15, 20},
    {"BLMPOP 20 1 b LEFT", "BLMPOP", 15, 20},
    {"BZMPOP 20 1 b MIN COUNT 2", "BZMPOP", 15, 20},
    {"XREAD COUNT 2 BLOCK 20000 STREAMS b 0", "XREAD COUNT 2 BLOCK", 15000, 20000},
    {"XREADGROUP GROUP block c BLOCK 20000 STREAMS b >", "XREADGROUP GROUP block c BLOCK", 15000,
     20000},
};

START_TEST(is_sent_again_with_the_time_that_is_left)
{
    const struct resend *r = &resends[_i];
    flow_send(f, c, r->first);
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, r->first);
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_lease_opens(NODE_B, "8");
    double left = flow_node_gets_timed(NODE_B, r->again);
    ck_assert_msg(left > r->least && left <= r->most, "%s with %f left", r->first, left);
    flow_answer(f, NODE_B, CHANGED);
    f->owner[3300] = NODE_C;
    flow_publish(f);
    flow_lease_opens(NODE_C, "9");
    double rest = flow_node_gets_timed(NODE_C, r->again);
    ck_assert_msg(rest > r->least && rest <= left, "%f after %f", rest, left);
    flow_node_cuts(f, NODE_C);
    flow_lease_opens(NODE_C, "10");
    ck_assert(flow_node_gets_timed(NODE_C, r->again) <= rest);
    flow_answer(f, NODE_C, "*-1\r\n");
    flow_expect(f, c, "*-1\r\n");
}
END_TEST

START_TEST(a_connection_that_said_that_it_is_a_replica_now_is_not_used_again)
{
    flow_send(f, c, "BLPOP b 0");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLPOP b 0");
    flow_answer(f, NODE_A, CHANGED);
    flow_lease_opens(NODE_A, "8");
    flow_node_serves(f, NODE_A, "BLPOP b 0", "*-1\r\n");
    flow_expect(f, c, "*-1\r\n");
}
END_TEST

START_TEST(waits_no_longer_than_its_time_for_a_node)
{
    flow_node_dies(f, NODE_A);
    flow_send(f, c, "BLPOP b 0.2", "GET c");
    flow_node_serves(f, NODE_B, "GET c", "$-1\r\n");
    flow_expect(f, c, "*-1\r\n$-1\r\n");
    flow_node_returns(f, NODE_A);
}
END_TEST

/* The control connection may know of the node's death first: then nothing is read from it any
 * more. */
START_TEST(the_end_of_a_node_is_seen_though_it_is_not_read_from)
{
    flow_send(f, c, "BLPOP b 0.3", "GET c");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLPOP b 0.3");
    f->nodes[NODE_A].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    flow_node_dies(f, NODE_A);
    flow_pass(f, 700); /* not only when backend-timeout is over */
    ck_assert_uint_eq(flow_count(f, COUNTER_blocked), 0);
    flow_node_serves(f, NODE_B, "GET c", "$-1\r\n");
    flow_expect(f, c, "*-1\r\n$-1\r\n");
    flow_node_returns(f, NODE_A);
}
END_TEST

START_TEST(a_client_that_leaves_is_gone_at_the_node)
{
    flow_send(f, c, "BLPOP b 0");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLPOP b 0");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 1);
    shutdown(c, SHUT_WR);
    flow_settle(f);
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 0);
    ck_assert_uint_eq(flow_count(f, COUNTER_blocked), 0);
    ck_assert_uint_eq(flow_count(f, COUNTER_clients), 0);
}
END_TEST

START_TEST(a_client_that_leaves_behind_many_requests_is_gone_at_the_node)
{
    size_t len = 6 * 50 * 1024;
    char *pings = memory_alloc(len);
    for (size_t i = 0; i < len; i += 6)
        memcpy(pings + i, "PING\r\n", 6);
    flow_send(f, c, "BLPOP b 0");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLPOP b 0");
    flow_send_raw(f, c, pings, len);
    free(pings);
    shutdown(c, SHUT_WR);
    flow_settle(f);
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 0);
    ck_assert_uint_eq(flow_count(f, COUNTER_clients), 0);
}
END_TEST

START_TEST(input_that_ends_before_the_command_could_be_issued_does_not_block)
{
    flow_send(f, c, "LPUSH b 1", "BLPOP b 0");
    shutdown(c, SHUT_WR);
    flow_node_serves(f, NODE_A, "LPUSH b 1", ":1\r\n");
    flow_pass(f, 5); /* the time in which the node is reached does not count */
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLPOP b 0.001");
    flow_answer(f, NODE_A, "*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
    flow_settle(f);
    char reply[64] = "";
    ck_assert_int_gt(read(c, reply, sizeof reply - 1), 0);
    ck_assert_str_eq(reply, ":1\r\n*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
}
END_TEST

START_TEST(a_null_is_in_the_clients_protocol)
{
    flow_hello(c, 3);
    flow_node_dies(f, NODE_A);
    flow_send(f, c, "BLPOP b 0.1");
    flow_expect(f, c, "_\r\n");
    flow_node_returns(f, NODE_A);
}
END_TEST

UNIT_SUITE_WITH("blocking", flow_begin, flow_end,
                {waits_on_a_connection_of_its_own_and_gives_it_back},
                {comes_behind_what_was_sent_before_and_before_what_follows},
                {streams_block_only_with_their_option}, {bad_arguments_get_the_nodes_error},
                {is_sent_again_with_the_time_that_is_left, sizeof resends / sizeof *resends},
                {a_connection_that_said_that_it_is_a_replica_now_is_not_used_again},
                {waits_no_longer_than_its_time_for_a_node},
                {the_end_of_a_node_is_seen_though_it_is_not_read_from},
                {a_client_that_leaves_is_gone_at_the_node},
                {a_client_that_leaves_behind_many_requests_is_gone_at_the_node},
                {input_that_ends_before_the_command_could_be_issued_does_not_block},
                {a_null_is_in_the_clients_protocol})
