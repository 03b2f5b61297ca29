/* session: what a client holds beyond its requests: names, leased connections, a transaction,
 * subscriptions, tracking. Allocated when first needed; most clients never have one. */
#ifndef SLOTWAY_FLOW_SESSION_H
#define SLOTWAY_FLOW_SESSION_H

#include "flow/blocking.h"
#include "flow/client.h"
#include "resp/command.h"
#include <stdbool.h>

struct backend;
struct chunk;
struct pubsub_client;
struct transaction;

/* Why leases that this client's requests take stay bound to it; any of them is enough. */
#define SESSION_HOLD_WATCH    (1u << 0)
#define SESSION_HOLD_TRACKING (1u << 1)

struct session {
    char *name;     /* CLIENT SETNAME, NULL: none */
    char *lib_name; /* CLIENT SETINFO */
    char *lib_version;
    struct backend *leases;   /* bound to this client, linked by next_owned */
    uint32_t holds;           /* SESSION_HOLD_… */
    struct bufq pushes;       /* out-of-band messages that wait for the end of a long reply */
    struct blocking blocking; /* of the command at the head, while client_is_blocked */
    struct transaction *transaction; /* MULTI and WATCH; NULL: none so far */
    struct pubsub_client *pubsub;    /* subscriptions, NULL: none; pubsub.h */
    struct tracking *tracking;       /* tracking.h; NULL: it never tracked */
};

/* The client's session, made when there is none. */
struct session *session_of(struct client *c);
/* The client closes: everything it holds is given back or closed. */
void session_free(struct client *c);
/* RESET: as a new connection. */
void session_reset(struct client *c);

/* A command of a client that is in one of the CLIENT_STATEFUL states and that passed Redis' checks.
 * True: it was dealt with; false: it is to be run as any other. */
bool session_on_command(struct client *c, const struct command *cmd, struct chunk *chunk,
                        char *data, size_t len, const struct resp_args *args);

/* Must this command wait until all before it are answered, and hold up those behind it? Asked for
 * commands with COMMAND_ALONE. */
bool session_is_alone(const struct client *c, const struct command *cmd, const char *data,
                      const struct resp_args *args);

/* A lease that was bound to c died with its node or connection. */
void session_on_lease_lost(struct client *c, struct backend *b);
/* The node has answered a command of slotway's own on a lease that is bound to c. */
void session_on_confirmed(struct client *c, struct backend *b);
/* HELLO chose another protocol: leases that are bound to c follow. */
void session_on_protocol(struct client *c);

#endif
