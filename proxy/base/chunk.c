/* chunk: reference-counted blocks of bytes, and queues of spans on them.
 * Sizes of the cached classes and how many are kept are the numbers at the top. */
#define _GNU_SOURCE
#include "base/chunk.h"
#include "base/memory.h"
#include <stdlib.h>
#include <sys/mman.h>

/* Sizes with the header, so that a chunk is a round number of cache lines and pages. The odd 64
 * bytes keep equal offsets of two chunks out of the same cache set. */
static const size_t chunk_sizes[CHUNK_CLASSES] = {
    [CHUNK_SMALL] = 2 * 1024 + 64,
    [CHUNK_FLAT] = 16 * 1024 + 64,
    [CHUNK_READ] = 128 * 1024 + 64,
};

#ifndef MEMORY_CHECKED
/* Free chunks kept for reuse: about 2, 4 and 2 MiB a thread. */
static const uint32_t chunk_keep[CHUNK_CLASSES] = {
    [CHUNK_SMALL] = 1024,
    [CHUNK_FLAT] = 256,
    [CHUNK_READ] = 16,
};
#endif

/* From here on a chunk is mapped, and grown by moving its pages instead of its bytes. */
#define CHUNK_MAP_MIN (1024 * 1024)

void chunk_pool_init(struct chunk_pool *pool)
{
    memset(pool, 0, sizeof *pool);
    slab_init(&pool->segs, sizeof(struct seg));
}

void chunk_pool_destroy(struct chunk_pool *pool)
{
    for (int i = 0; i < CHUNK_CLASSES; i++) {
        while (pool->free[i]) {
            struct chunk *chunk = pool->free[i];
            pool->free[i] = (struct chunk *)(void *)chunk->self.next;
            free(chunk);
        }
    }
    slab_destroy(&pool->segs);
}

static struct chunk *chunk_init(struct chunk_pool *pool, struct chunk *chunk, size_t total,
                                enum chunk_class size_class)
{
    chunk->refs = 1;
    chunk->size_class = (uint8_t)size_class;
    chunk->cap = total - sizeof *chunk;
    pool->bytes += total;
    return chunk;
}

struct chunk *chunk_alloc(struct chunk_pool *pool, enum chunk_class size_class)
{
    struct chunk *chunk = pool->free[size_class];
    if (chunk) {
        pool->free[size_class] = (struct chunk *)(void *)chunk->self.next;
        pool->nfree[size_class]--;
    } else {
        chunk = memory_alloc(chunk_sizes[size_class]);
        chunk->mapped = false;
    }
    return chunk_init(pool, chunk, chunk_sizes[size_class], size_class);
}

static struct chunk *chunk_map(size_t total)
{
    void *p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    struct chunk *chunk = p;
    chunk->mapped = true;
    return chunk;
}

struct chunk *chunk_alloc_size(struct chunk_pool *pool, size_t cap)
{
    size_t total = cap + sizeof(struct chunk);
    for (int i = 0; i < CHUNK_CLASSES; i++)
        if (total <= chunk_sizes[i])
            return chunk_alloc(pool, (enum chunk_class)i);
    return chunk_alloc_exact(pool, cap);
}

struct chunk *chunk_alloc_exact(struct chunk_pool *pool, size_t cap)
{
    size_t total = cap + sizeof(struct chunk);
    struct chunk *chunk = total >= CHUNK_MAP_MIN ? chunk_map(total) : NULL;
    if (!chunk) {
        chunk = memory_alloc(total);
        chunk->mapped = false;
    }
    return chunk_init(pool, chunk, total, CHUNK_ODD);
}

struct chunk *chunk_grow(struct chunk_pool *pool, struct chunk *chunk, size_t used, size_t cap)
{
    if (cap <= chunk->cap)
        return chunk;
    if (chunk->mapped) {
        size_t before = chunk->cap + sizeof *chunk;
        size_t total = cap + sizeof *chunk;
        void *p = mremap(chunk, before, total, MREMAP_MAYMOVE);
        if (p != MAP_FAILED) {
            chunk = p;
            chunk->cap = cap;
            pool->bytes += total - before;
            return chunk;
        }
    }
    struct chunk *bigger = chunk_alloc_size(pool, cap);
    memcpy(bigger->data, chunk->data, used);
    chunk_unref(pool, chunk);
    return bigger;
}

void chunk_free(struct chunk_pool *pool, struct chunk *chunk)
{
    size_t total = chunk->cap + sizeof *chunk;
    pool->bytes -= total;
    if (chunk->mapped) {
        munmap(chunk, total);
        return;
    }
#ifndef MEMORY_CHECKED
    if (chunk->size_class < CHUNK_CLASSES &&
        pool->nfree[chunk->size_class] < chunk_keep[chunk->size_class]) {
        chunk->self.next = (struct seg *)(void *)pool->free[chunk->size_class];
        pool->free[chunk->size_class] = chunk;
        pool->nfree[chunk->size_class]++;
        return;
    }
#endif
    free(chunk);
}

static void bufq_push(struct bufq *q, struct seg *seg)
{
    seg->next = NULL;
    if (q->tail)
        q->tail->next = seg;
    else
        q->head = seg;
    q->tail = seg;
}

/* Give a segment back, and its reference. */
static void seg_free(struct chunk_pool *pool, struct seg *seg)
{
    struct chunk *chunk = seg->chunk;
    if (seg != &chunk->self)
        slab_free(&pool->segs, seg);
    chunk_unref(pool, chunk);
}

/* A new flat segment at the tail. */
static char *bufq_push_chunk(struct bufq *q, struct chunk *chunk)
{
    struct seg *seg = &chunk->self;
    seg->chunk = chunk;
    seg->data = chunk->data;
    seg->len = 0;
    bufq_push(q, seg);
    return seg->data;
}

char *bufq_reserve_slow(struct chunk_pool *pool, struct bufq *q, size_t len)
{
    /* The first chunk of a queue is small: most clients get one reply a turn. */
    if (q->len == 0 && len <= chunk_sizes[CHUNK_SMALL] - sizeof(struct chunk))
        return bufq_push_chunk(q, chunk_alloc(pool, CHUNK_SMALL));
    size_t want = chunk_sizes[CHUNK_FLAT] - sizeof(struct chunk);
    return bufq_push_chunk(q, chunk_alloc_size(pool, len > want ? len : want));
}

char *bufq_reserve_exact(struct chunk_pool *pool, struct bufq *q, size_t len)
{
    return bufq_push_chunk(q, chunk_alloc_exact(pool, len));
}

void bufq_append_exact(struct chunk_pool *pool, struct bufq *q, const void *data, size_t len)
{
    memcpy(bufq_reserve_exact(pool, q, len), data, len);
    bufq_commit(q, len);
}

void bufq_append_span(struct chunk_pool *pool, struct bufq *q, struct chunk *chunk, char *data,
                      size_t len)
{
    struct seg *seg = slab_alloc(&pool->segs);
    seg->chunk = chunk_ref(chunk);
    seg->data = data;
    seg->len = len;
    bufq_push(q, seg);
    q->len += len;
}

void bufq_splice(struct bufq *q, struct bufq *from)
{
    if (!from->head)
        return;
    if (q->tail)
        q->tail->next = from->head;
    else
        q->head = from->head;
    q->tail = from->tail;
    q->len += from->len;
    memset(from, 0, sizeof *from);
}

void bufq_copy_head(struct chunk_pool *pool, struct bufq *q, const struct bufq *from, size_t len)
{
    for (struct seg *seg = from->head; len > 0; seg = seg->next) {
        size_t n = seg->len < len ? seg->len : len;
        bufq_append_from(pool, q, seg->chunk, seg->data, n);
        len -= n;
    }
}

void bufq_move(struct chunk_pool *pool, struct bufq *q, struct bufq *from, size_t len)
{
    if (len == from->len) {
        bufq_splice(q, from);
        return;
    }
    bufq_copy_head(pool, q, from, len);
    bufq_drop(pool, from, len);
}

void bufq_drop_slow(struct chunk_pool *pool, struct bufq *q, size_t len)
{
    q->len -= len;
    while (q->head && q->head->len <= len) {
        struct seg *seg = q->head;
        len -= seg->len;
        q->head = seg->next;
        if (!q->head)
            q->tail = NULL;
        seg_free(pool, seg);
    }
    if (len > 0) {
        q->head->data += len;
        q->head->len -= len;
    }
}

void bufq_clear(struct chunk_pool *pool, struct bufq *q)
{
    bufq_drop(pool, q, q->len);
}

size_t bufq_peek(const struct bufq *q, char *buf, size_t len)
{
    size_t done = 0;
    for (const struct seg *seg = q->head; seg && done < len; seg = seg->next) {
        size_t n = seg->len < len - done ? seg->len : len - done;
        memcpy(buf + done, seg->data, n);
        done += n;
    }
    return done;
}

char *bufq_flatten(struct chunk_pool *pool, struct bufq *q)
{
    if (!q->head)
        return NULL;
    if (q->head == q->tail)
        return q->head->data;
    struct bufq flat = {0};
    size_t len = q->len;
    bufq_peek(q, bufq_reserve_slow(pool, &flat, len), len);
    bufq_commit(&flat, len);
    bufq_clear(pool, q);
    *q = flat;
    return q->head->data;
}
