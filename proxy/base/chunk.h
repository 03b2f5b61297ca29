/* chunk: reference-counted blocks of bytes, and queues of spans on them. One thread owns a chunk
 * for its whole life, so the counter is a plain integer.
 *
 *   bufq   head -> seg -> seg -> seg <- tail
 *                  |      |      |
 *   chunk        [flat] [large value] [flat, still growing]
 *
 * Small messages are copied, one after the other, into the flat chunk at the tail: a copy of 64
 * bytes is cheaper than an iovec entry. Large ones are spans on the chunk that they were read into.
 * A message that was appended with bufq_append is never spread over two segments. */
#ifndef SLOTWAY_BASE_CHUNK_H
#define SLOTWAY_BASE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "base/compiler.h"
#include "base/slab.h"

struct seg {
    struct seg *next;
    struct chunk *chunk; /* holds one reference */
    char *data;
    size_t len;
};

struct chunk {
    uint32_t refs;
    uint8_t size_class; /* enum chunk_class */
    bool mapped;        /* from mmap: large enough to be grown without a copy */
    size_t cap;         /* bytes in data[] */
    struct seg self;    /* the segment of a chunk that is filled in place */
    char data[];
};

enum chunk_class {
    CHUNK_SMALL, /* replies of a client without a pipeline */
    CHUNK_FLAT,  /* requests to a node, replies to a pipelining client */
    CHUNK_READ,  /* what one read(2) fills */
    CHUNK_CLASSES,
    CHUNK_ODD = CHUNK_CLASSES /* any other size: never cached */
};

/* A thread's chunks. */
struct chunk_pool {
    struct chunk *free[CHUNK_CLASSES];
    uint32_t nfree[CHUNK_CLASSES];
    struct slab segs;
    size_t bytes; /* in chunks that are in use */
};

struct bufq {
    struct seg *head;
    struct seg *tail;
    size_t len;
};

/* Messages of at least this many bytes are passed on as spans instead of copies. */
#define CHUNK_SPAN_MIN (16 * 1024)

void chunk_pool_init(struct chunk_pool *pool);
void chunk_pool_destroy(struct chunk_pool *pool);

struct chunk *chunk_alloc(struct chunk_pool *pool, enum chunk_class size_class);
/* At least `cap` bytes; the smallest class that fits. */
struct chunk *chunk_alloc_size(struct chunk_pool *pool, size_t cap);
/* Just `cap` bytes, not from the cache: for what may stay long. */
struct chunk *chunk_alloc_exact(struct chunk_pool *pool, size_t cap);
/* Make room for `cap` bytes. The only reference must be the caller's; `used` bytes are kept. */
struct chunk *chunk_grow(struct chunk_pool *pool, struct chunk *chunk, size_t used, size_t cap);
void chunk_free(struct chunk_pool *pool, struct chunk *chunk);

static inline struct chunk *chunk_ref(struct chunk *chunk)
{
    chunk->refs++;
    return chunk;
}

static inline void chunk_unref(struct chunk_pool *pool, struct chunk *chunk)
{
    if (--chunk->refs == 0)
        chunk_free(pool, chunk);
}

/* Room for len contiguous bytes at the tail: fill them, then bufq_commit. */
OUTLINED char *bufq_reserve_slow(struct chunk_pool *pool, struct bufq *q, size_t len);

static inline char *bufq_reserve(struct chunk_pool *pool, struct bufq *q, size_t len)
{
    struct seg *tail = q->tail;
    if (tail && tail == &tail->chunk->self && tail->chunk->refs == 1) {
        char *end = tail->data + tail->len;
        if ((size_t)(tail->chunk->data + tail->chunk->cap - end) >= len)
            return end;
    }
    return bufq_reserve_slow(pool, q, len);
}

static inline void bufq_commit(struct bufq *q, size_t len)
{
    q->tail->len += len;
    q->len += len;
}

/* Copy len bytes to the tail. */
static inline void bufq_append(struct chunk_pool *pool, struct bufq *q, const void *data,
                               size_t len)
{
    memcpy(bufq_reserve(pool, q, len), data, len);
    bufq_commit(q, len);
}

/* As bufq_reserve and bufq_append, in a chunk that is no larger than needed: for bytes that may
 * have to wait. */
char *bufq_reserve_exact(struct chunk_pool *pool, struct bufq *q, size_t len);
void bufq_append_exact(struct chunk_pool *pool, struct bufq *q, const void *data, size_t len);

/* A span on a chunk, by reference. */
OUTLINED void bufq_append_span(struct chunk_pool *pool, struct bufq *q, struct chunk *chunk,
                               char *data, size_t len);
/* len bytes that lie in chunk (NULL: nowhere that can be referenced): a span if they are many, else
 * a copy. */
static inline void bufq_append_from(struct chunk_pool *pool, struct bufq *q, struct chunk *chunk,
                                    char *data, size_t len)
{
    if (UNLIKELY(len >= CHUNK_SPAN_MIN && chunk))
        bufq_append_span(pool, q, chunk, data, len);
    else
        bufq_append(pool, q, data, len);
}

/* Everything of `from` to the end of q; `from` is empty afterwards. */
void bufq_splice(struct bufq *q, struct bufq *from);
/* The first len bytes of `from` to the end of q. */
void bufq_move(struct chunk_pool *pool, struct bufq *q, struct bufq *from, size_t len);
/* Like bufq_move, but `from` keeps them. */
void bufq_copy_head(struct chunk_pool *pool, struct bufq *q, const struct bufq *from, size_t len);
void bufq_drop_slow(struct chunk_pool *pool, struct bufq *q, size_t len);
void bufq_clear(struct chunk_pool *pool, struct bufq *q);
static inline void bufq_drop(struct chunk_pool *pool, struct bufq *q, size_t len)
{
    struct seg *head = q->head;
    if (head && len < head->len) {
        head->data += len;
        head->len -= len;
        q->len -= len;
    } else {
        bufq_drop_slow(pool, q, len);
    }
}

/* Copy up to len bytes from the start into buf, without taking them; returns how many. */
size_t bufq_peek(const struct bufq *q, char *buf, size_t len);
/* All bytes as one contiguous run (moved together if need be). NULL when empty. */
char *bufq_flatten(struct chunk_pool *pool, struct bufq *q);

#endif
