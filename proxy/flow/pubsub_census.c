/* pubsub_census: what clients of all workers are subscribed to, and where slotway is itself.
 * An entry lives as long as a worker or one of its connections refers to it. */
#include "flow/pubsub_census.h"
#include "base/glob.h"
#include "base/memory.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* How many of slotway's connections are subscribed at one node. */
struct census_place {
    uint16_t node;
    int64_t n;
};

struct census_entry {
    UT_hash_handle hh;
    enum pubsub_kind kind;
    uint32_t refs;
    int64_t clients;
    struct census_place *places;
    uint32_t nplaces;
    size_t len;
    char name[];
};

static pthread_mutex_t census_lock = PTHREAD_MUTEX_INITIALIZER;
static struct census_entry *census_tables[PUBSUB_KINDS];
static _Atomic uint64_t census_size;               /* entries of all kinds */
static _Atomic uint64_t census_used[PUBSUB_KINDS]; /* of these, entries with clients */

bool census_is_empty(void)
{
    return atomic_load_explicit(&census_size, memory_order_relaxed) == 0;
}

uint64_t census_names(enum pubsub_kind kind)
{
    return atomic_load_explicit(&census_used[kind], memory_order_relaxed);
}

static struct census_entry *census_find(enum pubsub_kind kind, const char *name, size_t len)
{
    struct census_entry *entry;
    HASH_FIND(hh, census_tables[kind], name, len, entry);
    return entry;
}

struct census_entry *census_take(enum pubsub_kind kind, const char *name, size_t len)
{
    pthread_mutex_lock(&census_lock);
    struct census_entry *entry = census_find(kind, name, len);
    if (!entry) {
        entry = memory_zalloc(sizeof *entry + len + 1);
        entry->kind = kind;
        entry->len = len;
        if (len)
            memcpy(entry->name, name, len);
        HASH_ADD_KEYPTR(hh, census_tables[kind], entry->name, len, entry);
        atomic_fetch_add_explicit(&census_size, 1, memory_order_relaxed);
    }
    entry->refs++;
    pthread_mutex_unlock(&census_lock);
    return entry;
}

void census_release(struct census_entry *entry)
{
    pthread_mutex_lock(&census_lock);
    if (--entry->refs == 0) {
        HASH_DEL(census_tables[entry->kind], entry);
        free(entry->places);
        free(entry);
        atomic_fetch_sub_explicit(&census_size, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&census_lock);
}

void census_add_clients(struct census_entry *entry, int64_t n)
{
    pthread_mutex_lock(&census_lock);
    bool before = entry->clients > 0;
    entry->clients += n;
    if (before != (entry->clients > 0))
        atomic_fetch_add_explicit(&census_used[entry->kind], before ? (uint64_t)-1 : 1,
                                  memory_order_relaxed);
    pthread_mutex_unlock(&census_lock);
}

static struct census_place *census_place(struct census_entry *entry, uint16_t node)
{
    for (uint32_t i = 0; i < entry->nplaces; i++)
        if (entry->places[i].node == node)
            return &entry->places[i];
    return NULL;
}

void census_add_link(struct census_entry *entry, uint16_t node, int64_t n)
{
    pthread_mutex_lock(&census_lock);
    struct census_place *place = census_place(entry, node);
    if (!place) {
        entry->places = memory_realloc(entry->places, (entry->nplaces + 1) * sizeof *entry->places);
        place = &entry->places[entry->nplaces++];
        *place = (struct census_place){.node = node};
    }
    place->n += n;
    if (place->n == 0)
        *place = entry->places[--entry->nplaces];
    pthread_mutex_unlock(&census_lock);
}

static void census_count(struct census_entry *entry, uint16_t node, struct census_count *count)
{
    const struct census_place *place = census_place(entry, node);
    count->clients += entry->clients;
    count->links += place ? place->n : 0;
}

struct census_count census_of(enum pubsub_kind kind, const char *name, size_t len, uint16_t node)
{
    struct census_count count = {0};
    pthread_mutex_lock(&census_lock);
    struct census_entry *entry = census_find(kind, name, len);
    if (entry)
        census_count(entry, node, &count);
    pthread_mutex_unlock(&census_lock);
    return count;
}

struct census_count census_receivers(enum pubsub_kind kind, const char *name, size_t len,
                                     uint16_t node)
{
    struct census_count count = {0};
    struct census_entry *entry, *next;
    pthread_mutex_lock(&census_lock);
    entry = census_find(kind, name, len);
    if (entry)
        census_count(entry, node, &count);
    if (kind == PUBSUB_CHANNEL)
        HASH_ITER (hh, census_tables[PUBSUB_PATTERN], entry, next)
            if (glob_match(entry->name, entry->len, name, len))
                census_count(entry, node, &count);
    pthread_mutex_unlock(&census_lock);
    return count;
}

struct census_count census_patterns(uint16_t node)
{
    struct census_count count = {0};
    struct census_entry *entry, *next;
    pthread_mutex_lock(&census_lock);
    HASH_ITER (hh, census_tables[PUBSUB_PATTERN], entry, next) {
        count.clients += entry->clients > 0;
        count.links += census_place(entry, node) != NULL;
    }
    pthread_mutex_unlock(&census_lock);
    return count;
}

void census_each(enum pubsub_kind kind,
                 void (*each)(void *arg, const char *name, size_t len, int64_t clients), void *arg)
{
    struct census_entry *entry, *next;
    pthread_mutex_lock(&census_lock);
    HASH_ITER (hh, census_tables[kind], entry, next)
        each(arg, entry->name, entry->len, entry->clients);
    pthread_mutex_unlock(&census_lock);
}
