/* dispatch_test: what becomes of a request before any node sees it: checks and kinds. */
#include "flow/dispatch.h"
#include "support/flow_unit.h"
#include <unistd.h>

START_TEST(unknown_commands_and_wrong_arity_get_the_errors_of_redis)
{
    flow_send(f, c, "NOSUCH a b", "GET", "GET b c", "MSET b 1 c", "CLIENT NOSUCH");
    flow_expect(f, c,
                "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n"
                "-ERR wrong number of arguments for 'get' command\r\n"
                "-ERR wrong number of arguments for 'get' command\r\n"
                "-ERR wrong number of arguments for 'mset' command\r\n"
                "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.\r\n");
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

START_TEST(an_empty_name_is_that_of_no_command)
{
    static const char request[] = "*2\r\n$0\r\n\r\n$5\r\nhello\r\n";
    flow_send_raw(f, c, request, sizeof request - 1);
    flow_expect(f, c, "-ERR unknown command '', with args beginning with: 'hello' \r\n");
}
END_TEST

START_TEST(names_are_known_in_any_case_and_pass_as_they_came)
{
    flow_send(f, c, "gEt b");
    flow_node_serves(f, NODE_A, "gEt b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
}
END_TEST

START_TEST(inline_commands_travel_as_arrays)
{
    flow_send_raw(f, c, "  set b \"a b\\x41\"\r\nget 'b'\n", 28);
    flow_node_serves(f, NODE_A, "set b a bA", "+OK\r\n");
    flow_node_serves(f, NODE_A, "get b", "+1\r\n");
    flow_expect(f, c, "+OK\r\n+1\r\n");
}
END_TEST

START_TEST(keys_with_a_hash_tag_go_to_the_tags_slot)
{
    flow_send(f, c, "SET {b}c 1", "SET {c}b 1", "SET {}b 1");
    flow_node_serves(f, NODE_A, "SET {b}c 1", "+1\r\n");
    flow_node_serves(f, NODE_B, "SET {c}b 1", "+2\r\n");
    flow_node_serves(f, NODE_B, "SET {}b 1", "+3\r\n"); /* an empty tag is none: slot 6680 */
    flow_expect(f, c, "+1\r\n+2\r\n+3\r\n");
}
END_TEST

START_TEST(a_password_is_asked_for_first)
{
    flow_again("requirepass secret\n");
    flow_send(f, c, "GET b", "NOSUCH", "AUTH wrong", "AUTH secret", "GET b");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c,
                "-NOAUTH Authentication required.\r\n"
                "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
                "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
                "+OK\r\n+1\r\n");
}
END_TEST

START_TEST(dangerous_commands_are_refused_unless_admin_is_allowed)
{
    flow_send(f, c, "SHUTDOWN");
    flow_expect(f, c,
                "-ERR 'shutdown' is for who runs the cluster: send it to the nodes themselves, or "
                "set allow-admin yes in slotway\r\n");
    flow_again("allow-admin yes\n");
    flow_send(f, c, "SHUTDOWN");
    flow_settle(f);
    ck_assert_uint_eq(
        flow_node_links(f, NODE_A) + flow_node_links(f, NODE_B) + flow_node_links(f, NODE_C), 1);
}
END_TEST

START_TEST(commands_that_hold_state_never_reach_a_shared_connection)
{
    static const char *const commands[] = {"EXEC", "DISCARD", "PUNSUBSCRIBE", "SUNSUBSCRIBE"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char got[200] = "";
        flow_send(f, c, commands[i]);
        flow_settle(f);
        ck_assert_int_gt(read(c, got, sizeof got - 1), 0);
        ck_assert_msg(got[0] == '-' || got[0] == '*', "%s got %s", commands[i], got);
        for (int node = 0; node < 3; node++)
            flow_node_gets_nothing(f, (enum flow_node)node);
    }
}
END_TEST

UNIT_SUITE_WITH("dispatch", flow_begin, flow_end,
                {unknown_commands_and_wrong_arity_get_the_errors_of_redis},
                {an_empty_name_is_that_of_no_command},
                {names_are_known_in_any_case_and_pass_as_they_came},
                {inline_commands_travel_as_arrays}, {keys_with_a_hash_tag_go_to_the_tags_slot},
                {a_password_is_asked_for_first},
                {dangerous_commands_are_refused_unless_admin_is_allowed},
                {commands_that_hold_state_never_reach_a_shared_connection})
