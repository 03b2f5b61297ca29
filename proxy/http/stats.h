/* stats: everything that is known at one second: what collect.c fills in, what the rules of
 * verdict.c judge, and what JSON, CSV, Prometheus and the summary are written from. */
#ifndef SLOTWAY_HTTP_STATS_H
#define SLOTWAY_HTTP_STATS_H

#include "base/event.h"
#include "cluster/topology.h"
#include "config.h"
#include "flow/survey.h"
#include "http/figures.h"
#include "http/history.h"
#include "http/verdict.h"

#define STATS_UNKNOWN (-1.0) /* of a figure */
#define STATS_SLOW    64
#define STATS_BIG     32
#define STATS_CROSS   16
#define STATS_KEYS    20
#define STATS_CLIENTS 50

struct stats_latency {
    double p50, p99, p999; /* µs; STATS_UNKNOWN: there was none */
};

enum stats_state {
    STATS_UP,
    STATS_GOING_DOWN,
    STATS_DOWN,
    STATS_DRAIN,
    STATS_LOADING,
    STATS_BUSY,
    STATS_LAGGING,
    STATS_STATES
};
extern const char *const stats_states[STATS_STATES];

struct stats_node {
    char id[TOPOLOGY_ID_LEN + 1];
    char address[280];
    char host[256];
    char hostname[256];
    char version[24];
    char run_id[41];
    uint16_t index;  /* stable */
    uint16_t master; /* position in stats.nodes of a replica's master, TOPOLOGY_NO_NODE: none */
    bool is_master;
    enum stats_state state;
    double state_since, role_since; /* seconds since 1970; 0: as long as it is known */
    uint64_t epoch;
    int link_up;          /* replica: 1, 0, -1 unknown */
    double v[NODE_COUNT]; /* STATS_UNKNOWN where it is not known */
    uint64_t count[WATCH_COUNT];
    double requests_rate, errors_rate, bytes_in_rate, bytes_out_rate;
    struct stats_latency latency;
    struct histogram histogram; /* all replies */
    struct histogram families[COMMAND_STAT_FAMILIES];
};

struct stats_command {
    const char *name;
    uint64_t calls, errors;
    double calls_rate;
    struct stats_latency latency;
};

struct stats_key {
    char key[WATCH_TEXT];
    uint16_t slot;
    uint16_t node; /* stable index */
    double rate;   /* of requests, or of bytes */
    double share;
};

struct stats_sighting {
    struct watch_sighting seen;
    uint32_t count;
};

struct stats_worker {
    double v[WORKER_COUNT];
    double cpu_seconds; /* since the start */
    double stuck;       /* seconds since its loop was seen turning, 0: it does */
};

struct stats {
    double time; /* seconds since 1970 */
    uint64_t sequence;
    const struct config *config; /* the collector's reference */
    struct topology *topology;   /* likewise; NULL: none yet */
    double map_changed;          /* when the topology was published; 0: never */
    bool replicas_known;         /* the cluster has, or had, replicas */

    double now[NOW_COUNT];
    uint64_t counters[COUNTER_COUNT];
    uint64_t totals[TOTAL_COUNT];
    struct histogram inside, at_nodes;
    struct history history;
    bool minute_complete;

    struct stats_node *nodes; /* as in the topology, in its order; those that left behind them */
    uint32_t nnodes;
    struct stats_command *commands; /* those that were called, most calls first */
    uint32_t ncommands;
    struct stats_worker *workers;
    uint32_t nworkers;
    struct survey_client by_output[STATS_CLIENTS], by_rate[STATS_CLIENTS];
    uint32_t noutput, nrate;
    struct survey_slow slow[STATS_SLOW]; /* newest first, as the next two */
    uint32_t nslow;
    uint64_t slow_total;
    struct stats_sighting big[STATS_BIG];
    uint32_t nbig;
    uint64_t big_total;
    struct stats_sighting cross[STATS_CROSS];
    uint32_t ncross;
    struct stats_key by_count[STATS_KEYS], by_bytes[STATS_KEYS];
    uint32_t ncount, nbytes;
    uint64_t sampled;
    double load[WATCH_LOADS];      /* requests a second */
    bool moving[SLOT_COUNT];       /* slots that are being migrated */
    double slot_since[SLOT_COUNT]; /* since when it is without a living master; 0: it has one */
    uint64_t waiting_nowhere;      /* requests for slots that nobody owns */

    struct event events[EVENT_KEPT]; /* newest first */
    uint32_t nevents;
    struct verdict verdict;

    /* slotway itself */
    char id[41];
    double started; /* seconds since 1970 */
    bool draining;
    double cpu_seconds;
    uint64_t descriptors, descriptors_limit;
    uint32_t commands_known;
    uint32_t http_connections, http_streams;
    char token[40]; /* of actions; "": they are not allowed */
};

/* The node with this stable index, NULL: it is not there. */
const struct stats_node *stats_node_at(const struct stats *s, uint16_t index);
/* The nodes for outputs that know nodes by address: where several have the same (one that left, and
 * the one that took its place), the one that is there. out has room for s->nnodes. Returns how
 * many. */
uint32_t stats_by_address(const struct stats *s, const struct stats_node **out);
/* Is this slot without a living master? */
bool stats_slot_is_uncovered(const struct stats *s, uint32_t slot);
/* How many are. */
uint32_t stats_uncovered(const struct stats *s);
/* Quantiles of a histogram. */
struct stats_latency stats_latency_of(const struct histogram *h);
void stats_free(struct stats *s);

#endif
