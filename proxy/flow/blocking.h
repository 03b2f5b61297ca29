/* blocking: commands that wait at their node (BLPOP … XREADGROUP BLOCK, WAIT).
 *
 *   client's FIFO empty -> a lease -> node waits -> reply -> the client goes on
 *                            | refused, "instance state changed", connection lost
 *                            '-> sent again, to whom it concerns now, with the time that is left
 *
 * Such a command is the only one of its client (COMMAND_ALONE), so it is the head of the FIFO as
 * long as it waits. Its node keeps the time, but looks at the clock only when something happens, or
 * ten times a second; so slotway, when the time has come, sends it a PING. While the request is
 * parked slotway keeps the time itself.
 *
 * A connection that is lost while its command waits is no error for the client: it waits on at the
 * new master. If the node had served the command and could not deliver the reply any more, what it
 * popped is lost (BLMOVE: is in the destination, and a second element may follow), as it is for any
 * client of Redis whose connection breaks just then. */
#ifndef SLOTWAY_FLOW_BLOCKING_H
#define SLOTWAY_FLOW_BLOCKING_H

#include "flow/client.h"
#include "resp/command.h"
#include <ev.h>
#include <stdbool.h>

/* Why a command that waits is to wait no longer, beyond what its node knows. */
enum blocking_over {
    BLOCKING_GOES_ON,
    BLOCKING_TIMEOUT, /* CLIENT UNBLOCK id TIMEOUT: as if its time were over */
    BLOCKING_ERROR,   /* CLIENT UNBLOCK id ERROR */
    BLOCKING_CLOSE    /* slotway ends: without an answer, as from a server that shuts down */
};

struct stream_ids;

/* The wait of a client's head, part of its session. */
struct blocking {
    uint64_t deadline;          /* µs; 0: it waits for ever, or the node will refuse the timeout */
    uint64_t sent;              /* µs: when it was last given to a connection */
    ev_timer timer;             /* of the deadline, if there is one */
    struct stream_ids *streams; /* XREAD with "$", else NULL */
    uint8_t over;               /* enum blocking_over */
    bool hurry;                 /* the node is told BLOCKING_NO_TIME instead of what is left */
};

/* Does the client wait in a blocking command? */
static inline bool client_is_blocked(const struct client *c)
{
    return c->head && (c->head->flags & (REQUEST_BLOCKING | REQUEST_DONE)) == REQUEST_BLOCKING;
}

/* Issue a command for which command_is_blocking says yes and whose keys are all in slot (SLOT_NONE:
 * its arguments make no sense, some node will say so). */
void blocking_execute(struct client *c, const struct command *cmd, uint16_t slot,
                      struct chunk *chunk, char *data, size_t len, const struct resp_args *args);

/* The session ends, and with it the wait. */
void blocking_free(struct worker *w, struct blocking *x);

/* The wait of the command at the head begins now: marks r (on the FIFO), reads the timeout. */
void blocking_begin(struct client *c, struct request *r, const char *data,
                    const struct resp_args *args);

/* The error that a node would give for the timeout; NULL: it is a good one. */
const char *blocking_timeout_error(const struct command *cmd, const char *data,
                                   const struct resp_args *args);

/* End the client's wait as CLIENT UNBLOCK does. False: it does not wait. */
bool blocking_unblock(struct client *c, enum blocking_over over);

/* slotway drains: the client's wait ends, and then its connection. It gets what the node has popped
 * for it already, else nothing: an error in the place of an answer would be the end of workers that
 * know how to connect again. */
void blocking_drain(struct client *c);

/* Is this reply to r, which the node gave because of blocking_drain, not for the client? */
bool blocking_is_unsaid(const struct request *r, const char *data, size_t len);

/* Once in a while, for a client that is blocked: what the node does not see to by itself. */
void blocking_check(struct client *c);

/* --- called by the router and request.c, for requests with REQUEST_BLOCKING --- */
/* The bytes in r->data are about to be sent again: with the time that is left. asking: behind
 * ASKING. */
void blocking_on_resend(struct worker *w, struct request *r, bool asking);
/* A reply to what goes before the command in its own bytes. */
void blocking_on_lead(const struct request *r, const char *data, size_t len);
/* r came back from its connection: refused, or the connection was lost. */
void blocking_on_return(struct worker *w, struct request *r);
/* What the client gets when it waited in vain. */
const char *blocking_nothing(const struct request *r);
/* Is there nothing left to wait for? Then blocking_answer is due. */
bool blocking_is_over(const struct worker *w, const struct request *r);
/* The reply of a timeout, or of CLIENT UNBLOCK; r is on no list but the client's. */
void blocking_answer(struct worker *w, struct request *r);
/* Can it be sent again after its connection was lost? */
bool blocking_is_known(const struct command *cmd);
/* The wait is over, for whatever reason. */
void blocking_on_end(struct worker *w, const struct request *r);

#endif
