/* order_test: a node refuses one request and serves those behind it. */
#include "base/memory.h"
#include "flow/order.h"
#include "support/flow_unit.h"
#include <stdlib.h>
#include <unistd.h>

#define TRYAGAIN "-TRYAGAIN Multiple keys request during rehashing of slot\r\n"

START_TEST(a_read_that_was_served_behind_a_refused_write_is_asked_again)
{
    flow_send(f, c, "SET b 1", "GET b");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, TRYAGAIN "+0\r\n");
    flow_expect_nothing(f, c);
    flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+OK\r\n+1\r\n");
}
END_TEST

START_TEST(a_refused_request_is_not_sent_after_a_later_write_was_executed)
{
    flow_send(f, c, "SET b 1", "SET b 2", "GET c");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "SET b 2");
    flow_node_serves(f, NODE_B, "GET c", "+c\r\n");
    flow_answer(f, NODE_A, TRYAGAIN "+OK\r\n");
    flow_expect(f, c, TRYAGAIN "+OK\r\n+c\r\n");
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

START_TEST(reads_before_an_executed_write_keep_their_replies_and_those_behind_are_asked_again)
{
    flow_send(f, c, "SET b 1", "GET b", "SET b 2", "GET b");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets(f, NODE_A, "SET b 2");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, TRYAGAIN "+0\r\n+OK\r\n+2\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+2\r\n");
    flow_expect(f, c, TRYAGAIN "+0\r\n+OK\r\n+2\r\n");
}
END_TEST

START_TEST(a_refused_request_waits_for_the_replies_of_those_behind_it)
{
    flow_send(f, c, "SET b 1", "GET b");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "-LOADING x\r\n");
    flow_pass(f, 50);
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "-LOADING x\r\n");
    flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+OK\r\n+1\r\n");
}
END_TEST

START_TEST(a_write_that_was_lost_behind_a_refused_one_counts_as_executed)
{
    flow_send(f, c, "SET b 1", "SET b 2");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "SET b 2");
    flow_answer(f, NODE_A, TRYAGAIN);
    flow_node_cuts(f, NODE_A);
    flow_expect(f, c, TRYAGAIN MAYBE);
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

START_TEST(parts_of_split_requests_take_part)
{
    flow_send(f, c, "MSET b 1 c 1", "MGET b c");
    flow_node_gets(f, NODE_A, "MSET b 1");
    flow_node_gets(f, NODE_A, "MGET b");
    flow_node_gets(f, NODE_B, "MSET c 1");
    flow_node_gets(f, NODE_B, "MGET c");
    flow_answer(f, NODE_A, TRYAGAIN "*1\r\n+0\r\n");
    flow_answer(f, NODE_B, "+OK\r\n*1\r\n+1\r\n");
    flow_node_serves(f, NODE_A, "MSET b 1", "+OK\r\n");
    flow_node_serves(f, NODE_A, "MGET b", "*1\r\n+1\r\n");
    flow_expect(f, c, "+OK\r\n*2\r\n+1\r\n+1\r\n");
}
END_TEST

START_TEST(requests_in_another_slot_keep_their_replies)
{
    flow_send(f, c, "SET b 1", "GET f", "GET c");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "GET f");
    flow_node_gets(f, NODE_B, "GET c");
    flow_answer(f, NODE_A, TRYAGAIN "+f\r\n");
    flow_answer(f, NODE_B, "+c\r\n");
    flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n+f\r\n+c\r\n");
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

START_TEST(while_a_slot_migrates_requests_to_it_go_one_at_a_time)
{
    flow_send(f, c, "SET b 1");
    flow_node_serves(f, NODE_A, "SET b 1", TRYAGAIN);
    flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, c, "GET f", "SET b 2", "SET b 3");
    flow_node_gets(f, NODE_A, "GET f");
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "+f\r\n");
    flow_node_gets(f, NODE_A, "SET b 2");
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "+2\r\n");
    flow_node_serves(f, NODE_A, "SET b 3", "+3\r\n");
    flow_expect(f, c, "+f\r\n+2\r\n+3\r\n");
}
END_TEST

START_TEST(a_read_that_is_asked_again_is_not_overtaken_by_a_write_that_was_refused)
{
    flow_send(f, c, "SET b 1", "SET b 2", "GET b", "SET b 3");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "SET b 2");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets(f, NODE_A, "SET b 3");
    flow_answer(f, NODE_A, "-CLUSTERDOWN x\r\n+OK\r\n+2\r\n");
    flow_answer_redirect(f, NODE_A, "ASK", 3300, NODE_C);
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets_nothing(f, NODE_C);
    flow_answer_redirect(f, NODE_A, "ASK", 3300, NODE_C);
    flow_node_serves(f, NODE_C, "ASKING", "+OK\r\n");
    flow_node_gets(f, NODE_C, "GET b");
    flow_node_gets_nothing(f, NODE_C);
    flow_answer(f, NODE_C, "+2\r\n");
    flow_node_serves(f, NODE_C, "ASKING", "+OK\r\n");
    flow_node_serves(f, NODE_C, "SET b 3", "+OK\r\n");
    flow_expect(f, c, "-CLUSTERDOWN The cluster is down\r\n+OK\r\n+2\r\n+OK\r\n");
}
END_TEST

START_TEST(a_read_that_can_not_be_asked_again_fails_and_the_rest_goes_on)
{
    flow_again("max-waiting-requests 0\n");
    flow_send(f, c, "SET b 1", "GET b", "GET b", "PING");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "-LOADING x\r\n+0\r\n");
    flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c,
                "+OK\r\n-CLUSTERDOWN Too many requests wait for nodes of the cluster\r\n"
                "+1\r\n+PONG\r\n");
}
END_TEST

/* Its reply leaves in parts, as it is due: what was sent can not be taken back. */
START_TEST(a_read_whose_refused_predecessor_was_given_up_keeps_its_reply)
{
    static const char head[] =
        "-CLUSTERDOWN Too many requests wait for nodes of the cluster\r\n$300000\r\n";
    size_t text = sizeof head - 1, len = 300000;
    char *pattern = flow_pattern(len), *replies = memory_alloc(text + len + 2);
    memcpy(replies, head, text);
    memcpy(replies + text, pattern, len);
    memcpy(replies + text + len, "\r\n", 2);
    flow_again("max-waiting-memory 0\n");
    flow_open_window();
    flow_send(f, c, "SET b 1", "GET b");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, TRYAGAIN "$300000\r\n");
    flow_answer_bytes(f, NODE_A, pattern, len);
    flow_answer(f, NODE_A, "\r\n");
    flow_expect_bytes(f, c, replies, text + len + 2);
    flow_node_gets_nothing(f, NODE_A);
    free(pattern);
    free(replies);
}
END_TEST

START_TEST(a_client_that_leaves_while_its_requests_are_in_disorder_is_no_harm)
{
    flow_send(f, c, "SET b 1", "GET b", "MGET b c");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets(f, NODE_A, "MGET b");
    flow_node_gets(f, NODE_B, "MGET c");
    flow_answer(f, NODE_A, TRYAGAIN "+0\r\n");
    close(c);
    flow_settle(f);
    flow_answer(f, NODE_A, "*1\r\n+0\r\n");
    flow_answer(f, NODE_B, "*1\r\n+c\r\n");
    c = flow_client(f);
    flow_send(f, c, "GET c");
    flow_node_serves(f, NODE_B, "GET c", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
}
END_TEST

UNIT_SUITE_WITH(
    "order", flow_begin_wide, flow_end,
    {a_read_that_was_served_behind_a_refused_write_is_asked_again},
    {a_refused_request_is_not_sent_after_a_later_write_was_executed},
    {reads_before_an_executed_write_keep_their_replies_and_those_behind_are_asked_again},
    {a_refused_request_waits_for_the_replies_of_those_behind_it},
    {a_write_that_was_lost_behind_a_refused_one_counts_as_executed},
    {parts_of_split_requests_take_part}, {requests_in_another_slot_keep_their_replies},
    {while_a_slot_migrates_requests_to_it_go_one_at_a_time},
    {a_read_that_is_asked_again_is_not_overtaken_by_a_write_that_was_refused},
    {a_read_that_can_not_be_asked_again_fails_and_the_rest_goes_on},
    {a_read_whose_refused_predecessor_was_given_up_keeps_its_reply},
    {a_client_that_leaves_while_its_requests_are_in_disorder_is_no_harm})
