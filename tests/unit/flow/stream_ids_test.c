/* stream_ids_test: XREAD BLOCK … $: the end of a stream is that of the moment at which the command
 * came, however often it is sent. */
#include "support/flow_unit.h"
#include <string.h>

START_TEST(the_end_of_a_stream_stays_where_it_was_when_the_command_came)
{
    const char *command = "XREAD BLOCK 20000 STREAMS b {b}x {b}y 5-1 $ $";
    flow_send(f, c, command);
    flow_lease_opens(NODE_A, "7");
    flow_node_serves(f, NODE_A, "XINFO STREAM {b}x",
                     "*4\r\n$6\r\nlength\r\n:1\r\n$17\r\nlast-generated-id\r\n$3\r\n7-2\r\n");
    flow_node_serves(f, NODE_A, "XINFO STREAM {b}y", "-ERR no such key\r\n");
    flow_node_gets(f, NODE_A, command);
    flow_node_cuts(f, NODE_A);
    flow_lease_opens(NODE_A, "8");
    ck_assert(flow_node_gets_timed(NODE_A, "XREAD BLOCK") > 15000);
    ck_assert_ptr_nonnull(
        strstr(f->nodes[NODE_A].last->command, " STREAMS b {b}x {b}y 5-1 7-2 0-0"));
    flow_answer(f, NODE_A, "*-1\r\n");
    flow_expect(f, c, "*-1\r\n");
}
END_TEST

START_TEST(the_end_of_a_stream_is_asked_of_who_has_it)
{
    flow_send(f, c, "XREAD BLOCK 0 STREAMS b $");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "XINFO STREAM b");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_node_gets(f, NODE_A, "XREAD BLOCK 0 STREAMS b $");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_B);
    flow_lease_opens(NODE_B, "7");
    flow_node_serves(f, NODE_B, "XINFO STREAM b", "-NOPERM no\r\n");
    flow_node_gets(f, NODE_B, "XREAD BLOCK 0 STREAMS b $");
    flow_answer_redirect(f, NODE_B, "ASK", 3300, NODE_C);
    flow_lease_opens(NODE_C, "7");
    flow_node_serves(f, NODE_C, "ASKING", "+OK\r\n");
    flow_node_serves(f, NODE_C, "XREAD BLOCK 0 STREAMS b $", "*-1\r\n");
    flow_expect(f, c, "*-1\r\n");
}
END_TEST

UNIT_SUITE_WITH("stream_ids", flow_begin, flow_end,
                {the_end_of_a_stream_stays_where_it_was_when_the_command_came},
                {the_end_of_a_stream_is_asked_of_who_has_it})
