/* stats_world: figures of a made-up cluster, for tests of what is made from them. */
#ifndef SLOTWAY_TESTS_STATS_WORLD_H
#define SLOTWAY_TESTS_STATS_WORLD_H

#include "http/stats.h"

/* A healthy cluster of so many masters with a replica each, on as many hosts: 10.0.0.1, 10.0.0.2 …;
 * replicas are one host further. Masters come first in nodes[], then their replicas. config: lines
 * of a configuration file ("" for none). */
struct stats *world_new(unsigned masters, const char *config);
void world_free(struct stats *s);

/* One second passes; the verdict is found anew. */
void world_tick(struct stats *s);

/* Change one node, in the topology too. */
void world_set_flags(struct stats *s, unsigned node, uint32_t flags);
void world_set_host(struct stats *s, unsigned node, const char *host);

/* The finding of this rule that is told, NULL: none. */
const struct finding *world_finding(const struct stats *s, const char *rule);

#endif
