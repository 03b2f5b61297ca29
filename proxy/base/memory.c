/* memory: allocation that cannot fail.
 * The message goes to standard error without the log, which may want memory itself. */
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *memory_check(void *p)
{
    static const char message[] = "slotway: out of memory\n";
    if (p)
        return p;
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
        abort();
    abort();
}

void *memory_alloc(size_t size)
{
    return memory_check(malloc(size ? size : 1));
}

void *memory_zalloc(size_t size)
{
    return memory_check(calloc(1, size ? size : 1));
}

void *memory_realloc(void *old, size_t size)
{
    return memory_check(realloc(old, size ? size : 1));
}

char *memory_strdup(const char *s)
{
    return memory_strndup(s, strlen(s));
}

char *memory_strndup(const char *s, size_t len)
{
    char *copy = memory_alloc(len + 1);
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}
