/* pubsub_link_test: connections to nodes for subscriptions: losses, garbage, silence, refusals. */
#include "flow/pubsub_hub.h"
#include "support/pubsub_unit.h"

START_TEST(a_lost_home_is_replaced_unseen)
{
    pubsub_subscribe_x(a);
    flow_node_dies(f, NODE_A);
    flow_node_gets(f, NODE_B, "SUBSCRIBE x");
    flow_send(f, b, "SUBSCRIBE x"); /* waits for the new node */
    flow_node_gets(f, NODE_B, "SUBSCRIBE x");
    flow_answer(f, NODE_B, SUBSCRIBED("1\r\nx", 1));
    flow_expect_nothing(f, b);
    flow_answer(f, NODE_B, SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, b, SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, NODE_B, MESSAGE("1\r\nx", "1\r\n2"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n2"));
    flow_expect(f, b, MESSAGE("1\r\nx", "1\r\n2"));
    flow_node_returns(f, NODE_A); /* no reason to go back */
    flow_publish(f);
    flow_node_gets_nothing(f, NODE_A);
    f->nodes[NODE_B].flags |= TOPOLOGY_FAIL;
    flow_publish(f);
    flow_node_serves(f, NODE_C, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, NODE_C, MESSAGE("1\r\nx", "1\r\n3"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n3"));
}
END_TEST

START_TEST(garbage_closes_a_link_and_it_is_opened_again)
{
    pubsub_subscribe_x(a);
    flow_answer(f, NODE_A, ":1\r\n");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_garbage), 1);
    flow_answer(f, NODE_A, SUBSCRIBED("1\r\ny", 1)); /* never asked for */
    flow_node_gets(f, NODE_A, "SUBSCRIBE x");
    flow_answer(f, NODE_A, "+OK\r\n"); /* a link that never worked: another master */
    flow_node_serves(f, NODE_B, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, NODE_B, MESSAGE("1\r\nx", "1\r\n3"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n3"));
}
END_TEST

START_TEST(nobody_answers_in_time)
{
    pubsub_end();
    pubsub_begin_with("failover-timeout 300\n");
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_node_dies(f, (enum flow_node)i);
    flow_send(f, a, "SUBSCRIBE x", "PING");
    flow_expect(f, a, "-CLUSTERDOWN No node of the cluster answers for this slot\r\n+PONG\r\n");
    flow_settle(f);
    ck_assert_ptr_null(f->w->pubsub->topics);
}
END_TEST

START_TEST(a_refusal_of_the_node_reaches_the_client)
{
    flow_send(f, a, "SUBSCRIBE x", "PING");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", "-NOPERM this user has no permissions\r\n");
    flow_expect(f, a, "-NOPERM this user has no permissions\r\n+PONG\r\n");
    flow_send(f, a, "SUBSCRIBE x", "PING");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", "-LOADING Redis is loading\r\n");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, a, SUBSCRIBED("1\r\nx", 1) PONG);
}
END_TEST

UNIT_SUITE_WITH("pubsub_link", pubsub_begin, pubsub_end, {a_lost_home_is_replaced_unseen},
                {garbage_closes_a_link_and_it_is_opened_again}, {nobody_answers_in_time},
                {a_refusal_of_the_node_reaches_the_client})
