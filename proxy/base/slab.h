/* slab: fixed-size objects from a cache that one thread owns.
 * A free object costs nothing but its memory; pages go back to the system with slab_destroy. */
#ifndef SLOTWAY_BASE_SLAB_H
#define SLOTWAY_BASE_SLAB_H

#include "base/memory.h"
#include <stddef.h>

struct slab_page;

struct slab {
    size_t size; /* bytes of one object, a multiple of 16 */
    void *free;  /* free objects, linked through their first word */
    struct slab_page *pages;
    size_t in_use;
};

void slab_init(struct slab *slab, size_t size);
void slab_destroy(struct slab *slab); /* every object is gone, whether freed or not */
void *slab_refill(struct slab *slab);

/* An object with undefined content. Never NULL: out of memory ends the process, as a proxy that can
 * not hold a request can keep none of its promises. */
static inline void *slab_alloc(struct slab *slab)
{
    void *object = slab->free;
    if (!object)
        return slab_refill(slab);
    slab->free = *(void **)object;
    slab->in_use++;
    return object;
}

#ifdef MEMORY_CHECKED
void slab_free(struct slab *slab, void *object);
#else
static inline void slab_free(struct slab *slab, void *object)
{
    *(void **)object = slab->free;
    slab->free = object;
    slab->in_use--;
}
#endif

#endif
