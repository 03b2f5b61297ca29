/* json_cluster_test: slots, shards and nodes as JSON. */
#include "http/json_part.h"
#include "support/json_unit.h"
#include "support/stats_unit.h"
#include <string.h>

static json_t *made;

static void make(json_t *(*part)(const struct stats *s))
{
    json_decref(made);
    made = part(s);
}

/* Without the lists: three masters with a replica each. */
static void set_up(void)
{
    stats_fill(3);
    world_tick(s);
}

static void tear_down(void)
{
    json_decref(made);
    stats_end();
}

#define ID(n) "\"000000000000000000000000000000000000000" #n "\""

START_TEST(ranges_of_slots)
{
    make(json_slots);
    ck_assert_uint_eq(json_array_size(json_find(made, "ranges")), 3);
    json_shows(made, "ranges.0",
               "{\"first\": 0, \"last\": 5461, \"owner\": " ID(1) ", \"since\": null, "
                                                                  "\"state\": \"ok\"}");
    json_shows(made, "ranges.2.first", "10923");
    json_shows(made, "ranges.2.last", "16383");
    json_shows(made, "ranges.2.owner", ID(3));
}
END_TEST

START_TEST(states_of_slots)
{
    s->moving[100] = s->moving[101] = true;
    s->topology->owner[16383] = TOPOLOGY_NO_NODE;
    world_set_flags(s, 1, TOPOLOGY_FAIL);
    world_tick(s);
    make(json_slots);
    ck_assert_uint_eq(json_array_size(json_find(made, "ranges")), 6);
    json_shows(made, "ranges.0.last", "99");
    json_shows(made, "ranges.1",
               "{\"first\": 100, \"last\": 101, \"owner\": " ID(1) ", \"since\": null, "
                                                                   "\"state\": \"migrating\"}");
    json_shows(made, "ranges.2.first", "102");
    json_shows(made, "ranges.3.state", "\"uncovered\"");
    json_shows(made, "ranges.3.owner", ID(2));
    json_shows(made, "ranges.3.since", "1000002");
    json_shows(made, "ranges.5",
               "{\"first\": 16383, \"last\": 16383, \"owner\": null, \"since\": 1000002, "
               "\"state\": \"uncovered\"}");
}
END_TEST

START_TEST(before_a_node_has_answered)
{
    topology_unref(s->topology);
    s->topology = NULL;
    s->nnodes = 0;
    make(json_slots);
    json_shows(made, "ranges",
               "[{\"first\": 0, \"last\": 16383, \"owner\": null, \"since\": null, \"state\": "
               "\"uncovered\"}]");
    make(json_shards);
    json_shows(made, "", "[]");
    make(json_nodes);
    json_shows(made, "", "[]");
}
END_TEST

/* As after a resharding that nobody would do: the picture has a bound, and covers all slots. */
START_TEST(very_many_ranges_are_cut)
{
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        s->topology->owner[slot] = slot % 2;
    make(json_slots);
    ck_assert_uint_eq(json_array_size(json_find(made, "ranges")), 2000);
    json_shows(made, "ranges.1998.last", "1998");
    json_shows(made, "ranges.1999.first", "1999");
    json_shows(made, "ranges.1999.last", "16383");
    make(json_shards);
    ck_assert_uint_eq(json_array_size(json_find(made, "0.ranges")), 100);
    json_shows(made, "0.ranges.99", "[198, 198]");
    json_shows(made, "1.ranges.0", "[1, 1]");
}
END_TEST

START_TEST(load_is_rounded)
{
    s->load[0] = 12.34;
    s->load[255] = 12.36;
    make(json_slots);
    ck_assert_uint_eq(json_array_size(json_find(made, "load")), WATCH_LOADS);
    json_shows(made, "load.0", "12.3");
    json_shows(made, "load.255", "12.4");
    json_shows(made, "load.7", "0");
}
END_TEST

START_TEST(shards)
{
    make(json_shards);
    ck_assert_uint_eq(json_array_size(made), 3);
    json_shows(made, "1",
               "{\"master\": " ID(2) ", \"ranges\": [[5462, 10922]], \"replicas\": [" ID(
                   5) "], "
                      "\"requests_rate\": 12345.678, \"slots\": 5461, \"state\": \"ok\"}");
}
END_TEST

START_TEST(states_of_shards)
{
    world_set_flags(s, 3, TOPOLOGY_SILENT); /* the replica of the first */
    world_set_flags(s, 1, TOPOLOGY_SILENT);
    s->nodes[5].master = TOPOLOGY_NO_NODE;
    make(json_shards);
    json_shows(made, "0.state", "\"no-replica\"");
    json_shows(made, "0.replicas", "[" ID(4) "]");
    json_shows(made, "1.state", "\"down\"");
    json_shows(made, "2.state", "\"no-replica\"");
    json_shows(made, "2.replicas", "[]");
}
END_TEST

/* Shards are in the order of slots, masters without any behind them. */
START_TEST(masters_without_slots_are_last)
{
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        s->topology->owner[slot] = slot < 100 ? 2 : 1;
    s->nodes[0].v[NODE_slots] = 0;
    make(json_shards);
    ck_assert_uint_eq(json_array_size(made), 3);
    json_shows(made, "0.master", ID(3));
    json_shows(made, "1.master", ID(2));
    json_shows(made, "2.master", ID(1));
    json_shows(made, "2.ranges", "[]");
    world_set_flags(s, 0, TOPOLOGY_SILENT);
    make(json_shards);
    json_shows(made, "2.state", "\"ok\""); /* nobody misses it */
}
END_TEST

START_TEST(nodes)
{
    struct stats_node *node = &s->nodes[4];
    node->state = STATS_LAGGING;
    node->state_since = 5;
    node->role_since = 6;
    node->epoch = 7;
    node->bytes_in_rate = 21;
    node->bytes_out_rate = 22;
    strcpy(node->run_id, "run");
    strcpy(node->hostname, "b.example");
    node->v[NODE_connections_shared] = 2;
    node->v[NODE_connections_bulk] = 3;
    node->v[NODE_connections_leased] = 4;
    node->v[NODE_replication_lag_bytes] = 88;
    node->v[NODE_keys] = STATS_UNKNOWN;
    for (unsigned i = 0; i < WATCH_COUNT; i++)
        node->count[i] = 100 + i;
    make(json_nodes);
    ck_assert_uint_eq(json_array_size(made), 6);
    static const struct {
        const char *path, *text;
    } want[] = {
        {"4.id", ID(5)},
        {"4.address", "\"10.0.0.3:6380\""},
        {"4.role", "\"replica\""},
        {"4.master", ID(2)},
        {"4.state", "\"lagging\""},
        {"4.state_since", "5"},
        {"4.role_since", "6"},
        {"4.epoch", "7"},
        {"4.version", "\"7.0.15\""},
        {"4.replication_link", "\"up\""},
        {"4.replication_lag_bytes", "88"},
        {"4.keys", "null"},
        {"4.requests", "123456789"},
        {"4.requests_rate", "12345.678"},
        {"4.latency.p99_us", "568"},
        {"4.errors", "{\"lost\": 102, \"redirects\": 100, \"refused\": 101, \"replied\": 103}"},
        {"4.connections_opened", "104"},
        {"4.connections_failed", "105"},
        {"4.bytes_in", "106"},
        {"4.bytes_out", "107"},
        {"4.bytes_in_rate", "21"},
        {"4.bytes_out_rate", "22"},
        {"4.run_id", "\"run\""},
        {"4.hostname", "\"b.example\""},
        {"4.connections.shared", "2"},
        {"4.connections.bulk", "3"},
        {"4.connections.leased", "4"},
        {"0.role", "\"master\""},
        {"0.master", "null"},
        {"0.replication_link", "null"},
        {"0.state", "\"up\""},
        {"0.state_since", "null"},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        json_shows(made, want[i].path, want[i].text);
    ck_assert_ptr_null(json_find(made, "4.up"));                 /* state says it */
    ck_assert_ptr_null(json_find(made, "4.connections_shared")); /* they have an object */
    json_t *limit = json_number((double)s->config->max_connections_per_node * s->nworkers);
    ck_assert(json_equal(limit, (json_t *)(uintptr_t)json_find(made, "4.connections.limit")));
    json_decref(limit);
    node->link_up = 0;
    s->nodes[3].link_up = -1;
    make(json_nodes);
    json_shows(made, "4.replication_link", "\"down\"");
    json_shows(made, "3.replication_link", "null");
}
END_TEST

UNIT_SUITE_WITH("json_cluster", set_up, tear_down, {ranges_of_slots}, {states_of_slots},
                {before_a_node_has_answered}, {very_many_ranges_are_cut}, {load_is_rounded},
                {shards}, {states_of_shards}, {masters_without_slots_are_last}, {nodes})
