/* sketch: the keys with the greatest weights of a stream, in bounded memory.
 * Looked through in full for each key: 64 hashes are a few cache lines, and keys are samples. */
#include "base/sketch.h"
#include <string.h>

#define SKETCH_GONE 0.01f /* a weight that faded to less frees its place */

/* FNV-1a, 64 bits. */
static uint64_t sketch_hash(const char *key, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)key[i]) * 0x100000001b3ULL;
    return hash;
}

void sketch_add(struct sketch *s, const char *key, size_t len, float weight, uint32_t tag)
{
    uint64_t hash = sketch_hash(key, len);
    struct sketch_entry *lightest = &s->entries[0];
    for (size_t i = 0; i < SKETCH_ENTRIES; i++) {
        struct sketch_entry *entry = &s->entries[i];
        if (entry->weight > 0 && entry->hash == hash) {
            entry->weight += weight;
            entry->tag = tag;
            return;
        }
        if (entry->weight < lightest->weight)
            lightest = entry;
    }
    lightest->hash = hash;
    lightest->inherited = lightest->weight;
    lightest->weight += weight;
    lightest->tag = tag;
    lightest->key_len = (uint16_t)(len < SKETCH_KEY ? len : SKETCH_KEY);
    memcpy(lightest->key, key, lightest->key_len);
}

void sketch_fade(struct sketch *s, float factor)
{
    for (size_t i = 0; i < SKETCH_ENTRIES; i++) {
        struct sketch_entry *entry = &s->entries[i];
        entry->weight *= factor;
        entry->inherited *= factor;
        if (entry->weight < SKETCH_GONE)
            entry->weight = entry->inherited = 0;
    }
}
