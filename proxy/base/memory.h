/* memory: allocation that cannot fail. A proxy that can not hold a request can keep none of its
 * promises, so running out of memory ends the process with a message. */
#ifndef SLOTWAY_BASE_MEMORY_H
#define SLOTWAY_BASE_MEMORY_H

#include <stddef.h>

/* Defined when a sanitizer watches: caches then give way to plain malloc. */
#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMORY_CHECKED 1
#endif
#endif

void *memory_alloc(size_t size);
void *memory_zalloc(size_t size);
void *memory_realloc(void *old, size_t size);
char *memory_strdup(const char *s);
char *memory_strndup(const char *s, size_t len);

#endif
