/* keywatch_test: WATCH on a connection of its own: what goes where and in which order, what makes
 * EXEC answer nil, and that the connection goes back clean. */
#include "flow/client.h"
#include "flow/keywatch.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* c watches `keys` of NODE_A on a new connection, which is returned. */
static struct flow_link *watches(const char *command)
{
    flow_send(f, c, command);
    flow_lease_opens(NODE_A, "7");
    flow_node_serves(f, NODE_A, command, "+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
    return f->nodes[NODE_A].last;
}

/* Is the connection free for others, with nothing left to do on it first? */
static void lease_is_free(const struct flow_link *lease)
{
    int other = flow_client(f);
    flow_settle(f);
    flow_send(f, other, "WATCH {b}9");
    flow_node_gets(f, NODE_A, "WATCH {b}9");
    ck_assert_ptr_eq(f->nodes[NODE_A].last, lease);
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_expect(f, other, "+OK\r\n");
    flow_send(f, other, "UNWATCH");
    flow_node_serves(f, NODE_A, "UNWATCH", "+OK\r\n");
    flow_expect(f, other, "+OK\r\n");
    close(other);
}

START_TEST(exec_travels_on_the_connection_of_watch_and_frees_it)
{
    struct flow_link *lease = watches("WATCH b {b}2");
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n1\r\n");
    ck_assert_ptr_ne(f->nodes[NODE_A].last, lease);
    flow_expect(f, c, "$1\r\n1\r\n");
    flow_send(f, c, "MULTI", "SET b 2", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 2", "EXEC");
    ck_assert_ptr_eq(f->nodes[NODE_A].last, lease);
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    lease_is_free(lease);
    /* Nothing is watched any more. */
    flow_send(f, c, "MULTI", "SET b 2", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 2", "EXEC");
    ck_assert_ptr_ne(f->nodes[NODE_A].last, lease);
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*-1\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n*-1\r\n");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 2);
}
END_TEST

START_TEST(watch_and_exec_wait_for_what_is_under_way_and_hold_up_what_follows)
{
    flow_send(f, c, "SET b 1", "WATCH b", "GET b");
    flow_node_gets_all(NODE_A, "SET b 1");
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets_all(NODE_A, "WATCH b");
    struct flow_link *lease = f->nodes[NODE_A].last;
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+OK\r\n+OK\r\n+1\r\n");
    flow_send(f, c, "SET b 2", "MULTI", "GET b", "EXEC", "SET b 3");
    flow_node_gets_all(NODE_A, "SET b 2");
    ck_assert_ptr_ne(f->nodes[NODE_A].last, lease);
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_node_gets_all(NODE_A, "MULTI", "GET b", "EXEC");
    ck_assert_ptr_eq(f->nodes[NODE_A].last, lease);
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*-1\r\n");
    flow_node_serves(f, NODE_A, "SET b 3", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n+OK\r\n");
}
END_TEST

START_TEST(an_empty_transaction_asks_the_node_whether_a_key_was_touched)
{
    struct flow_link *lease = watches("WATCH b");
    flow_send(f, c, "MULTI", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "EXEC");
    ck_assert_ptr_eq(f->nodes[NODE_A].last, lease);
    flow_answer(f, NODE_A, "+OK\r\n*-1\r\n");
    flow_expect(f, c, "+OK\r\n*-1\r\n");
}
END_TEST

START_TEST(unwatch_discard_reset_and_a_spoiled_exec_end_the_watch)
{
    static const char *const ways[][4] = {
        {"UNWATCH", "+OK\r\n"},
        {"MULTI", "DISCARD", "+OK\r\n+OK\r\n"},
        {"RESET", "+RESET\r\n"},
        {"MULTI", "NOSUCH", "EXEC",
         "+OK\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
         "-EXECABORT Transaction discarded because of previous errors.\r\n"},
    };
    struct flow_link *lease = watches("WATCH b");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        size_t n = 0;
        if (i > 0) {
            flow_send(f, c, "WATCH b");
            flow_node_serves(f, NODE_A, "WATCH b", "+OK\r\n");
            ck_assert_ptr_eq(f->nodes[NODE_A].last, lease);
            flow_expect(f, c, "+OK\r\n");
        }
        while (n + 1 < 4 && ways[i][n + 1])
            flow_send(f, c, ways[i][n++]);
        flow_node_serves(f, NODE_A, "UNWATCH", "+OK\r\n");
        ck_assert_ptr_eq(f->nodes[NODE_A].last, lease);
        flow_expect(f, c, ways[i][n]);
        lease_is_free(lease);
    }
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_opened), 1);
}
END_TEST

START_TEST(a_client_that_leaves_gives_its_connection_back)
{
    struct flow_link *lease = watches("WATCH b");
    close(c);
    flow_node_serves(f, NODE_A, "UNWATCH", "+OK\r\n");
    c = flow_client(f);
    lease_is_free(lease);
    /* In the middle of EXEC: the node executes it, and nobody gets the reply. */
    flow_send(f, c, "WATCH b");
    flow_node_serves(f, NODE_A, "WATCH b", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, c, "MULTI", "SET b 1", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
    close(c);
    c = flow_client(f);
    flow_settle(f);
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_settle(f);
    lease_is_free(lease);
}
END_TEST

START_TEST(a_client_that_leaves_in_the_middle_of_watch_leaves_nothing_behind)
{
    flow_send(f, c, "WATCH b");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "WATCH b");
    struct flow_link *lease = f->nodes[NODE_A].last;
    close(c);
    flow_settle(f);
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_node_serves(f, NODE_A, "UNWATCH", "+OK\r\n");
    c = flow_client(f);
    lease_is_free(lease);
}
END_TEST

START_TEST(all_watched_keys_are_in_one_slot)
{
    flow_send(f, c, "WATCH b c");
    flow_expect(f, c, "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    watches("WATCH b");
    flow_send(f, c, "WATCH c");
    flow_expect(f, c,
                "-CROSSSLOT Keys watched together must be in the same slot: give them one hash "
                "tag, or UNWATCH first\r\n");
    flow_send(f, c, "MULTI", "SET c 1", "DISCARD");
    flow_node_serves(f, NODE_A, "UNWATCH", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n-CROSSSLOT Keys in request don't hash to the same slot\r\n+OK\r\n");
}
END_TEST

START_TEST(further_keys_are_watched_on_the_same_connection)
{
    struct flow_link *lease = watches("WATCH b");
    flow_send(f, c, "WATCH {b}2");
    flow_node_serves(f, NODE_A, "WATCH {b}2", "+OK\r\n");
    ck_assert_ptr_eq(f->nodes[NODE_A].last, lease);
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, c, "MULTI", "PING", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "PING", "EXEC");
    ck_assert_ptr_eq(f->nodes[NODE_A].last, lease);
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
}
END_TEST

START_TEST(a_lost_connection_makes_exec_answer_nil)
{
    watches("WATCH b");
    flow_node_cuts(f, NODE_A);
    flow_settle(f);
    flow_send(f, c, "WATCH b", "MULTI", "SET b 1", "EXEC");
    flow_expect(f, c, "+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n");
    flow_node_gets_nothing(f, NODE_A);
    flow_send(f, c, "MULTI", "SET b 1", "EXEC"); /* and is over with it */
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
}
END_TEST

START_TEST(nil_has_its_own_form_in_resp3)
{
    flow_hello(c, 3);
    flow_send(f, c, "WATCH b");
    flow_node_serves(f, NODE_A, "HELLO 3", "%0\r\n");
    flow_lease_opens(NODE_A, "7");
    flow_node_serves(f, NODE_A, "WATCH b", "+OK\r\n");
    flow_node_cuts(f, NODE_A);
    flow_settle(f);
    flow_send(f, c, "MULTI", "EXEC");
    flow_expect(f, c, "+OK\r\n+OK\r\n_\r\n");
}
END_TEST

START_TEST(the_connection_follows_its_clients_protocol)
{
    struct flow_link *lease = watches("WATCH b");
    flow_hello(c, 3);
    flow_send(f, c, "MULTI", "HGETALL b", "EXEC");
    flow_node_gets_all(NODE_A, "HELLO 3", "MULTI", "HGETALL b", "EXEC");
    ck_assert_ptr_eq(f->nodes[NODE_A].last, lease);
    flow_answer(f, NODE_A, "%1\r\n+server\r\n+redis\r\n+OK\r\n+QUEUED\r\n*1\r\n%0\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n*1\r\n%0\r\n");
    flow_send(f, c, "WATCH b");
    flow_node_serves(f, NODE_A, "WATCH b", "+OK\r\n");
    ck_assert_ptr_eq(f->nodes[NODE_A].last, lease);
    flow_expect(f, c, "+OK\r\n");
}
END_TEST

START_TEST(a_connection_lost_during_exec_is_no_nil_if_it_may_have_been_executed)
{
    watches("WATCH b");
    flow_send(f, c, "MULTI", "SET b 1", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
    flow_node_cuts(f, NODE_A);
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n" MAYBE);
    watches("WATCH b");
    flow_send(f, c, "MULTI", "GET b", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "GET b", "EXEC");
    flow_node_cuts(f, NODE_A);
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n*-1\r\n");
}
END_TEST

START_TEST(a_slot_that_moves_makes_exec_answer_nil)
{
    watches("WATCH b");
    f->owner[3300] = NODE_B;
    flow_publish(f);
    flow_settle(f);
    flow_send(f, c, "MULTI", "SET b 1", "EXEC");
    flow_node_serves(f, NODE_A, "UNWATCH", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n*-1\r\n");
    f->owner[3300] = NODE_A;
    flow_publish(f);
    flow_settle(f);
    /* Only the node knows yet. */
    flow_send(f, c, "WATCH b");
    flow_node_serves(f, NODE_A, "WATCH b", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, c, "MULTI", "SET b 1", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_answer(f, NODE_A, "-EXECABORT Transaction discarded because of previous errors.\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n*-1\r\n");
    flow_node_gets_nothing(f, NODE_B);
}
END_TEST

START_TEST(watch_follows_moved_and_ask)
{
    flow_send(f, c, "WATCH b");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "WATCH b");
    flow_answer_redirect(f, NODE_A, "ASK", 3300, NODE_B);
    flow_lease_opens(NODE_B, "7");
    flow_node_gets_all(NODE_B, "ASKING", "WATCH b");
    struct flow_link *lease = f->nodes[NODE_B].last;
    flow_answer(f, NODE_B, "+OK\r\n+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, c, "MULTI", "SET b 1", "EXEC");
    flow_node_gets_all(NODE_B, "ASKING", "MULTI", "SET b 1", "EXEC");
    ck_assert_ptr_eq(f->nodes[NODE_B].last, lease);
    flow_answer(f, NODE_B, "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_send(f, c, "WATCH b");
    flow_node_gets(f, NODE_A, "WATCH b");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_node_gets_all(NODE_B, "WATCH b");
    ck_assert_ptr_eq(f->nodes[NODE_B].last, lease);
    flow_answer(f, NODE_B, "+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, c, "MULTI", "SET b 1", "EXEC");
    flow_node_gets_all(NODE_B, "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_B, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
}
END_TEST

START_TEST(an_error_of_watch_leaves_nothing_behind)
{
    flow_send(f, c, "WATCH b");
    flow_lease_opens(NODE_A, "7");
    flow_node_serves(f, NODE_A, "WATCH b", "-NOPERM x\r\n");
    struct flow_link *lease = f->nodes[NODE_A].last;
    flow_expect(f, c, "-NOPERM x\r\n");
    lease_is_free(lease);
}
END_TEST

START_TEST(connections_for_watching_are_limited)
{
    flow_again("max-connections-per-node 1\n");
    watches("WATCH b");
    int other = flow_client(f);
    flow_send(f, other, "WATCH b");
    flow_expect(f, other,
                "-ERR no connection to the node is left for this command, max-connections-per-node "
                "is 1\r\n");
    flow_send(f, c, "WATCH {b}2");
    flow_node_serves(f, NODE_A, "WATCH {b}2", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
    close(other);
}
END_TEST

UNIT_SUITE_WITH("keywatch", flow_begin, flow_end,
                {exec_travels_on_the_connection_of_watch_and_frees_it},
                {watch_and_exec_wait_for_what_is_under_way_and_hold_up_what_follows},
                {an_empty_transaction_asks_the_node_whether_a_key_was_touched},
                {unwatch_discard_reset_and_a_spoiled_exec_end_the_watch},
                {a_client_that_leaves_gives_its_connection_back},
                {a_client_that_leaves_in_the_middle_of_watch_leaves_nothing_behind},
                {all_watched_keys_are_in_one_slot},
                {further_keys_are_watched_on_the_same_connection},
                {a_lost_connection_makes_exec_answer_nil}, {nil_has_its_own_form_in_resp3},
                {the_connection_follows_its_clients_protocol},
                {a_connection_lost_during_exec_is_no_nil_if_it_may_have_been_executed},
                {a_slot_that_moves_makes_exec_answer_nil}, {watch_follows_moved_and_ask},
                {an_error_of_watch_leaves_nothing_behind}, {connections_for_watching_are_limited})
