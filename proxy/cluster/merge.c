/* merge: views -> owners of slots -> nodes -> topology.
 * Nodes are named by registry index throughout; positions in nodes[] are given at the end. */
#include "cluster/merge.h"

#include <stdlib.h>
#include <string.h>

#define NONE          TOPOLOGY_NO_NODE
#define MAX_ADDRESSES 4 /* different addresses of one node that are told apart */
#define BITMAP_BYTES  (SLOT_COUNT / 8)

/* What is known of one node. */
struct member {
    bool in;
    bool unheard; /* an owner in the map that no view lists */
    uint16_t position;
    const struct view *own_view;    /* its own accepted view */
    const struct view_node *own;    /* its line there */
    const struct view_node *latest; /* line of another node's view, with the greatest epoch */
    uint16_t mentions;              /* views of others that list it */
    uint16_t fail_votes;
    uint16_t replica_votes;
    bool suspected;
    uint64_t epoch;
    const struct view_node *address[MAX_ADDRESSES];
    uint16_t address_votes[MAX_ADDRESSES];
    unsigned char *owned; /* bitmap: slots it claims in its own view */
};

/* The best claim to one slot so far. */
struct claim {
    uint16_t owner;
    bool tie;
    uint64_t epoch;
};

struct merge {
    const struct merge_input *in;
    struct merge_map *map;
    const struct view **views; /* the accepted ones */
    size_t nviews;
    size_t nmembers; /* nodes that are listed */
    size_t nunheard; /* owners in the map that no view lists */
    struct member members[TOPOLOGY_MAX_NODES];
    struct claim claims[SLOT_COUNT];
    unsigned char bitmaps[]; /* one for each accepted view */
};

static bool bit_is_set(const unsigned char *bitmap, uint32_t n)
{
    return bitmap[n / 8] >> (n % 8) & 1;
}

static uint16_t source_of(const struct view *v)
{
    return v->nodes[v->myself].index;
}

/* --- which views count --- */

static bool map_is_empty(const struct merge_map *map)
{
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        if (map->owner[slot] != NONE)
            return false;
    return true;
}

static bool lists(const struct view *v, uint16_t index)
{
    for (uint16_t i = 0; i < v->nnodes; i++)
        if (v->nodes[i].index == index)
            return true;
    return false;
}

static bool listed_by_another(const struct merge *m, const struct view *v)
{
    for (size_t i = 0; i < m->nviews; i++)
        if (m->views[i] != v && lists(m->views[i], source_of(v)))
            return true;
    return false;
}

/* A node that no other one lists was forgotten or reset: it does not speak for the cluster, unless
 * none is listed by another (nodes that have not met yet; a single node). */
static void drop_outsiders(struct merge *m)
{
    const struct view **insiders = malloc(m->nviews * sizeof(*insiders));
    size_t n = 0;

    if (!insiders)
        return;
    for (size_t i = 0; i < m->nviews; i++)
        if (listed_by_another(m, m->views[i]))
            insiders[n++] = m->views[i];
    if (n > 0) {
        memcpy(m->views, insiders, n * sizeof(*insiders));
        m->nviews = n;
    }
    free(insiders);
}

/* A view without any slot (a node that was reset or has just started) unsays nothing. */
static void accept_views(struct merge *m)
{
    bool empty = map_is_empty(m->map);

    for (size_t i = 0; i < m->in->nviews; i++) {
        const struct view *v = m->in->views[i];

        if (source_of(v) < TOPOLOGY_MAX_NODES && (empty || v->nslots > 0))
            m->views[m->nviews++] = v;
    }
    drop_outsiders(m);
}

/* --- nodes --- */

static void add_address(struct member *member, const struct view_node *node)
{
    if (!*node->host && !*node->hostname)
        return;
    for (int i = 0; i < MAX_ADDRESSES; i++) {
        if (!member->address[i])
            member->address[i] = node;
        if (member->address[i]->port == node->port &&
            strcmp(member->address[i]->host, node->host) == 0) {
            member->address_votes[i]++;
            return;
        }
    }
}

static void add_mention(struct member *member, const struct view_node *node)
{
    member->mentions++;
    member->fail_votes += (node->flags & TOPOLOGY_FAIL) != 0;
    member->replica_votes += (node->flags & TOPOLOGY_REPLICA) != 0;
    member->suspected |= (node->flags & TOPOLOGY_PFAIL) != 0;
    if (!member->latest || node->epoch >= member->latest->epoch)
        member->latest = node;
    add_address(member, node);
}

static void set_owned(struct member *member, const struct view *v, unsigned char *bitmap)
{
    for (uint16_t r = 0; r < member->own->nranges; r++) {
        const struct view_range *range = &v->ranges[member->own->first_range + r];

        for (uint32_t slot = range->first; slot <= range->last; slot++)
            bitmap[slot / 8] |= (unsigned char)(1u << (slot % 8));
    }
    member->owned = bitmap;
}

static void collect_members(struct merge *m)
{
    for (size_t i = 0; i < m->nviews; i++) {
        const struct view *v = m->views[i];

        for (uint16_t j = 0; j < v->nnodes; j++) {
            const struct view_node *node = &v->nodes[j];
            struct member *member;

            if (node->index >= TOPOLOGY_MAX_NODES)
                continue;
            member = &m->members[node->index];
            m->nmembers += !member->in;
            member->in = true;
            if (node->epoch > member->epoch)
                member->epoch = node->epoch;
            if (j == v->myself) {
                member->own_view = v;
                member->own = node;
                set_owned(member, v, m->bitmaps + i * BITMAP_BYTES);
            } else {
                add_mention(member, node);
            }
        }
    }
}

static void count_unheard(struct merge *m)
{
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t owner = m->map->owner[slot];

        if (owner != NONE && !m->members[owner].in && !m->members[owner].unheard) {
            m->members[owner].unheard = true;
            m->nunheard++;
        }
    }
}

/* --- slots --- */

/* Does this node itself, knowing of at least this epoch, say that the slot is not its own? */
static bool denies(const struct merge *m, uint16_t index, uint32_t slot, uint64_t epoch)
{
    const struct member *member = &m->members[index];

    return member->own && member->own->epoch >= epoch && !bit_is_set(member->owned, slot);
}

static void add_claim(struct merge *m, uint32_t slot, const struct view_node *node)
{
    struct claim *best = &m->claims[slot];

    if (denies(m, node->index, slot, node->epoch))
        return;
    if (best->owner == NONE || node->epoch > best->epoch)
        *best = (struct claim){.owner = node->index, .epoch = node->epoch};
    else if (node->epoch == best->epoch && node->index != best->owner)
        best->tie = true;
}

static void collect_claims(struct merge *m)
{
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        m->claims[slot].owner = NONE;
    for (size_t i = 0; i < m->nviews; i++) {
        const struct view *v = m->views[i];

        for (uint16_t j = 0; j < v->nnodes; j++) {
            const struct view_node *node = &v->nodes[j];

            if (node->index >= TOPOLOGY_MAX_NODES)
                continue;
            for (uint16_t r = 0; r < node->nranges; r++)
                for (uint32_t slot = v->ranges[node->first_range + r].first;
                     slot <= v->ranges[node->first_range + r].last; slot++)
                    add_claim(m, slot, node);
        }
    }
}

/* The node that owns the slot in this view; NULL: none. */
static const struct view_node *owner_in_view(const struct view *v, uint32_t slot)
{
    for (uint16_t j = 0; j < v->nnodes; j++)
        for (uint16_t r = 0; r < v->nodes[j].nranges; r++) {
            const struct view_range *range = &v->ranges[v->nodes[j].first_range + r];

            if (slot >= range->first && slot <= range->last)
                return &v->nodes[j];
        }
    return NULL;
}

static size_t votes_for(const struct merge *m, uint32_t slot, uint16_t index)
{
    size_t votes = 0;

    for (size_t i = 0; i < m->nviews; i++) {
        const struct view_node *owner = owner_in_view(m->views[i], slot);

        votes += (owner ? owner->index : NONE) == index;
    }
    return votes;
}

/* Equal epochs: the majority, and among equals what is published. */
static void settle_tie(struct merge *m, uint32_t slot)
{
    struct claim *best = &m->claims[slot];
    size_t most = 0;

    for (size_t i = 0; i < m->nviews; i++) {
        const struct view_node *owner = owner_in_view(m->views[i], slot);
        size_t weight;

        if (!owner || owner->index >= TOPOLOGY_MAX_NODES || owner->epoch != best->epoch ||
            denies(m, owner->index, slot, owner->epoch))
            continue;
        weight = 2 * votes_for(m, slot, owner->index) + (owner->index == m->map->owner[slot]);
        if (weight > most) {
            most = weight;
            best->owner = owner->index;
        }
    }
}

/* May a claim with a lower epoch, or none at all, replace the published owner? */
static bool is_released(const struct merge *m, uint32_t slot, uint16_t to)
{
    uint16_t owner = m->map->owner[slot];

    /* A slot that is handed over has no owner for a moment between two answers: its old one denies
     * it already, its new one was asked before it came. Requests there meet MOVED, and nobody
     * waits. */
    if (to != NONE && denies(m, owner, slot, m->map->epoch[slot]))
        return true;
    if (!m->members[owner].in && m->in->is_forgotten(m->in->ctx, owner))
        return true;
    return m->nviews * 2 > m->nmembers + m->nunheard && votes_for(m, slot, to) == m->nviews;
}

static void set_owner(struct merge_map *map, uint32_t slot, uint16_t owner, uint64_t epoch)
{
    map->settled = map->settled && map->owner[slot] == owner && map->epoch[slot] == epoch;
    map->owner[slot] = owner;
    map->epoch[slot] = epoch;
}

static void decide_slot(struct merge *m, uint32_t slot)
{
    struct claim *best = &m->claims[slot];
    const uint16_t *owner = &m->map->owner[slot];
    const uint64_t *epoch = &m->map->epoch[slot];

    if (best->tie)
        settle_tie(m, slot);
    if (*owner == best->owner) {
        if (best->owner != NONE && (best->epoch > *epoch || m->members[*owner].own))
            set_owner(m->map, slot, best->owner, best->epoch);
        return;
    }
    if (*owner == NONE || (best->owner != NONE && best->epoch >= *epoch) ||
        is_released(m, slot, best->owner))
        set_owner(m->map, slot, best->owner, best->epoch);
}

/* --- the topology --- */

static const struct topology_node *previous_node(const struct merge *m, uint16_t index)
{
    const struct topology *t = m->in->previous;

    for (uint16_t i = 0; t && i < t->nnodes; i++)
        if (t->nodes[i].index == index)
            return &t->nodes[i];
    return NULL;
}

static const struct view_node *most_votes(const struct member *member,
                                          const struct topology_node *previous)
{
    const struct view_node *best = NULL;
    int most = -1;

    for (int i = 0; i < MAX_ADDRESSES && member->address[i]; i++) {
        const struct view_node *a = member->address[i];
        int weight = 2 * member->address_votes[i] + (previous &&
                                                     previous->announced_port == a->port &&
                                                     strcmp(previous->announced, a->host) == 0);

        if (weight > most) {
            most = weight;
            best = a;
        }
    }
    return best;
}

/* Its own word, if it knows its address; else the others'. */
static void set_address(const struct member *member, const struct topology_node *previous,
                        struct topology_node *out)
{
    const struct view_node *a = member->own;

    if (!a || !*a->host || !a->port)
        a = most_votes(member, previous);
    if (a) {
        const char *host = *a->host ? a->host : a->hostname;

        strncpy(out->announced, host, sizeof(out->announced) - 1);
        strncpy(out->hostname, a->hostname, sizeof(out->hostname) - 1);
        out->announced_port = a->port;
    } else if (member->own) {
        out->announced_port = member->own->port;
        strncpy(out->hostname, member->own->hostname, sizeof(out->hostname) - 1);
    }
    memcpy(out->host, out->announced, sizeof(out->host));
    out->port = out->announced_port;
}

/* Owning slots makes a master; else its own word; else the majority of the others. */
static void set_role(const struct merge *m, const struct member *member, struct topology_node *out)
{
    const struct view_node *said = member->own ? member->own : member->latest;
    bool replica = member->own ? (said->flags & TOPOLOGY_REPLICA) != 0
                               : member->replica_votes * 2 > member->mentions;

    out->master = NONE;
    if (out->slots > 0 || !replica) {
        out->flags |= TOPOLOGY_MASTER;
        return;
    }
    out->flags |= TOPOLOGY_REPLICA;
    if (said->master < TOPOLOGY_MAX_NODES && m->members[said->master].in)
        out->master = m->members[said->master].position;
}

static void fill_node(const struct merge *m, uint16_t index, struct topology_node *out)
{
    const struct member *member = &m->members[index];
    const struct topology_node *previous = previous_node(m, index);
    uint16_t slots = out->slots;

    if (!member->own && !member->latest) {
        /* an owner that nobody lists any more, but for so short a time that it may come back */
        if (previous)
            *out = *previous;
        out->master = NONE;
        out->slots = slots;
    } else {
        set_address(member, previous, out);
        set_role(m, member, out);
        out->epoch = member->epoch;
        if (member->fail_votes * 2 > member->mentions)
            out->flags |= TOPOLOGY_FAIL;
        else if (member->suspected || member->fail_votes)
            out->flags |= TOPOLOGY_PFAIL;
    }
    out->index = index;
    strncpy(out->id, m->in->id_of(m->in->ctx, index), TOPOLOGY_ID_LEN);
}

static void keep_owners(struct merge *m)
{
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t owner = m->map->owner[slot];

        if (owner != NONE && !m->members[owner].in) {
            m->members[owner].in = true;
            m->nmembers++;
        }
    }
}

static struct topology *build(struct merge *m)
{
    struct topology *t;
    uint16_t position = 0;

    keep_owners(m);
    t = topology_new((uint16_t)m->nmembers);
    if (!t)
        return NULL;
    for (uint16_t i = 0; i < TOPOLOGY_MAX_NODES; i++)
        if (m->members[i].in)
            m->members[i].position = position++;
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        if (m->map->owner[slot] != NONE) {
            t->owner[slot] = m->members[m->map->owner[slot]].position;
            t->nodes[t->owner[slot]].slots++;
        }
    for (uint16_t i = 0; i < TOPOLOGY_MAX_NODES; i++)
        if (m->members[i].in) {
            fill_node(m, i, &t->nodes[m->members[i].position]);
            if (m->members[i].epoch > t->epoch)
                t->epoch = m->members[i].epoch;
        }
    topology_count(t);
    return t;
}

void topology_count(struct topology *t)
{
    t->covered = 0;
    for (uint16_t i = 0; i < t->nnodes; i++)
        if (!(t->nodes[i].flags & TOPOLOGY_FAIL))
            t->covered += t->nodes[i].slots;
}

void merge_map_init(struct merge_map *map)
{
    memset(map, 0, sizeof(*map));
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        map->owner[slot] = NONE;
}

struct topology *topology_merge(const struct merge_input *input, struct merge_map *map)
{
    struct merge *m = calloc(1, sizeof(*m) + input->nviews * BITMAP_BYTES);
    struct topology *t = NULL;

    if (!m || !(m->views = malloc((input->nviews + 1) * sizeof(*m->views)))) {
        free(m);
        return NULL;
    }
    m->in = input;
    m->map = map;
    accept_views(m);
    if (m->nviews > 0) {
        collect_members(m);
        count_unheard(m);
        collect_claims(m);
        map->settled = m->nunheard == 0; /* they are forgotten after a time */
        for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
            decide_slot(m, slot);
        t = build(m);
    }
    free(m->views);
    free(m);
    return t;
}
