/* route_refusal_test: redirects, refusals and lost connections: what is sent again, where, and what
 * is the end of a request. Slot 3300 is that of key b. */
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(moved_is_followed_and_remembered)
{
    flow_send(f, c, "SET b 1");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_node_serves(f, NODE_B, "SET b 1", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, c, "GET b", "GET f");
    flow_node_serves(f, NODE_B, "GET b", "+1\r\n");
    flow_node_serves(f, NODE_A, "GET f", "+2\r\n");
    flow_expect(f, c, "+1\r\n+2\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_redirects_moved), 1);
}
END_TEST

START_TEST(moved_without_a_host_names_the_host_that_said_it)
{
    char line[64];
    snprintf(line, sizeof line, "-MOVED 3300 :%u\r\n", f->nodes[NODE_B].port);
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", line);
    flow_node_serves(f, NODE_B, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
}
END_TEST

START_TEST(moved_from_who_is_not_the_owner_any_more_turns_nothing_back)
{
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    f->owner[3300] = NODE_B;
    flow_publish(f);
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_C);
    flow_node_serves(f, NODE_B, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
    flow_node_gets_nothing(f, NODE_C);
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_B, "GET b", "+2\r\n");
    flow_expect(f, c, "+2\r\n");
}
END_TEST

/* On another host there is a node with the same port, and its host is not named. */
START_TEST(moved_to_who_says_it_waits_for_the_map)
{
    char line[64];
    snprintf(line, sizeof line, "-MOVED 3300 :%u\r\n", f->nodes[NODE_A].port);
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", line);
    f->owner[3300] = NODE_B;
    flow_publish(f);
    flow_node_serves(f, NODE_B, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
}
END_TEST

START_TEST(ask_is_followed_once_behind_asking_whose_reply_is_swallowed)
{
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer_redirect(f, NODE_A, "ASK", 3300, NODE_B);
    flow_node_serves(f, NODE_B, "ASKING", "+OK\r\n");
    flow_expect_nothing(f, c);
    flow_node_serves(f, NODE_B, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", "+2\r\n");
    flow_expect(f, c, "+2\r\n");
}
END_TEST

START_TEST(a_dead_target_of_ask_is_given_up_for_the_slots_owner)
{
    f->nodes[NODE_C].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    flow_node_dies(f, NODE_C);
    for (int i = 0; i < 8; i++) {
        flow_send(f, c, "GET b");
        flow_node_gets(f, NODE_A, "GET b");
        flow_answer_redirect(f, NODE_A, "ASK", 3300, NODE_C);
        flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
        flow_expect(f, c, "+1\r\n");
    }
}
END_TEST

START_TEST(redirected_requests_keep_their_order_and_later_ones_wait)
{
    flow_send(f, c, "SET b 1", "SET b 2", "GET b");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "SET b 2");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_send(f, c, "SET b 4", "GET f");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_node_serves(f, NODE_B, "SET b 1", "+1\r\n");
    flow_node_serves(f, NODE_B, "SET b 2", "+2\r\n");
    flow_node_gets(f, NODE_B, "GET b");
    flow_node_gets_nothing(f, NODE_B);
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_B, "+3\r\n");
    flow_node_serves(f, NODE_B, "SET b 4", "+4\r\n");
    flow_node_serves(f, NODE_A, "GET f", "+5\r\n");
    flow_expect(f, c, "+1\r\n+2\r\n+3\r\n+4\r\n+5\r\n");
}
END_TEST

struct next {
    enum flow_node node;
    char answer[100];
};

static bool has_answer_or_command(void *arg)
{
    struct next *next = arg;
    if (recv(c, next->answer, sizeof next->answer - 1, 0) > 0)
        return true;
    const char *command = flow_node_takes(f, next->node);
    if (command)
        ck_assert_str_eq(command, "GET b");
    return command != NULL;
}

/* The client's reply, or "" when GET b has come to the node once more. */
static const char *answered_or_sent_again(enum flow_node node)
{
    static struct next next;
    next = (struct next){.node = node};
    flow_until(f, has_answer_or_command, &next, "an answer or another attempt");
    return next.answer;
}

START_TEST(a_redirect_of_a_slot_that_was_not_asked_for_is_not_believed)
{
    flow_again_wide("redirect-timeout 50\n");
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    for (int i = 0; i < 100; i++) {
        flow_answer_redirect(f, NODE_A, "MOVED", 3301, NODE_B);
        const char *got = answered_or_sent_again(NODE_A);
        if (*got) {
            ck_assert_str_eq(got, "-CLUSTERDOWN Nodes redirect this slot to each other\r\n");
            return;
        }
    }
    ck_abort_msg("still trying");
}
END_TEST

/* 65535 is what stands for "no slot" here. */
START_TEST(a_redirect_of_a_slot_that_can_not_be_is_not_believed)
{
    f->nodes[NODE_A].flags |= TOPOLOGY_PFAIL;
    f->nodes[NODE_B].flags |= TOPOLOGY_PFAIL;
    flow_publish(f);
    flow_send(f, c, "ROLE");
    flow_node_gets(f, NODE_C, "ROLE");
    flow_answer_redirect(f, NODE_C, "MOVED", 65535, NODE_A);
    flow_node_gets(f, NODE_C, "ROLE");
    flow_answer_redirect(f, NODE_C, "ASK", 65535, NODE_A);
    flow_node_serves(f, NODE_C, "ROLE", "*0\r\n");
    flow_expect(f, c, "*0\r\n");
}
END_TEST

START_TEST(nodes_that_redirect_to_each_other_cost_a_pause_and_then_an_error)
{
    flow_again_wide("redirect-timeout 50\n");
    enum flow_node at = NODE_A;
    const char *got = "";
    int rounds = 0;
    flow_send(f, c, "GET b");
    flow_node_gets(f, at, "GET b");
    for (; !*got; rounds++) {
        enum flow_node next = at == NODE_A ? NODE_B : NODE_A;
        ck_assert_int_lt(rounds, 20);
        flow_answer_redirect(f, at, "MOVED", 3300, next);
        got = answered_or_sent_again(next);
        at = next;
    }
    ck_assert_str_eq(got, "-CLUSTERDOWN Nodes redirect this slot to each other\r\n");
    ck_assert_int_ge(rounds, 6);
}
END_TEST

START_TEST(a_refused_request_is_sent_again)
{
    static const char *const refusals[] = {
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
        "-CLUSTERDOWN Hash slot not served\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        "-READONLY You can't write against a read only replica.\r\n",
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        flow_send(f, c, "INCR b");
        flow_node_serves(f, NODE_A, "INCR b", refusals[i]);
        flow_node_serves(f, NODE_A, "INCR b", refusals[i]);
        flow_node_serves(f, NODE_A, "INCR b", ":1\r\n");
        flow_expect(f, c, ":1\r\n");
    }
    ck_assert_uint_eq(flow_count(f, COUNTER_refusals), 12);
    ck_assert_uint_eq(f->w->nparked, 0);
    ck_assert_uint_eq(f->w->parked_bytes, 0);
}
END_TEST

START_TEST(other_errors_are_the_reply)
{
    flow_send(f, c, "INCR b");
    flow_node_serves(f, NODE_A, "INCR b", "-LOADINGX no refusal\r\n");
    flow_expect(f, c, "-LOADINGX no refusal\r\n");
    flow_send(f, c, "INCR b");
    flow_node_serves(f, NODE_A, "INCR b", "-WRONGTYPE wrong\r\n");
    flow_expect(f, c, "-WRONGTYPE wrong\r\n");
}
END_TEST

START_TEST(a_write_whose_connection_is_cut_fails_and_is_not_sent_again)
{
    flow_send(f, c, "INCR b", "INCR b", "GET b", "RPUSH b 1");
    flow_node_gets(f, NODE_A, "INCR b");
    flow_answer(f, NODE_A, ":1\r\n");
    flow_node_gets(f, NODE_A, "INCR b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets(f, NODE_A, "RPUSH b 1");
    flow_node_cuts(f, NODE_A);
    flow_node_serves(f, NODE_A, "GET b", "+2\r\n");
    flow_expect(f, c, ":1\r\n" MAYBE "+2\r\n" MAYBE);
    flow_node_gets_nothing(f, NODE_A);
    ck_assert_uint_eq(flow_count(f, COUNTER_maybe_executed), 2);
    ck_assert_uint_eq(flow_count(f, COUNTER_retried), 1);
}
END_TEST

START_TEST(what_follows_a_retried_read_waits_behind_it)
{
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_cuts(f, NODE_A);
    flow_send(f, c, "SET b 2");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "+1\r\n");
    flow_node_serves(f, NODE_A, "SET b 2", "+OK\r\n");
    flow_expect(f, c, "+1\r\n+OK\r\n");
}
END_TEST

START_TEST(part_of_a_write_that_left_is_a_write_that_was_sent)
{
    size_t len = 8000000;
    char *value = flow_pattern(len), *request = malloc(len + 100);
    size_t n = (size_t)sprintf(request, "*3\r\n$3\r\nSET\r\n$1\r\nf\r\n$%zu\r\n%s\r\n", len, value);
    /* The node does not read: most of the request stays in the worker. */
    size_t sent = 0;
    for (int idle = 0; idle < 50 && sent < n;) {
        ssize_t more = write(c, request + sent, n - sent);
        idle = more > 0 ? 0 : idle + 1;
        sent += more > 0 ? (size_t)more : 0;
        flow_turn(f);
    }
    ck_assert_uint_eq(sent, n);
    flow_settle(f);
    for (unsigned i = 0; i < FLOW_LINKS; i++)
        if (f->nodes[NODE_A].links[i].len)
            f->nodes[NODE_A].last = &f->nodes[NODE_A].links[i];
    flow_node_cuts(f, NODE_A);
    flow_expect(f, c, MAYBE);
    free(value);
    free(request);
}
END_TEST

START_TEST(a_reply_that_had_begun_to_reach_the_client_cannot_be_repaired)
{
    char *value = flow_pattern(300000), *got = malloc(200009);
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "$300000\r\n");
    flow_answer_bytes(f, NODE_A, value, 200000);
    memcpy(got, "$300000\r\n", 9);
    memcpy(got + 9, value, 200000);
    flow_expect_bytes(f, c, got, 200009);
    flow_node_cuts(f, NODE_A);
    flow_expect_closed(f, c);
    ck_assert_uint_eq(flow_count(f, COUNTER_clients_closed_torn), 1);
    flow_node_gets_nothing(f, NODE_A);
    free(value);
    free(got);
}
END_TEST

/* A part that could still be taken back was not sent. */
START_TEST(a_reply_of_middle_size_that_is_cut_is_asked_for_again)
{
    char *value = flow_pattern(50000), *reply = malloc(50100);
    sprintf(reply, "$50000\r\n%.50000s\r\n", value);
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "$50000\r\n");
    flow_answer_bytes(f, NODE_A, value, 30000);
    flow_node_cuts(f, NODE_A);
    flow_node_serves(f, NODE_A, "GET b", reply);
    flow_expect(f, c, reply);
    free(value);
    free(reply);
}
END_TEST

START_TEST(a_short_reply_that_is_cut_is_asked_for_again)
{
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "$5\r\nhal");
    flow_node_cuts(f, NODE_A);
    flow_node_serves(f, NODE_A, "GET b", "$5\r\nwhole\r\n");
    flow_expect(f, c, "$5\r\nwhole\r\n");
}
END_TEST

START_TEST(a_held_part_of_a_reply_is_forgotten_when_it_is_cut)
{
    char *value = flow_pattern(50000);
    flow_send(f, c, "GET b", "GET c", "MGET f g");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets(f, NODE_B, "GET c");
    flow_node_gets(f, NODE_B, "MGET g");
    flow_node_gets(f, NODE_A, "MGET f");
    flow_answer(f, NODE_B, "$50000\r\n");
    flow_answer_bytes(f, NODE_B, value, 40000);
    flow_node_cuts(f, NODE_B);
    flow_node_serves(f, NODE_B, "GET c", "+c\r\n");
    flow_node_gets(f, NODE_B, "MGET g");
    flow_answer(f, NODE_B, "*1\r\n$50000\r\n");
    flow_answer_bytes(f, NODE_B, value, 40000);
    flow_node_cuts(f, NODE_B);
    flow_node_serves(f, NODE_B, "MGET g", "*1\r\n+g\r\n");
    flow_expect_nothing(f, c);
    flow_answer(f, NODE_A, "+b\r\n*1\r\n+f\r\n");
    flow_expect(f, c, "+b\r\n+c\r\n*2\r\n+f\r\n+g\r\n");
    free(value);
}
END_TEST

UNIT_SUITE_WITH("route_refusal", flow_begin_wide, flow_end, {moved_is_followed_and_remembered},
                {moved_without_a_host_names_the_host_that_said_it},
                {moved_from_who_is_not_the_owner_any_more_turns_nothing_back},
                {moved_to_who_says_it_waits_for_the_map},
                {ask_is_followed_once_behind_asking_whose_reply_is_swallowed},
                {a_dead_target_of_ask_is_given_up_for_the_slots_owner},
                {redirected_requests_keep_their_order_and_later_ones_wait},
                {a_redirect_of_a_slot_that_was_not_asked_for_is_not_believed},
                {a_redirect_of_a_slot_that_can_not_be_is_not_believed},
                {nodes_that_redirect_to_each_other_cost_a_pause_and_then_an_error},
                {a_refused_request_is_sent_again}, {other_errors_are_the_reply},
                {a_write_whose_connection_is_cut_fails_and_is_not_sent_again},
                {what_follows_a_retried_read_waits_behind_it},
                {part_of_a_write_that_left_is_a_write_that_was_sent},
                {a_reply_that_had_begun_to_reach_the_client_cannot_be_repaired},
                {a_reply_of_middle_size_that_is_cut_is_asked_for_again},
                {a_short_reply_that_is_cut_is_asked_for_again},
                {a_held_part_of_a_reply_is_forgotten_when_it_is_cut})
