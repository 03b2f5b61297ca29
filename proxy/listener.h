/* listener: the sockets on which clients arrive. Main thread; each client is handed to the worker
 * with the fewest. */
#ifndef SLOTWAY_LISTENER_H
#define SLOTWAY_LISTENER_H

#include "flow/worker.h"
#include <stdbool.h>

struct listener;

/* Open all that the configuration asks for, or take over what systemd passed. NULL with the reason
 * in the log. */
struct listener *listener_start(struct ev_loop *loop, struct process *process);
/* Stop accepting; close the sockets. NULL is fine. */
void listener_stop(struct listener *l);

/* Refuse connections, or (true) take them again, on the same sockets. */
void listener_set_open(struct listener *l, bool open);

/* Raise the limit on open files to what maxclients needs; returns how many clients, and connections
 * to nodes that one client has for itself, it allows together. */
uint32_t listener_raise_limits(const struct config *config);

#endif
