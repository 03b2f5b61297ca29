/* worker: one thread with its loop and everything that it owns: clients, connections to nodes,
 * memory, counters. Threads meet only in mailboxes, the published topology and the counters.
 *
 *   turn of the loop:  poll -> read sockets, route, pair replies -> pump clients -> flush -> bury
 */
#ifndef SLOTWAY_FLOW_WORKER_H
#define SLOTWAY_FLOW_WORKER_H

#include "base/chunk.h"
#include "base/counters.h"
#include "base/mailbox.h"
#include "cluster/topology.h"
#include "config.h"
#include "flow/stream.h"
#include "resp/command.h"
#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>

#define NODE_NONE 0xffff /* "no node" where a node's stable index is meant */

struct client;
struct exec;
struct request;
struct pool;
struct discovery;
struct slowlog;
struct watch;
struct monitor;
struct tracking_table;
struct functions;
struct process;
struct fanout_given;
struct pubsub;

/* Replicas of each slot's master, by stable node index: a list that ends with NODE_NONE. */
#define WORKER_MAX_REPLICAS 8
struct worker_shard {
    uint16_t master; /* stable index */
    uint16_t replicas[WORKER_MAX_REPLICAS];
    uint16_t nreplicas;
    uint16_t first_slot; /* lowest slot that it owns; stands for the shard in requests to all */
};

struct worker {
    /* read and written with every request */
    uint64_t now;    /* µs, CLOCK_MONOTONIC, read once a turn */
    int64_t seconds; /* the same in whole seconds */
    bool careful; /* CLIENT PAUSE, MONITOR or a migrating slot: each request is looked at before it
                     is issued */
    uint32_t max_pipeline; /* config->max_pipeline */
    uint64_t window;       /* config->client_output_window */
    struct ev_loop *loop;
    const struct command_table *commands;
    const struct config *config;
    uint64_t last_name; /* dispatch: name of the last command as it was written … */
    uint32_t last_name_len;
    const struct command *last_command; /* … and what command_lookup found for it */
    struct stream *dirty; /* to be flushed at the end of the turn: nodes first, so that they work
                             while clients are written to */
    struct stream **dirty_end;
    struct stream *held, *held_tail;       /* nodes' streams of turns before, to be flushed first */
    uint32_t held_turns;                   /* how many these were */
    uint64_t held_commands;                /* commands up to the last turn */
    struct stream *patient, *patient_tail; /* to be flushed later, by when they began to wait */
    struct client *pumpable;  /* clients that may go on with requests they have sent already */
    struct chunk *read_chunk; /* shared by all reads: an idle connection holds no buffer */
    struct resp_args args;
    struct command_keys keys; /* of the request being dispatched */
    uint16_t *key_slots;      /* and their slots */
    uint32_t key_slots_cap;
    struct resp_limits limits, limits_before_auth;
    uint32_t sample_in;   /* requests until the next one that is a sample; 0: none is taken */
    uint32_t slow_budget; /* entries that the slow log still takes before the next slow_timer */
    uint64_t slow_after;  /* µs: requests that take at least so long go to the slow log */
    struct chunk_pool chunks;
    struct slab requests;
    struct slab clients_slab;
    struct counters counters;

    /* where slots are: stable node index by slot; a MOVED corrects it before the next topology */
    uint16_t slot_node[SLOT_COUNT];
    struct pool *pools[TOPOLOGY_MAX_NODES];
    /* Slots that are being migrated: until when (in `seconds`) a client's requests to them go one
     * at a time, because of two in flight the first may be refused and the second served. */
    uint32_t unsettled[SLOT_COUNT];
    int64_t unsettled_until;     /* of all slots; 0: none */
    struct topology *topology;   /* one reference; NULL until the first one came */
    struct worker_shard *shards; /* in the order of their first slots */
    uint32_t nshards;
    uint16_t node_shard[TOPOLOGY_MAX_NODES]; /* master's stable index -> position in shards */

    struct request *parked, *parked_tail; /* linked by backend_next, in the order of parking */
    uint32_t nparked;
    size_t parked_bytes;
    uint64_t drive_turn; /* counts passes over the parked list */
    bool drive_wanted;   /* something changed that parked requests may have waited for */

    struct exec *assembling; /* EXECs that wait for slotway's own commands among theirs */

    struct bells *bells; /* bell.h; NULL: none yet */
    bool bells_wanted;   /* one of them has something to do */

    struct client *clients; /* all of this worker's */
    struct client *closing; /* closed ones, freed at the end of the turn */
    struct backend *dead;   /* closed backends, freed at the end of the turn */
    struct pubsub *pubsub;  /* subscriptions of its clients */
    bool pubsub_wanted;     /* pubsub_turn is to be called at the end of the turn */
    bool draining;
    bool emptying;        /* an operator wants it empty: idle clients are closed */
    bool drained;         /* on_worker_drained was posted */
    uint64_t drain_until; /* µs */
    uint64_t caught_up; /* µs: it stood still, and looks at timeouts from then on; 0: it did not */

    struct mailbox mailbox;
    ev_prepare end_of_turn;
    ev_check start_of_turn;
    ev_timer drive_timer;    /* parked requests */
    ev_timer slow_timer;     /* timeouts, housekeeping */
    ev_timer pause_timer;    /* CLIENT PAUSE */
    ev_timer busy_timer;     /* scripts are under way */
    ev_timer patience_timer; /* streams expect more */
    bool some_busy;          /* a master is, as the topology says */
    ev_idle more_to_do;      /* active: the next turn does not wait */
    bool stopping;

    const struct exec *exec;          /* whose own command is being run, or NULL … */
    const struct fanout_given *given; /* … and what the node has answered to that, or NULL */
    struct slowlog *slowlog;
    struct watch *watch; /* figures beside the counters */
    struct monitor *monitor;
    struct tracking_table *tracking;
    struct functions *functions; /* function.h; NULL: none asked for yet */
    uint32_t slot_stamp;   /* fan-out: marks the entries of slot_child that are of this request */
    uint32_t *slot_stamps; /* by slot */
    uint32_t *slot_child;  /* by slot */
    uint32_t id;
    pthread_t thread;
    struct process *process;
    _Atomic uint64_t heartbeat; /* µs: the thread was seen turning its loop */
    _Atomic uint32_t load;      /* clients handed to it by the main thread and not yet closed */
};

/* What all threads share. */
struct process {
    struct worker **workers;
    uint32_t nworkers;
    struct discovery *discovery;
    struct mailbox mailbox; /* of the main thread */
    struct config *config;  /* main thread only: newest snapshot */
    char id[41];            /* this process as a node id and run_id */
    int64_t started;        /* seconds, CLOCK_REALTIME */
    int64_t started_mono;   /* µs */
    _Atomic uint64_t next_client_id;
    _Atomic uint64_t pause_until; /* µs, CLOCK_MONOTONIC; CLIENT PAUSE */
    _Atomic bool pause_all;       /* all commands, not only writes */
    _Atomic uint32_t monitors;    /* clients that watch by MONITOR */
    _Atomic uint32_t trackers;    /* clients in CLIENT TRACKING */
    _Atomic uint64_t rejected;    /* clients refused because of maxclients or protected mode */
    _Atomic uint64_t accepted_before,
        rejected_before;     /* of what INFO counts, at CONFIG RESETSTAT */
    uint32_t max_sockets;    /* clients and leases that the limit on open files allows */
    _Atomic uint32_t leases; /* connections to nodes that are not shared: lease.h */
    _Atomic uint32_t leases_to[TOPOLOGY_MAX_NODES]; /* of these, by stable node index */
    mailbox_fn on_worker_drained; /* posted to the mailbox by a worker without clients, once */
    mailbox_fn on_worker_end;     /* posted to the mailbox by a worker whose loop has ended */
    mailbox_fn
        on_drain; /* to be posted to the mailbox: arg NULL: take clients again; else take none */
    void (*on_config)(struct process *process); /* process->config is new; main thread */
    _Atomic bool draining; /* takes no more clients: stops, or an operator wants it so */
};

struct worker *worker_new(struct process *process, uint32_t id, const struct config *config,
                          const struct command_table *commands);
void worker_start(struct worker *w);
/* From the main thread. Finish requests; what is left after `seconds` is closed. Posts
 * process->on_worker_drained when no client is left; the loop goes on, because other workers may
 * still want answers from it. */
void worker_drain(struct worker *w, double seconds);
/* From the main thread: close clients as they become idle, or (false) do not any more. */
void worker_empty(struct worker *w, bool on);
/* From the main thread: end the loop. Posts process->on_worker_end. */
void worker_stop(struct worker *w);
/* After worker_stop. First wait for every worker's thread, then run their mailboxes until all are
 * empty, then free them: they post to each other. */
void worker_wait(struct worker *w);
void worker_free(struct worker *w);

/* From the main thread: hand over. */
void worker_give_client(struct worker *w, int fd, bool unix_socket);
void worker_give_topology(struct worker *w, struct topology *t); /* takes its own reference */
void worker_give_commands(struct worker *w, const struct command_table *commands);
void worker_give_config(struct worker *w, const struct config *config);

/* Any thread: run fn(worker, arg) in the worker's thread. */
static inline void worker_post(struct worker *w, mailbox_fn fn, void *arg)
{
    mailbox_post(&w->mailbox, fn, arg);
}

/* The buffer for the next read, with no other owner. */
static inline struct chunk *worker_read_chunk(struct worker *w)
{
    if (w->read_chunk->refs == 1)
        return w->read_chunk;
    chunk_unref(&w->chunks, w->read_chunk);
    return w->read_chunk = chunk_alloc(&w->chunks, CHUNK_READ);
}

/* A client is held back by CLIENT PAUSE: look again until the pause is over. */
void worker_watch_pause(struct worker *w);

/* Ask discovery to look again. */
void worker_hint(struct worker *w);

/* The shard that owns a slot, or NULL. */
const struct worker_shard *worker_shard_of(const struct worker *w, uint16_t slot);

#endif
