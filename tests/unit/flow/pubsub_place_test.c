/* pubsub_place_test: at which nodes topics are subscribed: one home for most, all masters for what
 * nodes say of their keys, the owner of its slot for a shard channel. */
#include "support/pubsub_unit.h"

#define SPACE          "19\r\n__keyspace@0__:*key"
#define PSUB           CONFIRMED("10\r\npsubscribe", SPACE, 1)
#define EVENT(channel) "*4\r\n$8\r\npmessage\r\n$" SPACE "\r\n$" channel "\r\n$3\r\nset\r\n"

START_TEST(keyspace_notifications_come_from_all_masters)
{
    flow_send(f, a, "PSUBSCRIBE __keyspace@0__:*key");
    flow_node_serves(f, NODE_A, "PSUBSCRIBE __keyspace@0__:*key", PSUB);
    flow_node_serves(f, NODE_B, "PSUBSCRIBE __keyspace@0__:*key", PSUB);
    flow_expect_nothing(f, a);
    flow_node_serves(f, NODE_C, "PSUBSCRIBE __keyspace@0__:*key", PSUB);
    flow_expect(f, a, PSUB);
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_answer(f, (enum flow_node)i, EVENT("19\r\n__keyspace@0__:akey"));
    flow_expect(f, a,
                EVENT("19\r\n__keyspace@0__:akey") EVENT("19\r\n__keyspace@0__:akey")
                    EVENT("19\r\n__keyspace@0__:akey"));
    /* A failover: the replica is asked, the old master is not listened to any more. */
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        if (f->owner[slot] == NODE_B)
            f->owner[slot] = REPLICA_B;
    f->nodes[NODE_B].flags = TOPOLOGY_REPLICA;
    f->nodes[REPLICA_B].flags = TOPOLOGY_MASTER;
    flow_publish(f);
    flow_node_serves(f, REPLICA_B, "PSUBSCRIBE __keyspace@0__:*key", PSUB);
    flow_answer(f, NODE_B, EVENT("19\r\n__keyspace@0__:akey"));
    flow_node_gets(f, NODE_B, "PUNSUBSCRIBE __keyspace@0__:*key");
    flow_expect_nothing(f, a);
    flow_answer(f, REPLICA_B, EVENT("19\r\n__keyspace@0__:akey"));
    flow_expect(f, a, EVENT("19\r\n__keyspace@0__:akey"));
}
END_TEST

START_TEST(a_pattern_for_everything_gets_each_message_once)
{
    flow_send(f, a, "PSUBSCRIBE *");
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_node_serves(f, (enum flow_node)i, "PSUBSCRIBE *",
                         CONFIRMED("10\r\npsubscribe", "1\r\n*", 1));
    flow_expect(f, a, CONFIRMED("10\r\npsubscribe", "1\r\n*", 1));
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_answer(f, (enum flow_node)i,
                    "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$4\r\nnews\r\n$1\r\n1\r\n");
    flow_expect(f, a, "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$4\r\nnews\r\n$1\r\n1\r\n");
}
END_TEST

#define SSUB(name)   CONFIRMED("10\r\nssubscribe", name, 1)
#define SUNSUB(name) CONFIRMED("12\r\nsunsubscribe", name, 0)

START_TEST(shard_channels_follow_their_slot)
{
    flow_send(f, a, "SSUBSCRIBE b");
    flow_node_gets(f, NODE_A, "SSUBSCRIBE b");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_C);
    flow_node_serves(f, NODE_C, "SSUBSCRIBE b", SSUB("1\r\nb"));
    flow_expect(f, a, SSUB("1\r\nb"));
    f->owner[3300] = NODE_C;
    flow_publish(f);
    flow_node_gets_nothing(f, NODE_A);
    /* The node gives the slot away before the map says so. */
    flow_answer(f, NODE_C, SUNSUB("1\r\nb"));
    flow_node_gets(f, NODE_C, "SSUBSCRIBE b");
    flow_answer_redirect(f, NODE_C, "MOVED", 3300, NODE_B);
    flow_node_serves(f, NODE_B, "SSUBSCRIBE b", SSUB("1\r\nb"));
    f->owner[3300] = NODE_B;
    flow_publish(f);
    flow_answer(f, NODE_B, "*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$1\r\n1\r\n");
    flow_expect(f, a, "*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$1\r\n1\r\n");
    /* The map says so first. */
    f->owner[3300] = NODE_A;
    flow_publish(f);
    flow_node_gets(f, NODE_B, "SUNSUBSCRIBE b");
    flow_answer_redirect(f, NODE_B, "MOVED", 3300, NODE_A);
    flow_node_serves(f, NODE_A, "SSUBSCRIBE b", SSUB("1\r\nb"));
    flow_answer(f, NODE_A, "*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$1\r\n2\r\n");
    flow_expect(f, a, "*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$1\r\n2\r\n");
    flow_send(f, a, "SUNSUBSCRIBE");
    flow_expect(f, a, SUNSUB("1\r\nb"));
}
END_TEST

START_TEST(shard_channels_of_several_slots_in_one_command)
{
    flow_send(f, a, "SSUBSCRIBE b c");
    flow_node_serves(f, NODE_B, "SSUBSCRIBE c", SSUB("1\r\nc"));
    flow_expect_nothing(f, a);
    flow_node_serves(f, NODE_A, "SSUBSCRIBE b", SSUB("1\r\nb"));
    flow_expect(f, a, SSUB("1\r\nb") CONFIRMED("10\r\nssubscribe", "1\r\nc", 2));
    pubsub_end();
    pubsub_begin_with("cross-slot no\n");
    flow_send(f, a, "SSUBSCRIBE b c");
    flow_expect(f, a, "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
}
END_TEST

static bool is_left_by_all(void *arg)
{
    (void)arg;
    return flow_node_links(f, NODE_B) == 0;
}

/* What a master does when it comes back, nobody else tells. */
START_TEST(a_silent_master_is_listened_to_until_it_is_replaced)
{
    flow_send(f, a, "SSUBSCRIBE c");
    flow_node_serves(f, NODE_B, "SSUBSCRIBE c", SSUB("1\r\nc"));
    flow_expect(f, a, SSUB("1\r\nc"));
    flow_send(f, b, "PSUBSCRIBE __keyspace@0__:*key");
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_node_serves(f, (enum flow_node)i, "PSUBSCRIBE __keyspace@0__:*key", PSUB);
    flow_expect(f, b, PSUB);
    f->nodes[NODE_B].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    flow_pass(f, 200);
    flow_answer(f, NODE_B, EVENT("19\r\n__keyspace@0__:akey"));
    flow_expect(f, b, EVENT("19\r\n__keyspace@0__:akey"));
    ck_assert_uint_eq(flow_node_links(f, NODE_B), 2);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        if (f->owner[slot] == NODE_B)
            f->owner[slot] = REPLICA_B;
    f->nodes[NODE_B].flags = TOPOLOGY_REPLICA | TOPOLOGY_SILENT;
    f->nodes[REPLICA_B].flags = TOPOLOGY_MASTER;
    flow_publish(f);
    flow_until(f, is_left_by_all, NULL, "leaving the silent node");
    flow_node_serves(f, REPLICA_B, "SSUBSCRIBE c", SSUB("1\r\nc"));
}
END_TEST

UNIT_SUITE_WITH("pubsub_place", pubsub_begin, pubsub_end,
                {keyspace_notifications_come_from_all_masters},
                {a_pattern_for_everything_gets_each_message_once},
                {shard_channels_follow_their_slot},
                {shard_channels_of_several_slots_in_one_command},
                {a_silent_master_is_listened_to_until_it_is_replaced})
