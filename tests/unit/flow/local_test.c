/* local_test: commands that slotway answers itself, or by one node's leave, for which a plain
 * server is no measure. Those of one module are in local_*_test.c. */
#include "support/flow_unit.h"

static void begin_admin(void)
{
    flow_begin_with("allow-admin yes\n");
}

START_TEST(debug_and_saves_need_allow_admin)
{
    flow_again(NULL);
    flow_send(f, c, "DEBUG SLEEP 0");
    flow_expect(f, c,
                "-ERR 'debug' is for who runs the cluster: send it to the nodes themselves, or "
                "set allow-admin yes in slotway\r\n");
    flow_send(f, c, "BGSAVE");
    flow_expect(f, c,
                "-ERR 'bgsave' is for who runs the cluster: send it to the nodes themselves, or "
                "set allow-admin yes in slotway\r\n");
}
END_TEST

START_TEST(saves_go_to_all_masters)
{
    flow_merges("BGSAVE", "+Background saving started\r\n", "+Background saving started\r\n",
                "+Background saving started\r\n", "+Background saving started\r\n");
    flow_send(f, c, "MULTI", "SET b 1", "BGREWRITEAOF", "EXEC");
    flow_node_gets(f, NODE_A, "MULTI");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_node_serves(f, NODE_A, "BGREWRITEAOF", "+OK\r\n");
    flow_node_serves(f, NODE_B, "BGREWRITEAOF", "-ERR Background save already in progress\r\n");
    flow_node_serves(f, NODE_C, "BGREWRITEAOF", "+OK\r\n");
    flow_expect(f, c,
                "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n-ERR Background save already in "
                "progress\r\n");
}
END_TEST

UNIT_SUITE_WITH("local", begin_admin, flow_end, {debug_and_saves_need_allow_admin},
                {saves_go_to_all_masters})
