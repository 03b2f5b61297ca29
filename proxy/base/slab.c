/* slab: fixed-size objects from a cache that one thread owns.
 * Under AddressSanitizer each object is its own malloc, so that misuse is caught. */
#include "base/slab.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

#define SLAB_PAGE_BYTES (64 * 1024)

struct slab_page {
    struct slab_page *next;
    char padding[64 - sizeof(struct slab_page *)]; /* whole cache lines: jemalloc aligns to them */
};

void slab_init(struct slab *slab, size_t size)
{
    memset(slab, 0, sizeof *slab);
    slab->size = (size + 15) & ~(size_t)15;
}

void slab_destroy(struct slab *slab)
{
    while (slab->pages) {
        struct slab_page *page = slab->pages;
        slab->pages = page->next;
        free(page);
    }
    slab->free = NULL;
    slab->in_use = 0;
}

#ifdef MEMORY_CHECKED

void *slab_refill(struct slab *slab)
{
    slab->in_use++;
    return memory_alloc(slab->size);
}

void slab_free(struct slab *slab, void *object)
{
    slab->in_use--;
    free(object);
}

#else

void *slab_refill(struct slab *slab)
{
    size_t count = (SLAB_PAGE_BYTES - sizeof(struct slab_page)) / slab->size;
    if (count == 0)
        count = 1;
    struct slab_page *page = memory_alloc(sizeof *page + count * slab->size);
    page->next = slab->pages;
    slab->pages = page;
    char *objects = (char *)(page + 1);
    for (size_t i = count; i-- > 1;) {
        *(void **)(objects + i * slab->size) = slab->free;
        slab->free = objects + i * slab->size;
    }
    slab->in_use++;
    return objects;
}

#endif
