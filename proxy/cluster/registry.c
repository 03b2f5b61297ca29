/* registry: node id -> index, by uthash; index -> id, by position.
 * An entry that has not been seen for REGISTRY_KEEP seconds may be given to a new id. */
#include "cluster/registry.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct entry {
    char id[TOPOLOGY_ID_LEN + 1];
    double seen;
    UT_hash_handle hh;
};

struct registry {
    struct entry *by_id;
    uint16_t used; /* entries[used…] have never been given away */
    struct entry entries[TOPOLOGY_MAX_NODES];
};

struct registry *registry_new(void)
{
    return calloc(1, sizeof(struct registry));
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    HASH_CLEAR(hh, r->by_id);
    free(r);
}

static struct entry *find(const struct registry *r, const char *id)
{
    struct entry *e = NULL;

    HASH_FIND_STR(r->by_id, id, e);
    return e;
}

/* A never used entry, else the one that has been gone the longest, if that is long enough. */
static struct entry *take(struct registry *r, double now)
{
    struct entry *oldest = &r->entries[0];

    if (r->used < TOPOLOGY_MAX_NODES)
        return &r->entries[r->used++];
    for (uint16_t i = 1; i < TOPOLOGY_MAX_NODES; i++)
        if (r->entries[i].seen < oldest->seen)
            oldest = &r->entries[i];
    if (now - oldest->seen <= REGISTRY_KEEP)
        return NULL;
    HASH_DEL(r->by_id, oldest);
    return oldest;
}

uint16_t registry_see(struct registry *r, const char *id, double now)
{
    struct entry *e = find(r, id);

    if (!e) {
        if (strlen(id) > TOPOLOGY_ID_LEN || !(e = take(r, now)))
            return TOPOLOGY_NO_NODE;
        strcpy(e->id, id);
        HASH_ADD_STR(r->by_id, id, e);
    }
    e->seen = now;
    return (uint16_t)(e - r->entries);
}

const char *registry_id(const struct registry *r, uint16_t index)
{
    return index < r->used ? r->entries[index].id : "";
}

double registry_seen(const struct registry *r, uint16_t index)
{
    return index < r->used ? r->entries[index].seen : 0;
}
