/* local_pubsub_test: what PUBLISH and PUBSUB answer: nodes count slotway itself, which stands for
 * its clients; and what else a subscribed client may do. */
#include "flow/pubsub_hub.h"
#include "support/pubsub_unit.h"
#include <unistd.h>

START_TEST(a_subscribed_resp2_client_may_do_little_else)
{
    pubsub_subscribe_x(a);
    flow_send(f, a, "GET b", "PING", "PING hello", "PING 1 2", "CONFIG GET maxmemory", "NOSUCH",
              "HELLO 3", "RESET", "GET b");
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE x");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, a,
                "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                "RESET are allowed in this context\r\n" PONG "*2\r\n$4\r\npong\r\n$5\r\nhello\r\n"
                "-ERR wrong number of arguments for 'ping' command\r\n"
                "-ERR Can't execute 'config|get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
                "QUIT / RESET are allowed in this context\r\n"
                "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
                "-ERR Can't execute 'hello': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT "
                "/ RESET are allowed in this context\r\n"
                "+RESET\r\n+1\r\n");
}
END_TEST

START_TEST(publish_counts_slotways_clients_and_those_of_others)
{
    flow_send(f, b, "PUBLISH x 1"); /* nobody: as the node says */
    flow_node_serves(f, NODE_A, "PUBLISH x 1", ":3\r\n");
    flow_expect(f, b, ":3\r\n");
    flow_send(f, a, "SUBSCRIBE x", "PSUBSCRIBE x*");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_node_serves(f, NODE_A, "PSUBSCRIBE x*", CONFIRMED("10\r\npsubscribe", "2\r\nx*", 2));
    flow_settle(f);
    int c = flow_client(f);
    pubsub_join_x(c);
    flow_send(f, b, "PUBLISH x 1", "PUBLISH y 1", "SPUBLISH b 1");
    flow_node_serves(f, NODE_A, "PUBLISH x 1", ":3\r\n"); /* two are slotway's */
    flow_node_serves(f, NODE_A, "PUBLISH y 1", ":0\r\n");
    flow_node_serves(f, NODE_A, "SPUBLISH b 1", ":5\r\n");
    flow_expect(f, b, ":4\r\n:0\r\n:5\r\n");
    /* What ended a moment ago may still be counted by the node. */
    flow_send(f, c, "RESET");
    flow_send(f, a, "RESET");
    flow_settle(f);
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE x");
    flow_node_gets(f, NODE_A, "PUNSUBSCRIBE x*");
    flow_send(f, b, "PUBLISH x 1");
    flow_node_serves(f, NODE_A, "PUBLISH x 1", ":2\r\n");
    flow_expect(f, b, ":0\r\n");
    close(c);
}
END_TEST

START_TEST(pubsub_shows_clients_of_slotway_and_of_others)
{
    flow_send(f, a, "SUBSCRIBE x xx");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_node_serves(f, NODE_A, "SUBSCRIBE xx", SUBSCRIBED("2\r\nxx", 2));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1) SUBSCRIBED("2\r\nxx", 2));
    flow_send(f, b, "PUBSUB CHANNELS x");
    flow_node_serves(f, NODE_A, "PUBSUB CHANNELS x", "*1\r\n$1\r\nx\r\n");
    flow_node_serves(f, NODE_B, "PUBSUB CHANNELS x", "*1\r\n$1\r\nx\r\n");
    flow_node_serves(f, NODE_C, "PUBSUB CHANNELS x", "*1\r\n$1\r\ny\r\n");
    flow_expect(f, b, "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
    flow_send(f, b, "PUBSUB NUMSUB x z");
    flow_node_serves(f, NODE_A, "PUBSUB NUMSUB x z", "*4\r\n$1\r\nx\r\n:1\r\n$1\r\nz\r\n:0\r\n");
    flow_node_serves(f, NODE_B, "PUBSUB NUMSUB x z", "*4\r\n$1\r\nx\r\n:2\r\n$1\r\nz\r\n:1\r\n");
    flow_node_serves(f, NODE_C, "PUBSUB NUMSUB x z", "*4\r\n$1\r\nx\r\n:0\r\n$1\r\nz\r\n:0\r\n");
    flow_expect(f, b, "*4\r\n$1\r\nx\r\n:3\r\n$1\r\nz\r\n:1\r\n");
    flow_send(f, b, "PUBSUB NUMPAT");
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_node_serves(f, (enum flow_node)i, "PUBSUB NUMPAT", ":1\r\n");
    flow_expect(f, b, ":3\r\n");
}
END_TEST

START_TEST(publish_in_a_transaction_counts_at_the_node_that_ran_it)
{
    /* Another worker's client, and its subscription at B, which is not this worker's home. */
    struct census_entry *x = census_take(PUBSUB_CHANNEL, "x", 1);
    census_add_clients(x, 1);
    census_add_link(x, f->w->slot_node[7365], 1);
    flow_send(f, a, "MULTI", "SET c 1", "PUBLISH x 1", "EXEC");
    flow_node_gets(f, NODE_B, "MULTI");
    flow_answer(f, NODE_B, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n");
    flow_expect(f, a, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n");
    census_add_link(x, f->w->slot_node[7365], -1);
    census_add_clients(x, -1);
    census_release(x);
}
END_TEST

START_TEST(replies_switched_off_do_not_concern_subscriptions)
{
    flow_send(f, a, "CLIENT REPLY OFF", "PING", "SUBSCRIBE x");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n1"));
    flow_send(f, a, "UNSUBSCRIBE x");
    flow_expect(f, a, UNSUBSCRIBED("1\r\nx", 0));
}
END_TEST

UNIT_SUITE_WITH("local_pubsub", pubsub_begin, pubsub_end,
                {a_subscribed_resp2_client_may_do_little_else},
                {publish_counts_slotways_clients_and_those_of_others},
                {pubsub_shows_clients_of_slotway_and_of_others},
                {publish_in_a_transaction_counts_at_the_node_that_ran_it},
                {replies_switched_off_do_not_concern_subscriptions})
