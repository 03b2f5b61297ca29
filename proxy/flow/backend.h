/* backend: one pipelined connection to one node.
 *
 *   requests -> stream.out (retained until answered) -> node
 *   replies  <- scan <- node      each pairs with the head of the FIFO: head -> r -> r -> r <- tail
 *
 * A connection on which anything unexpected was read is closed, never used again. */
#ifndef SLOTWAY_FLOW_BACKEND_H
#define SLOTWAY_FLOW_BACKEND_H

#include "flow/pool.h"
#include "flow/request.h"
#include "flow/script.h"
#include "flow/stream.h"
#include "resp/resp.h"

/* Nodes share bits when there are more than 64: WAIT asks a node too many then, never one too few.
 */
static inline uint64_t backend_bit(uint16_t node)
{
    return 1ull << (node & 63);
}

enum backend_state {
    BACKEND_CONNECTING, /* requests wait in `early` */
    BACKEND_HANDSHAKE,  /* AUTH, READONLY under way; requests wait in `early` */
    BACKEND_READY,
    BACKEND_DEAD /* freed at the end of the turn */
};

struct backend {
    struct stream stream; /* first: a stream of ops backend_ops is a backend */
    struct worker *worker;
    struct pool *pool;
    struct request *head, *tail; /* awaiting replies, linked by backend_next */
    struct resp_reply_scan scan; /* of the reply that is being read */
    struct bufq early;           /* requests that came before the connection was ready */
    struct script_known scripts; /* that its node need not be given again */
    char *rest;                  /* bytes of an incomplete line */
    size_t rest_len;
    uint64_t bit;    /* stands for its node in client->written */
    uint64_t opened; /* µs */
    uint64_t heard;  /* µs: when the last bytes came */
    uint32_t in_flight;
    uint8_t state; /* enum backend_state */
    uint8_t kind;  /* enum pool_kind */
    uint8_t slot_in_pool;
    bool replica;                          /* READONLY was sent */
    bool resp3;                            /* HELLO 3 was sent */
    const struct command *watched_command; /* of the last reply, and its figures: watch.h */
    struct watch_command *watched;
    bool midway;          /* part of the head's reply was passed on */
    struct backend *next; /* the worker's list of dead ones */

    /* of kind POOL_LEASE, see lease.h */
    struct backend *next_lease, *prev_lease; /* all leases of the pool */
    struct backend *next_idle;               /* the pool's idle ones */
    struct backend *next_owned;              /* the owner's, through its session */
    struct client *owner;                    /* who it is bound to, NULL: nobody */
    /* an out-of-band message came; NULL: none is expected, and the connection is closed */
    void (*on_push)(struct backend *b, struct chunk *chunk, char *data, size_t len);
    bool unasked; /* what comes while nothing is awaited goes to on_push too (MONITOR) */
    bool listens; /* it is there for what comes by itself: never picked, never idle */
    uint64_t
        node_client_id;  /* what the node's CLIENT UNBLOCK knows this connection by; 0: not yet */
    uint64_t idle_since; /* µs */
    bool unclean;        /* its next holder could notice something of this one's: not used again */
    bool ready;          /* its handshake is over, also when it is dead by now */
    uint32_t tracks;     /* tracking.h: generation of the options that it was told, 0: none */
    uint32_t tracked_prefixes; /* of how many it was told */
    uint32_t own;              /* commands of slotway's own under way: backend_command */
    bool pinged;               /* one of them is a PING that its client waits for */
    bool tracks_late;          /* others have read meanwhile: all is invalid once it tracks */
};

/* A socket to the pool's node, on which a connect is under way if *connecting. -1: errno. */
int backend_connect(const struct pool *pool, bool *connecting);
/* Begin to connect. NULL if the system refuses at once (errno set). */
struct backend *backend_open(struct pool *pool, enum pool_kind kind, unsigned slot_in_pool);
/* The same for a lease; use lease_take. */
struct backend *backend_open_lease(struct pool *pool, bool resp3);

/* Put a request behind the others. data lies in chunk (NULL: nowhere that can be referenced). */
void backend_send(struct backend *b, struct request *r, struct chunk *chunk, char *data,
                  size_t len);
/* As backend_send with the bytes of r->data, preceded by those of prefix (ASKING …; NULL: none),
 * whose `skip` replies are swallowed. Both queues are empty afterwards. */
void backend_send_parked(struct backend *b, struct request *r, struct bufq *prefix, uint32_t skip);

/* Close it. What was sent and unanswered, and what was not sent, goes to the router in order. */
void backend_fail(struct backend *b, const char *why);
/* The same with one that is silent: what has not reached the node never will. Else it could execute
 * a write after others that were acknowledged on the next connection. */
void backend_give_up(struct backend *b, const char *why);
/* Close an idle one. */
void backend_close(struct backend *b);
/* Close it. Its requests are those of a client that is gone or gives them up: they are freed. */
void backend_abandon(struct backend *b);
/* A command of slotway's own, behind what was sent before and behind the handshake; its reply is
 * swallowed, and if it is an error the connection is closed. */
void backend_command(struct backend *b, const char *data, size_t len);
/* Close it. Its requests go to the router as if they had not been sent: for those that can be given
 * to another connection whatever has become of them on this one. */
void backend_recall(struct backend *b);
void backend_bury(struct worker *w);

#endif
