/* transaction_reply_test: what comes back for an EXEC: errors at queueing, and the places of
 * replies that slotway gives itself or asks other masters for. */
#include "base/memory.h"
#include "flow/slowlog.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREVIOUS "-EXECABORT Transaction discarded because of previous errors.\r\n"

START_TEST(an_error_of_the_node_while_queueing_is_the_cause_of_execabort)
{
    flow_send(f, c, "MULTI", "SET b 1", "GET b", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "GET b", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n-OOM command not allowed\r\n+QUEUED\r\n" PREVIOUS);
    flow_expect(f, c,
                "+OK\r\n+QUEUED\r\n+QUEUED\r\n"
                "-EXECABORT Transaction discarded because of: OOM command not allowed\r\n");
    flow_send(f, c, "MULTI", "SET b 1", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_A,
                "+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: OOM no\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: OOM no\r\n");
}
END_TEST

START_TEST(errors_of_commands_inside_exec_are_in_their_places)
{
    flow_send(f, c, "MULTI", "INCR b", "GET b", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "INCR b", "GET b", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n-ERR not an integer\r\n$1\r\nx\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n-ERR not an integer\r\n$1\r\nx\r\n");
}
END_TEST

START_TEST(own_commands_have_their_replies_in_the_right_places)
{
    flow_send(f, c, "MULTI", "CLIENT SETNAME x", "SET b 1", "CLIENT GETNAME", "GET b", "GET b",
              "CLIENT GETNAME", "EXEC", "PING");
    flow_node_gets(f, NODE_A, "MULTI");
    flow_node_gets_all(NODE_A, "SET b 1", "GET b", "GET b", "EXEC");
    flow_answer(f, NODE_A,
                "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n*1\r\n$1\r\n1\r\n$-1\r\n");
    flow_expect(f, c,
                "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
                "*6\r\n+OK\r\n+OK\r\n$1\r\nx\r\n*1\r\n$1\r\n1\r\n$-1\r\n$1\r\nx\r\n+PONG\r\n");
}
END_TEST

START_TEST(an_array_of_another_length_is_not_put_together)
{
    static const char *const arrays[] = {"*0\r\n", "*2\r\n+OK\r\n+OK\r\n"};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        flow_send(f, c, "MULTI", "SET b 1", "CLIENT GETNAME", "EXEC");
        flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
        flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n");
        flow_answer(f, NODE_A, arrays[i]);
        flow_expect(f, c,
                    "+OK\r\n+QUEUED\r\n+QUEUED\r\n"
                    "-ERR slotway can't merge what the nodes answered\r\n");
    }
}
END_TEST

START_TEST(own_commands_alone_need_no_node)
{
    flow_send(f, c, "MULTI", "CLIENT SETNAME x", "CLIENT GETNAME", "EXEC");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$1\r\nx\r\n");
    /* Behind a request that is still under way. */
    flow_send(f, c, "GET b", "MULTI", "CLIENT GETNAME", "CLIENT GETNAME", "EXEC");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$1\r\nx\r\n$1\r\nx\r\n");
}
END_TEST

START_TEST(own_commands_are_run_though_they_are_too_long_by_now)
{
    struct config_error error;
    const char text[] = "proto-max-bulk-len 1mb\n";
    size_t len = 1500000;
    char *name = flow_pattern(len), *command = memory_alloc(len + 20);
    for (size_t i = 0; i < len; i++)
        name[i] = (char)('a' + (unsigned char)name[i] % 26);
    snprintf(command, len + 20, "CLIENT SETNAME %.*s", (int)len, name);
    flow_send(f, c, "MULTI", command);
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n");
    struct config *config = config_parse(text, strlen(text), "test", &error);
    worker_give_config(f->w, config);
    config_unref(config);
    flow_send(f, c, "EXEC");
    flow_expect(f, c, "*1\r\n+OK\r\n");
    free(command);
    free(name);
}
END_TEST

/* They wait for other threads; what follows waits for them. */
START_TEST(own_commands_may_be_answered_later)
{
    char got[2000] = "";
    flow_send(f, c, "MULTI", "CLIENT LIST", "SET b 1", "EXEC", "GET b");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_settle(f);
    ck_assert_int_gt(read(c, got, sizeof got - 1), 0);
    ck_assert_ptr_nonnull(strstr(got, "*2\r\n$"));
    ck_assert_str_eq(got + strlen(got) - 11, "\r\n+OK\r\n+1\r\n");
}
END_TEST

START_TEST(own_commands_are_not_run_when_nothing_was_executed)
{
    flow_send(f, c, "MULTI", "CLIENT SETNAME x", "SET b 1", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n-OOM x\r\n" PREVIOUS);
    flow_send(f, c, "CLIENT GETNAME");
    flow_expect(f, c,
                "+OK\r\n+QUEUED\r\n+QUEUED\r\n-EXECABORT Transaction discarded because of: OOM "
                "x\r\n$-1\r\n");
}
END_TEST

/* The transaction's node executes its part in its place, the others behind it. */
START_TEST(commands_for_all_masters_are_completed_after_exec)
{
    flow_send(f, c, "MULTI", "SET b 1", "DBSIZE", "GET b", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "DBSIZE", "GET b", "EXEC");
    flow_node_gets_nothing(f, NODE_B);
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n:7\r\n+1\r\n");
    flow_node_serves(f, NODE_C, "DBSIZE", ":10\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
    flow_node_serves(f, NODE_B, "DBSIZE", ":100\r\n");
    flow_expect(f, c, "*3\r\n+OK\r\n:117\r\n+1\r\n");
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

START_TEST(own_commands_follow_each_other)
{
    flow_send(f, c, "MULTI", "DBSIZE", "CLIENT SETNAME me", "KEYS *", "CLIENT GETNAME", "EXEC",
              "PING");
    flow_node_gets_all(NODE_B, "MULTI", "DBSIZE", "KEYS *", "EXEC");
    flow_answer(f, NODE_B, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n*1\r\n$1\r\nb\r\n");
    flow_node_gets(f, NODE_A, "DBSIZE");
    flow_node_gets_nothing(f, NODE_A); /* KEYS waits until DBSIZE is answered everywhere */
    flow_answer(f, NODE_A, ":10\r\n");
    flow_node_serves(f, NODE_C, "DBSIZE", ":100\r\n");
    flow_node_serves(f, NODE_A, "KEYS *", "*1\r\n$1\r\na\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
    flow_node_serves(f, NODE_C, "KEYS *", "*0\r\n");
    flow_expect(f, c, "*4\r\n:111\r\n+OK\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n$2\r\nme\r\n+PONG\r\n");
}
END_TEST

START_TEST(who_leaves_between_own_commands_leaves_nothing_behind)
{
    flow_send(f, c, "MULTI", "DBSIZE", "DBSIZE", "EXEC");
    flow_node_gets_all(NODE_B, "MULTI", "DBSIZE", "DBSIZE", "EXEC");
    flow_answer(f, NODE_B, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:1\r\n");
    flow_node_gets(f, NODE_A, "DBSIZE");
    close(c);
    c = flow_client(f);
    flow_settle(f);
    ck_assert_ptr_null(f->w->assembling);
    flow_answer(f, NODE_A, ":1\r\n");
    flow_node_serves(f, NODE_C, "DBSIZE", ":1\r\n");
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

START_TEST(client_reply_inside_a_transaction_is_as_in_redis)
{
    flow_send(f, c, "MULTI", "PING", "CLIENT REPLY OFF", "PING", "CLIENT REPLY ON", "PING", "EXEC");
    flow_node_gets(f, NODE_B, "MULTI");
    flow_node_gets_all(NODE_B, "PING", "PING", "PING", "EXEC");
    flow_answer(f, NODE_B, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+1\r\n+2\r\n+3\r\n");
    flow_expect(f, c,
                "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*5\r\n+1\r\n+OK\r\n"
                "+3\r\n");
    flow_send(f, c, "CLIENT REPLY SKIP", "MULTI", "CLIENT REPLY SKIP", "SET b 1", "EXEC", "PING",
              "PING");
    flow_node_gets(f, NODE_A, "MULTI");
    flow_node_gets_all(NODE_A, "SET b 1", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_expect(f, c, "+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+PONG\r\n");
    flow_send(f, c, "MULTI", "CLIENT GETNAME", "SET b 1", "CLIENT REPLY SKIP", "EXEC", "PING");
    flow_node_gets(f, NODE_A, "MULTI");
    flow_node_gets_all(NODE_A, "SET b 1", "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n$-1\r\n+OK\r\n");
}
END_TEST

/* The node serves a BLPOP behind EXEC, and its reply is read before EXEC's, which runs the RESET.
 */
START_TEST(slowlog_reset_keeps_what_came_since_exec)
{
    flow_again("slowlog-log-slower-than 0\n");
    int other = flow_client(f);
    flow_send(f, other, "BLPOP b 0");
    flow_lease_opens(NODE_A, "5");
    flow_node_gets(f, NODE_A, "BLPOP b 0");
    struct flow_link *lease = f->nodes[NODE_A].last;
    flow_send(f, c, "PING", "MULTI", "LPUSH b x", "SLOWLOG RESET", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "LPUSH b x", "EXEC");
    flow_link_answers(lease, "*2\r\n$1\r\nb\r\n$1\r\nx\r\n");
    flow_expect(f, other, "*2\r\n$1\r\nb\r\n$1\r\nx\r\n");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n");
    flow_expect(f, c, "+PONG\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n+OK\r\n");
    ck_assert_uint_eq(f->w->slowlog->count, 1);
    ck_assert_ptr_nonnull(strstr(f->w->slowlog->newest->reply, "BLPOP"));
    close(other);
}
END_TEST

UNIT_SUITE_WITH("transaction_reply", flow_begin, flow_end,
                {an_error_of_the_node_while_queueing_is_the_cause_of_execabort},
                {errors_of_commands_inside_exec_are_in_their_places},
                {own_commands_have_their_replies_in_the_right_places},
                {an_array_of_another_length_is_not_put_together}, {own_commands_alone_need_no_node},
                {own_commands_are_run_though_they_are_too_long_by_now},
                {own_commands_may_be_answered_later},
                {own_commands_are_not_run_when_nothing_was_executed},
                {commands_for_all_masters_are_completed_after_exec},
                {own_commands_follow_each_other},
                {who_leaves_between_own_commands_leaves_nothing_behind},
                {client_reply_inside_a_transaction_is_as_in_redis},
                {slowlog_reset_keeps_what_came_since_exec})
