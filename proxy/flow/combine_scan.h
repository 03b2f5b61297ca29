/* combine_scan: SCAN over all shards, one after the other (local_scan in flow/local_call.h). All
 * state is in the cursor, so that any slotway can go on with it:
 *
 *   52        39 38        32 31                              0
 *   | slot (14) | print (7)  | cursor of the node (32)         |
 *
 * That is less than 2^53, because clients in JavaScript keep cursors in doubles. A node's cursor of
 * more than 32 bits (more than 4 billion buckets) makes a longer one, with bit 62 as its mark:
 *
 *   62  61        48 47        40 39                              0
 *   | 1 | slot (14) | print (8)  | cursor of the node (40)         |
 *
 * slot: a slot of the shard that is being scanned; shards are visited in the order of their lowest
 * slots. print: fingerprint of the process that gave the node's cursor, never 0: cursors mean
 * nothing to another process (a promoted replica hashes otherwise), so the shard is begun again
 * there. The client's first cursor and the last one it gets are 0. */
#ifndef SLOTWAY_FLOW_COMBINE_SCAN_H
#define SLOTWAY_FLOW_COMBINE_SCAN_H

#include <stdbool.h>
#include <stdint.h>

struct scan_cursor {
    uint16_t slot;
    uint8_t print;
    uint64_t node;
};

#define SCAN_NODE_BITS      32
#define SCAN_PRINT_BITS     7
#define SCAN_LONG_NODE_BITS 40
#define SCAN_LONG_MARK      (1ULL << 62)

/* 0 for the end is not made here: print is never 0. False: the node's cursor does not fit. */
bool combine_scan_encode(const struct scan_cursor *cursor, uint64_t *value);
/* False: no cursor of this form. Not for 0. */
bool combine_scan_decode(uint64_t value, struct scan_cursor *cursor);
/* 1 … 127 from a node's id and run id. */
uint8_t combine_scan_print(const char *id, const char *run_id);

#endif
