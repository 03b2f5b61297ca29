/* local_debug_test: DEBUG where allow-admin lets it pass. */
#include "support/flow_unit.h"

static void begin_admin(void)
{
    flow_begin_with("allow-admin yes\n");
}

START_TEST(debug_of_a_key_goes_to_its_node)
{
    flow_send(f, c, "DEBUG OBJECT b", "DEBUG object a fast");
    flow_node_serves(f, NODE_C, "DEBUG object a fast", "+a\r\n");
    flow_node_serves(f, NODE_A, "DEBUG OBJECT b", "+b\r\n");
    flow_expect(f, c, "+b\r\n+a\r\n");
}
END_TEST

START_TEST(debug_error_is_no_error_of_the_node)
{
    flow_send(f, c, "GET b", "DEBUG ERROR LOADING");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_node_serves(f, NODE_B, "DEBUG HELP", "*1\r\n+help\r\n");
    flow_expect(f, c, "+1\r\n-LOADING\r\n");
    flow_send_raw(f, c, "*3\r\n$5\r\nDEBUG\r\n$5\r\nERROR\r\n$6\r\na\r\n+OK\r\n", 38);
    flow_node_serves(f, NODE_B, "DEBUG HELP", "*1\r\n+help\r\n");
    flow_expect(f, c, "-a  +OK\r\n");
}
END_TEST

START_TEST(debug_needs_the_nodes_leave)
{
    flow_send(f, c, "GET b", "DEBUG ERROR x", "DEBUG SLEEP 0");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_node_serves(f, NODE_B, "DEBUG HELP", "-ERR no\r\n");
    flow_node_serves(f, NODE_B, "DEBUG SLEEP 0", "-ERR no\r\n");
    flow_expect(f, c, "+1\r\n-ERR no\r\n-ERR no\r\n");
}
END_TEST

UNIT_SUITE_WITH("local_debug", begin_admin, flow_end, {debug_of_a_key_goes_to_its_node},
                {debug_error_is_no_error_of_the_node}, {debug_needs_the_nodes_leave})
