/* pool_test: connections to a node that vanishes, moves, refuses, or loses its slots. */
#include "flow/pool.h"
#include "support/flow_unit.h"
#include <unistd.h>

static void use(void)
{
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
}

static bool pool_is_gone(void *arg)
{
    (void)arg;
    return f->w->pools[NODE_A] == NULL;
}

START_TEST(connections_are_opened_when_first_needed)
{
    for (int node = 0; node < FLOW_NODES; node++)
        ck_assert_uint_eq(flow_node_links(f, (enum flow_node)node), 0);
    use();
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 1);
    use();
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 1);
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_opened), 1);
}
END_TEST

START_TEST(a_vanished_node_answers_what_it_was_asked_and_is_dropped)
{
    use();
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    f->nodes[NODE_A].hidden = true;
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        if (f->owner[slot] == NODE_A)
            f->owner[slot] = NODE_B;
    flow_publish(f);
    flow_answer(f, NODE_A, "+2\r\n");
    flow_expect(f, c, "+2\r\n");
    flow_until(f, pool_is_gone, NULL, "the pool to go");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 0);
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_B, "GET b", "+3\r\n");
    flow_expect(f, c, "+3\r\n");
}
END_TEST

START_TEST(a_node_that_returns_before_its_pool_is_dropped_is_used_on)
{
    use();
    f->nodes[NODE_A].hidden = true;
    flow_publish(f);
    f->nodes[NODE_A].hidden = false;
    flow_publish(f);
    ck_assert(!f->w->pools[NODE_A]->gone);
    use();
}
END_TEST

START_TEST(a_node_that_moved_is_connected_to_at_its_new_address)
{
    use();
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    uint16_t port = f->nodes[NODE_A].port;
    f->nodes[NODE_A].port = f->nodes[REPLICA_C].port;
    flow_publish(f);
    f->nodes[NODE_A].port = port;
    flow_node_serves(f, REPLICA_C, "GET b", "+2\r\n");
    flow_expect(f, c, "+2\r\n");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 0);
}
END_TEST

START_TEST(pauses_between_connects_grow_and_end)
{
    struct pool *pool = f->w->pools[NODE_A];
    uint64_t before = 0;
    for (int i = 0; i < 8; i++) {
        pool_on_lost(pool, false);
        uint64_t pause = pool->retry_at - f->w->now;
        ck_assert_uint_ge(pause, before);
        ck_assert_uint_le(pause, 50000);
        before = pause;
    }
    ck_assert_uint_eq(before, 50000);
    ck_assert_ptr_null(pool_get(pool, POOL_MASTER, 0, 1));
    flow_publish(f);
    ck_assert_ptr_null(pool_get(pool, POOL_MASTER, 0, 1));
    /* Said to be well again: tried at once. */
    f->nodes[NODE_A].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    f->nodes[NODE_A].flags = TOPOLOGY_MASTER;
    flow_publish(f);
    use();
    ck_assert_uint_eq(pool->failures, 0);
}
END_TEST

START_TEST(a_connection_that_worked_is_opened_again_at_once)
{
    use();
    flow_node_cuts(f, NODE_A);
    ck_assert_uint_eq(f->w->pools[NODE_A]->retry_at, 0);
    use();
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_opened), 2);
}
END_TEST

START_TEST(a_node_known_to_be_silent_is_not_asked)
{
    f->nodes[NODE_A].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    flow_send(f, c, "GET b");
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 0);
    f->nodes[NODE_A].flags = TOPOLOGY_MASTER;
    flow_publish(f);
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+1\r\n");
}
END_TEST

START_TEST(what_a_silent_master_sends_is_read_when_it_is_trusted_again)
{
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    f->nodes[NODE_A].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    flow_answer(f, NODE_A, "+1\r\n");
    flow_expect_nothing(f, c);
    f->nodes[NODE_A].flags = TOPOLOGY_MASTER;
    flow_publish(f);
    flow_expect(f, c, "+1\r\n");
    use();
    ck_assert_uint_eq(flow_count(f, COUNTER_backends_opened), 1);
}
END_TEST

static void loses_its_slots_while_silent(bool trusted_at_once)
{
    int writer = flow_client(f);
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_send(f, writer, "SET b 2");
    flow_node_gets(f, NODE_A, "SET b 2");
    f->nodes[NODE_A].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    flow_answer(f, NODE_A, "+old\r\n");
    flow_expect_nothing(f, c);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        if (f->owner[slot] == NODE_A)
            f->owner[slot] = NODE_B;
    if (trusted_at_once)
        f->nodes[NODE_A].flags = TOPOLOGY_MASTER;
    flow_publish(f);
    flow_node_serves(f, NODE_B, "GET b", "+new\r\n");
    flow_expect(f, c, "+new\r\n");
    flow_expect(f, writer,
                "-ERR connection to the node was lost: the command may or may not have been "
                "executed\r\n");
    close(writer);
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 0);
}

START_TEST(what_a_silent_master_sends_is_never_read_when_it_has_lost_its_slots)
{
    loses_its_slots_while_silent(false);
}
END_TEST

/* All others have said so in one turn: the topology that names the new owner trusts the old master
 * again. */
START_TEST(nor_when_it_is_heard_of_and_trusted_at_the_same_time)
{
    loses_its_slots_while_silent(true);
}
END_TEST

START_TEST(what_a_silent_replica_was_asked_the_master_is)
{
    flow_send(f, c, "READONLY", "GET b");
    flow_node_serves(f, REPLICA_A, "READONLY", "+OK\r\n");
    flow_node_gets(f, REPLICA_A, "GET b");
    f->nodes[REPLICA_A].flags |= TOPOLOGY_SILENT;
    flow_publish(f);
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_expect(f, c, "+OK\r\n+1\r\n");
}
END_TEST

UNIT_SUITE_WITH("pool", flow_begin, flow_end, {connections_are_opened_when_first_needed},
                {a_vanished_node_answers_what_it_was_asked_and_is_dropped},
                {a_node_that_returns_before_its_pool_is_dropped_is_used_on},
                {a_node_that_moved_is_connected_to_at_its_new_address},
                {pauses_between_connects_grow_and_end},
                {a_connection_that_worked_is_opened_again_at_once},
                {a_node_known_to_be_silent_is_not_asked},
                {what_a_silent_master_sends_is_read_when_it_is_trusted_again},
                {what_a_silent_master_sends_is_never_read_when_it_has_lost_its_slots},
                {nor_when_it_is_heard_of_and_trusted_at_the_same_time},
                {what_a_silent_replica_was_asked_the_master_is})
