/* tracking_test: the order of replies and invalidations, CACHING, and what is invalid at once. */
#include "flow/client.h"
#include "support/tracking_unit.h"
#include <sys/socket.h>

/* Has the client's FIFO so many entries? */
static bool waits_in_line(void *arg)
{
    return flow_newest(f)->in_flight == *(uint32_t *)arg;
}

START_TEST(an_invalidation_stays_behind_the_reply_before_it)
{
    tracking_turn_on("");
    flow_send(f, c, "GET a");
    tracking_leases(NODE_C, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_C, "GET a", "$1\r\n0\r\n"); /* from now on several go at a time */
    flow_expect(f, c, "$1\r\n0\r\n");
    flow_send(f, c, "GET a", "GET b", "GET c");
    tracking_leases(NODE_A, "CLIENT TRACKING ON");
    tracking_leases(NODE_B, "CLIENT TRACKING ON");
    flow_node_gets(f, NODE_C, "GET a");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n1\r\n");
    flow_answer(f, NODE_A, INVALID("b"));
    flow_until(f, waits_in_line, &(uint32_t){4}, "the invalidation has its place");
    flow_expect_nothing(f, c);
    flow_answer(f, NODE_C, INVALID("x"));
    flow_answer(f, NODE_C, "$1\r\n0\r\n");
    flow_expect(f, c, "$1\r\n0\r\n$1\r\n1\r\n" INVALID("b") INVALID("x"));
    flow_node_serves(f, NODE_B, "GET c", "$1\r\n2\r\n");
    flow_expect(f, c, "$1\r\n2\r\n");
}
END_TEST

START_TEST(an_invalidation_of_a_part_stays_behind_the_whole)
{
    tracking_turn_on("");
    flow_send(f, c, "MGET a b");
    tracking_leases(NODE_C, "CLIENT TRACKING ON");
    tracking_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_gets(f, NODE_C, "MGET a");
    flow_node_serves(f, NODE_A, "MGET b", "*1\r\n$1\r\n1\r\n");
    flow_answer(f, NODE_A, INVALID("b"));
    flow_until(f, waits_in_line, &(uint32_t){2}, "the invalidation has its place");
    flow_expect_nothing(f, c);
    flow_answer(f, NODE_C, "*1\r\n$1\r\n0\r\n");
    flow_expect(f, c, "*2\r\n$1\r\n0\r\n$1\r\n1\r\n" INVALID("b"));
}
END_TEST

START_TEST(caching_goes_directly_before_each_part)
{
    tracking_turn_on(" OPTIN");
    flow_send(f, c, "CLIENT CACHING YES", "MGET b f", "GET b");
    tracking_leases(NODE_A, "CLIENT TRACKING ON optin");
    flow_node_serves(f, NODE_A, "CLIENT CACHING YES", "+OK\r\n");
    flow_node_serves(f, NODE_A, "MGET b", "*1\r\n$1\r\n0\r\n");
    flow_node_serves(f, NODE_A, "CLIENT CACHING YES", "+OK\r\n");
    flow_node_serves(f, NODE_A, "MGET f", "*1\r\n$1\r\n1\r\n");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n2\r\n");
    flow_expect(f, c, "+OK\r\n*2\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n");
}
END_TEST

START_TEST(what_asking_leaves_untracked_is_invalid_at_once)
{
    tracking_turn_on(" OPTIN");
    flow_send(f, c, "CLIENT CACHING YES", "GET b");
    tracking_leases(NODE_A, "CLIENT TRACKING ON optin");
    flow_node_serves(f, NODE_A, "CLIENT CACHING YES", "+OK\r\n");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer_redirect(f, NODE_A, "ASK", 3300, NODE_B);
    tracking_leases(NODE_B, "CLIENT TRACKING ON optin");
    flow_node_serves(f, NODE_B, "ASKING", "+OK\r\n");
    flow_node_serves(f, NODE_B, "GET b", "$1\r\n1\r\n");
    flow_expect(f, c, "+OK\r\n" FLUSH "$1\r\n1\r\n" FLUSH);
}
END_TEST

START_TEST(ping_waits_for_what_the_nodes_have_to_say)
{
    tracking_turn_on("");
    flow_send(f, c, "GET b", "PING");
    tracking_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n0\r\n");
    flow_node_serves(f, NODE_A, "PING", "+PONG\r\n");
    flow_expect(f, c, "$1\r\n0\r\n+PONG\r\n");
    flow_send(f, c, "PING");
    flow_node_gets(f, NODE_A, "PING");
    flow_expect_nothing(f, c);
    flow_answer(f, NODE_A, INVALID("b") "+PONG\r\n");
    flow_expect(f, c, INVALID("b") "+PONG\r\n");
    flow_send(f, c, "PING");
    flow_node_gets(f, NODE_A, "PING");
    flow_node_cuts(f, NODE_A);
    flow_expect(f, c, "+PONG\r\n" FLUSH);
    flow_send(f, c, "PING");
    flow_expect(f, c, "+PONG\r\n");
}
END_TEST

START_TEST(what_a_transaction_read_before_it_tracked_is_invalid)
{
    flow_send(f, c, "MULTI", "CLIENT TRACKING ON", "GET b", "EXEC");
    flow_node_serves(f, NODE_A, "HELLO 3", "%0\r\n");
    flow_node_gets_all(NODE_A, "MULTI", "GET b", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n$1\r\n0\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n0\r\n" FLUSH);
    flow_send(f, c, "CLIENT TRACKING OFF", "MULTI", "CLIENT TRACKING ON", "EXEC");
    flow_expect(f, c, "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
}
END_TEST

START_TEST(an_error_that_quotes_a_prefix_is_one_line)
{
    static const char request[] =
        "*8\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n$5\r\nBCAST\r\n"
        "$6\r\nPREFIX\r\n$4\r\na\r\nb\r\n$6\r\nPREFIX\r\n$1\r\na\r\n";
    flow_send_raw(f, c, request, sizeof request - 1);
    flow_expect(f, c,
                "-ERR Prefix 'a  b' overlaps with another provided prefix 'a'. Prefixes for a "
                "single client must not overlap.\r\n");
}
END_TEST

UNIT_SUITE_WITH("tracking", tracking_begin, flow_end,
                {an_invalidation_stays_behind_the_reply_before_it},
                {an_invalidation_of_a_part_stays_behind_the_whole},
                {caching_goes_directly_before_each_part},
                {what_asking_leaves_untracked_is_invalid_at_once},
                {ping_waits_for_what_the_nodes_have_to_say},
                {what_a_transaction_read_before_it_tracked_is_invalid},
                {an_error_that_quotes_a_prefix_is_one_line})
