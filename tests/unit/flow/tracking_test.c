/* tracking_test: the leases of a client that tracks, the order of replies and invalidations, and
 * when everything is declared invalid. */
#include "flow/client.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLUSH      ">2\r\n$10\r\ninvalidate\r\n_\r\n"
#define INVALID(k) ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\n" k "\r\n"

static void begin(void)
{
    flow_begin();
    flow_hello(c, 3);
}

static void turn_on(const char *options)
{
    char command[100];
    snprintf(command, sizeof command, "CLIENT TRACKING ON%s", options);
    flow_send(f, c, command);
    flow_expect(f, c, "+OK\r\n");
}

/* A new lease to the node: its handshake, and what it is told. */
static void node_leases(enum flow_node node, const char *told)
{
    flow_node_serves(f, node, "HELLO 3", "%0\r\n");
    flow_lease_opens(node, "7");
    flow_node_serves(f, node, told, "+OK\r\n");
}

static bool node_is_left(void *arg)
{
    (void)arg;
    return flow_node_links(f, NODE_A) == 0;
}

START_TEST(a_lease_is_told_before_its_first_request)
{
    turn_on(" NOLOOP");
    flow_send(f, c, "GET b", "SET b 1");
    node_leases(NODE_A, "CLIENT TRACKING ON noloop");
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

/* Has the client's FIFO so many entries? */
static bool waits_in_line(void *arg)
{
    return flow_newest(f)->in_flight == *(uint32_t *)arg;
}

START_TEST(an_invalidation_stays_behind_the_reply_before_it)
{
    turn_on("");
    flow_send(f, c, "GET a");
    node_leases(NODE_C, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_C, "GET a", "$1\r\n0\r\n"); /* from now on several go at a time */
    flow_expect(f, c, "$1\r\n0\r\n");
    flow_send(f, c, "GET a", "GET b", "GET c");
    node_leases(NODE_A, "CLIENT TRACKING ON");
    node_leases(NODE_B, "CLIENT TRACKING ON");
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
    turn_on("");
    flow_send(f, c, "MGET a b");
    node_leases(NODE_C, "CLIENT TRACKING ON");
    node_leases(NODE_A, "CLIENT TRACKING ON");
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
    turn_on(" OPTIN");
    flow_send(f, c, "CLIENT CACHING YES", "MGET b f", "GET b");
    node_leases(NODE_A, "CLIENT TRACKING ON optin");
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
    turn_on(" OPTIN");
    flow_send(f, c, "CLIENT CACHING YES", "GET b");
    node_leases(NODE_A, "CLIENT TRACKING ON optin");
    flow_node_serves(f, NODE_A, "CLIENT CACHING YES", "+OK\r\n");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer_redirect(f, NODE_A, "ASK", 3300, NODE_B);
    node_leases(NODE_B, "CLIENT TRACKING ON optin");
    flow_node_serves(f, NODE_B, "ASKING", "+OK\r\n");
    flow_node_serves(f, NODE_B, "GET b", "$1\r\n1\r\n");
    flow_expect(f, c, "+OK\r\n" FLUSH "$1\r\n1\r\n" FLUSH);
}
END_TEST

START_TEST(everything_is_invalid_when_a_lease_is_lost)
{
    turn_on("");
    flow_send(f, c, "GET b");
    node_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n0\r\n");
    flow_expect(f, c, "$1\r\n0\r\n");
    flow_node_cuts(f, NODE_A);
    flow_expect(f, c, FLUSH);
    flow_send(f, c, "GET b");
    node_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n1\r\n");
    flow_expect(f, c, "$1\r\n1\r\n");
}
END_TEST

START_TEST(everything_is_invalid_when_a_slot_moves)
{
    turn_on("");
    flow_send(f, c, "GET b");
    node_leases(NODE_A, "CLIENT TRACKING ON");
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

START_TEST(ping_waits_for_what_the_nodes_have_to_say)
{
    turn_on("");
    flow_send(f, c, "GET b", "PING");
    node_leases(NODE_A, "CLIENT TRACKING ON");
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

START_TEST(what_is_no_invalidation_closes_the_lease)
{
    turn_on("");
    flow_send(f, c, "GET b");
    node_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, ">2\r\n$7\r\nmessage\r\n$1\r\nx\r\n");
    node_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n0\r\n");
    flow_expect(f, c, FLUSH "$1\r\n0\r\n");
}
END_TEST

START_TEST(a_client_that_leaves_takes_its_leases_along)
{
    turn_on("");
    flow_send(f, c, "GET b");
    node_leases(NODE_A, "CLIENT TRACKING ON");
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

/* EXEC gives the lease away while the node may still send what it knew before OFF. */
START_TEST(an_invalidation_on_its_way_when_tracking_ends_is_no_harm)
{
    turn_on("");
    flow_send(f, c, "WATCH b", "CLIENT TRACKING OFF", "MULTI", "SET b 1", "EXEC");
    node_leases(NODE_A, "CLIENT TRACKING ON");
    flow_node_serves(f, NODE_A, "WATCH b", "+OK\r\n");
    flow_node_gets_all(NODE_A, "CLIENT TRACKING OFF", "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_A, INVALID("b") "+OK\r\n+OK\r\n+QUEUED\r\n_\r\n");
    flow_expect(f, c, "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n_\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_failed), 0);
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

static Suite *tracking_suite(void)
{
    Suite *suite = suite_create("tracking");
    TCase *t = tcase_create("tracking");
    tcase_add_checked_fixture(t, begin, flow_end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_lease_is_told_before_its_first_request);
    tcase_add_test(t, an_invalidation_stays_behind_the_reply_before_it);
    tcase_add_test(t, an_invalidation_of_a_part_stays_behind_the_whole);
    tcase_add_test(t, caching_goes_directly_before_each_part);
    tcase_add_test(t, what_asking_leaves_untracked_is_invalid_at_once);
    tcase_add_test(t, everything_is_invalid_when_a_lease_is_lost);
    tcase_add_test(t, everything_is_invalid_when_a_slot_moves);
    tcase_add_test(t, a_listener_stands_beside_each_lease_of_a_redirection);
    tcase_add_test(t, ping_waits_for_what_the_nodes_have_to_say);
    tcase_add_test(t, what_is_no_invalidation_closes_the_lease);
    tcase_add_test(t, what_a_transaction_read_before_it_tracked_is_invalid);
    tcase_add_test(t, an_invalidation_on_its_way_when_tracking_ends_is_no_harm);
    tcase_add_test(t, an_error_that_quotes_a_prefix_is_one_line);
    tcase_add_test(t, a_client_that_leaves_takes_its_leases_along);
    suite_add_tcase(suite, t);
    return suite;
}

UNIT_MAIN(tracking_suite)
