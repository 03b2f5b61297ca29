/* changes: comparing topologies and telling people about it. */
#include "cluster/changes.h"

#include "base/event.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_SHOWN 8 /* characters of an id in the log */

struct flag_text {
    uint32_t flag;
    const char *on;
    const char *off;
    enum log_level level;
    enum event_severity severity; /* when it is on */
};

static const struct flag_text flag_texts[] = {
    {TOPOLOGY_FAIL, "is dead, the cluster agrees", "is alive again, the cluster agrees",
     LOG_LEVEL_NOTICE, EVENT_CRITICAL},
    {TOPOLOGY_SILENT, "does not answer", "answers again", LOG_LEVEL_NOTICE, EVENT_CRITICAL},
    {TOPOLOGY_LOADING, "is loading its data", "has loaded its data", LOG_LEVEL_NOTICE,
     EVENT_WARNING},
    {TOPOLOGY_BUSY, "is busy with a script", "is no longer busy with a script", LOG_LEVEL_NOTICE,
     EVENT_WARNING},
    {TOPOLOGY_PFAIL, "is suspected by other nodes", "is no longer suspected", LOG_LEVEL_VERBOSE,
     EVENT_WARNING},
    {TOPOLOGY_LAGGING, "is too far behind its master for reads", "is up to date with its master",
     LOG_LEVEL_VERBOSE, EVENT_WARNING},
};

/* A line in the log and an event. */
__attribute__((format(printf, 4, 5))) static void say(enum event_kind kind,
                                                      enum event_severity severity,
                                                      enum log_level level, const char *format, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    log_at(level, "cluster: %s", text);
    event_note(kind, severity, "%s", text);
}

static bool same_node(const struct topology_node *a, const struct topology_node *b)
{
    return a->index == b->index && a->port == b->port && a->announced_port == b->announced_port &&
           a->flags == b->flags && a->master == b->master && a->addrlen == b->addrlen &&
           memcmp(&a->addr, &b->addr, a->addrlen) == 0 && strcmp(a->id, b->id) == 0 &&
           strcmp(a->host, b->host) == 0 && strcmp(a->announced, b->announced) == 0 &&
           strcmp(a->hostname, b->hostname) == 0 && strcmp(a->run_id, b->run_id) == 0 &&
           strcmp(a->version, b->version) == 0;
}

bool changes_matter(const struct topology *before, const struct topology *after)
{
    if (!before || before->nnodes != after->nnodes ||
        memcmp(before->owner, after->owner, sizeof(after->owner)) != 0)
        return true;
    for (uint16_t i = 0; i < after->nnodes; i++)
        if (!same_node(&before->nodes[i], &after->nodes[i]))
            return true;
    return false;
}

static const char *role(const struct topology_node *node)
{
    return node->flags & TOPOLOGY_MASTER ? "master" : "replica";
}

/* "host:port" of a node for the log; of several calls in one line each needs its own buffer. */
static const char *name(const struct topology *t, uint16_t position, char out[280])
{
    if (position == TOPOLOGY_NO_NODE)
        return "nobody";
    snprintf(out, 280, strchr(t->nodes[position].host, ':') ? "[%s]:%u" : "%s:%u",
             t->nodes[position].host, t->nodes[position].port);
    return out;
}

/* What follows from something else that is told: a dead node is not suspected any more, a master is
 * behind nobody, and a new replica is behind until it has said that it is not. */
static bool is_implied(const struct topology_node *node, uint32_t before, uint32_t flag, bool known)
{
    if (flag == TOPOLOGY_PFAIL)
        return (node->flags | before) & TOPOLOGY_FAIL;
    if (flag == TOPOLOGY_LAGGING)
        return !known || node->flags & (TOPOLOGY_MASTER | TOPOLOGY_FAIL | TOPOLOGY_SILENT);
    return false;
}

/* before: its flags until now; known: it is not new. */
static void log_flags(const struct topology *t, uint16_t i, uint32_t before, bool known)
{
    const struct topology_node *node = &t->nodes[i];
    uint32_t changed = before ^ node->flags;
    char buf[280];

    for (size_t f = 0; f < sizeof(flag_texts) / sizeof(flag_texts[0]); f++) {
        const struct flag_text *text = &flag_texts[f];
        bool on = node->flags & text->flag;
        enum event_severity severity = on ? text->severity : EVENT_INFO;

        if (!(changed & text->flag) || is_implied(node, before, text->flag, known))
            continue;
        if (severity == EVENT_CRITICAL && node->slots == 0)
            severity = EVENT_WARNING;
        say(EVENT_NODE, severity, text->level, "%s %s %s", role(node), name(t, i, buf),
            on ? text->on : text->off);
    }
}

static void log_new(const struct topology *t, uint16_t i)
{
    const struct topology_node *node = &t->nodes[i];
    char buf[280], of[280];

    if (node->flags & TOPOLOGY_MASTER)
        say(EVENT_NODE, EVENT_INFO, LOG_LEVEL_NOTICE, "node %s (%.*s) is there: master of %u slots",
            name(t, i, buf), ID_SHOWN, node->id, node->slots);
    else
        say(EVENT_NODE, EVENT_INFO, LOG_LEVEL_NOTICE, "node %s (%.*s) is there: replica of %s",
            name(t, i, buf), ID_SHOWN, node->id, name(t, node->master, of));
    log_flags(t, i, 0, false);
}

static void log_role(const struct topology *b, uint16_t j, const struct topology *a, uint16_t i)
{
    const struct topology_node *old = &b->nodes[j], *node = &a->nodes[i];
    const char *old_master = old->master == TOPOLOGY_NO_NODE ? "" : b->nodes[old->master].id;
    const char *new_master = node->master == TOPOLOGY_NO_NODE ? "" : a->nodes[node->master].id;
    char buf[280], of[280];

    if (strcmp(old_master, new_master) == 0 &&
        (old->flags & TOPOLOGY_MASTER) == (node->flags & TOPOLOGY_MASTER))
        return;
    if (node->flags & TOPOLOGY_MASTER)
        say(EVENT_FAILOVER, EVENT_WARNING, LOG_LEVEL_NOTICE,
            "%s is a master now (epoch %" PRIu64 " -> %" PRIu64 ")", name(a, i, buf), old->epoch,
            node->epoch);
    else
        say(EVENT_FAILOVER, EVENT_INFO, LOG_LEVEL_NOTICE, "%s is a replica of %s now",
            name(a, i, buf), name(a, node->master, of));
}

static void log_node(const struct topology *b, uint16_t j, const struct topology *a, uint16_t i)
{
    const struct topology_node *old = &b->nodes[j], *node = &a->nodes[i];
    char was[280], buf[280];

    if (old->port != node->port || strcmp(old->host, node->host) != 0)
        say(EVENT_NODE, EVENT_WARNING, LOG_LEVEL_NOTICE, "node %.*s moved from %s to %s", ID_SHOWN,
            node->id, name(b, j, was), name(a, i, buf));
    if (*old->run_id && *node->run_id && strcmp(old->run_id, node->run_id) != 0)
        say(EVENT_NODE, EVENT_WARNING, LOG_LEVEL_NOTICE, "%s %s was restarted%s%s", role(node),
            name(a, i, buf), strcmp(old->version, node->version) ? ", now version " : "",
            strcmp(old->version, node->version) ? node->version : "");
    log_flags(a, i, old->flags, true);
    log_role(b, j, a, i);
}

/* One line for each pair of old and new owner. */
static void log_slots_from(const struct topology *b, uint16_t from, const struct topology *a,
                           uint16_t *counts)
{
    const struct topology_node *old = from == TOPOLOGY_NO_NODE ? NULL : &b->nodes[from];
    const char *old_id = old ? old->id : "";
    char was[280], buf[280], text[700];

    memset(counts, 0, ((size_t)a->nnodes + 1) * sizeof(*counts));
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        if (b->owner[slot] == from)
            counts[a->owner[slot] == TOPOLOGY_NO_NODE ? a->nnodes : a->owner[slot]]++;
    for (uint16_t i = 0; i <= a->nnodes; i++) {
        uint16_t to = i == a->nnodes ? TOPOLOGY_NO_NODE : i;

        if (counts[i] == 0 || strcmp(to == TOPOLOGY_NO_NODE ? "" : a->nodes[to].id, old_id) == 0)
            continue;
        snprintf(text, sizeof(text),
                 "slots moved from %s (epoch %" PRIu64 ") to %s (epoch %" PRIu64 ")",
                 name(b, from, was), old ? old->epoch : 0, name(a, to, buf),
                 to == TOPOLOGY_NO_NODE ? 0 : a->nodes[to].epoch);
        log_at(LOG_LEVEL_NOTICE, "cluster: %u %s", counts[i], text);
        event_note_some(EVENT_SLOTS, EVENT_INFO, counts[i], "%s", text);
    }
}

static void log_slots(const struct topology *b, const struct topology *a)
{
    uint16_t *counts = calloc((size_t)a->nnodes + 1, sizeof(*counts));

    for (uint16_t j = 0; counts && j < b->nnodes; j++)
        log_slots_from(b, j, a, counts);
    if (counts)
        log_slots_from(b, TOPOLOGY_NO_NODE, a, counts);
    free(counts);
}

void changes_log(const struct topology *before, const struct topology *after)
{
    char buf[280];

    for (uint16_t i = 0; i < after->nnodes; i++) {
        uint16_t j = before ? topology_find_id(before, after->nodes[i].id) : TOPOLOGY_NO_NODE;

        if (j == TOPOLOGY_NO_NODE)
            log_new(after, i);
        else
            log_node(before, j, after, i);
    }
    for (uint16_t j = 0; before && j < before->nnodes; j++)
        if (topology_find_id(after, before->nodes[j].id) == TOPOLOGY_NO_NODE)
            say(EVENT_NODE, EVENT_WARNING, LOG_LEVEL_NOTICE, "node %s (%.*s) has left",
                name(before, j, buf), ID_SHOWN, before->nodes[j].id);
    if (before)
        log_slots(before, after);
    uint32_t uncovered = topology_uncovered(after);
    if (!before || topology_uncovered(before) != uncovered)
        say(EVENT_SLOTS, uncovered ? EVENT_CRITICAL : EVENT_INFO, LOG_LEVEL_NOTICE,
            "%u of %u slots are served", SLOT_COUNT - uncovered, SLOT_COUNT);
}
