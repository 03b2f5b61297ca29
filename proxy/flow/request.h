/* request: one command on its way from a client to a node and its reply on the way back.
 *
 * It sits on at most two lists, and which ones is its state:
 *   client's FIFO (client_next)    in the order in which replies are due
 *   backend's FIFO (backend_next)  awaiting its reply; or the worker's list of parked requests
 * A request whose client is gone stays on its backend's FIFO as a placeholder that swallows the
 * reply. One that is on neither list is freed.
 *
 * The bytes of a request in flight stand in its backend's output queue, which retains them; those
 * of a parked one in `data`. */
#ifndef SLOTWAY_FLOW_REQUEST_H
#define SLOTWAY_FLOW_REQUEST_H

#include "base/chunk.h"
#include "resp/command.h"
#include <stdint.h>

struct client;
struct backend;
struct exec;
struct fanout;
struct worker;

#define REQUEST_DONE        (1u << 0) /* its reply is complete */
#define REQUEST_COMMITTED   (1u << 1) /* part of its reply went to the client: no way back */
#define REQUEST_NOREPLY     (1u << 2) /* CLIENT REPLY OFF or SKIP: swallow the reply */
#define REQUEST_READONLY    (1u << 3) /* may be sent twice */
#define REQUEST_MASTER_ONLY (1u << 4) /* a replica could not serve it: ask the master */
#define REQUEST_REPLICA     (1u << 5) /* a replica may serve it */
#define REQUEST_INTERNAL    (1u << 6) /* handshake of a backend: no client, no retry */
#define REQUEST_SCRIPT      (1u << 7) /* runs a script or a function: busy.h */
#define REQUEST_PARKED      (1u << 8)
#define REQUEST_BULK        (1u << 9)  /* large: it travels on the bulk connection */
#define REQUEST_LOCAL       (1u << 10) /* waits for an answer from slotway itself, not from a node */
#define REQUEST_CHILD       (1u << 11) /* part of a split or fanned-out request */
/* see order.h */
#define REQUEST_REFUSED (1u << 12) /* a node refused it */
#define REQUEST_RETRYING                                                                           \
    (1u << 13)                      /* in flight again after a refusal: others of its client wait  \
                                     */
#define REQUEST_BEHIND   (1u << 14) /* in flight when one before it in its slot was refused */
#define REQUEST_EXECUTED (1u << 15) /* it, or a part of it, was executed before that one */
#define REQUEST_REPLAY   (1u << 16) /* a read that was, and that is to be sent again */
#define REQUEST_RESENT   (1u << 17) /* it was sent again as the first of those that wait */
#define REQUEST_RESP3    (1u << 18) /* its client speaks RESP3, so the node has to as well */
#define REQUEST_LEASE                                                                              \
    (1u << 19) /* travels on a connection of its own or of its client: lease.h                     \
                */
#define REQUEST_SAMPLED  (1u << 21) /* its key and size are noted when its reply comes */
#define REQUEST_BLOCKING (1u << 20) /* the node may take its time with the reply */
#define REQUEST_OWN      (1u << 26) /* internal, but not of the handshake: backend_command */
/* see transaction.h and keywatch.h */
#define REQUEST_WATCH     (1u << 22) /* a WATCH */
#define REQUEST_WATCHED   (1u << 23) /* an EXEC with watched keys: never sent again */
#define REQUEST_ASSEMBLED (1u << 24) /* an EXEC with commands of slotway's own in its array */
#define REQUEST_CONTINUED (1u << 25) /* its reply goes on in the array of the entry before it */
#define REQUEST_ERRAND    (1u << 27) /* slotway's own: wanted although no client waits for it */
#define REQUEST_CACHING   (1u << 28) /* CLIENT CACHING goes directly before it: tracking.h */
#define REQUEST_UNTRACKED (1u << 29) /* its node could not be told so: ASKING had to go there */

/* Why a request waits: chooses the limit of its wait and the error at its end. */
enum request_cause {
    REQUEST_CAUSE_NONE,
    REQUEST_CAUSE_NO_NODE,    /* its slot has no node, or the node does not answer */
    REQUEST_CAUSE_REDIRECTED, /* MOVED or ASK from node to node */
    REQUEST_CAUSE_TRYAGAIN,
    REQUEST_CAUSE_CLUSTERDOWN,
    REQUEST_CAUSE_LOADING,
    REQUEST_CAUSE_MASTERDOWN,
    REQUEST_CAUSE_READONLY, /* sent to a replica: the map is behind */
    REQUEST_CAUSE_COUNT
};

/* Requests of at least this size travel on connections of their own kind, with nothing else of
 * their client under way. */
#define REQUEST_BULK_MIN (256 * 1024)

#define REQUEST_INLINE 80 /* replies up to this size are held in the request itself */

/* Four cache lines, of which the first two serve nearly all requests: with deep pipelines thousands
 * are under way, and are in no cache when their replies come. */
struct request {
    struct request *client_next;
    struct request *backend_next;
    struct client *client;
    struct backend *backend;   /* in flight there, else NULL */
    const struct command *cmd; /* NULL for internal ones */
    uint64_t started;          /* µs, worker's clock */
    size_t len;                /* bytes in the backend's queue, prefix included */
    uint32_t flags;
    uint32_t skip; /* replies to swallow before its own: lead, and those to what went before it */

    uint64_t held_since; /* µs; 0: never waited */
    size_t reply_len;    /* bytes of the reply so far */
    struct exec *exec;   /* of an EXEC, transaction.h; else, and for most, NULL */
    struct bufq reply;   /* a reply that waits for its turn, if not in inline_reply */
    uint32_t cost;       /* what it counts in its client's window, bytes */
    uint32_t lead;   /* replies before its own to what stands in its bytes (QUEUED of a MULTI) */
    uint16_t slot;   /* SLOT_NONE: any master */
    uint16_t target; /* ASK or MOVED named this node, else NODE_NONE */
    uint8_t tries;   /* refusals so far, up to 255 */
    uint8_t cause;   /* enum request_cause */
    uint8_t inline_len;

    struct bufq data;      /* bytes of a parked request */
    struct fanout *fanout; /* of a parent and of each of its children, else NULL */
    uint64_t retry_at;     /* µs; parked: not before */
    uint32_t child;        /* index among its siblings */
    uint32_t prefix;       /* bytes before the request proper (ASKING …) in the backend's queue */
    char inline_reply[REQUEST_INLINE];
};

struct request *request_new(struct worker *w, struct client *c, const struct command *cmd);
/* On neither list any more. */
void request_free(struct worker *w, struct request *r);

/* Keep a complete or partial reply until its turn. chunk: what data lies in. */
void request_hold(struct worker *w, struct request *r, struct chunk *chunk, char *data, size_t len);
/* Bytes held. */
static inline size_t request_held(const struct request *r)
{
    return r->inline_len + r->reply.len;
}
/* Forget what is held: it will be asked for again. */
void request_forget_reply(struct worker *w, struct request *r);

#endif
