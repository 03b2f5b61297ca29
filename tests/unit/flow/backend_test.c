/* backend_test: pairing of replies, handshake, and what closes a connection to a node. */
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/pubsub_hub.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- replies --- */

START_TEST(replies_of_many_clients_pair_with_their_requests)
{
    int others[5];
    for (int i = 0; i < 5; i++) {
        char command[32];
        others[i] = flow_client(f);
        snprintf(command, sizeof command, "GET {b}%d", i);
        flow_send(f, others[i], command);
        flow_node_gets(f, NODE_A, command);
    }
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 1);
    flow_answer(f, NODE_A, "$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n");
    for (int i = 0; i < 5; i++) {
        char want[32];
        snprintf(want, sizeof want, "$1\r\n%d\r\n", i);
        flow_expect(f, others[i], want);
        close(others[i]);
    }
}
END_TEST

START_TEST(attributes_pass_and_pushes_that_nobody_expects_close_the_connection)
{
    flow_hello(c, 3);
    flow_send(f, c, "GET b", "GET {b}2");
    flow_node_serves(f, NODE_A, "HELLO 3", "%0\r\n");
    flow_node_serves(f, NODE_A, "GET b", "|1\r\n+ttl\r\n:5\r\n$1\r\n1\r\n");
    flow_expect(f, c, "|1\r\n+ttl\r\n:5\r\n$1\r\n1\r\n");
    flow_node_gets(f, NODE_A, "GET {b}2");
    flow_answer(f, NODE_A, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nb\r\n$1\r\n2\r\n");
    flow_expect_nothing(f, c);
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 1);
    flow_node_serves(f, NODE_A, "HELLO 3", "%0\r\n");
    flow_node_serves(f, NODE_A, "GET {b}2", "$1\r\n2\r\n");
    flow_expect(f, c, "$1\r\n2\r\n");
}
END_TEST

START_TEST(replies_of_every_shape_pass_in_pieces_of_every_size)
{
    static const char *const replies[] = {
        "+OK\r\n",
        "-ERR an error of the command's own\r\n",
        ":-12345678901\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "$0\r\n\r\n",
        "*0\r\n",
        "$7\r\nwith\r\nx\r\n",
        "*3\r\n:1\r\n*2\r\n$1\r\na\r\n*1\r\n+x\r\n$-1\r\n",
        "%1\r\n+key\r\n,1.5\r\n",
        "~2\r\n#t\r\n_\r\n",
        "=8\r\ntxt:some\r\n",
        "(12345678901234567890\r\n",
    };
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        size_t n = strlen(replies[i]);
        for (size_t piece = 1; piece <= n; piece += piece < 4 ? 1 : 7) {
            flow_send(f, c, "LRANGE b 0 1");
            flow_node_gets(f, NODE_A, "LRANGE b 0 1");
            for (size_t at = 0; at < n; at += piece)
                flow_answer_bytes(f, NODE_A, replies[i] + at, n - at < piece ? n - at : piece);
            flow_expect(f, c, replies[i]);
        }
    }
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 0);
}
END_TEST

START_TEST(a_long_reply_is_whole_and_costs_no_memory)
{
    size_t len = 20000000;
    char *value = flow_pattern(len);
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "$20000000\r\n");
    flow_expect_nothing(f, c); /* shorter than what is worth passing on */
    flow_answer_bytes(f, NODE_A, value, 200000);
    char *begin_of_it = memory_alloc(200012);
    sprintf(begin_of_it, "$20000000\r\n%.200000s", value);
    flow_expect_bytes(f, c, begin_of_it, 200011);
    free(begin_of_it);
    size_t most = 0;
    for (size_t at = 200000; at < len; at += 200000) {
        flow_answer_bytes(f, NODE_A, value + at, 200000);
        flow_expect_bytes(f, c, value + at, 200000);
        if (f->w->chunks.bytes > most)
            most = f->w->chunks.bytes;
    }
    flow_answer(f, NODE_A, "\r\n");
    flow_expect(f, c, "\r\n");
    ck_assert_uint_lt(most, 2000000);
    free(value);
}
END_TEST

/* --- garbage --- */

/* What no node may say: the connection is closed, a read is asked again, a write fails. */
START_TEST(garbage_closes_the_connection)
{
    static const struct {
        const char *bytes;
        size_t len;
    } garbage[] = {
        {"$-77\r\n", 6},
        {"?what\r\n", 7},
        {"HTTP/1.1 400\r\n", 14},
        {"$3\r\nabcXX\r\n", 11},
        {"*-5\r\n", 5},
        {":12x\r\n", 6},
        {"$999999999999999999999\r\n", 24},
        {"\0\0\0\0", 4},
        {"$ 3\r\n", 5},
        {"*1x\r\n", 5},
        {"*1\r\n$-9\r\n", 9},
        {"$+3\r\nabc\r\n", 11},
        {"\r\n", 2},
    };
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        uint64_t before = flow_count(f, COUNTER_backends_garbage);
        flow_send(f, c, "GET b");
        flow_node_gets(f, NODE_A, "GET b");
        flow_answer_bytes(f, NODE_A, garbage[i].bytes, garbage[i].len);
        ck_assert_msg(flow_count(f, COUNTER_backends_garbage) == before + 1,
                      "garbage %zu was not noticed", i);
        flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
        flow_expect(f, c, "+1\r\n");
        flow_send(f, c, "INCR b");
        flow_node_gets(f, NODE_A, "INCR b");
        flow_answer_bytes(f, NODE_A, garbage[i].bytes, garbage[i].len);
        flow_expect(f, c, MAYBE);
    }
}
END_TEST

START_TEST(a_reply_that_nothing_asked_for_closes_the_connection)
{
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "+1\r\n+unasked\r\n");
    flow_expect(f, c, "+1\r\n");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 0);
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", "+2\r\n");
    flow_expect(f, c, "+2\r\n");
    flow_answer(f, NODE_A, "+late\r\n");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 0);
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 2);
}
END_TEST

START_TEST(a_reply_to_a_request_that_has_not_left_in_full_closes_the_connection)
{
    size_t len = 16000000;
    char *value = flow_pattern(len), *request = memory_alloc(len + 100);
    size_t n = (size_t)sprintf(request, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$%zu\r\n%s\r\n", len, value);
    for (size_t sent = 0; sent < n;) {
        ssize_t more = write(c, request + sent, n - sent);
        sent += more > 0 ? (size_t)more : 0;
        flow_turn(f);
    }
    for (int i = 0; i < 20; i++)
        flow_turn(f);
    /* A node that does not read what it was sent. */
    int node = accept(f->nodes[NODE_A].listener, NULL, NULL);
    ck_assert_int_ge(node, 0);
    flow_turn(f);
    ck_assert_int_eq(write(node, "+OK\r\n", 5), 5);
    flow_expect(f, c, MAYBE);
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 1);
    close(node);
    free(value);
    free(request);
}
END_TEST

/* --- handshake --- */

START_TEST(a_connection_logs_in_before_anything_else)
{
    flow_again("auth-password secret\n");
    flow_send(f, c, "GET b", "SET b 1");
    flow_node_gets(f, NODE_A, "AUTH secret");
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, "+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
    flow_expect(f, c, "+1\r\n+OK\r\n");
    flow_again("auth-user joe\nauth-password secret\nread-from replica\n");
    flow_send(f, c, "GET b");
    flow_node_serves(f, REPLICA_A, "AUTH joe secret", "+OK\r\n");
    flow_node_serves(f, REPLICA_A, "READONLY", "+OK\r\n");
    flow_node_serves(f, REPLICA_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
}
END_TEST

START_TEST(a_refused_login_is_tried_again_and_the_request_waits)
{
    flow_again("auth-password secret\n");
    flow_send(f, c, "INCR b");
    flow_node_serves(f, NODE_A, "AUTH secret", "-WRONGPASS no\r\n");
    flow_expect_nothing(f, c);
    flow_node_serves(f, NODE_A, "AUTH secret", "+OK\r\n");
    flow_node_serves(f, NODE_A, "INCR b", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
}
END_TEST

START_TEST(a_node_without_a_password_takes_any)
{
    flow_again("auth-password secret\n");
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "AUTH secret",
                     "-ERR AUTH <password> called without any password configured for the default "
                     "user. Are you sure your configuration is correct?\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
    f->w->pubsub->home_choice = 0;
    flow_send(f, c, "SUBSCRIBE x");
    flow_node_serves(f, NODE_A, "AUTH secret", "-ERR Client sent AUTH, but no password is set\r\n");
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
}
END_TEST

START_TEST(a_connection_cut_in_the_handshake_has_sent_no_request)
{
    flow_again("auth-password secret\n");
    flow_send(f, c, "INCR b");
    flow_node_gets(f, NODE_A, "AUTH secret");
    flow_node_cuts(f, NODE_A);
    flow_node_serves(f, NODE_A, "AUTH secret", "+OK\r\n");
    flow_node_serves(f, NODE_A, "INCR b", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
}
END_TEST

START_TEST(a_node_that_turns_the_connection_away_has_executed_nothing)
{
    static const char *const lines[] = {
        "-ERR max number of clients reached\r\n",
        "-ERR max number of clients + cluster connections reached\r\n",
        "-DENIED Redis is running in protected mode because protected mode is enabled\r\n"};
    flow_open_window();
    flow_node_cuts(f, NODE_A);
    flow_settle(f);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        flow_send(f, c, "INCR b", "GET b", "INCR b");
        flow_node_gets(f, NODE_A, "INCR b");
        flow_node_gets(f, NODE_A, "GET b");
        flow_node_gets(f, NODE_A, "INCR b");
        flow_answer(f, NODE_A, lines[i]);
        flow_expect_nothing(f, c);
        flow_node_serves(f, NODE_A, "INCR b", ":1\r\n");
        flow_node_serves(f, NODE_A, "GET b", "$1\r\n1\r\n");
        flow_node_serves(f, NODE_A, "INCR b", ":2\r\n");
        flow_expect(f, c, ":1\r\n$1\r\n1\r\n:2\r\n");
        flow_node_cuts(f, NODE_A);
        flow_settle(f);
    }
}
END_TEST

START_TEST(a_script_that_answers_like_a_node_that_turns_away_is_not_run_again)
{
    flow_send(f, c, "EVAL x 1 b");
    flow_node_serves(f, NODE_A, "EVAL x 1 b", "-ERR max number of clients reached\r\n");
    flow_expect(f, c, "-ERR max number of clients reached\r\n");
}
END_TEST

/* --- silence --- */

START_TEST(a_silent_node_is_disconnected_after_backend_timeout)
{
    flow_again("backend-timeout 50\n");
    flow_send(f, c, "INCR b", "GET b");
    flow_node_gets(f, NODE_A, "INCR b");
    flow_expect(f, c, MAYBE);
    flow_node_gets(f, NODE_A, "GET b"); /* on the first connection */
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
}
END_TEST

START_TEST(an_idle_connection_is_not_silent)
{
    flow_again("backend-timeout 50\n");
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
    flow_pass(f, 300); /* six times what is allowed to one that owes replies */
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 1);
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_expect_nothing(f, c);
    flow_answer(f, NODE_A, "+2\r\n");
    flow_expect(f, c, "+2\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_failed), 0);
}
END_TEST

/* The node reads nothing, and its connection is given up. What is left in slotway's socket must not
 * follow when it reads again. */
START_TEST(what_has_not_reached_a_silent_node_never_will)
{
    enum { SIZE = 250000 };
    char head[64], got[65536];
    char *value = flow_pattern(SIZE);
    ssize_t n, all = 0;
    flow_again("backend-timeout 50\n");
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
    int fd = f->nodes[NODE_A].last->fd;
    f->nodes[NODE_A].last->fd = -1; /* not read by the other functions */
    f->nodes[NODE_A].last = NULL;
    snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$%d\r\n", SIZE);
    flow_send_raw(f, c, head, strlen(head));
    flow_send_raw(f, c, value, SIZE);
    flow_send_raw(f, c, "\r\n", 2);
    flow_expect(f, c, MAYBE);
    while ((n = read(fd, got, sizeof got)) > 0)
        all += n;
    ck_assert_int_eq(n, -1); /* reset */
    ck_assert_int_gt(all, 0);
    ck_assert_int_lt(all, SIZE);
    close(fd);
    free(value);
}
END_TEST

/* The answer came while slotway was stopped, and not read yet when the timer looks. */
START_TEST(a_node_is_not_silent_because_slotway_stood_still)
{
    flow_send(f, c, "INCR b");
    flow_node_gets(f, NODE_A, "INCR b");
    flow_link_answers(f->nodes[NODE_A].last, ":1\r\n");
    uint64_t still = f->w->config->backend_timeout * 2000ull;
    f->w->pools[NODE_A]->backends[POOL_MASTER][0]->heard -= still;
    f->w->heartbeat -= still;
    ev_invoke(f->w->loop, &f->w->slow_timer, EV_TIMER);
    flow_expect(f, c, ":1\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_failed), 0);
}
END_TEST

START_TEST(several_connections_keep_each_clients_order)
{
    flow_again("connections-per-node 64\n");
    for (int i = 0; i < 5; i++) {
        int other = flow_client(f);
        flow_send(f, other, "SET b 1", "SET b 2");
        flow_node_gets(f, NODE_A, "SET b 1");
        struct flow_link *first = f->nodes[NODE_A].last;
        flow_node_gets(f, NODE_A, "SET b 2");
        ck_assert_ptr_eq(first, f->nodes[NODE_A].last);
        flow_answer(f, NODE_A, "+1\r\n+2\r\n");
        flow_expect(f, other, "+1\r\n+2\r\n");
        close(other);
    }
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 5);
}
END_TEST

static uint64_t writes(void)
{
    return counters_get(&f->w->counters, COUNTER_writes);
}

static void put(int fd, const char *line)
{
    ck_assert_int_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
}

/* While there is plenty to do the kernel is asked twice more before a node is written to. */
START_TEST(commands_of_turns_that_follow_each_other_leave_in_one_write)
{
    int others[4];
    char line[32];
    for (int i = 0; i < 4; i++)
        others[i] = flow_client(f);
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", "$-1\r\n");
    flow_expect(f, c, "$-1\r\n");
    uint64_t before = writes();
    for (int i = 0; i < 4; i++) {
        snprintf(line, sizeof line, "GET {b}%d\r\n", i);
        put(others[i], line);
        if (i % 2)
            flow_turn(f);
    }
    flow_settle(f);
    ck_assert_uint_eq(writes(), before + 1);
    for (int i = 0; i < 4; i++) { /* those of one turn in any order */
        const char *command = flow_node_takes(f, NODE_A);
        ck_assert_msg(command && strncmp(command, "GET {b}", 7) == 0, "%s", command);
        ck_assert_int_eq((command[7] - '0') / 2, i / 2);
    }
    flow_answer(f, NODE_A, "$-1\r\n$-1\r\n$-1\r\n$-1\r\n");
    for (int i = 0; i < 4; i++)
        flow_expect(f, others[i], "$-1\r\n");
    /* One alone waits for nobody: it leaves at the end of its turn, the begin of the next. */
    before = writes();
    put(others[0], "GET b\r\n");
    flow_turn(f);
    flow_turn(f);
    ck_assert_uint_eq(writes(), before + 1);
    flow_node_serves(f, NODE_A, "GET b", "$-1\r\n");
    for (int i = 0; i < 4; i++)
        close(others[i]);
}
END_TEST

UNIT_SUITE_WITH("backend", flow_begin, flow_end, {replies_of_many_clients_pair_with_their_requests},
                {attributes_pass_and_pushes_that_nobody_expects_close_the_connection},
                {replies_of_every_shape_pass_in_pieces_of_every_size},
                {a_long_reply_is_whole_and_costs_no_memory}, {garbage_closes_the_connection},
                {a_reply_that_nothing_asked_for_closes_the_connection},
                {a_reply_to_a_request_that_has_not_left_in_full_closes_the_connection},
                {a_connection_logs_in_before_anything_else},
                {a_refused_login_is_tried_again_and_the_request_waits},
                {a_node_without_a_password_takes_any},
                {a_connection_cut_in_the_handshake_has_sent_no_request},
                {a_node_that_turns_the_connection_away_has_executed_nothing},
                {a_script_that_answers_like_a_node_that_turns_away_is_not_run_again},
                {a_silent_node_is_disconnected_after_backend_timeout},
                {what_has_not_reached_a_silent_node_never_will},
                {a_node_is_not_silent_because_slotway_stood_still},
                {an_idle_connection_is_not_silent}, {several_connections_keep_each_clients_order},
                {commands_of_turns_that_follow_each_other_leave_in_one_write})
