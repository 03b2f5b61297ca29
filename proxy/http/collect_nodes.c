/* collect_nodes: what the topology, discovery and the workers know of each node, in one place, and
 * since when it is so. */
#include "base/memory.h"
#include "cluster/discovery.h"
#include "cluster/health.h"
#include "http/collector.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- following the topology --- */

/* In which state a node with these flags is: the worst first. */
static const struct {
    uint32_t flags;
    enum stats_state state;
} collector_states[] = {
    {TOPOLOGY_FAIL | TOPOLOGY_SILENT, STATS_DOWN},
    {TOPOLOGY_PFAIL, STATS_GOING_DOWN},
    {TOPOLOGY_LOADING, STATS_LOADING},
    {TOPOLOGY_BUSY, STATS_BUSY},
    {TOPOLOGY_LAGGING, STATS_LAGGING},
};

static enum stats_state collector_state(uint32_t flags)
{
    for (size_t i = 0; i < sizeof collector_states / sizeof collector_states[0]; i++)
        if (flags & collector_states[i].flags)
            return collector_states[i].state;
    return STATS_UP;
}

static void collector_set_state(struct collector_node *n, enum stats_state state, double now)
{
    if (n->known && n->state != state)
        n->state_since = now;
    n->state = state;
}

static void collector_follow_node(struct collector *c, const struct topology_node *node, double now)
{
    struct collector_node *n = c->nodes[node->index];
    bool is_master = node->flags & TOPOLOGY_MASTER;
    if (!n)
        n = c->nodes[node->index] = memory_zalloc(sizeof *n);
    if (strcmp(n->id, node->id) != 0) {
        memset(n, 0, sizeof *n);
        snprintf(n->id, sizeof n->id, "%s", node->id);
    }
    if (n->known && n->is_master != is_master)
        n->role_since = now;
    n->is_master = is_master;
    collector_set_state(n, collector_state(node->flags), now);
    n->facts = *node;
    n->known = n->seen = true;
}

void collector_follow(struct collector *c, const struct topology *t, double now)
{
    struct stats *s = &c->stats;
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++)
        if (c->nodes[i])
            c->nodes[i]->seen = false;
    for (uint16_t i = 0; i < t->nnodes; i++) {
        collector_follow_node(c, &t->nodes[i], now);
        s->replicas_known = s->replicas_known || !(t->nodes[i].flags & TOPOLOGY_MASTER);
    }
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++)
        if (c->nodes[i] && !c->nodes[i]->seen)
            collector_set_state(c->nodes[i], STATS_DRAIN, now);
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        bool uncovered = topology_is_uncovered(t, slot);
        if (!uncovered)
            s->slot_since[slot] = 0;
        else if (s->slot_since[slot] == 0)
            s->slot_since[slot] = now;
    }
}

void collector_free_nodes(struct collector *c)
{
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++)
        free(c->nodes[i]);
    for (unsigned i = 0; i < COMMAND_STATS; i++)
        free(c->commands[i]);
}

/* --- figures of workers --- */

static void collector_add_command(struct collector *c, unsigned stat,
                                  const struct watch_command *command, struct stats_node *out)
{
    if (!c->commands[stat])
        c->commands[stat] = memory_zalloc(sizeof *c->commands[stat]);
    histogram_sum(&c->commands[stat]->latency, &command->latency);
    c->commands[stat]->errors += __atomic_load_n(&command->errors, __ATOMIC_RELAXED);
    if (out)
        histogram_sum(&out->families[command_stat_family(stat)], &command->latency);
    histogram_sum(out ? &out->histogram : &c->stats.at_nodes, &command->latency);
}

/* What all workers have counted at one node. out: NULL for one that is not shown any more. */
static void collector_sum_node(struct collector *c, unsigned index, struct stats_node *out)
{
    for (uint32_t i = 0; i < c->stats.nworkers; i++) {
        const struct watch_node *node = atomic_load_explicit(
            &c->process->workers[i]->watch->nodes[index], memory_order_acquire);
        for (unsigned j = 0; node && out && j < WATCH_COUNT; j++)
            out->count[j] += __atomic_load_n(&node->v[j], __ATOMIC_RELAXED);
        for (unsigned j = 0; node && command_stat_name(j); j++) {
            const struct watch_command *command = atomic_load_explicit(&node->commands[j],
                                                                       memory_order_acquire);
            if (command)
                collector_add_command(c, j, command, out);
        }
    }
    if (out)
        histogram_sum(&c->stats.at_nodes, &out->histogram);
}

static void collector_add_survey(const struct survey_node *from, struct stats_node *out)
{
    double oldest = (double)from->waiting_oldest / 1e3;
    out->v[NODE_in_flight] += from->in_flight;
    out->v[NODE_waiting] += from->waiting;
    out->v[NODE_connections_shared] += from->shared;
    out->v[NODE_connections_bulk] += from->bulk;
    out->v[NODE_connections_leased] += from->leased;
    if (oldest > out->v[NODE_waiting_oldest_ms])
        out->v[NODE_waiting_oldest_ms] = oldest;
}

static void collector_add_surveys(struct collector *c, struct stats_node **by_index)
{
    for (uint32_t i = 0; i < c->stats.nworkers; i++) {
        const struct survey *survey = c->workers[i].survey;
        for (uint32_t j = 0; !c->workers[i].asked && j < survey->nnodes; j++)
            if (by_index[survey->nodes[j].index])
                collector_add_survey(&survey->nodes[j], by_index[survey->nodes[j].index]);
    }
}

/* --- one node --- */

static double collector_known(const _Atomic int64_t *figure, double scale)
{
    int64_t value = health_get(figure);
    return value == HEALTH_UNKNOWN ? STATS_UNKNOWN : (double)value * scale;
}

static void collector_take_health(const struct collector *c, const struct collector_node *n,
                                  struct stats_node *out)
{
    const struct topology *t = c->stats.topology;
    if (!c->process->discovery)
        return;
    const struct health *health = discovery_health(c->process->discovery, n->facts.index);
    out->v[NODE_probe_ms] = collector_known(&health->probe_us, 1e-3);
    out->v[NODE_memory_used_bytes] = collector_known(&health->memory_used, 1);
    if (health_get(&health->memory_limit) > 0)
        out->v[NODE_memory_limit_bytes] = collector_known(&health->memory_limit, 1);
    out->v[NODE_keys] = collector_known(&health->keys, 1);
    if (out->is_master || n->facts.master == TOPOLOGY_NO_NODE || n->facts.master >= t->nnodes)
        return;
    const struct health *master = discovery_health(c->process->discovery,
                                                   t->nodes[n->facts.master].index);
    out->link_up = (int)health_get(&health->link_up);
    int64_t ahead = health_get(&master->offset), behind = health_get(&health->offset);
    if (ahead != HEALTH_UNKNOWN && behind != HEALTH_UNKNOWN)
        out->v[NODE_replication_lag_bytes] = ahead > behind ? (double)(ahead - behind) : 0;
}

static void collector_describe(const struct collector_node *n, struct stats_node *out)
{
    const struct topology_node *facts = &n->facts;
    memcpy(out->id, n->id, sizeof out->id);
    snprintf(out->address, sizeof out->address, strchr(facts->host, ':') ? "[%s]:%u" : "%s:%u",
             facts->host, facts->port);
    memcpy(out->host, facts->host, sizeof out->host);
    memcpy(out->hostname, facts->hostname, sizeof out->hostname);
    memcpy(out->version, facts->version, sizeof out->version);
    memcpy(out->run_id, facts->run_id, sizeof out->run_id);
    out->index = facts->index;
    out->master = n->seen && !n->is_master ? facts->master : TOPOLOGY_NO_NODE;
    out->is_master = n->is_master;
    out->state = n->state;
    out->state_since = n->state_since;
    out->role_since = n->role_since;
    out->epoch = facts->epoch;
    out->link_up = -1;
    for (unsigned i = 0; i < NODE_COUNT; i++)
        out->v[i] = i <= NODE_connections_leased ? 0 : STATS_UNKNOWN;
    out->v[NODE_slots] = n->seen ? facts->slots : 0;
    out->v[NODE_up] = n->state != STATS_DOWN && n->state != STATS_DRAIN;
}

static void collector_take_rates(struct collector *c, struct collector_node *n,
                                 struct stats_node *out)
{
    uint64_t requests = histogram_count(&out->histogram);
    uint64_t errors = out->count[WATCH_redirects] + out->count[WATCH_refused] +
                      out->count[WATCH_lost] + out->count[WATCH_replied];
    out->v[NODE_requests] = (double)requests;
    out->requests_rate = collector_rate(c, requests, &n->requests_before);
    out->errors_rate = collector_rate(c, errors, &n->errors_before);
    out->bytes_in_rate = collector_rate(c, out->count[WATCH_bytes_in], &n->in_before);
    out->bytes_out_rate = collector_rate(c, out->count[WATCH_bytes_out], &n->out_before);
    out->latency = collector_latency(c, &out->histogram, &n->window);
}

/* --- all of them --- */

static void collector_take_node(struct collector *c, unsigned index, struct stats_node **by_index)
{
    struct collector_node *n = c->nodes[index];
    struct stats_node *out = &c->stats.nodes[c->stats.nnodes++];
    memset(out, 0, sizeof *out);
    collector_describe(n, out);
    collector_take_health(c, n, out);
    collector_sum_node(c, index, out);
    collector_take_rates(c, n, out);
    by_index[index] = out;
}

static void collector_forget_commands(struct collector *c)
{
    memset(&c->stats.at_nodes, 0, sizeof c->stats.at_nodes);
    for (unsigned i = 0; i < COMMAND_STATS; i++) {
        if (!c->commands[i])
            continue;
        memset(&c->commands[i]->latency, 0, sizeof c->commands[i]->latency);
        c->commands[i]->errors = 0;
    }
}

static int collector_compare_commands(const void *a, const void *b)
{
    const struct stats_command *x = a, *y = b;
    return (x->calls < y->calls) - (x->calls > y->calls);
}

static void collector_take_commands(struct collector *c)
{
    struct stats *s = &c->stats;
    s->ncommands = 0;
    for (unsigned i = 0; command_stat_name(i); i++) {
        uint64_t calls = 0;
        for (uint32_t j = 0; j < s->nworkers; j++)
            calls += __atomic_load_n(&c->process->workers[j]->watch->calls[i], __ATOMIC_RELAXED);
        if (calls == 0 && !c->commands[i])
            continue;
        if (!c->commands[i])
            c->commands[i] = memory_zalloc(sizeof *c->commands[i]);
        struct stats_command *out = &s->commands[s->ncommands++];
        out->name = command_stat_name(i);
        out->calls = calls;
        out->errors = c->commands[i]->errors;
        out->calls_rate = collector_rate(c, calls, &c->commands[i]->calls_before);
        out->latency = collector_latency(c, &c->commands[i]->latency, &c->commands[i]->window);
    }
    qsort(s->commands, s->ncommands, sizeof *s->commands, collector_compare_commands);
}

/* Has a node that left the cluster connections yet? */
static bool collector_is_draining(const struct collector *c, unsigned index)
{
    for (uint32_t i = 0; i < c->stats.nworkers; i++) {
        const struct survey *survey = c->workers[i].survey;
        for (uint32_t j = 0; !c->workers[i].asked && j < survey->nnodes; j++)
            if (survey->nodes[j].index == index)
                return true;
    }
    return false;
}

void collector_take_nodes(struct collector *c)
{
    struct stats *s = &c->stats;
    struct stats_node *by_index[TOPOLOGY_MAX_NODES] = {NULL};
    const struct topology *t = s->topology;
    uint32_t room = 0;
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++)
        room += c->nodes[i] != NULL;
    s->nodes = memory_realloc(s->nodes, (room + 1) * sizeof *s->nodes);
    s->nnodes = 0;
    collector_forget_commands(c);
    for (uint16_t i = 0; t && i < t->nnodes; i++) /* in the topology's order: positions agree */
        collector_take_node(c, t->nodes[i].index, by_index);
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++) {
        if (!c->nodes[i] || by_index[i])
            continue;
        if (collector_is_draining(c, i))
            collector_take_node(c, i, by_index);
        else
            collector_sum_node(c, i, NULL);
    }
    collector_add_surveys(c, by_index);
    collector_take_commands(c);
}
