/* collector: what the files of collect*.c share. Nobody else includes it. */
#ifndef SLOTWAY_HTTP_COLLECTOR_H
#define SLOTWAY_HTTP_COLLECTOR_H

#include "http/collect.h"

/* Two snapshots of a histogram, five and ten seconds old at most: what came since the older one is
 * what latencies are made of. */
struct collector_window {
    struct histogram base[2];
};
#define COLLECTOR_ROTATE 5 /* s */

/* What is remembered of a node, by stable index. */
struct collector_node {
    char id[TOPOLOGY_ID_LEN + 1];
    bool known, seen;
    bool is_master;
    enum stats_state state;
    double state_since, role_since;
    struct topology_node facts; /* as the topology had it last */
    uint64_t requests_before, errors_before, in_before, out_before;
    struct collector_window window;
};

struct collector_command {
    uint64_t calls_before;
    struct histogram latency;
    uint64_t errors;
    struct collector_window window;
};

struct collector_worker {
    struct survey *survey;
    bool asked; /* it is with the worker */
    double cpu_before;
    uint64_t commands_before;
    struct histogram turns_before;
};

struct collector {
    struct process *process;
    struct stats stats;
    struct topology *newest; /* a reference; the next sample will be about it. NULL: none */
    struct collector_worker *workers;
    uint32_t due;  /* answers */
    double before; /* when the last sample was taken, CLOCK_MONOTONIC */
    double elapsed;
    uint64_t counters_before[COUNTER_COUNT];
    struct histogram inside_before, at_nodes_before;
    double cpu_before;
    uint64_t redirects_last; /* in the last second */
    struct collector_node *nodes[TOPOLOGY_MAX_NODES];
    struct collector_command *commands[COMMAND_STATS];
    bool rotate; /* this second the windows move on */
};

/* The nodes of a new topology: roles, states, slots without a master (collect_nodes.c). */
void collector_follow(struct collector *c, const struct topology *t, double now);
/* Fill stats.nodes, and the figures of commands over all nodes. */
void collector_take_nodes(struct collector *c);
void collector_free_nodes(struct collector *c);
/* Put the workers' lists together (collect_lists.c). */
void collector_take_lists(struct collector *c);

struct stats_latency collector_latency(struct collector *c, const struct histogram *now,
                                       struct collector_window *window);
double collector_rate(const struct collector *c, uint64_t now, uint64_t *before);

#endif
