/* slot: which of the 16384 slots a key belongs to.
 * CRC16 (XMODEM) and hash tags as in the Redis Cluster specification
 * (https://redis.io/docs/reference/cluster-spec/#key-distribution-model). */
#ifndef SLOTWAY_CLUSTER_SLOT_H
#define SLOTWAY_CLUSTER_SLOT_H

#include <stddef.h>
#include <stdint.h>

#define SLOT_COUNT 16384
#define SLOT_NONE  0xffff /* "no slot": a request without keys */

/* Slot of a key: of the part between the first '{' and the next '}' if that is not empty, of the
 * whole key otherwise. */
uint16_t slot_of_key(const char *key, size_t len);

#endif
