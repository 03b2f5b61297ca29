/* json_cluster: slots, shards and nodes as JSON. */
#include "http/json_part.h"
#include <math.h>
#include <string.h>

#define JSON_RANGES       2000 /* of all slots */
#define JSON_SHARD_RANGES 100  /* of one shard */

/* --- slots --- */

enum slot_state { SLOT_OK, SLOT_UNCOVERED, SLOT_MIGRATING };
static const char *const slot_states[] = {"ok", "uncovered", "migrating"};

static enum slot_state json_slot_state(const struct stats *s, uint32_t slot)
{
    if (!s->topology || stats_slot_is_uncovered(s, slot))
        return SLOT_UNCOVERED;
    return s->moving[slot] ? SLOT_MIGRATING : SLOT_OK;
}

static uint16_t json_owner(const struct stats *s, uint32_t slot)
{
    return s->topology ? s->topology->owner[slot] : TOPOLOGY_NO_NODE;
}

static json_t *json_range(const struct stats *s, uint32_t first, uint32_t last)
{
    json_t *o = json_object();
    uint16_t owner = json_owner(s, first);
    enum slot_state state = json_slot_state(s, first);
    json_put_number(o, "first", first);
    json_put_number(o, "last", last);
    json_put(o, "owner", owner == TOPOLOGY_NO_NODE ? json_null() : json_text(s->nodes[owner].id));
    json_put_text(o, "state", slot_states[state]);
    json_put(o, "since", state == SLOT_UNCOVERED ? json_time(s->slot_since[first]) : json_null());
    return o;
}

/* With very many ranges the rest is one, of its first slot's owner: a picture, not the map. */
static json_t *json_ranges(const struct stats *s)
{
    json_t *list = json_array();
    for (uint32_t first = 0, next; first < SLOT_COUNT; first = next) {
        enum slot_state state = json_slot_state(s, first);
        for (next = first + 1; next < SLOT_COUNT; next++)
            if (json_array_size(list) < JSON_RANGES - 1 &&
                (json_owner(s, next) != json_owner(s, first) || json_slot_state(s, next) != state))
                break;
        json_put(list, NULL, json_range(s, first, next - 1));
    }
    return list;
}

json_t *json_slots(const struct stats *s)
{
    json_t *o = json_object(), *load = json_array();
    for (unsigned i = 0; i < WATCH_LOADS; i++)
        json_put(load, NULL, json_number(round(s->load[i] * 10) / 10));
    json_put(o, "ranges", json_ranges(s));
    json_put(o, "load", load);
    return o;
}

/* --- shards --- */

static json_t *json_shard_ranges(const struct stats *s, uint16_t at, int *first_slot)
{
    json_t *list = json_array();
    const uint16_t *owner = s->topology->owner;
    for (uint32_t first = 0, next; first < SLOT_COUNT; first = next) {
        for (next = first + 1; next < SLOT_COUNT && owner[next] == owner[first];)
            next++;
        if (owner[first] != at || json_array_size(list) == JSON_SHARD_RANGES)
            continue;
        if (*first_slot < 0)
            *first_slot = (int)first;
        json_put(list, NULL, json_pack("[i,i]", (int)first, (int)next - 1));
    }
    return list;
}

static json_t *json_shard(const struct stats *s, uint16_t at, json_t *ranges)
{
    const struct stats_node *master = &s->nodes[at];
    json_t *o = json_object(), *replicas = json_array();
    bool replica = false, down = master->state == STATS_DOWN && master->v[NODE_slots] > 0;
    for (uint32_t i = 0; i < s->nnodes; i++) {
        if (s->nodes[i].master != at)
            continue;
        json_put(replicas, NULL, json_text(s->nodes[i].id));
        replica = replica || s->nodes[i].state != STATS_DOWN;
    }
    json_put_text(o, "master", master->id);
    json_put(o, "replicas", replicas);
    json_put_number(o, "slots", master->v[NODE_slots]);
    json_put(o, "ranges", ranges);
    json_put_text(o, "state", down ? "down" : replica ? "ok" : "no-replica");
    json_put_number(o, "requests_rate", master->requests_rate);
    return o;
}

json_t *json_shards(const struct stats *s)
{
    json_t *list = json_array();
    bool shown[TOPOLOGY_MAX_NODES] = {false};
    const struct topology *t = s->topology;
    for (uint32_t slot = 0; t && slot < SLOT_COUNT; slot++) {
        uint16_t at = t->owner[slot];
        int first = -1;
        if (at == TOPOLOGY_NO_NODE || shown[at])
            continue;
        shown[at] = true;
        json_put(list, NULL, json_shard(s, at, json_shard_ranges(s, at, &first)));
    }
    for (uint16_t i = 0; t && i < t->nnodes; i++)
        if (!shown[i] && s->nodes[i].is_master)
            json_put(list, NULL, json_shard(s, i, json_array()));
    return list;
}

/* --- nodes --- */

static json_t *json_node_errors(const struct stats_node *node)
{
    json_t *o = json_object();
    for (unsigned i = WATCH_redirects; i <= WATCH_replied; i++)
        json_put_number(o, figures_watch[i].name, (double)node->count[i]);
    return o;
}

static json_t *json_node_connections(const struct stats *s, const struct stats_node *node)
{
    json_t *o = json_object();
    json_put_number(o, "shared", node->v[NODE_connections_shared]);
    json_put_number(o, "bulk", node->v[NODE_connections_bulk]);
    json_put_number(o, "leased", node->v[NODE_connections_leased]);
    json_put_number(o, "limit", (double)s->config->max_connections_per_node * s->nworkers);
    return o;
}

static void json_put_identity(json_t *o, const struct stats *s, const struct stats_node *node)
{
    json_put_text(o, "id", node->id);
    json_put_text(o, "address", node->address);
    json_put_text(o, "hostname", node->hostname);
    json_put_text(o, "role", node->is_master ? "master" : "replica");
    json_put(o, "role_since", json_time(node->role_since));
    json_put(o, "master",
             node->master < s->nnodes ? json_text(s->nodes[node->master].id) : json_null());
    json_put_text(o, "state", stats_states[node->state]);
    json_put(o, "state_since", json_time(node->state_since));
    json_put_number(o, "epoch", (double)node->epoch);
    json_put_text(o, "version", node->version);
    json_put_text(o, "run_id", node->run_id);
}

static json_t *json_node(const struct stats *s, const struct stats_node *node)
{
    json_t *o = json_object();
    json_put_identity(o, s, node);
    for (unsigned i = 0; i < NODE_COUNT; i++)
        if (i < NODE_connections_shared ||
            (i > NODE_connections_leased && i != NODE_up && i != NODE_latency))
            json_put_number(o, figures_node[i].name, node->v[i]);
    json_put_number(o, "requests_rate", node->requests_rate);
    json_put(o, "latency", json_latency(&node->latency));
    json_put(o, "errors", json_node_errors(node));
    json_put_number(o, "errors_rate", node->errors_rate);
    for (unsigned i = WATCH_bytes_in; i < WATCH_COUNT; i++)
        json_put_number(o, figures_watch[i].name, (double)node->count[i]);
    json_put_number(o, "bytes_in_rate", node->bytes_in_rate);
    json_put_number(o, "bytes_out_rate", node->bytes_out_rate);
    json_put(o, "connections", json_node_connections(s, node));
    json_put_number(o, "connections_opened", (double)node->count[WATCH_opened]);
    json_put_number(o, "connections_failed", (double)node->count[WATCH_failed]);
    json_put(o, "replication_link",
             node->is_master || node->link_up < 0 ? json_null()
                                                  : json_text(node->link_up ? "up" : "down"));
    return o;
}

json_t *json_nodes(const struct stats *s)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < s->nnodes; i++)
        json_put(list, NULL, json_node(s, &s->nodes[i]));
    return list;
}
