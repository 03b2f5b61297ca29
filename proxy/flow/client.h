/* client: one application's connection: its unread requests, its FIFO of requests, its replies.
 *
 *   socket -> in (rest of input) -> scan -> FIFO  head -> r -> r -> r <- tail
 *   socket <- stream.out <------------------------ head's reply, when it is there
 *
 * How much a client may have in flight is a window in bytes of expected replies, which adapts to
 * the sizes that its replies turn out to have, as congestion windows do: a client that asks for
 * large values or does not read has few requests in flight. */
#ifndef SLOTWAY_FLOW_CLIENT_H
#define SLOTWAY_FLOW_CLIENT_H

#include "base/event.h"
#include "flow/request.h"
#include "flow/stream.h"
#include "resp/resp.h"
#include <stdint.h>

struct worker;
struct session;

#define CLIENT_AUTHENTICATED (1u << 0)
#define CLIENT_BARRIER       (1u << 1) /* issues nothing more until its FIFO is empty */
#define CLIENT_CLOSING       (1u << 2) /* reads no more requests; closed when its replies are out */
#define CLIENT_EOF           (1u << 3) /* the peer sends no more */
#define CLIENT_READONLY      (1u << 4) /* READONLY: replicas may serve its reads */
#define CLIENT_REPLY_OFF     (1u << 5)
#define CLIENT_REPLY_SKIP    (1u << 6) /* swallow the reply of the next command */
#define CLIENT_PUMPABLE      (1u << 7) /* on the worker's list */
#define CLIENT_NO_EVICT      (1u << 8)
#define CLIENT_NO_TOUCH      (1u << 9)
#define CLIENT_UNIX          (1u << 10) /* came over a unix socket */
#define CLIENT_GONE          (1u << 11) /* closed; freed at the end of the turn */
#define CLIENT_PAUSED        (1u << 12) /* CLIENT PAUSE holds its next request back */
#define CLIENT_CLOSING_IDLE  (1u << 14) /* draining: closed as soon as it is owed nothing */
#define CLIENT_SKIP_NOW      (1u << 13) /* the command being run is the one that SKIP meant */
#define CLIENT_RESP3         (1u << 15) /* HELLO 3 */
#define CLIENT_PUSHES_HELD   (1u << 16) /* out-of-band messages wait for the end of a long reply */
#define CLIENT_MULTI         (1u << 17) /* between MULTI and EXEC */
#define CLIENT_SUBSCRIBED    (1u << 18) /* has subscriptions */
#define CLIENT_TRACKING      (1u << 19) /* CLIENT TRACKING ON */
#define CLIENT_MONITOR       (1u << 20)
#define CLIENT_ASSEMBLING    (1u << 21) /* the array of its EXEC is being put together */
#define CLIENT_LARGE_READS   (1u << 22) /* it reads large values: dispatch_is_large */
/* Its commands are looked at by session_on_command before they are issued. */
#define CLIENT_STATEFUL (CLIENT_MULTI | CLIENT_SUBSCRIBED | CLIENT_TRACKING | CLIENT_MONITOR)

struct client {
    struct stream stream; /* first: a stream of ops client_ops is a client */
    struct worker *worker;
    struct request *head, *tail;
    struct client *next, *prev; /* all clients of the worker */
    struct client *next_pump;   /* the worker's list of pumpable clients, or of closed ones */
    struct chunk *in;           /* input that waits, NULL: none */
    size_t in_begin, in_end;
    size_t in_need;            /* least bytes of input with which scanning can go on; 0: any */
    struct resp_args *partial; /* scan of a long request that is not complete yet */
    struct session *session;   /* session.h; NULL: nothing beyond requests */
    const struct command *last_command;
    uint64_t id;
    uint64_t written;         /* nodes to which its writes went: bit of each (backend.h) */
    uint64_t answered;        /* µs: when the request was read whose reply left last */
    uint64_t drive_turn;      /* the pass over parked requests in which one of its stayed parked */
    uint64_t commands;        /* that it sent */
    uint64_t commands_before; /* survey.c: when it was looked at last */
    uint32_t flags;
    uint32_t in_flight;   /* requests on its FIFO */
    uint64_t cost;        /* sum of their costs */
    uint32_t estimate[2]; /* bytes of a reply to a write, to a read */
    uint32_t retrying;    /* order.h: its requests in flight again after a refusal */
    uint32_t behind;      /* order.h: its requests in flight behind a refused one */
    uint32_t conflicts;   /* order.h: of these, writes that were executed */
    uint32_t parked;      /* its requests on the parked list */
    uint16_t key_slot;    /* of its latest command with a key; SLOT_NONE: none yet */
    uint32_t large_room;  /* bytes of the last buffer of its own that it read into … */
    uint64_t large_after; /* … after so many commands */
    int64_t created;      /* seconds, CLOCK_MONOTONIC */
    int64_t active;       /* seconds */
};

void client_open(struct worker *w, int fd, bool unix_socket);
/* Close now: requests in flight become placeholders. Memory is freed at the end of the turn. */
void client_close(struct client *c);
/* An event for the statistics page: it is closed, and why. */
void client_note_closed(const struct client *c, enum event_severity severity, const char *why);
/* Free what was closed during the turn. */
void client_bury(struct worker *w);

/* Go on with requests that were read but could not be issued. */
void client_pump(struct client *c);
/* At the end of the turn: something changed that let the client wait. */
void client_make_pumpable(struct client *c);

/* --- replies ---
 * A reply of slotway's own, in its place among the others. */
void client_reply(struct client *c, const char *data, size_t len);
void client_reply_bufq(struct client *c, struct bufq *reply);
/* "-<text>\r\n"; counts an error. text without the dash: "ERR …". */
void client_reply_error(struct client *c, const char *text);
void client_reply_errorf(struct client *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A request that will be answered later (by another thread's call): puts a place into the FIFO;
 * finish it with client_finish. */
struct request *client_reply_later(struct client *c, const struct command *cmd);

/* An out-of-band message (a push of RESP3, a message of a subscription): sent now, or as soon as
 * the reply that is being sent in parts is out, whatever CLIENT REPLY says. chunk: what data lies
 * in, NULL: nowhere that can be referenced. */
void client_send_push(struct client *c, struct chunk *chunk, char *data, size_t len);

/* The same, but not before replies that have been received and wait for their turn: what it says is
 * later than what they say. */
void client_send_behind(struct client *c, char *data, size_t len);
/* Have all requests that are under way been answered, in part at least? */
bool client_owes_nothing_new(const struct client *c);

/* --- called by backends, fan-outs and the router --- */
/* A whole reply for r. Takes r off the FIFO, or keeps the reply until its turn. */
void client_on_reply(struct request *r, struct chunk *chunk, char *data, size_t len);
/* A part of a long reply; client_on_reply follows with the last part. */
void client_on_reply_part(struct request *r, struct chunk *chunk, char *data, size_t len);
/* The reply of r is whatever it holds by now. */
void client_finish(struct worker *w, struct request *r);
/* Error instead of a reply: "-<text>\r\n", for clients and for parents of children. */
void client_fail(struct worker *w, struct request *r, const char *text);

/* Append r to the FIFO; it counts as `replies` expected replies in the client's window. */
void client_push(struct client *c, struct request *r, uint32_t replies);

#endif
