/* transaction_test: MULTI … EXEC on shared connections: checks while queueing, what nodes are sent
 * in one piece, errors and refusals of it, and the places of replies that slotway gives itself. */
#include "flow/client.h"
#include "flow/slowlog.h"
#include "flow/transaction.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHA      "63143b6f8007b98c53ca2149822777b3566f9241" /* of "return" */
#define PREVIOUS "-EXECABORT Transaction discarded because of previous errors.\r\n"
#define CROSS    "-CROSSSLOT Keys in request don't hash to the same slot\r\n"

START_TEST(a_transaction_is_sent_in_one_piece_at_exec)
{
    flow_send(f, c, "MULTI", "SET b 1", "GET b");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    flow_node_gets_nothing(f, NODE_A);
    flow_send(f, c, "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "GET b", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n1\r\n");
    flow_expect(f, c, "*2\r\n+OK\r\n$1\r\n1\r\n");
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", "$1\r\n1\r\n");
    flow_expect(f, c, "$1\r\n1\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_opened), 1);
}
END_TEST

START_TEST(transactions_travel_among_other_requests_on_the_shared_connection)
{
    int other = flow_client(f);
    flow_send(f, c, "SET b 0", "MULTI", "SET b 1", "EXEC", "SET {b}2 2");
    flow_node_gets(f, NODE_A, "SET b 0");
    flow_send(f, other, "GET f");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC", "SET {b}2 2", "GET f");
    flow_answer(f, NODE_A, "+1\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n+2\r\n+3\r\n");
    flow_expect(f, c, "+1\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n+2\r\n");
    flow_expect(f, other, "+3\r\n");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 1);
    close(other);
}
END_TEST

START_TEST(empty_transactions_are_answered_here)
{
    flow_send(f, c, "MULTI", "EXEC", "MULTI", "DISCARD", "EXEC", "DISCARD");
    flow_expect(f, c,
                "+OK\r\n*0\r\n+OK\r\n+OK\r\n-ERR EXEC without MULTI\r\n"
                "-ERR DISCARD without MULTI\r\n");
}
END_TEST

START_TEST(errors_while_queueing_make_exec_fail)
{
    flow_send(f, c, "MULTI", "SET b", "SET b 1", "EXEC", "MULTI", "NOSUCH", "EXEC", "MULTI", "SAVE",
              "EXEC", "MULTI", "SHUTDOWN", "DISCARD", "EXEC x", "MULTI", "EXEC x", "EXEC");
    flow_expect(f, c,
                "+OK\r\n-ERR wrong number of arguments for 'set' command\r\n+QUEUED\r\n" PREVIOUS
                "+OK\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n" PREVIOUS
                "+OK\r\n-ERR Command not allowed inside a transaction\r\n" PREVIOUS
                "+OK\r\n-ERR Command not allowed inside a transaction\r\n+OK\r\n"
                "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' "
                "command\r\n"
                "+OK\r\n"
                "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' "
                "command\r\n-ERR EXEC without MULTI\r\n");
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

START_TEST(nested_multi_and_watch_are_errors_that_spoil_nothing)
{
    flow_send(f, c, "MULTI", "MULTI", "WATCH b", "PING", "EXEC");
    flow_node_gets(f, NODE_B, "MULTI");
    flow_node_gets_all(NODE_B, "PING", "EXEC");
    flow_answer(f, NODE_B, "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
    flow_expect(f, c,
                "+OK\r\n-ERR MULTI calls can not be nested\r\n"
                "-ERR WATCH inside MULTI is not allowed\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
}
END_TEST

START_TEST(keys_of_another_slot_are_refused_at_once)
{
    flow_send(f, c, "MULTI", "SET b 1", "SET c 1", "EXEC", "MULTI", "MGET b c", "DISCARD");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n" CROSS PREVIOUS "+OK\r\n" CROSS "+OK\r\n");
    flow_send(f, c, "MULTI", "MGET {b}1 {b}2", "DEL {b}3 {b}4", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "MGET {b}1 {b}2", "DEL {b}3 {b}4", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n*2\r\n+1\r\n+2\r\n:0\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n*2\r\n+1\r\n+2\r\n:0\r\n");
}
END_TEST

START_TEST(what_is_queued_is_bounded)
{
    flow_again("client-transaction-limit 64kb\n");
    char *pattern = flow_pattern(40000);
    char request[41000];
    int len = snprintf(request, sizeof request,
                       "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$40000\r\n%.40000s\r\n", pattern);
    flow_send(f, c, "MULTI");
    flow_send_raw(f, c, request, (size_t)len);
    flow_send_raw(f, c, request, (size_t)len);
    flow_send(f, c, "EXEC");
    flow_expect(f, c,
                "+OK\r\n+QUEUED\r\n-ERR the transaction is too large, client-transaction-limit is "
                "65536 bytes\r\n" PREVIOUS);
    free(pattern);
}
END_TEST

/* Larger than what is copied, and than what travels on the shared connection. */
START_TEST(large_transactions_are_whole_and_travel_alone)
{
    char *pattern = flow_pattern(200000);
    char *request = malloc(210000);
    int len = sprintf(request, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$200000\r\n%.200000s\r\n", pattern);
    flow_send(f, c, "GET b", "MULTI");
    flow_send_raw(f, c, request, (size_t)len);
    flow_send_raw(f, c, request, (size_t)len);
    flow_send(f, c, "EXEC", "GET b");
    flow_node_gets_all(NODE_A, "GET b");
    flow_answer(f, NODE_A, "+1\r\n");
    flow_node_gets_all(NODE_A, "MULTI", "SET b <200000>", "SET b <200000>", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+2\r\n");
    flow_expect(f, c, "+1\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n+2\r\n");
    free(pattern);
    free(request);
}
END_TEST

START_TEST(a_moved_transaction_is_sent_again_as_a_whole)
{
    flow_send(f, c, "MULTI", "SET b 1", "GET b", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "GET b", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_answer(f, NODE_A, PREVIOUS);
    flow_node_gets_all(NODE_B, "MULTI", "SET b 1", "GET b", "EXEC");
    flow_answer(f, NODE_B, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n1\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\n1\r\n");
    /* The slot was gone only when EXEC came. */
    flow_send(f, c, "MULTI", "SET b 1", "EXEC");
    flow_node_gets_all(NODE_B, "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_B, "+OK\r\n+QUEUED\r\n");
    flow_answer_redirect(f, NODE_B, "MOVED", 3300, NODE_A);
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
}
END_TEST

START_TEST(ask_is_followed_with_asking_before_multi)
{
    flow_send(f, c, "MULTI", "SET b 1", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_answer_redirect(f, NODE_A, "ASK", 3300, NODE_B);
    flow_answer(f, NODE_A, PREVIOUS);
    flow_node_gets_all(NODE_B, "ASKING", "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_B, "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
}
END_TEST

START_TEST(a_refused_exec_is_sent_again)
{
    static const char *const refusals[] = {
        "+OK\r\n-TRYAGAIN x\r\n" PREVIOUS,
        "+OK\r\n+QUEUED\r\n-TRYAGAIN x\r\n",
        "+OK\r\n-CLUSTERDOWN x\r\n" PREVIOUS,
        "+OK\r\n-LOADING x\r\n-EXECABORT Transaction discarded because of: LOADING x\r\n",
        "+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: READONLY x\r\n",
        "+OK\r\n-MASTERDOWN x\r\n" PREVIOUS,
        "-LOADING x\r\n-LOADING x\r\n-LOADING x\r\n",
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        flow_send(f, c, "MULTI", "SET b 1", "EXEC");
        flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
        flow_answer(f, NODE_A, refusals[i]);
        flow_expect(f, c, "+OK\r\n+QUEUED\r\n");
        flow_node_gets(f, NODE_A, "MULTI");
        flow_node_gets_all(NODE_A, "SET b 1", "EXEC");
        flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
        flow_expect(f, c, "*1\r\n+OK\r\n");
    }
}
END_TEST

/* Only an ACL or a very old server does this: what follows is executed by itself. */
START_TEST(a_refused_multi_behind_which_commands_were_executed_is_no_refusal)
{
    flow_send(f, c, "MULTI", "SET b 1", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_A, "-LOADING x\r\n+OK\r\n-ERR EXEC without MULTI\r\n");
    flow_expect(f, c,
                "+OK\r\n+QUEUED\r\n-ERR the node refused MULTI: commands of the transaction may or "
                "may not have been executed\r\n");
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

START_TEST(a_lost_connection_fails_what_writes_and_retries_what_reads)
{
    flow_send(f, c, "MULTI", "GET b", "SET b 1", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "GET b", "SET b 1", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n");
    flow_node_cuts(f, NODE_A);
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n" MAYBE);
    flow_node_gets_nothing(f, NODE_A);
    flow_send(f, c, "MULTI", "GET b", "PING", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "GET b", "PING", "EXEC");
    flow_node_cuts(f, NODE_A);
    flow_node_gets_all(NODE_A, "MULTI", "GET b", "PING", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$1\r\n1\r\n+PONG\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$1\r\n1\r\n+PONG\r\n");
}
END_TEST

START_TEST(a_client_that_leaves_leaves_no_harm)
{
    int other = flow_client(f);
    flow_send(f, c, "MULTI", "SET b 1", "CLIENT ID", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
    close(c);
    flow_settle(f);
    flow_send(f, other, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n$1\r\n1\r\n");
    flow_expect(f, other, "$1\r\n1\r\n");
    c = other;
    int third = flow_client(f);
    flow_send(f, third, "MULTI", "SET b 1", "CLIENT ID");
    flow_expect(f, third, "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    close(third);
    flow_settle(f);
}
END_TEST

/* The error of EXEC is what is too much, so the client is gone when EXEC has been sent. */
START_TEST(an_exec_that_fails_at_the_output_limit_closes_its_client)
{
    const size_t limit = 1 << 20;
    char command[60000], *out = command + sprintf(command, "ECHO ");
    flow_again("client-output-window 1mb\nclient-output-limit 1mb\nmax-waiting-memory 0\n");
    const struct stream *stream = &flow_newest(f)->stream;
    f->nodes[NODE_A].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    while (stream->unsent < limit - 30) {
        size_t left = stream->blocked ? limit - 30 - stream->unsent : 50000;
        size_t len = left > 50000 ? 50000 : left;
        memset(out, 'x', len);
        out[len] = '\0';
        flow_send(f, c, command);
        flow_settle(f);
    }
    flow_send(f, c, "MULTI", "SET b 1", "EXEC");
    flow_settle(f);
    ck_assert_ptr_null(f->w->clients);
    ck_assert_uint_eq(flow_count(f, COUNTER_clients_closed_output), 1);
}
END_TEST

START_TEST(reset_and_quit_leave_the_transaction)
{
    flow_send(f, c, "MULTI", "SET b 1", "RESET", "EXEC", "MULTI", "SET b 1", "QUIT");
    flow_expect(f, c,
                "+OK\r\n+QUEUED\r\n+RESET\r\n-ERR EXEC without MULTI\r\n+OK\r\n+QUEUED\r\n+OK\r\n");
    flow_expect_closed(f, c);
}
END_TEST

START_TEST(scripts_are_brought_along_before_multi)
{
    flow_send(f, c, "SCRIPT LOAD return");
    for (int node = NODE_A; node <= NODE_C; node++)
        flow_node_serves(f, (enum flow_node)node, "SCRIPT LOAD return", "$1\r\nx\r\n");
    flow_expect(f, c, "$1\r\nx\r\n");
    flow_send(f, c, "MULTI", "EVALSHA " SHA " 1 b", "EVALSHA " SHA " 1 {b}2", "EXEC");
    flow_node_gets(f, NODE_A, "SCRIPT LOAD return");
    flow_node_gets_all(NODE_A, "MULTI", "EVALSHA " SHA " 1 b", "EVALSHA " SHA " 1 {b}2", "EXEC");
    flow_answer(f, NODE_A, "$1\r\nx\r\n+OK\r\n");
    flow_answer_redirect(f, NODE_A, "ASK", 3300, NODE_B);
    flow_answer_redirect(f, NODE_A, "ASK", 3300, NODE_B);
    flow_answer(f, NODE_A, PREVIOUS);
    flow_node_gets(f, NODE_B, "SCRIPT LOAD return");
    flow_node_gets(f, NODE_B, "ASKING");
    flow_node_gets_all(NODE_B, "MULTI", "EVALSHA " SHA " 1 b", "EVALSHA " SHA " 1 {b}2", "EXEC");
    flow_answer(f, NODE_B, "$1\r\nx\r\n+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:2\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:2\r\n");
}
END_TEST

START_TEST(client_pause_holds_back_exec_of_what_writes)
{
    int other = flow_client(f);
    flow_send(f, c, "MULTI", "SET b 1");
    flow_send(f, other, "MULTI", "GET b");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n");
    flow_expect(f, other, "+OK\r\n+QUEUED\r\n");
    int third = flow_client(f);
    flow_send(f, third, "CLIENT PAUSE 100000 WRITE");
    flow_expect(f, third, "+OK\r\n");
    flow_send(f, c, "EXEC");
    flow_send(f, other, "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "GET b", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+1\r\n");
    flow_expect(f, other, "*1\r\n+1\r\n");
    flow_expect_nothing(f, c);
    flow_send(f, third, "CLIENT UNPAUSE");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_expect(f, c, "*1\r\n+OK\r\n");
    close(other);
    close(third);
}
END_TEST

UNIT_SUITE_WITH("transaction", flow_begin, flow_end, {a_transaction_is_sent_in_one_piece_at_exec},
                {transactions_travel_among_other_requests_on_the_shared_connection},
                {empty_transactions_are_answered_here}, {errors_while_queueing_make_exec_fail},
                {nested_multi_and_watch_are_errors_that_spoil_nothing},
                {keys_of_another_slot_are_refused_at_once}, {what_is_queued_is_bounded},
                {large_transactions_are_whole_and_travel_alone},
                {a_moved_transaction_is_sent_again_as_a_whole},
                {ask_is_followed_with_asking_before_multi}, {a_refused_exec_is_sent_again},
                {a_refused_multi_behind_which_commands_were_executed_is_no_refusal},
                {a_lost_connection_fails_what_writes_and_retries_what_reads},
                {a_client_that_leaves_leaves_no_harm},
                {an_exec_that_fails_at_the_output_limit_closes_its_client},
                {reset_and_quit_leave_the_transaction}, {scripts_are_brought_along_before_multi},
                {client_pause_holds_back_exec_of_what_writes})
