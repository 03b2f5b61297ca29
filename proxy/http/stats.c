/* stats: everything that is known at one second: looking things up in it. */
#include "http/stats.h"
#include <stdlib.h>

const char *const stats_states[STATS_STATES] = {"up",      "going-down", "down",   "drain",
                                                "loading", "busy",       "lagging"};

const struct stats_node *stats_node_at(const struct stats *s, uint16_t index)
{
    for (uint32_t i = 0; i < s->nnodes; i++)
        if (s->nodes[i].index == index)
            return &s->nodes[i];
    return NULL;
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
