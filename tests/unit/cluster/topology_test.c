/* topology_test: references, and finding the node that a MOVED or ASK names. */
#include "cluster/topology.h"

#include "support/unit.h"
#include <string.h>

static struct topology *t;

static void set_up(void)
{
    t = topology_new(3);
    strcpy(t->nodes[0].id, "a");
    strcpy(t->nodes[0].host, "192.168.1.5"); /* mapped */
    t->nodes[0].port = 17000;
    strcpy(t->nodes[0].announced, "10.0.0.1");
    strcpy(t->nodes[0].hostname, "redis-1.example");
    t->nodes[0].announced_port = 7000;
    strcpy(t->nodes[1].id, "b");
    strcpy(t->nodes[1].host, "::1");
    strcpy(t->nodes[1].announced, "::1");
    t->nodes[1].port = t->nodes[1].announced_port = 7001;
    strcpy(t->nodes[2].host, "10.0.0.1");
    strcpy(t->nodes[2].announced, "10.0.0.1");
    t->nodes[2].port = t->nodes[2].announced_port = 7002;
}

static void tear_down(void)
{
    topology_unref(t);
}

static uint16_t find(const char *host, uint16_t port, const char *fallback)
{
    return topology_find_address(t, host, strlen(host), port, fallback);
}

START_TEST(a_new_one_is_empty)
{
    ck_assert_uint_eq(t->nnodes, 3);
    ck_assert_uint_eq(t->owner[0], TOPOLOGY_NO_NODE);
    ck_assert_uint_eq(t->owner[SLOT_COUNT - 1], TOPOLOGY_NO_NODE);
    ck_assert_ptr_eq(topology_ref(t), t);
    topology_unref(t);
    topology_unref(NULL);
}
END_TEST

START_TEST(nodes_are_found_by_announced_mapped_and_host_name)
{
    ck_assert_uint_eq(find("10.0.0.1", 7000, NULL), 0);
    ck_assert_uint_eq(find("192.168.1.5", 17000, NULL), 0);
    ck_assert_uint_eq(find("Redis-1.example", 7000, NULL), 0);
    ck_assert_uint_eq(find("::1", 7001, NULL), 1);
    ck_assert_uint_eq(find("10.0.0.1", 7002, NULL), 2);
    ck_assert_uint_eq(topology_find_address(t, "10.0.0.1 and more", 8, 7002, NULL), 2);
}
END_TEST

START_TEST(an_address_that_no_node_has_is_not_found)
{
    ck_assert_uint_eq(find("10.0.0.1", 7009, NULL), TOPOLOGY_NO_NODE);
    ck_assert_uint_eq(find("10.0.0", 7000, NULL), TOPOLOGY_NO_NODE);
    ck_assert_uint_eq(find("10.0.0.11", 7000, NULL), TOPOLOGY_NO_NODE);
    ck_assert_uint_eq(find("192.168.1.5", 7000, NULL), TOPOLOGY_NO_NODE);
    ck_assert_uint_eq(find("", 7000, NULL), TOPOLOGY_NO_NODE);
}
END_TEST

START_TEST(an_unknown_host_means_the_one_that_answered)
{
    ck_assert_uint_eq(find("", 7002, "10.0.0.1"), 2);
    ck_assert_uint_eq(find("?", 7001, "::1"), 1);
}
END_TEST

START_TEST(nodes_are_found_by_id)
{
    ck_assert_uint_eq(topology_find_id(t, "b"), 1);
    ck_assert_uint_eq(topology_find_id(t, "c"), TOPOLOGY_NO_NODE);
}
END_TEST

UNIT_SUITE_WITH("topology", set_up, tear_down, {a_new_one_is_empty},
                {nodes_are_found_by_announced_mapped_and_host_name},
                {an_address_that_no_node_has_is_not_found},
                {an_unknown_host_means_the_one_that_answered}, {nodes_are_found_by_id})
