/* lease_test: connections that one client has to itself: their limits, and who may have them next.
 */
#include "flow/client.h"
#include "flow/lease.h"
#include "support/flow_unit.h"
#include <unistd.h>

START_TEST(connections_to_a_node_have_a_limit)
{
    flow_again("max-connections-per-node 1\n");
    int other = flow_client(f);
    flow_send(f, c, "BLPOP b 0");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLPOP b 0");
    flow_send(f, other, "BLPOP b 0");
    flow_expect(f, other,
                "-ERR no connection to the node is left for this command, "
                "max-connections-per-node is 1\r\n");
    flow_send(f, other, "BLPOP c 0");
    flow_lease_opens(NODE_B, "7");
    flow_node_serves(f, NODE_B, "BLPOP c 0", "*-1\r\n");
    flow_expect(f, other, "*-1\r\n");
    close(other);
}
END_TEST

START_TEST(open_files_are_a_limit_too)
{
    f->process.max_sockets = 0;
    flow_send(f, c, "BLPOP b 0");
    flow_expect(f, c,
                "-ERR no connection to the node is left for this command: the limit on open files "
                "is reached\r\n");
}
END_TEST

/* c pops from b at NODE_A, on a connection that is opened for it if id is given. */
static void pops(int client, const char *id)
{
    flow_send(f, client, "BLPOP b 0");
    if (id)
        flow_lease_opens(NODE_A, id);
    flow_node_serves(f, NODE_A, "BLPOP b 0", "*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
    flow_expect(f, client, "*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
}

START_TEST(who_comes_next_gets_the_same_connection)
{
    int other = flow_client(f);
    pops(c, "7");
    struct flow_link *lease = f->nodes[NODE_A].last;
    pops(other, NULL);
    ck_assert_ptr_eq(f->nodes[NODE_A].last, lease);
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 1);
    ck_assert_uint_eq(atomic_load(&f->process.leases), 1);
    close(other);
}
END_TEST

START_TEST(each_protocol_has_its_own)
{
    int other = flow_client(f);
    flow_hello(other, 3);
    pops(c, "7");
    flow_send(f, other, "BLPOP b 0");
    flow_node_serves(f, NODE_A, "HELLO 3", "%0\r\n");
    flow_lease_opens(NODE_A, "8");
    flow_node_serves(f, NODE_A, "BLPOP b 0", "_\r\n");
    flow_expect(f, other, "_\r\n");
    pops(c, NULL);
    ck_assert_uint_eq(flow_node_links(f, NODE_A), 2);
    close(other);
}
END_TEST

static bool is_left(void *node)
{
    return flow_node_links(f, *(enum flow_node *)node) == 0;
}

START_TEST(what_is_cut_while_idle_is_not_given_to_anybody)
{
    enum flow_node node = NODE_A;
    pops(c, "7");
    flow_node_cuts(f, NODE_A);
    flow_until(f, is_left, &node, "the lease is closed");
    ck_assert_uint_eq(atomic_load(&f->process.leases), 0);
    pops(c, "8");
}
END_TEST

/* A node that is no master any more would refuse whoever came next. */
START_TEST(a_node_that_lost_its_slots_keeps_none)
{
    enum flow_node node = NODE_A;
    flow_send(f, c, "BLPOP b 0");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLPOP b 0");
    for (int slot = 0; slot < SLOT_COUNT; slot++)
        if (f->owner[slot] == NODE_A)
            f->owner[slot] = NODE_B;
    flow_publish(f);
    flow_answer(f, NODE_A, "*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
    flow_expect(f, c, "*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
    flow_until(f, is_left, &node, "the lease is closed");
    ck_assert_uint_eq(atomic_load(&f->process.leases), 0);
}
END_TEST

UNIT_SUITE_WITH("lease", flow_begin, flow_end, {connections_to_a_node_have_a_limit},
                {open_files_are_a_limit_too}, {who_comes_next_gets_the_same_connection},
                {each_protocol_has_its_own}, {what_is_cut_while_idle_is_not_given_to_anybody},
                {a_node_that_lost_its_slots_keeps_none})
