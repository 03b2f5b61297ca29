/* plain_redis: one ordinary redis-server, to learn what Redis itself would answer. */
#ifndef SLOTWAY_TESTS_PLAIN_REDIS_H
#define SLOTWAY_TESTS_PLAIN_REDIS_H

/* Start one on a free port; it ends with the test executable. further: more flags or NULL. */
int plain_redis_start(const char *further);

#endif
