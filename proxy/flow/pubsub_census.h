/* pubsub_census: what clients of all workers are subscribed to, and at which nodes slotway itself
 * is on their behalf: for PUBLISH and PUBSUB, which answer as one server would.
 *
 * One table for the process behind a mutex; workers touch it when subscriptions come and go, and
 * for PUBLISH only while there are any. */
#ifndef SLOTWAY_FLOW_PUBSUB_CENSUS_H
#define SLOTWAY_FLOW_PUBSUB_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pubsub_kind { PUBSUB_CHANNEL, PUBSUB_PATTERN, PUBSUB_SHARD, PUBSUB_KINDS };

struct census_entry; /* one name of one kind */

/* Nothing is subscribed by any worker, at any node. One relaxed load. */
bool census_is_empty(void);

/* The entry of a name, with one reference of the caller's. */
struct census_entry *census_take(enum pubsub_kind kind, const char *name, size_t len);
void census_release(struct census_entry *entry);
/* n clients more (or fewer). */
void census_add_clients(struct census_entry *entry, int64_t n);
/* One of slotway's own connections is subscribed (n = 1), or no more (-1), at a node. */
void census_add_link(struct census_entry *entry, uint16_t node, int64_t n);

/* How many names of the kind have clients: channels, or patterns, of INFO. */
uint64_t census_names(enum pubsub_kind kind);

struct census_count {
    int64_t clients; /* slotway's, of all workers */
    int64_t links;   /* slotway's own subscriptions at the node that was asked about */
};

/* Who is subscribed to this very name. */
struct census_count census_of(enum pubsub_kind kind, const char *name, size_t len, uint16_t node);
/* Who gets a message on a channel: subscribers and, for PUBSUB_CHANNEL, those to patterns. */
struct census_count census_receivers(enum pubsub_kind kind, const char *name, size_t len,
                                     uint16_t node);
/* Patterns: with clients, and subscribed by slotway at a node. */
struct census_count census_patterns(uint16_t node);
/* Call each for every name of the kind, with the number of its clients. The table is locked. */
void census_each(enum pubsub_kind kind,
                 void (*each)(void *arg, const char *name, size_t len, int64_t clients), void *arg);

#endif
