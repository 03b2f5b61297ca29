/* watch: what a worker keeps for the statistics page beyond its counters: how long nodes take for
 * which command, which keys are hot, large values, refusals worth showing.
 *
 * Written by the worker; figures are read by the statistics thread as counters are, everything else
 * goes there by survey.c. On the path of a request are one addition to a histogram and one
 * decrement. */
#ifndef SLOTWAY_FLOW_WATCH_H
#define SLOTWAY_FLOW_WATCH_H

#include "base/compiler.h"
#include "base/histogram.h"
#include "base/net.h"
#include "base/sketch.h"
#include "cluster/topology.h"
#include "flow/backend.h"
#include "flow/worker.h"
#include "resp/command.h"

enum watch_counter {
#define X(name, unit, help) WATCH_##name,
#include "flow/watch.def"
#undef X
    WATCH_COUNT
};

/* One command at one node. */
struct watch_command {
    struct histogram latency; /* µs at the node */
    uint64_t errors;          /* error replies */
};

/* One node, by stable index; kept until the process ends. */
struct watch_node {
    char id[TOPOLOGY_ID_LEN + 1];
    uint64_t v[WATCH_COUNT];
    uint64_t closed_in, closed_out; /* bytes of connections that are closed */
    _Atomic(struct watch_command *) commands[COMMAND_STATS];
};

/* Something that was seen and is worth showing: a large value, a refusal. */
#define WATCH_TEXT 128
struct watch_sighting {
    uint64_t number; /* 1, 2, 3 … of this worker */
    int64_t at;      /* seconds since 1970 */
    enum { WATCH_BIG_REQUEST, WATCH_BIG_REPLY, WATCH_CROSS_SLOT } what;
    uint16_t node; /* stable index, NODE_NONE: none */
    uint64_t bytes;
    char client[NET_ADDRESS_LEN];
    char name[WATCH_TEXT / 2];
    char command[WATCH_TEXT]; /* the request, cut; printable */
    char key[WATCH_TEXT];     /* its first key */
};

#define WATCH_SIGHTINGS 32
/* Replies from this size on are large values (requests: REQUEST_BULK_MIN). */
#define WATCH_BIG_REPLY_MIN (128 * 1024)
#define WATCH_LOADS         256  /* parts of the range of slots */
#define WATCH_TURNS         1024 /* a power of two */
#define WATCH_PASSED        64

struct watch {
    _Atomic(struct watch_node *) nodes[TOPOLOGY_MAX_NODES];
    uint64_t calls[COMMAND_STATS]; /* of clients */
    struct watch_command own;      /* requests that are no client's: not shown */
    struct histogram inside;       /* µs in slotway: on the way to the node and on the way back */
    struct histogram turns;        /* µs that a turn of the loop took */

    /* how long turns took that began at this time, by its last bits: what was sent in one was sent
     * at its end */
    struct {
        uint32_t start, took;
    } recent[WATCH_TURNS];
    uint64_t answered_sent;   /* the last reply's request was sent in this turn … */
    unsigned answered_bucket; /* … and took so long: mostly the next one's did too … */
    uint32_t answered_inside; /* … after so long in slotway */
    uint32_t answered;        /* … and so many in a row are alike */
    /* those of this turn before them; the turn's end is the end of their time in slotway */
    struct {
        uint64_t inside; /* µs until they were sent */
        uint64_t times;
    } passed[WATCH_PASSED];
    uint32_t npassed;

    uint32_t sample_every; /* each so manyth request is a sample, about */
    uint32_t taken;        /* samples since the last watch_fade */
    uint32_t seed;
    uint64_t sampled;          /* samples so far */
    uint64_t forwarded_before; /* COUNTER_requests_forwarded at the last watch_fade */
    uint64_t surveyed;         /* µs: when survey.c looked last; 0: never */
    struct resp_args args;     /* of the sample that is looked at, and its keys */
    struct command_keys keys;
    float load[WATCH_LOADS];
    struct sketch by_rate, by_bytes;

    struct watch_sighting sightings[WATCH_SIGHTINGS]; /* ring */
    uint64_t nsightings;
};

struct watch *watch_new(void);
void watch_free(struct watch *watch);

/* The figures of a node; a new node at an index of old starts from zero. */
struct watch_node *watch_node(struct watch *watch, uint16_t index, const char *id);

/* Only the worker writes. */
static inline void watch_add(struct watch_node *node, enum watch_counter which, uint64_t n)
{
    uint64_t *v = &node->v[which];
    __atomic_store_n(v, __atomic_load_n(v, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline void watch_call(struct watch *watch, const struct command *cmd)
{
    uint64_t *v = &watch->calls[cmd->stat];
    __atomic_store_n(v, __atomic_load_n(v, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

/* When the turn began in which the request was written to the node. */
static inline uint64_t watch_sent(const struct request *r)
{
    return r->held_since ? r->retry_at : r->started;
}

/* A request that waited is sent now. */
static inline void watch_resend(const struct worker *w, struct request *r)
{
    r->retry_at = w->now;
}

/* How long that turn took, µs. */
static inline uint32_t watch_turn(const struct watch *watch, uint64_t sent)
{
    unsigned at = (unsigned)sent % WATCH_TURNS;
    return watch->recent[at].start == (uint32_t)sent ? watch->recent[at].took : 0;
}

/* µs since the end of that turn. */
static inline uint64_t watch_node_time(const struct worker *w, uint64_t sent)
{
    uint64_t time = w->now > sent ? w->now - sent : 0;
    uint32_t took = watch_turn(w->watch, sent);
    return time > took ? time - took : 0;
}

/* Set b->watched to the figures of cmd (NULL: slotway's own) at b's node. */
OUTLINED void watch_command_of(struct backend *b, const struct command *cmd);
/* An error reply to that command. */
void watch_on_error(struct backend *b);

/* From now on replies are to requests that were sent in this turn. */
void watch_answer_of(struct worker *w, uint64_t sent);
/* The reply just counted was to a request that had waited. */
void watch_waited(struct worker *w, const struct request *r);

/* The reply of r has come from the node; error: it is one. */
static inline void watch_reply(struct backend *b, const struct request *r, bool error)
{
    const struct command *cmd = r->cmd;
    struct watch *watch = b->worker->watch;
    uint64_t sent = watch_sent(r);
    if (cmd != b->watched_command)
        watch_command_of(b, cmd);
    if (sent != watch->answered_sent)
        watch_answer_of(b->worker, sent);
    watch->answered++;
    histogram_add_at(&b->watched->latency, watch->answered_bucket, 1);
    if (UNLIKELY(r->held_since != 0))
        watch_waited(b->worker, r);
    if (error)
        watch_on_error(b);
}

/* The turn is over, now in µs: replies that came in it are written. */
void watch_end_turn(struct worker *w, uint64_t now);

/* Make r a sample, and say when the next one is due. */
OUTLINED void watch_take_sample(struct worker *w, struct request *r);
static inline void watch_sample(struct worker *w, struct request *r)
{
    if (--w->sample_in == 0)
        watch_take_sample(w, r);
}
/* The reply of a sample, of len bytes; its request is at the head of b's output. */
void watch_on_sample(struct backend *b, const struct request *r, size_t len);
/* Once a second: old samples fade, and how many are taken follows how many requests there are. */
#define WATCH_FADE 0.9f
void watch_fade(struct worker *w);

/* A large request or reply, a refusal; request: its bytes. */
OUTLINED void watch_note(struct worker *w, struct client *c, int what, uint16_t node,
                         uint64_t bytes, const char *request, size_t len,
                         const struct command *cmd);
/* The reply of r, of so many bytes, was a large one. */
void watch_big_reply(struct backend *b, const struct request *r, uint64_t bytes);

/* Printable, cut to fit: other bytes are \xHH. */
void watch_print(const char *data, size_t len, char *out, size_t cap);

#endif
