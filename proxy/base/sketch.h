/* sketch: the keys with the greatest weights of a stream, in bounded memory (Metwally, Agrawal,
 * El Abbadi: "Efficient Computation of Frequent and Top-k Elements", 2005: Space-Saving). A new key
 * takes the place of the lightest one and inherits its weight, so no heavy key is missed. */
#ifndef SLOTWAY_BASE_SKETCH_H
#define SLOTWAY_BASE_SKETCH_H

#include <stddef.h>
#include <stdint.h>

#define SKETCH_ENTRIES 64
#define SKETCH_KEY     100 /* bytes of a key that are kept */

struct sketch_entry {
    uint64_t hash;
    float weight;    /* 0: free */
    float inherited; /* of it, what another key may have brought */
    uint32_t tag;    /* the caller's, as given last */
    uint16_t key_len;
    char key[SKETCH_KEY];
};

struct sketch {
    struct sketch_entry entries[SKETCH_ENTRIES];
};

void sketch_add(struct sketch *s, const char *key, size_t len, float weight, uint32_t tag);
/* Multiply all weights: old ones fade. */
void sketch_fade(struct sketch *s, float factor);

#endif
