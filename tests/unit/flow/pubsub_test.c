/* pubsub_test: subscriptions of clients, and what slotway subscribes at nodes for them. */
#include "flow/client.h"
#include "flow/pubsub_hub.h"
#include "support/pubsub_unit.h"
#include <unistd.h>

START_TEST(two_clients_share_one_subscription)
{
    flow_send(f, a, "SUBSCRIBE x");
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    flow_expect_nothing(f, a); /* not before the node has confirmed it */
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1));
    flow_send(f, b, "SUBSCRIBE x");
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "2\r\nhi")); /* published before b came */
    flow_expect(f, a, MESSAGE("1\r\nx", "2\r\nhi"));
    flow_expect_nothing(f, b);
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\nx", 1) MESSAGE("1\r\nx", "2\r\nhi"));
    flow_expect(f, b, SUBSCRIBED("1\r\nx", 1) MESSAGE("1\r\nx", "2\r\nhi"));
    flow_expect(f, a, MESSAGE("1\r\nx", "2\r\nhi"));
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "2\r\nhi"));
    flow_expect(f, a, MESSAGE("1\r\nx", "2\r\nhi"));
    flow_expect(f, b, MESSAGE("1\r\nx", "2\r\nhi"));
    flow_send(f, a, "UNSUBSCRIBE x");
    flow_expect(f, a, UNSUBSCRIBED("1\r\nx", 0));
    flow_node_gets_nothing(f, NODE_A);
    flow_send(f, b, "UNSUBSCRIBE x");
    flow_expect(f, b, UNSUBSCRIBED("1\r\nx", 0));
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 0));
    flow_expect_nothing(f, a);
    ck_assert_uint_eq(flow_node_links(f, NODE_B), 0);
}
END_TEST

START_TEST(resp3_clients_get_pushes_and_may_go_on_with_commands)
{
    flow_hello(b, 3);
    pubsub_subscribe_x(a);
    flow_send(f, b, "SUBSCRIBE x", "GET b", "PING");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_node_gets(f, NODE_A, "HELLO 3");
    flow_answer(f, NODE_A, "%0\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, b, ">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n+1\r\n+PONG\r\n");
}
END_TEST

START_TEST(a_client_that_leaves_takes_its_subscription_along)
{
    pubsub_subscribe_x(a);
    close(a);
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 0));
    flow_settle(f);
    ck_assert_ptr_null(f->w->pubsub->topics);
    flow_send(f, b, "SUBSCRIBE x");
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    client_close(f->w->clients); /* b, while it waits */
    flow_node_gets(f, NODE_A, "UNSUBSCRIBE x");
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\nx", 1) UNSUBSCRIBED("1\r\nx", 0));
    flow_settle(f);
    ck_assert_ptr_null(f->w->pubsub->topics);
    a = flow_client(f);
}
END_TEST

UNIT_SUITE_WITH("pubsub", pubsub_begin, pubsub_end, {two_clients_share_one_subscription},
                {resp3_clients_get_pushes_and_may_go_on_with_commands},
                {a_client_that_leaves_takes_its_subscription_along})
