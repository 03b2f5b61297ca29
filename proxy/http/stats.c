/* stats: everything that is known at one second: looking things up in it. */
#include "http/stats.h"
#include <stdlib.h>
#include <string.h>

const char *const stats_states[STATS_STATES] = {"up",      "going-down", "down",   "drain",
                                                "loading", "busy",       "lagging"};

const struct stats_node *stats_node_at(const struct stats *s, uint16_t index)
{
    for (uint32_t i = 0; i < s->nnodes; i++)
        if (s->nodes[i].index == index)
            return &s->nodes[i];
    return NULL;
}

/* Is b, at the same address, rather there than a? */
static bool stats_is_replaced(const struct stats_node *a, const struct stats_node *b)
{
    bool gone = a->state == STATS_DRAIN || a->state == STATS_DOWN;
    bool other_gone = b->state == STATS_DRAIN || b->state == STATS_DOWN;
    if (strcmp(a->address, b->address) != 0 || a == b)
        return false;
    return gone != other_gone ? gone : b < a;
}

uint32_t stats_by_address(const struct stats *s, const struct stats_node **out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->nnodes; i++) {
        bool replaced = false;
        for (uint32_t j = 0; j < s->nnodes && !replaced; j++)
            replaced = stats_is_replaced(&s->nodes[i], &s->nodes[j]);
        if (!replaced)
            out[n++] = &s->nodes[i];
    }
    return n;
}

bool stats_slot_is_uncovered(const struct stats *s, uint32_t slot)
{
    return topology_is_uncovered(s->topology, slot);
}

uint32_t stats_uncovered(const struct stats *s)
{
    return s->topology ? topology_uncovered(s->topology) : SLOT_COUNT;
}

struct stats_latency stats_latency_of(const struct histogram *h)
{
    struct stats_latency latency = {histogram_quantile(h, 0.5), histogram_quantile(h, 0.99),
                                    histogram_quantile(h, 0.999)};
    return latency;
}

void stats_free(struct stats *s)
{
    history_free(&s->history);
    verdict_free(&s->verdict);
    topology_unref(s->topology);
    config_unref(s->config);
    free(s->nodes);
    free(s->commands);
    free(s->workers);
}
