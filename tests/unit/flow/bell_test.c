/* bell_test: waiting for elements without taking them: one bell for all who wait for a key, who is
 * woken, and what becomes of a bell when its node answers something else or moves. */
#include "flow/bell.h"
#include "flow/client.h"
#include "support/flow_unit.h"
#include <sys/socket.h>
#include <unistd.h>

START_TEST(an_element_that_comes_rings_and_is_popped)
{
    struct flow_link *bells[2];
    flow_waits_at_bells(c, bells);
    ck_assert_uint_eq(flow_count(f, COUNTER_blocked), 1);
    flow_rings(NODE_B, bells[1]);
    flow_node_serves(f, NODE_A, "LPOP b", "$-1\r\n");
    flow_node_serves(f, NODE_B, "LPOP c", "$1\r\nx\r\n");
    flow_expect(f, c, "*2\r\n$1\r\nc\r\n$1\r\nx\r\n");
    /* The bell that did not ring waits on for the next command. */
    flow_send(f, c, "BLPOP b c 0");
    flow_node_serves(f, NODE_A, "LPOP b", "$-1\r\n");
    flow_node_serves(f, NODE_B, "LPOP c", "$-1\r\n");
    /* There could have been more when it rang. */
    flow_node_serves(f, NODE_A, "LPOP b", "$-1\r\n");
    flow_node_serves(f, NODE_B, "LPOP c", "$-1\r\n");
    flow_node_gets(f, NODE_B, "BLMOVE c c LEFT LEFT 0");
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

START_TEST(an_element_that_another_took_is_waited_for_again)
{
    struct flow_link *bells[2];
    flow_waits_at_bells(c, bells);
    flow_rings(NODE_A, bells[0]);
    flow_node_serves(f, NODE_A, "LPOP b", "$-1\r\n");
    flow_node_serves(f, NODE_B, "LPOP c", "$-1\r\n");
    flow_node_gets(f, NODE_A, "BLMOVE b b LEFT LEFT 0");
    flow_expect_nothing(f, c);
}
END_TEST

START_TEST(one_element_wakes_one_client)
{
    struct flow_link *bells[2];
    int other = flow_client(f);
    flow_waits_at_bells(c, bells);
    flow_send(f, other, "BLPOP b c 0");
    flow_node_serves(f, NODE_A, "LPOP b", "$-1\r\n");
    flow_node_serves(f, NODE_B, "LPOP c", "$-1\r\n");
    flow_node_gets_nothing(f, NODE_A); /* the bells are for both */
    flow_node_gets_nothing(f, NODE_B);
    flow_rings(NODE_A, bells[0]);
    flow_node_serves(f, NODE_A, "LPOP b", "$1\r\nx\r\n");
    flow_expect(f, c, "*2\r\n$1\r\nb\r\n$1\r\nx\r\n");
    /* Now the other looks whether there is more. */
    flow_node_serves(f, NODE_A, "LPOP b", "$-1\r\n");
    flow_node_serves(f, NODE_B, "LPOP c", "$-1\r\n");
    flow_node_gets(f, NODE_A, "BLMOVE b b LEFT LEFT 0");
    flow_expect_nothing(f, other);
    close(other);
}
END_TEST

START_TEST(a_client_that_leaves_while_it_waits_gets_nothing_popped)
{
    struct flow_link *bells[2];
    flow_waits_at_bells(c, bells);
    shutdown(c, SHUT_RDWR);
    flow_settle(f);
    flow_rings(NODE_A, bells[0]);
    flow_node_gets_nothing(f, NODE_A);
    ck_assert_uint_eq(flow_count(f, COUNTER_blocked), 0);
}
END_TEST

START_TEST(a_bell_moves_with_its_slot)
{
    struct flow_link *bells[2];
    flow_waits_at_bells(c, bells);
    f->nodes[NODE_A].last = bells[0];
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_C);
    flow_lease_opens(NODE_C, "7");
    flow_node_gets(f, NODE_C, "BLMOVE b b LEFT LEFT 0");
    flow_node_cuts(f, NODE_C);
    flow_lease_opens(NODE_C, "7");
    flow_node_serves(f, NODE_C, "BLMOVE b b LEFT LEFT 0", "$1\r\nx\r\n");
    flow_node_serves(f, NODE_C, "LPOP b", "$1\r\nx\r\n");
    flow_expect(f, c, "*2\r\n$1\r\nb\r\n$1\r\nx\r\n");
}
END_TEST

/* What rings next is for who waited behind them. */
START_TEST(who_leaves_the_line_does_not_hold_it_up)
{
    struct flow_link *bells[2];
    int first = flow_client(f), second = flow_client(f);
    flow_waits_at_bells(c, bells);
    int waiting[] = {first, second};
    for (int i = 0; i < 2; i++) {
        flow_send(f, waiting[i], "BLPOP b c 0");
        flow_node_serves(f, NODE_A, "LPOP b", "$-1\r\n");
        flow_node_serves(f, NODE_B, "LPOP c", "$-1\r\n");
    }
    shutdown(c, SHUT_RDWR);
    shutdown(first, SHUT_RDWR);
    flow_settle(f);
    flow_node_gets_nothing(f, NODE_A);
    flow_rings(NODE_A, bells[0]);
    flow_node_serves(f, NODE_A, "LPOP b", "$1\r\nx\r\n");
    flow_expect(f, second, "*2\r\n$1\r\nb\r\n$1\r\nx\r\n");
    close(first);
    close(second);
}
END_TEST

/* The one who is woken finds the same error, or that it is over. */
START_TEST(an_error_at_the_bell_is_for_who_tries)
{
    struct flow_link *bells[2];
    flow_waits_at_bells(c, bells);
    f->nodes[NODE_A].last = bells[0];
    flow_answer(f, NODE_A, "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    flow_node_serves(f, NODE_A, "LPOP b", "$-1\r\n");
    flow_node_serves(f, NODE_B, "LPOP c", "$-1\r\n");
    flow_node_gets(f, NODE_A, "BLMOVE b b LEFT LEFT 0"); /* after a pause */
    flow_expect_nothing(f, c);
    flow_answer(f, NODE_A, "-WRONGTYPE Operation against a key\r\n");
    flow_node_serves(f, NODE_A, "LPOP b", "-WRONGTYPE Operation against a key\r\n");
    flow_expect(f, c, "-WRONGTYPE Operation against a key\r\n");
}
END_TEST

UNIT_SUITE_WITH("bell", flow_begin, flow_end, {an_element_that_comes_rings_and_is_popped},
                {an_element_that_another_took_is_waited_for_again}, {one_element_wakes_one_client},
                {a_client_that_leaves_while_it_waits_gets_nothing_popped},
                {a_bell_moves_with_its_slot}, {who_leaves_the_line_does_not_hold_it_up},
                {an_error_at_the_bell_is_for_who_tries})
