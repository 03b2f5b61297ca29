/* pubsub_move_test: a home that dies, or is no master any more, is left for another: without loss,
 * without copies, without a message out of order. */
#include "flow/pubsub_hub.h"
#include "support/pubsub_unit.h"

START_TEST(publish_leaves_a_home_that_died)
{
    flow_send(f, b, "PUBLISH x 1");
    flow_node_serves(f, NODE_A, "PUBLISH x 1", ":0\r\n");
    flow_expect(f, b, ":0\r\n");
    flow_node_dies(f, NODE_A);
    flow_settle(f);
    flow_send(f, b, "PUBLISH x 2"); /* no byte of it was sent */
    f->nodes[NODE_A].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    flow_node_serves(f, NODE_B, "PUBLISH x 2", ":0\r\n");
    flow_expect(f, b, ":0\r\n");
}
END_TEST

/* A's replica is master of its slots now, and A the replica. */
static void fail_over_a(void)
{
    for (int slot = 0; slot < SLOT_COUNT; slot++)
        if (f->owner[slot] == NODE_A)
            f->owner[slot] = REPLICA_A;
    flow_publish(f);
}

START_TEST(publish_leaves_a_home_that_is_no_master_any_more)
{
    flow_send(f, a, "PUBLISH x 1");
    flow_node_serves(f, NODE_A, "PUBLISH x 1", ":0\r\n");
    flow_expect(f, a, ":0\r\n");
    fail_over_a();
    flow_send(f, a, "PUBLISH x 2");
    flow_node_serves(f, REPLICA_A, "PUBLISH x 2", ":0\r\n");
    flow_expect(f, a, ":0\r\n");
}
END_TEST

static bool is_a_left(void *arg)
{
    (void)arg;
    return flow_node_links(f, NODE_A) == 0;
}

/* What it publishes when it comes back, its own link and the bus bring. */
START_TEST(a_silent_home_is_left_without_loss_or_copies)
{
    pubsub_subscribe_x(a);
    f->nodes[NODE_A].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    flow_node_serves(f, NODE_B, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1"));
    flow_answer(f, NODE_B, MESSAGE("1\r\nx", "1\r\n1") MESSAGE("1\r\nx", "1\r\n2"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n1") MESSAGE("1\r\nx", "1\r\n2"));
    flow_until(f, is_a_left, NULL, "leaving the silent home");
    flow_answer(f, NODE_B, MESSAGE("1\r\nx", "1\r\n3"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n3"));
    f->nodes[NODE_A].flags &= ~TOPOLOGY_SILENT;
    flow_publish(f);
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

/* It goes on as if nothing had been. */
START_TEST(a_silent_home_stays_where_there_is_no_other)
{
    pubsub_subscribe_x(a);
    for (int i = NODE_A; i <= NODE_C; i++)
        f->nodes[i].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    flow_pass(f, 200);
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n1"));
    for (int i = NODE_A; i <= NODE_C; i++)
        f->nodes[i].flags &= ~TOPOLOGY_SILENT;
    flow_publish(f);
    flow_node_gets_nothing(f, NODE_A);
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n2"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n2"));
}
END_TEST

START_TEST(a_home_that_is_no_master_any_more_is_left_without_loss)
{
    pubsub_subscribe_x(a);
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n0"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n0"));
    fail_over_a();
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE x");
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n1"));
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n0")); /* very late */
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n1")); /* it was late */
    flow_expect_nothing(f, a);
    /* Either may be first. */
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n2"));
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n2") MESSAGE("1\r\nx", "1\r\n3"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n2") MESSAGE("1\r\nx", "1\r\n3"));
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n3"));
    /* What was published twice comes twice. */
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n4") MESSAGE("1\r\nx", "1\r\n4"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n4") MESSAGE("1\r\nx", "1\r\n4"));
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n4") MESSAGE("1\r\nx", "1\r\n4"));
    flow_expect_nothing(f, a);
    flow_node_serves(f, NODE_A, "PING", PONG);
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 0));
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n5"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n5"));
}
END_TEST

/* A message of the new home must not overtake one of the old: PUBLISH is held until everything that
 * went to the old one has been answered, and its messages have been read. */
START_TEST(publish_waits_until_the_old_home_has_been_heard)
{
    pubsub_subscribe_x(a);
    fail_over_a();
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE x");
    flow_send(f, b, "PUBLISH x 1"); /* not all listen at the new one */
    flow_node_gets(f, NODE_A, "PUBLISH x 1");
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\nx", 1));
    flow_send(f, b, "PUBLISH x 2", "PING");
    flow_node_gets_nothing(f, NODE_A);
    flow_node_gets_nothing(f, REPLICA_A);
    flow_answer(f, NODE_A, ":1\r\n");
    flow_expect(f, b, ":1\r\n");
    flow_node_gets(f, NODE_A, "PING");
    flow_node_gets_nothing(f, REPLICA_A);
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1") PONG);
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n1"));
    flow_node_serves(f, REPLICA_A, "PUBLISH x 2", ":1\r\n");
    flow_expect(f, b, ":1\r\n+PONG\r\n");
}
END_TEST

/* A home that falls silent holds nobody up for long. */
START_TEST(publish_goes_on_without_a_word_from_the_old_home)
{
    pubsub_subscribe_x(a);
    fail_over_a();
    flow_node_serves(f, REPLICA_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_send(f, b, "PUBLISH x 1");
    flow_node_gets(f, NODE_A, "PING");
    flow_node_serves(f, REPLICA_A, "PUBLISH x 1", ":1\r\n");
    flow_expect(f, b, ":1\r\n");
}
END_TEST

/* Somebody subscribes to x anew, at the new home only, and the same is published as a moment ago.
 */
START_TEST(a_topic_that_is_subscribed_again_has_no_copies)
{
    pubsub_subscribe_x(a);
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n0"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n0"));
    fail_over_a();
    flow_node_serves(f, REPLICA_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_node_serves(f, NODE_A, "PING", PONG);
    flow_send(f, a, "UNSUBSCRIBE x");
    flow_expect(f, a, UNSUBSCRIBED("1\r\nx", 0));
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 0));
    flow_node_serves(f, REPLICA_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 0));
    flow_send(f, b, "SUBSCRIBE x");
    flow_node_serves(f, REPLICA_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, b, SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n0"));
    flow_expect(f, b, MESSAGE("1\r\nx", "1\r\n0"));
}
END_TEST

/* Messages that look alike: the new home may bring again what the old one brought before it was
 * subscribed, so it is the old one that is heard; also at the end, when it is behind. */
START_TEST(of_messages_that_look_alike_none_is_lost_at_the_end)
{
    static const char tick[] = MESSAGE("1\r\nx", "1\r\n0");
    struct pubsub *hub = f->w->pubsub;
    pubsub_subscribe_x(a);
    flow_answer(f, NODE_A, tick);
    flow_expect(f, a, tick);
    fail_over_a();
    flow_node_serves(f, REPLICA_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_node_serves(f, NODE_A, "PING", PONG);
    flow_answer(f, REPLICA_A, tick);
    flow_expect_nothing(f, a);
    flow_answer(f, NODE_A, tick);
    flow_expect(f, a, tick);
    flow_answer(f, REPLICA_A, tick);
    hub->leaving_since -= 520000; /* a while later */
    move_check(hub);
    flow_answer(f, NODE_A, tick);
    flow_expect(f, a, tick);
    hub->leaving_since -= 3000000;
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 0));
    flow_answer(f, REPLICA_A, tick);
    flow_expect(f, a, tick);
}
END_TEST

/* Clients that subscribe all the time keep answers due at the new home for ever. */
START_TEST(a_home_is_left_although_new_subscriptions_are_under_way)
{
    pubsub_subscribe_x(a);
    fail_over_a();
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE x");
    flow_send(f, b, "SUBSCRIBE y"); /* at both, because PUBLISH goes to the old one yet */
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\nx", 1));
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE y");
    flow_node_serves(f, NODE_A, "SUBSCRIBE y", SUBSCRIBED("1\r\ny", 2));
    flow_node_serves(f, NODE_A, "PING", PONG);
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\ny", 2));
    flow_expect(f, b, SUBSCRIBED("1\r\ny", 1));
    flow_send(f, b, "SUBSCRIBE z"); /* at the new one only */
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE z");
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE x", UNSUBSCRIBED("1\r\nx", 1));
    flow_node_serves(f, NODE_A, "UNSUBSCRIBE y", UNSUBSCRIBED("1\r\ny", 0));
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\nz", 3));
    flow_expect(f, b, SUBSCRIBED("1\r\nz", 2));
}
END_TEST

START_TEST(keyspace_notifications_are_no_copies_of_those_before)
{
    static const char event[] = MESSAGE("16\r\n__keyspace@0__:b", "3\r\nset");
    static const char confirmed[] = SUBSCRIBED("16\r\n__keyspace@0__:b", 1);
    flow_send(f, a, "SUBSCRIBE __keyspace@0__:b");
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_node_serves(f, (enum flow_node)i, "SUBSCRIBE __keyspace@0__:b", confirmed);
    flow_expect(f, a, confirmed);
    flow_answer(f, NODE_A, event);
    flow_expect(f, a, event);
    fail_over_a();
    flow_node_serves(f, REPLICA_A, "SUBSCRIBE __keyspace@0__:b", confirmed);
    flow_answer(f, REPLICA_A, event);
    flow_expect(f, a, event);
}
END_TEST

START_TEST(a_home_that_dies_while_it_is_left_brings_nothing_twice)
{
    pubsub_subscribe_x(a);
    fail_over_a();
    flow_node_gets(f, REPLICA_A, "SUBSCRIBE x");
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n0") MESSAGE("1\r\nx", "1\r\n5"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n0") MESSAGE("1\r\nx", "1\r\n5"));
    flow_answer(f, REPLICA_A, SUBSCRIBED("1\r\nx", 1));
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n1"));
    flow_node_dies(f, NODE_A);
    flow_settle(f);
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n1") MESSAGE("1\r\nx", "1\r\n2"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n2"));
    /* It was on its way on the bus … */
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n0"));
    flow_expect_nothing(f, a);
    /* … and these are published again, soon and a while later. */
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n0"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n0"));
    flow_pass(f, 350);
    flow_answer(f, REPLICA_A, MESSAGE("1\r\nx", "1\r\n5"));
    flow_expect(f, a, MESSAGE("1\r\nx", "1\r\n5"));
}
END_TEST

UNIT_SUITE_WITH("pubsub_move", pubsub_begin, pubsub_end, {publish_leaves_a_home_that_died},
                {publish_leaves_a_home_that_is_no_master_any_more},
                {a_silent_home_is_left_without_loss_or_copies},
                {a_silent_home_stays_where_there_is_no_other},
                {a_home_that_is_no_master_any_more_is_left_without_loss},
                {publish_waits_until_the_old_home_has_been_heard},
                {publish_goes_on_without_a_word_from_the_old_home},
                {a_topic_that_is_subscribed_again_has_no_copies},
                {of_messages_that_look_alike_none_is_lost_at_the_end},
                {a_home_is_left_although_new_subscriptions_are_under_way},
                {keyspace_notifications_are_no_copies_of_those_before},
                {a_home_that_dies_while_it_is_left_brings_nothing_twice})
