/* resolver: host names to addresses without blocking the loop: one thread that calls getaddrinfo.
 * Main thread only, except for the thread inside. */
#ifndef SLOTWAY_CLUSTER_RESOLVER_H
#define SLOTWAY_CLUSTER_RESOLVER_H

#include <ev.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#define RESOLVER_MAX_ADDRESSES 8

struct resolver;
struct resolver_query;

struct resolver_address {
    struct sockaddr_storage addr;
    socklen_t len;
};

/* n > 0: the addresses, in the order in which they should be tried. n == 0: error says why. */
typedef void (*resolver_callback)(void *arg, const struct resolver_address *v, size_t n,
                                  const char *error);

struct resolver *resolver_start(struct ev_loop *loop); /* NULL: no thread or no memory */
/* Queries that are not answered yet are dropped without a callback. Does not wait for a name server
 * that is slow: the thread ends by itself. */
void resolver_stop(struct resolver *r);

/* Ask; the callback comes later from the loop, never from within. NULL: out of memory. */
struct resolver_query *resolver_ask(struct resolver *r, const char *host, uint16_t port,
                                    resolver_callback callback, void *arg);
/* No callback for this one. */
void resolver_cancel(struct resolver_query *query);

/* An IPv4 or IPv6 address in digits, or the path of a unix socket: no thread needed. False: a name.
 */
bool resolver_numeric(const char *host, uint16_t port, struct resolver_address *out);

#endif
