/* busy_test: PING while a script keeps a node from answering anything else, and how scripts are
 * counted, however they end. */
#include "flow/busy.h"
#include "flow/client.h"
#include "support/flow_unit.h"
#include <sys/socket.h>
#include <unistd.h>

#define SCRIPT "EVAL return{1} 1 b"
#define BUSY                                                                                       \
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n"

static void publish_busy(bool busy)
{
    f->nodes[NODE_A].flags = busy ? TOPOLOGY_BUSY : 0;
    flow_publish(f);
}

static uint64_t scripts(void)
{
    return flow_count(f, COUNTER_scripts);
}

START_TEST(ping_says_busy_while_a_script_of_ours_keeps_a_node_busy)
{
    int other = flow_client(f);
    flow_send(f, c, SCRIPT);
    flow_node_gets(f, NODE_A, SCRIPT);
    ck_assert_uint_eq(scripts(), 1);
    flow_send(f, other, "PING");
    flow_expect(f, other, "+PONG\r\n"); /* the node has not said so */
    publish_busy(true);
    flow_send(f, other, "PING");
    flow_expect(f, other, BUSY);
    flow_send(f, c, "PING"); /* comes after the script, when that is over */
    flow_expect_nothing(f, c);
    flow_answer(f, NODE_A, "*1\r\n:1\r\n");
    flow_expect(f, c, "*1\r\n:1\r\n+PONG\r\n");
    flow_send(f, other, "PING");
    flow_expect(f, other, "+PONG\r\n"); /* though the node may not have said otherwise yet */
    close(other);
}
END_TEST

START_TEST(a_script_of_others_is_no_concern_of_pings)
{
    publish_busy(true);
    flow_send(f, c, "PING");
    flow_expect(f, c, "+PONG\r\n");
    f->nodes[REPLICA_B].flags = TOPOLOGY_BUSY;
    publish_busy(false);
    flow_send(f, c, SCRIPT);
    flow_node_gets(f, NODE_A, SCRIPT);
    int other = flow_client(f);
    flow_send(f, other, "PING"); /* a replica is busy, no master */
    flow_expect(f, other, "+PONG\r\n");
    close(other);
    flow_answer(f, NODE_A, "*1\r\n:1\r\n");
    flow_expect(f, c, "*1\r\n:1\r\n");
}
END_TEST

START_TEST(scripts_are_counted_until_they_end_in_whatever_way)
{
    flow_send(f, c, SCRIPT, SCRIPT, "GET b");
    flow_node_gets(f, NODE_A, SCRIPT);
    flow_node_gets(f, NODE_A, SCRIPT);
    ck_assert_uint_eq(scripts(), 2);
    flow_answer(f, NODE_A, "-ERR failed\r\n");
    flow_expect(f, c, "-ERR failed\r\n");
    ck_assert_uint_eq(scripts(), 1);
    flow_node_cuts(f, NODE_A);
    flow_node_serves(f, NODE_A, "GET b", "$-1\r\n");
    flow_expect(f, c, MAYBE "$-1\r\n");
    ck_assert_uint_eq(scripts(), 0);
    flow_send(f, c, SCRIPT);
    flow_node_gets(f, NODE_A, SCRIPT);
    shutdown(c, SHUT_RDWR);
    flow_settle(f);
    ck_assert_uint_eq(scripts(), 1); /* it runs on at the node */
    flow_answer(f, NODE_A, "*1\r\n:1\r\n");
    flow_settle(f);
    ck_assert_uint_eq(scripts(), 0);
}
END_TEST

UNIT_SUITE_WITH("busy", flow_begin, flow_end,
                {ping_says_busy_while_a_script_of_ours_keeps_a_node_busy},
                {a_script_of_others_is_no_concern_of_pings},
                {scripts_are_counted_until_they_end_in_whatever_way})
