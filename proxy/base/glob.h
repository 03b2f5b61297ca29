/* glob: patterns as redis-server matches them (KEYS, PSUBSCRIBE, PUBSUB CHANNELS): bytes, not
 * characters, case matters. */
#ifndef SLOTWAY_BASE_GLOB_H
#define SLOTWAY_BASE_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/* Does the pattern match all of text? '*', '?', '[a-z]', '[^…]', '\x'. As in redis-server an empty
 * text is matched by the empty pattern only. Takes no more than len * text_len steps. */
bool glob_match(const char *pattern, size_t len, const char *text, size_t text_len);

/* May the pattern match a text that begins with prefix? Never a wrong no; classes count as any
 * byte. */
bool glob_may_begin(const char *pattern, size_t len, const char *prefix, size_t prefix_len);

#endif
