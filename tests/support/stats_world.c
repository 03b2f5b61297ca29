/* stats_world: figures of a made-up cluster, for tests of what is made from them. */
#include "support/stats_world.h"
#include "base/memory.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void world_node(struct stats *s, unsigned i, unsigned masters)
{
    struct topology_node *facts = &s->topology->nodes[i];
    struct stats_node *node = &s->nodes[i];
    unsigned shard = i % masters, host = i < masters ? shard : (shard + 1) % masters;
    snprintf(facts->id, sizeof facts->id, "%040x", i + 1);
    snprintf(facts->host, sizeof facts->host, "10.0.%u.%u", host / 250, host % 250 + 1);
    facts->index = (uint16_t)i;
    facts->port = i < masters ? 6379 : 6380;
    facts->flags = i < masters ? TOPOLOGY_MASTER : TOPOLOGY_REPLICA;
    facts->master = i < masters ? TOPOLOGY_NO_NODE : (uint16_t)shard;
    memcpy(node->id, facts->id, sizeof node->id);
    node->index = (uint16_t)i;
    node->master = facts->master;
    node->is_master = i < masters;
    node->link_up = i < masters ? -1 : 1;
    snprintf(node->version, sizeof node->version, "7.0.15");
    for (unsigned j = 0; j < NODE_COUNT; j++)
        node->v[j] = 0;
    node->v[NODE_memory_limit_bytes] = STATS_UNKNOWN;
    node->v[NODE_up] = 1;
    node->latency = (struct stats_latency){STATS_UNKNOWN, STATS_UNKNOWN, STATS_UNKNOWN};
    world_set_host(s, i, facts->host);
}

struct stats *world_new(unsigned masters, const char *config)
{
    struct config_error error;
    struct stats *s = memory_zalloc(sizeof *s);
    uint16_t n = (uint16_t)(2 * masters);
    s->time = s->started = 1000000;
    s->config = config_parse(config, strlen(config), "test", &error);
    ck_assert_msg(s->config != NULL, "%s", error.text);
    s->topology = topology_new(n);
    s->nodes = memory_zalloc(n * sizeof *s->nodes);
    s->nnodes = n;
    s->replicas_known = true;
    s->commands = memory_zalloc(COMMAND_STATS * sizeof *s->commands);
    s->workers = memory_zalloc(2 * sizeof *s->workers);
    s->nworkers = 2;
    history_init(&s->history);
    verdict_init(&s->verdict, s->time);
    for (unsigned i = 0; i < n; i++)
        world_node(s, i, masters);
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        s->topology->owner[slot] = (uint16_t)(slot * masters / SLOT_COUNT);
        s->nodes[s->topology->owner[slot]].v[NODE_slots]++;
    }
    return s;
}

void world_free(struct stats *s)
{
    stats_free(s);
    free(s);
}

void world_tick(struct stats *s)
{
    s->time += 1;
    s->sequence++;
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        bool uncovered = stats_slot_is_uncovered(s, slot);
        s->slot_since[slot] = !uncovered ? 0 : s->slot_since[slot] ? s->slot_since[slot] : s->time;
    }
    s->minute_complete = history_add(&s->history, s->time, s->now);
    verdict_find(s);
}

void world_set_flags(struct stats *s, unsigned node, uint32_t flags)
{
    uint32_t role = s->topology->nodes[node].flags & (TOPOLOGY_MASTER | TOPOLOGY_REPLICA);
    s->topology->nodes[node].flags = role | flags;
    s->nodes[node].state = flags & (TOPOLOGY_FAIL | TOPOLOGY_SILENT) ? STATS_DOWN
                           : flags & TOPOLOGY_PFAIL                  ? STATS_GOING_DOWN
                                                                     : STATS_UP;
    s->nodes[node].v[NODE_up] = s->nodes[node].state != STATS_DOWN;
}

void world_set_host(struct stats *s, unsigned node, const char *host)
{
    snprintf(s->nodes[node].host, sizeof s->nodes[node].host, "%s", host);
    snprintf(s->nodes[node].address, sizeof s->nodes[node].address, "%.250s:%u", host,
             s->topology->nodes[node].port);
}

const struct finding *world_finding(const struct stats *s, const char *rule)
{
    for (uint32_t i = 0; i < s->verdict.n; i++)
        if (strcmp(s->verdict.findings[i].rule, rule) == 0)
            return &s->verdict.findings[i];
    return NULL;
}
