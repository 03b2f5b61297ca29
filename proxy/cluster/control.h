/* control: one non-blocking connection to a node for questions about the cluster.
 * Pipelined commands with a callback each; hiredis' reader parses the replies. */
#ifndef SLOTWAY_CLUSTER_CONTROL_H
#define SLOTWAY_CLUSTER_CONTROL_H

#include "cluster/resolver.h"
#include <ev.h>
#include <hiredis/hiredis.h>

struct control;

struct control_target {
    struct resolver_address address;
    const char *user;     /* "": AUTH with the password alone */
    const char *password; /* "": no AUTH */
    double timeout;       /* seconds for connecting */
};

struct control_events {
    void (*on_up)(void *owner); /* connected: commands may be sent (AUTH has gone ahead) */
    /* Refused, lost or broken; reason is for people. Called once; the owner must control_close. */
    void (*on_down)(void *owner, const char *reason);
};

/* One reply. raw is its bytes. Both are valid during the call only. */
typedef void (*control_callback)(void *arg, const redisReply *reply, const char *raw, size_t len);

/* Start connecting; events come from the loop, never from within. Copies the target. NULL with
 * errno set: no descriptor or no memory, or refused at once. */
struct control *control_open(struct ev_loop *loop, const struct control_target *target,
                             const struct control_events *events, void *owner);
/* Callbacks that are outstanding are dropped. May be called from any callback. NULL is fine. */
void control_close(struct control *c);

/* Send a command after on_up. False: out of memory or the connection is down (on_down follows). */
bool control_send(struct control *c, control_callback callback, void *arg, int argc,
                  const char **argv);

/* Seconds of CLOCK_MONOTONIC: unlike ev_now, it does not follow when somebody sets the clock. */
double control_clock(void);

bool control_is_up(const struct control *c);
/* When (control_clock) the oldest unanswered command was sent, or connecting began; 0: nothing is
 * due. */
double control_waiting_since(const struct control *c);
uint32_t control_unanswered(const struct control *c); /* commands without a reply so far */

#endif
