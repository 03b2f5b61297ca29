/* client_test: input in any pieces, replies in order, windows, and the ends of connections. */
#include "base/memory.h"
#include "flow/client.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(replies_come_in_the_order_of_requests_when_nodes_answer_in_another)
{
    flow_open_window();
    flow_send(f, c, "GET b", "GET c", "PING", "GET a");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_serves(f, NODE_C, "GET a", "$1\r\n3\r\n");
    flow_node_serves(f, NODE_B, "GET c", "$1\r\n2\r\n");
    flow_expect_nothing(f, c);
    flow_answer(f, NODE_A, "$1\r\n1\r\n");
    flow_expect(f, c, "$1\r\n1\r\n$1\r\n2\r\n+PONG\r\n$1\r\n3\r\n");
}
END_TEST

/* The node answers what it got last; turns until the client's stream has the reply. Does it wait
 * there for more? */
static bool waits_for_more(const struct client *client, enum flow_node node, const char *reply)
{
    uint64_t before = client->stream.bytes_out;
    ck_assert_int_eq(write(f->nodes[node].last->fd, reply, strlen(reply)), (ssize_t)strlen(reply));
    while (client->stream.unsent == 0 && client->stream.bytes_out == before)
        flow_turn(f);
    flow_turn(f); /* which begins with the end of the one before */
    return f->w->patient == &client->stream;
}

START_TEST(replies_to_what_was_read_together_leave_together)
{
    struct client *client = flow_newest(f);
    flow_open_window();
    flow_send(f, c, "GET b", "GET c");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets(f, NODE_B, "GET c");
    ck_assert(waits_for_more(client, NODE_A, "$1\r\n1\r\n"));
    flow_expect(f, c, "$1\r\n1\r\n"); /* but not for long */
    ck_assert(!waits_for_more(client, NODE_B, "$1\r\n2\r\n"));
    flow_expect(f, c, "$1\r\n2\r\n");
}
END_TEST

START_TEST(replies_to_what_was_read_apart_do_not_wait_for_each_other)
{
    struct client *client = flow_newest(f);
    flow_open_window();
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_send(f, c, "GET c");
    flow_node_gets(f, NODE_B, "GET c");
    ck_assert(!waits_for_more(client, NODE_A, "$1\r\n1\r\n"));
    flow_expect(f, c, "$1\r\n1\r\n");
    flow_answer(f, NODE_B, "$1\r\n2\r\n");
    flow_expect(f, c, "$1\r\n2\r\n");
}
END_TEST

START_TEST(a_client_that_leaves_while_its_replies_wait_leaves_nothing)
{
    struct client *client = flow_newest(f);
    flow_open_window();
    flow_send(f, c, "GET b", "GET c");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets(f, NODE_B, "GET c");
    ck_assert(waits_for_more(client, NODE_A, "$1\r\n1\r\n"));
    client_close(client);
    ck_assert_ptr_null(f->w->patient);
    flow_answer(f, NODE_B, "$1\r\n2\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_failed), 0);
}
END_TEST

START_TEST(a_long_reply_that_is_not_yet_due_is_held)
{
    size_t len = 50000;
    char *value = flow_pattern(len), *reply = memory_alloc(len + 40);
    size_t n = (size_t)sprintf(reply, "$%zu\r\n%s\r\n", len, value);
    flow_open_window();
    flow_send(f, c, "GET b", "GET c", "GET g");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets(f, NODE_B, "GET c");
    flow_answer_bytes(f, NODE_B, reply, 30000);
    flow_answer_bytes(f, NODE_B, reply + 30000, n - 30000);
    flow_node_serves(f, NODE_B, "GET g", "+g\r\n");
    flow_expect_nothing(f, c);
    flow_answer(f, NODE_A, "+b\r\n");
    memmove(reply + 4, reply, n);
    memcpy(reply, "+b\r\n", 4);
    memcpy(reply + 4 + n, "+g\r\n", 4);
    flow_expect_bytes(f, c, reply, n + 8);
    free(value);
    free(reply);
}
END_TEST

START_TEST(a_client_that_leaves_in_mid_request_leaves_a_placeholder_that_swallows)
{
    int other = flow_client(f);
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    close(c);
    c = -1;
    flow_settle(f);
    flow_send(f, other, "GET f");
    flow_node_gets(f, NODE_A, "GET f");
    flow_answer(f, NODE_A, "$4\r\nhis!\r\n");
    flow_expect_nothing(f, other);
    flow_answer(f, NODE_A, "$5\r\nmine!\r\n");
    flow_expect(f, other, "$5\r\nmine!\r\n");
    close(other);
}
END_TEST

START_TEST(a_placeholder_swallows_a_reply_in_parts)
{
    char *value = flow_pattern(60000);
    int other = flow_client(f);
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "$60000\r\n");
    flow_answer_bytes(f, NODE_A, value, 20000);
    close(c);
    c = -1;
    flow_settle(f);
    flow_send(f, other, "GET f");
    flow_node_gets(f, NODE_A, "GET f");
    flow_answer_bytes(f, NODE_A, value + 20000, 40000);
    flow_answer(f, NODE_A, "\r\n+f\r\n");
    flow_expect(f, other, "+f\r\n");
    close(other);
    free(value);
}
END_TEST

START_TEST(the_first_read_goes_alone_and_then_more_and_more)
{
    flow_send(f, c, "GET b", "GET b", "GET b", "GET b", "GET b", "GET b", "GET b", "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "+1\r\n");
    for (int i = 0; i < 4; i++)
        flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "+2\r\n+3\r\n+4\r\n+5\r\n");
    for (int i = 0; i < 3; i++)
        flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "+6\r\n+7\r\n+8\r\n");
    flow_expect(f, c, "+1\r\n+2\r\n+3\r\n+4\r\n+5\r\n+6\r\n+7\r\n+8\r\n");
}
END_TEST

START_TEST(a_large_reply_makes_the_window_small_again)
{
    size_t len = 2000000;
    char *value = flow_pattern(len), head[32];
    char *got = memory_alloc(len + 100);
    flow_open_window();
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    sprintf(head, "$%zu\r\n", len);
    flow_answer(f, NODE_A, head);
    flow_answer_bytes(f, NODE_A, value, len);
    flow_answer(f, NODE_A, "\r\n");
    size_t n = (size_t)sprintf(got, "%s%s\r\n", head, value);
    flow_expect_bytes(f, c, got, n);
    flow_send(f, c, "GET b", "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "+1\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+2\r\n");
    flow_expect(f, c, "+1\r\n+2\r\n");
    free(value);
    free(got);
}
END_TEST

START_TEST(a_client_that_does_not_read_has_its_requests_wait)
{
    size_t len = 1500000;
    char *value = flow_pattern(len), head[32];
    char *got = memory_alloc(len + 100);
    sprintf(head, "$%zu\r\n", len);
    flow_send(f, c, "GET b", "SET b 1");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, head);
    flow_answer_bytes(f, NODE_A, value, len);
    flow_answer(f, NODE_A, "\r\n");
    flow_node_gets_nothing(f, NODE_A);
    size_t n = (size_t)sprintf(got, "%s%s\r\n", head, value);
    flow_expect_bytes(f, c, got, n);
    flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
    free(value);
    free(got);
}
END_TEST

START_TEST(past_the_output_limit_a_client_is_closed)
{
    size_t len = 3000000;
    char *value = flow_pattern(len);
    flow_stop(f);
    f = flow_start("client-output-limit 1mb\n");
    close(c);
    c = flow_client(f);
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "$3000000\r\n");
    flow_answer_bytes(f, NODE_A, value, len);
    flow_settle(f);
    ck_assert_ptr_null(f->w->clients);
    ck_assert_uint_eq(flow_count(f, COUNTER_clients_closed_output), 1);
    free(value);
}
END_TEST

START_TEST(max_pipeline_bounds_requests_in_flight)
{
    flow_stop(f);
    f = flow_start("max-pipeline 2\n");
    close(c);
    c = flow_client(f);
    flow_send(f, c, "SET b 1", "SET b 2", "SET b 3");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "SET b 2");
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_node_gets(f, NODE_A, "SET b 3");
    flow_answer(f, NODE_A, "+OK\r\n+OK\r\n");
    flow_expect(f, c, "+OK\r\n+OK\r\n+OK\r\n");
}
END_TEST

START_TEST(requests_arrive_byte_by_byte)
{
    static const char bytes[] = "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$5\r\nv\r\nal\r\nGET b\r\n\r\n"
                                "*2\r\n$3\r\nGET\r\n$1\r\nc\r\n";
    for (size_t i = 0; i < sizeof bytes - 1; i++) {
        flow_send_raw(f, c, bytes + i, 1);
        flow_settle(f);
    }
    flow_node_serves(f, NODE_A, "SET b v\r\nal", "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "$5\r\nv\r\nal\r\n");
    flow_node_serves(f, NODE_B, "GET c", "$-1\r\n");
    flow_expect(f, c, "+OK\r\n$5\r\nv\r\nal\r\n$-1\r\n");
}
END_TEST

/* A long request whose pieces end anywhere; its scan is kept, its buffer grows. */
START_TEST(a_long_request_in_pieces_of_every_size)
{
    size_t len = 200000;
    char *value = flow_pattern(len), *request = memory_alloc(len + 100);
    for (size_t piece = 100; piece < 150000; piece = piece * 3 + 1) {
        size_t n = (size_t)sprintf(request, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$%zu\r\n%s\r\n", len,
                                   value);
        for (size_t at = 0; at < n; at += piece)
            flow_send_raw(f, c, request + at, n - at < piece ? n - at : piece);
        flow_node_serves(f, NODE_A, "SET b <200000>", "+OK\r\n");
        flow_expect(f, c, "+OK\r\n");
    }
    free(value);
    free(request);
}
END_TEST

START_TEST(a_large_request_goes_alone)
{
    size_t len = 300000;
    char *value = flow_pattern(len), *request = memory_alloc(len + 200);
    size_t n = (size_t)sprintf(request,
                               "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n"
                               "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$%zu\r\n%s\r\n"
                               "*2\r\n$3\r\nGET\r\n$1\r\nb\r\n",
                               len, value);
    flow_send_raw(f, c, request, n);
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_node_gets(f, NODE_A, "SET b <300000>");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 2);
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+got\r\n");
    flow_expect(f, c, "+OK\r\n+OK\r\n+got\r\n");
    free(value);
    free(request);
}
END_TEST

/* The node has something of 300,000 bytes for c, which asks for it. */
static void reads_something_large(const char *command)
{
    size_t len = 300000;
    char *value = flow_pattern(len), *reply = memory_alloc(len + 32);
    size_t n = (size_t)sprintf(reply, "$%zu\r\n%s\r\n", len, value);
    flow_send(f, c, command);
    flow_node_gets(f, NODE_A, command);
    flow_answer_bytes(f, NODE_A, reply, n);
    flow_expect_bytes(f, c, reply, n);
    free(value);
    free(reply);
}

START_TEST(who_reads_large_values_holds_up_nobody)
{
    int other = flow_client(f);
    reads_something_large("GET b"); /* nobody could know */
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 1);
    reads_something_large("GET b");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 2);
    flow_send(f, c, "GET b", "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets_nothing(f, NODE_A); /* one at a time */
    struct flow_link *bulk = f->nodes[NODE_A].last;
    flow_send(f, other, "GET b{b}");
    flow_node_serves(f, NODE_A, "GET b{b}", "+small\r\n");
    flow_expect(f, other, "+small\r\n");
    flow_link_answers(bulk, "+1\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+2\r\n");
    flow_expect(f, c, "+1\r\n+2\r\n");
    close(other);
}
END_TEST

START_TEST(who_reads_small_values_again_goes_with_the_others)
{
    reads_something_large("GET b");
    flow_send(f, c, "SET b 1", "GET b"); /* a write is no read */
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets_nothing(f, NODE_A);
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 1);
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+OK\r\n+1\r\n");
    ck_assert(!(flow_newest(f)->flags & CLIENT_LARGE_READS));
    flow_send(f, c, "GET b", "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "+2\r\n+3\r\n");
    flow_expect(f, c, "+2\r\n+3\r\n");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 2);
}
END_TEST

START_TEST(parts_of_large_reads_hold_up_nobody_either)
{
    reads_something_large("GET b");
    flow_send(f, c, "MGET b a", "PING");
    flow_node_serves(f, NODE_A, "MGET b", "*1\r\n$1\r\n1\r\n");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 2);
    flow_expect_nothing(f, c);
    flow_node_serves(f, NODE_C, "MGET a", "*1\r\n$1\r\n2\r\n");
    flow_expect(f, c, "*2\r\n$1\r\n1\r\n$1\r\n2\r\n+PONG\r\n");
}
END_TEST

/* The window closes (a barrier) while a long request is half here: reading goes on afterwards. */
START_TEST(a_long_request_is_read_on_after_a_barrier)
{
    size_t len = 1200000;
    char *value = flow_pattern(len), *request = memory_alloc(len + 200);
    flow_open_window();
    size_t n = (size_t)sprintf(request,
                               "*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"
                               "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$%zu\r\n%s\r\n",
                               len, value);
    flow_send_raw(f, c, request, 100000);
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_node_gets(f, NODE_B, "GET b");
    ssize_t sent = 0, more;
    while ((more = write(c, request + 100000 + sent, n - 100000 - (size_t)sent)) > 0) {
        sent += more;
        flow_settle(f);
    }
    ck_assert_int_lt((long)sent + 100000, (long)n);
    flow_answer(f, NODE_B, "+1\r\n");
    flow_expect(f, c, "+1\r\n");
    flow_send_raw(f, c, request + 100000 + sent, n - 100000 - (size_t)sent);
    flow_node_serves(f, NODE_B, "SET b <1200000>", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
    free(value);
    free(request);
}
END_TEST

START_TEST(a_half_closed_client_gets_what_it_is_owed)
{
    flow_send(f, c, "GET b", "PING", "SET c 1", "GET c");
    ck_assert_int_eq(shutdown(c, SHUT_WR), 0);
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_node_serves(f, NODE_B, "SET c 1", "+OK\r\n");
    flow_node_serves(f, NODE_B, "GET c", "+2\r\n");
    char got[64] = "";
    flow_settle(f);
    ck_assert_int_eq(read(c, got, sizeof got), 20);
    ck_assert_str_eq(got, "+1\r\n+PONG\r\n+OK\r\n+2\r\n");
    flow_expect_closed(f, c);
}
END_TEST

START_TEST(half_a_request_and_the_end_is_no_request)
{
    flow_send_raw(f, c, "*2\r\n$3\r\nGET\r\n$1\r\n", 17);
    ck_assert_int_eq(shutdown(c, SHUT_WR), 0);
    flow_expect_closed(f, c);
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

START_TEST(malformed_input_gets_its_error_after_the_replies_before_it)
{
    flow_send_raw(f, c, "GET b\r\n*1\r\n!5\r\n", 15);
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    char got[100] = "";
    flow_settle(f);
    ck_assert_int_gt(read(c, got, sizeof got - 1), 0);
    ck_assert_str_eq(got, "+1\r\n-ERR Protocol error: expected '$', got '!'\r\n");
    flow_expect_closed(f, c);
    ck_assert_uint_eq(flow_count(f, COUNTER_clients_closed_protocol), 1);
}
END_TEST

START_TEST(with_reply_off_and_skip_replies_are_swallowed)
{
    flow_send(f, c, "CLIENT REPLY SKIP", "SET b 1", "SET b 2");
    flow_node_serves(f, NODE_A, "SET b 1", "+1\r\n");
    flow_node_serves(f, NODE_A, "SET b 2", "+2\r\n");
    flow_expect(f, c, "+2\r\n");
    flow_send(f, c, "CLIENT REPLY OFF", "SET b 3", "PING", "NOSUCHCOMMAND", "DEL b c");
    flow_node_serves(f, NODE_A, "SET b 3", "+3\r\n");
    flow_node_serves(f, NODE_A, "DEL b", ":1\r\n");
    flow_node_serves(f, NODE_B, "DEL c", ":1\r\n");
    flow_expect_nothing(f, c);
    flow_send(f, c, "CLIENT REPLY ON", "PING");
    flow_expect(f, c, "+OK\r\n+PONG\r\n");
}
END_TEST

START_TEST(an_idle_client_holds_no_memory)
{
    struct client *idle = flow_newest(f);
    size_t before = f->w->chunks.bytes;
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
    ck_assert_ptr_null(idle->in);
    ck_assert_ptr_null(idle->stream.out.head);
    ck_assert_ptr_null(idle->head);
    ck_assert_uint_eq(idle->in_flight, 0);
    ck_assert_uint_eq(idle->cost, 0);
    ck_assert_uint_le(f->w->chunks.bytes, before + 20000); /* the node's connection has one */
}
END_TEST

UNIT_SUITE_WITH(
    "client", flow_begin, flow_end,
    {replies_come_in_the_order_of_requests_when_nodes_answer_in_another},
    {replies_to_what_was_read_together_leave_together},
    {replies_to_what_was_read_apart_do_not_wait_for_each_other},
    {a_client_that_leaves_while_its_replies_wait_leaves_nothing},
    {a_long_reply_that_is_not_yet_due_is_held},
    {a_client_that_leaves_in_mid_request_leaves_a_placeholder_that_swallows},
    {a_placeholder_swallows_a_reply_in_parts}, {the_first_read_goes_alone_and_then_more_and_more},
    {a_large_reply_makes_the_window_small_again},
    {a_client_that_does_not_read_has_its_requests_wait}, {past_the_output_limit_a_client_is_closed},
    {max_pipeline_bounds_requests_in_flight}, {requests_arrive_byte_by_byte},
    {a_long_request_in_pieces_of_every_size}, {a_large_request_goes_alone},
    {who_reads_large_values_holds_up_nobody}, {who_reads_small_values_again_goes_with_the_others},
    {parts_of_large_reads_hold_up_nobody_either}, {a_long_request_is_read_on_after_a_barrier},
    {a_half_closed_client_gets_what_it_is_owed}, {half_a_request_and_the_end_is_no_request},
    {malformed_input_gets_its_error_after_the_replies_before_it},
    {with_reply_off_and_skip_replies_are_swallowed}, {an_idle_client_holds_no_memory})
