/* crosspop_test: blocking pops from keys in several slots: order of the keys, bells, who is woken,
 * what becomes of an element whose client has left. Keys by owner: b and f NODE_A, c NODE_B. */
#include "flow/client.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

START_TEST(an_element_that_is_there_is_popped_in_the_order_of_the_keys)
{
    flow_send(f, c, "BLPOP b c 0", "BRPOP c b 0");
    flow_node_serves(f, NODE_A, "LPOP b", "$-1\r\n");
    flow_node_serves(f, NODE_B, "LPOP c", "$1\r\nx\r\n");
    flow_expect(f, c, "*2\r\n$1\r\nc\r\n$1\r\nx\r\n");
    flow_node_serves(f, NODE_B, "RPOP c", "$1\r\ny\r\n");
    flow_expect(f, c, "*2\r\n$1\r\nc\r\n$1\r\ny\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_blocked), 0);
}
END_TEST

START_TEST(what_was_popped_for_a_client_that_left_is_put_back)
{
    flow_send(f, c, "BLPOP b c 0");
    flow_node_gets(f, NODE_A, "LPOP b");
    shutdown(c, SHUT_RDWR);
    flow_settle(f);
    flow_answer(f, NODE_A, "$3\r\nabc\r\n");
    flow_node_serves(f, NODE_A, "LPUSH b abc", ":1\r\n");
    flow_node_gets_nothing(f, NODE_B);
    ck_assert_uint_eq(flow_count(f, COUNTER_blocked), 0);
}
END_TEST

START_TEST(several_elements_are_put_back_in_their_order)
{
    flow_send(f, c, "BLMPOP 0 2 b c LEFT COUNT 2");
    flow_node_gets(f, NODE_A, "LMPOP 1 b LEFT COUNT 2");
    shutdown(c, SHUT_RDWR);
    flow_settle(f);
    flow_answer(f, NODE_A, "*2\r\n$1\r\nb\r\n*2\r\n$1\r\n1\r\n$2\r\n22\r\n");
    flow_node_serves(f, NODE_A, "LPUSH b 22 1", ":2\r\n");
}
END_TEST

START_TEST(the_time_is_kept_here)
{
    flow_send(f, c, "BLPOP b c 0.3", "PING");
    flow_node_serves(f, NODE_A, "LPOP b", "$-1\r\n");
    flow_node_serves(f, NODE_B, "LPOP c", "$-1\r\n");
    flow_expect(f, c, "*-1\r\n+PONG\r\n");
}
END_TEST

START_TEST(the_time_is_kept_while_a_node_is_waited_for)
{
    flow_node_dies(f, NODE_A);
    flow_send(f, c, "BLPOP b c 0.3", "PING");
    flow_expect(f, c, "*-1\r\n+PONG\r\n");
    flow_node_gets_nothing(f, NODE_B);
    flow_node_returns(f, NODE_A);
}
END_TEST

START_TEST(bad_timeouts_get_redis_texts)
{
    flow_send(f, c, "BLPOP b c x", "BLPOP b c -1", "BLPOP b c inf", "BZPOPMIN b c 1");
    flow_expect(f, c,
                "-ERR timeout is not a float or out of range\r\n-ERR timeout is negative\r\n"
                "-ERR timeout is not a float or out of range\r\n"
                "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
}
END_TEST

START_TEST(an_error_is_the_answer)
{
    flow_send(f, c, "BLPOP b c 0");
    flow_node_serves(f, NODE_A, "LPOP b", "-WRONGTYPE Operation against …\r\n");
    flow_expect(f, c, "-WRONGTYPE Operation against …\r\n");
}
END_TEST

START_TEST(unblock_ends_it)
{
    struct flow_link *bells[2];
    int other = flow_client(f);
    char line[64];
    snprintf(line, sizeof line, "CLIENT UNBLOCK %llu ERROR",
             (unsigned long long)(flow_newest(f)->id - 1));
    flow_waits_at_bells(c, bells);
    flow_send(f, other, line);
    flow_expect(f, other, ":1\r\n");
    flow_expect(f, c, "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    close(other);
}
END_TEST

START_TEST(a_null_is_in_the_clients_protocol)
{
    flow_hello(c, 3);
    flow_send(f, c, "BLPOP b c 0.3");
    flow_node_serves(f, NODE_A, "HELLO 3", "%0\r\n");
    flow_node_serves(f, NODE_A, "LPOP b", "_\r\n");
    flow_node_serves(f, NODE_B, "HELLO 3", "%0\r\n");
    flow_node_serves(f, NODE_B, "LPOP c", "_\r\n");
    flow_expect(f, c, "_\r\n");
}
END_TEST

START_TEST(cross_slot_no_refuses_it)
{
    flow_again("cross-slot no\n");
    flow_send(f, c, "BLPOP b c 0");
    flow_expect(f, c, "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
}
END_TEST

UNIT_SUITE_WITH("crosspop", flow_begin, flow_end,
                {an_element_that_is_there_is_popped_in_the_order_of_the_keys},
                {what_was_popped_for_a_client_that_left_is_put_back},
                {several_elements_are_put_back_in_their_order}, {the_time_is_kept_here},
                {the_time_is_kept_while_a_node_is_waited_for}, {bad_timeouts_get_redis_texts},
                {an_error_is_the_answer}, {unblock_ends_it}, {a_null_is_in_the_clients_protocol},
                {cross_slot_no_refuses_it})
