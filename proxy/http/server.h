/* server: the thread that answers on stats-port: its loop, its sockets, libmicrohttpd in it.
 *
 *   listening sockets -> accept -> libmicrohttpd (in this thread's loop) -> exchange.c
 *   main thread -- mailbox: configuration, topology, stop --> this thread -- mailbox --> workers
 *
 * Nothing here waits for a peer, and nothing of it is on the path of requests to Redis. */
#ifndef SLOTWAY_HTTP_SERVER_H
#define SLOTWAY_HTTP_SERVER_H

#include "cluster/topology.h"
#include "config.h"
#include "flow/worker.h"

struct http;

/* Listen and start the thread. NULL, with the reason in the log unless stats-port is 0: there is no
 * statistics page; slotway does its work without. Main thread, as all of these. */
struct http *http_start(struct process *process);
/* In force from now on. h may be NULL in all of these. Each takes its own reference. */
void http_give_config(struct http *h, const struct config *config);
void http_give_topology(struct http *h, struct topology *t);

/* The end, in two steps: first the thread (workers must still exist), then, when nothing can post
 * to it any more, the rest. */
void http_join(struct http *h);
void http_free(struct http *h);

#endif
