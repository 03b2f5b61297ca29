/* endpoint: one address at which a node is, or may be: its connection, its health and what the node
 * there said last. Reconnects by itself as long as it is wanted. */
#ifndef SLOTWAY_CLUSTER_ENDPOINT_H
#define SLOTWAY_CLUSTER_ENDPOINT_H

#include "cluster/control.h"
#include "cluster/health.h"
#include "cluster/learning.h"
#include "cluster/registry.h"
#include "cluster/view.h"
#include "config.h"
#include <uthash.h>

#define ENDPOINT_SUSPECT 0.3 /* seconds without an answer until it is suspected */
#define ENDPOINT_SILENT  1.0 /* … until it counts as silent */
#define ENDPOINT_SAMPLES 16

struct endpoint;

/* What all endpoints share. */
struct endpoint_env {
    struct ev_loop *loop;
    struct resolver *resolver;
    struct registry *registry;
    const struct config *config;
    struct health *health; /* of all nodes, by index */
    _Atomic bool *moving;  /* slots that their owners are giving away; read by any thread */
    /* Something that the topology is made of changed here. */
    void (*on_change)(void *ctx);
    /* A node that was published as silent has answered. */
    void (*on_return)(void *ctx);
    /* The raw reply to endpoint_ask_commands. */
    void (*on_commands)(void *ctx, struct endpoint *e, const char *reply, size_t len);
    void *ctx;
    bool doubting; /* somebody has returned and is not trusted yet: each answer is looked at */
};

struct endpoint_sample {
    double at;
    int64_t offset;
};

struct endpoint {
    char key[CONFIG_HOST_LEN + 8]; /* "host port" */
    char host[CONFIG_HOST_LEN];
    uint16_t port;
    bool seed;
    bool wanted;         /* try to be connected */
    uint32_t generation; /* discovery's: when it was last needed */
    struct endpoint_env *env;

    /* where */
    struct resolver_query *query;
    struct resolver_address address[RESOLVER_MAX_ADDRESSES];
    size_t naddresses;
    size_t which; /* the address in use */

    /* connection and health */
    struct control *control;
    bool answered; /* anything at all on this connection */
    bool refused;  /* the last attempt failed */
    double retry_at;
    double unwell_since; /* first missing answer; 0: well */
    bool silent;         /* as endpoint_is_silent said at the last tick */
    bool held_silent;    /* in the last picture … */
    char silent_run[41]; /* … and what ran there when it fell silent */
    double returned_at; /* it answered after that: others are asked what became of it; 0: trusted */
    char trouble[128];  /* why it was refused, for the log */

    /* what the node said */
    bool asking; /* CLUSTER NODES is on its way */
    bool again;  /* ask once more when it has answered */
    struct view *view;
    double view_at;
    double asked_at;      /* when CLUSTER NODES was sent last */
    double view_asked_at; /* and when for this view */
    uint16_t node;        /* registry index of the node that is there; TOPOLOGY_NO_NODE: unknown */
    bool loading;
    bool busy;       /* it answers, but nothing else than that a script runs */
    bool info_known; /* INFO replication was understood on this connection */
    bool link_up;    /* replica: connected to its master, not in a full sync */
    int64_t offset;  /* replication offset */
    struct endpoint_sample samples[ENDPOINT_SAMPLES]; /* of offset, ring */
    uint32_t nsamples;
    char run_id[41];
    char version[24];
    char software[LEARNING_NAME_LEN]; /* version and modules: same text, same COMMAND */
    bool software_known;
    bool commands_asked; /* COMMAND was sent on this connection */
    uint32_t probes;
    double probed_at; /* when the last probe was sent */
    UT_hash_handle hh;
};

struct endpoint *endpoint_new(struct endpoint_env *env, const char *host, uint16_t port);
void endpoint_free(struct endpoint *e);
void endpoint_key(char key[CONFIG_HOST_LEN + 8], const char *host, uint16_t port);

/* Every tick: connect if it is time, notice silence, drop what is too old. fast: retry often. */
void endpoint_tick(struct endpoint *e, double now, bool fast);
/* Let go of the connection; endpoint_tick connects again if it is wanted. */
void endpoint_disconnect(struct endpoint *e);

/* Ask for CLUSTER NODES; while an answer is due, ask again after it. */
void endpoint_ask(struct endpoint *e);
/* Ask for INFO replication, the probe, unless an answer is due. */
void endpoint_probe(struct endpoint *e);

/* Ask for COMMAND, once on a connection. */
void endpoint_ask_commands(struct endpoint *e);

bool endpoint_is_up(const struct endpoint *e); /* connected and has answered */
bool endpoint_is_suspected(const struct endpoint *e);
bool endpoint_is_silent(const struct endpoint *e, double now);

/* Was this replica at its last report behind what its master had max_lag seconds before? */
bool endpoint_is_behind(const struct endpoint *replica, const struct endpoint *master,
                        double max_lag, double now);

#endif
