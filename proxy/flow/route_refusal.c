/* route_refusal: a node refused a request, or was lost with it: where it goes then, if anywhere. */
#define _GNU_SOURCE
#include "base/log.h"
#include "flow/backend.h"
#include "flow/blocking.h"
#include "flow/client.h"
#include "flow/fanout.h"
#include "flow/order.h"
#include "flow/route.h"
#include "flow/route_parts.h"
#include "flow/script.h"
#include "flow/tracking.h"
#include "flow/transaction.h"
#include "flow/watch.h"
#include "flow/worker.h"

/* Redirects followed at once; from then on with a pause. */
#define ROUTE_QUICK_TRIES 5
/* Pause before a refused request is tried again, µs. */
#define ROUTE_PAUSE 10000
/* How often a script that is unknown to a node is brought along before the error is believed. */
#define ROUTE_SCRIPT_TRIES 4
/* A slot counts as being migrated for so long after the last refusal, seconds. */
#define ROUTE_UNSETTLED 2

#define ROUTE_MAYBE                                                                                \
    "ERR connection to the node was lost: the command may or may not have been executed"

/* The refusals that say that nothing was executed. A script may end with an error of its own that
 * begins like one of them when it has executed: to scripts only those count that are worded as
 * servers word them. */
static const struct {
    const char *code;
    const char *words; /* what a server says behind the code; NULL: a slot and an address */
    uint8_t cause;
    bool blocking; /* said to commands that wait only */
} route_refusals[] = {
    {"-MOVED", NULL, REQUEST_CAUSE_REDIRECTED, false},
    {"-ASK", NULL, REQUEST_CAUSE_REDIRECTED, false},
    {"-TRYAGAIN", "Multiple keys request during rehashing", REQUEST_CAUSE_TRYAGAIN, false},
    {"-CLUSTERDOWN", "Hash slot not served", REQUEST_CAUSE_CLUSTERDOWN, false},
    {"-CLUSTERDOWN", "The cluster is down", REQUEST_CAUSE_CLUSTERDOWN, false},
    {"-LOADING", "Redis is loading the dataset", REQUEST_CAUSE_LOADING, false},
    {"-LOADING", "Valkey is loading the dataset", REQUEST_CAUSE_LOADING, false},
    {"-MASTERDOWN", "Link with MASTER is down", REQUEST_CAUSE_MASTERDOWN, false},
    {"-READONLY", "You can't write against a read only", REQUEST_CAUSE_READONLY, false},
    {"-NOSCRIPT", "No matching script", REQUEST_CAUSE_NONE, false},
    /* a master that has become a replica, to those who waited there; it closes the connection */
    {"-UNBLOCKED", "force", REQUEST_CAUSE_READONLY, true},
    {"-ERR", "WAIT cannot", REQUEST_CAUSE_READONLY, true},
    {"-ERR", "WAITAOF cannot", REQUEST_CAUSE_READONLY, true},
};

/* --- refusals --- */

/* Does the line go on with a word that begins so? */
static bool route_begins(const char *line, size_t len, const char *with)
{
    size_t n = strlen(with);
    return len >= n && memcmp(line, with, n) == 0;
}

/* "1234 host:port" of a redirection: is it about the slot of a script's keys? */
static bool route_names_slot(const struct request *r, const char *rest, size_t len)
{
    const char *space = memchr(rest, ' ', len);
    int64_t slot;
    return space && resp_parse_int(rest, (size_t)(space - rest), &slot) && slot == r->slot;
}

/* The row that an error line to r belongs to, -1: none. */
static int route_refusal(const struct request *r, const char *line, size_t len)
{
    bool script = r->cmd && (r->cmd->flags & COMMAND_SCRIPT);
    for (size_t i = 0; i < sizeof route_refusals / sizeof route_refusals[0]; i++) {
        const char *words = route_refusals[i].words;
        size_t code = strlen(route_refusals[i].code);
        if (!route_begins(line, len, route_refusals[i].code) || len < code + 2 ||
            (line[code] != ' ' && line[code] != '\r'))
            continue;
        if (route_refusals[i].blocking && !(r->flags & REQUEST_BLOCKING))
            continue;
        const char *rest = line + code + 1;
        size_t left = len - code - 1;
        if (!script && !route_refusals[i].blocking)
            return (int)i;
        if (words ? route_begins(rest, left, words) : route_names_slot(r, rest, left))
            return (int)i;
    }
    return -1;
}

bool route_is_refusal(const struct request *r, const char *line, size_t len)
{
    int which = route_refusal(r, line, len);
    if (which < 0)
        return false;
    if (route_refusals[which].cause == REQUEST_CAUSE_NONE)
        return r->cmd && (r->cmd->flags & COMMAND_SCRIPT) && r->tries < ROUTE_SCRIPT_TRIES;
    return true;
}

/* The address that a node means by an empty or "?" host in a redirection: its own announced one. */
static const char *route_own_host(const struct worker *w, const struct pool *pool)
{
    const struct topology *t = w->topology;
    for (uint16_t i = 0; i < t->nnodes; i++)
        if (t->nodes[i].index == pool->node && *t->nodes[i].announced)
            return t->nodes[i].announced;
    return pool->host;
}

/* The node that "MOVED 1234 host:port" names: its stable index, or NODE_NONE. */
static uint16_t route_parse_target(const struct worker *w, const struct backend *b,
                                   const char *line, size_t len, int64_t *slot)
{
    const char *end = line + len - 2;
    const char *p = memchr(line, ' ', len);
    const char *space = p ? memchr(p + 1, ' ', (size_t)(end - p - 1)) : NULL;
    const char *colon = space ? memrchr(space, ':', (size_t)(end - space)) : NULL;
    int64_t port;
    if (!colon || !resp_parse_int(p + 1, (size_t)(space - p - 1), slot) ||
        !resp_parse_int(colon + 1, (size_t)(end - colon - 1), &port) || port < 1 || port > 65535)
        return NODE_NONE;
    uint16_t at = topology_find_address(w->topology, space + 1, (size_t)(colon - space - 1),
                                        (uint16_t)port, route_own_host(w, b->pool));
    uint16_t node = at == TOPOLOGY_NO_NODE ? NODE_NONE : w->topology->nodes[at].index;
    /* no node sends us to itself: on other hosts there are nodes with the same port */
    return node == b->pool->node ? NODE_NONE : node;
}

/* Send again at once what a node refused; behind what waits of the same client. */
static void route_again(struct worker *w, struct request *r, enum request_cause cause)
{
    struct client *c = order_client(r);
    struct bufq prefix = {0};
    if (c)
        c->flags |= CLIENT_BARRIER;
    if (!r->held_since)
        r->held_since = w->now;
    if ((c && (c->parked || !order_may_drive(c))) || r->tries > ROUTE_QUICK_TRIES) {
        route_park(w, r, cause, r->tries > ROUTE_QUICK_TRIES ? ROUTE_PAUSE : 0);
        return;
    }
    struct backend *b = route_pick(w, r);
    if (b)
        route_send_held(w, r, b, &prefix, 0);
    else
        route_park(w, r, REQUEST_CAUSE_NO_NODE, 0);
}

/* A node found keys where slotway found none (numkeys that only the node understands, a module's
 * command): the slot is the one that it names. */
static void route_learn_slot(struct request *r, int64_t slot)
{
    if (r->slot == SLOT_NONE && slot >= 0 && slot < SLOT_COUNT)
        r->slot = (uint16_t)slot;
}

/* The node that a redirection of r names, by its stable index. NODE_NONE: there is none to follow;
 * r waits. */
static uint16_t route_target(struct worker *w, struct request *r, const struct backend *b,
                             const char *line, size_t len)
{
    int64_t slot = -1;
    uint16_t node = route_parse_target(w, b, line, len, &slot);
    route_learn_slot(r, slot);
    if (node != NODE_NONE && slot == r->slot && slot < SLOT_COUNT) /* SLOT_NONE is a number too */
        return node;
    route_park(w, r, REQUEST_CAUSE_REDIRECTED, ROUTE_PAUSE);
    return NODE_NONE;
}

static void route_on_moved(struct worker *w, struct request *r, const struct backend *b,
                           const char *line, size_t len)
{
    counters_add(&w->counters, COUNTER_redirects_moved, 1);
    uint16_t node = route_target(w, r, b, line, len);
    if (node == NODE_NONE)
        return;
    /* Only who is taken for the owner can say that another one is: what a node says that was asked
     * before the map changed, or that has slept through it, is older than what is known here. */
    uint16_t *owner = &w->slot_node[r->slot];
    if (*owner == b->pool->node || *owner == NODE_NONE) {
        *owner = node;
        route_raise_barriers(w);
        tracking_on_slots_moved(w);
    }
    route_again(w, r, REQUEST_CAUSE_REDIRECTED);
}

/* ASK or TRYAGAIN: the slot is on its way to another node. */
static void route_note_unsettled(struct worker *w, uint16_t slot)
{
    if (slot >= SLOT_COUNT)
        return;
    if (w->unsettled[slot] < w->seconds) /* what does not exist yet may be made elsewhere */
        tracking_on_slots_moved(w);
    w->unsettled_until = w->seconds + ROUTE_UNSETTLED;
    w->unsettled[slot] = (uint32_t)w->unsettled_until;
    w->careful = true;
}

static void route_on_ask(struct worker *w, struct request *r, const struct backend *b,
                         const char *line, size_t len)
{
    counters_add(&w->counters, COUNTER_redirects_ask, 1);
    uint16_t node = route_target(w, r, b, line, len);
    if (node == NODE_NONE)
        return;
    r->target = node;
    route_note_unsettled(w, r->slot);
    route_again(w, r, REQUEST_CAUSE_REDIRECTED);
}

/* The reply is an error after all. */
static void route_give_up(struct worker *w, struct request *r, const char *line, size_t len)
{
    char *data = (char *)(uintptr_t)line;
    bufq_clear(&w->chunks, &r->data);
    if (r->flags & REQUEST_CHILD)
        fanout_on_reply(w, r, NULL, data, len);
    else if (r->client)
        client_on_reply(r, NULL, data, len);
    else
        request_free(w, r);
}

static bool route_knows_script(struct worker *w, struct request *r)
{
    size_t len = r->data.len;
    return script_is_known(bufq_flatten(&w->chunks, &r->data), len);
}

/* A node does not know the script of r: the next sending will bring it along. */
static void route_on_noscript(struct worker *w, struct request *r, struct backend *b)
{
    counters_add(&w->counters, COUNTER_scripts_loaded, 1);
    script_known_free(&b->scripts);
    if (r->prefix)
        r->target = b->pool->node; /* ASK led there: load it there too, not at the slot's owner */
    route_again(w, r, REQUEST_CAUSE_TRYAGAIN);
}

/* Nobody waits for the reply, and nothing would change without it. */
static bool route_is_pointless(const struct request *r)
{
    return !order_client(r) && !(r->flags & REQUEST_CHILD) && (r->flags & REQUEST_READONLY);
}

void route_on_refusal(struct worker *w, struct request *r, struct backend *b, const char *line,
                      size_t len)
{
    int which = route_refusal(r, line, len);
    bool noscript = route_refusals[which].cause == REQUEST_CAUSE_NONE;
    if (r->flags & REQUEST_WATCHED) {
        keywatch_answer_nil(w, r);
        return;
    }
    if (route_is_pointless(r)) {
        request_free(w, r);
        return;
    }
    if (noscript && !route_knows_script(w, r)) {
        order_on_end(w, r, false);
        route_give_up(w, r, line, len);
        return;
    }
    if (r->flags & REQUEST_BLOCKING)
        blocking_on_return(w, r);
    if (r->tries < UINT8_MAX)
        r->tries++;
    order_on_refusal(w, r);
    if (route_refusals[which].blocking)
        backend_recall(b); /* the node closes it */
    if (noscript) {
        route_on_noscript(w, r, b);
        return;
    }
    bool elsewhere = line[1] == 'A' || (line[1] == 'M' && line[2] == 'O'); /* ASK, MOVED */
    watch_add(b->pool->watch, elsewhere ? WATCH_redirects : WATCH_refused, 1);
    worker_hint(w);
    if (b->replica) {
        r->flags |= REQUEST_MASTER_ONLY;
        route_again(w, r, (enum request_cause)route_refusals[which].cause);
    } else if (line[1] == 'M' && line[2] == 'O') {
        route_on_moved(w, r, b, line, len);
    } else if (line[1] == 'A') {
        route_on_ask(w, r, b, line, len);
    } else {
        counters_add(&w->counters, COUNTER_refusals, 1);
        route_note_unsettled(w, r->slot);
        route_park(w, r, (enum request_cause)route_refusals[which].cause, ROUTE_PAUSE);
    }
}

/* --- lost connections --- */

/* Can it be sent twice without harm? */
static bool route_is_repeatable(const struct request *r)
{
    if (r->flags & REQUEST_BLOCKING)
        return blocking_is_known(r->cmd);
    return !(r->cmd->flags & (COMMAND_WRITE | COMMAND_SCRIPT | COMMAND_PUBSUB)) ||
           (r->flags & REQUEST_READONLY);
}

void route_on_lost(struct worker *w, struct request *r, bool sent)
{
    order_on_end(w, r, sent);
    if (r->flags & REQUEST_COMMITTED) {
        struct client *c = r->client;
        if (c) {
            log_limited(LOG_LEVEL_WARNING,
                        "Client id=%llu closed: a node died in the middle of its reply",
                        (unsigned long long)c->id);
            client_note_closed(c, EVENT_WARNING, "a node died in the middle of its reply");
            counters_add(&w->counters, COUNTER_clients_closed_torn, 1);
            client_close(c);
        }
        request_free(w, r);
        return;
    }
    request_forget_reply(w, r);
    if ((r->flags & REQUEST_WATCHED) && (!sent || (r->flags & REQUEST_READONLY))) {
        keywatch_answer_nil(w, r);
        return;
    }
    if (route_is_pointless(r)) {
        request_free(w, r);
        return;
    }
    if (r->flags & REQUEST_BLOCKING)
        blocking_on_return(w, r);
    if (!sent) {
        route_park(w, r, REQUEST_CAUSE_NO_NODE, 0);
        return;
    }
    if (!route_is_repeatable(r)) {
        counters_add(&w->counters, COUNTER_maybe_executed, 1);
        route_fail(w, r, ROUTE_MAYBE);
        return;
    }
    counters_add(&w->counters, COUNTER_retried, 1);
    if (r->flags & REQUEST_REPLICA)
        r->flags |= REQUEST_MASTER_ONLY;
    if (r->tries < UINT8_MAX)
        r->tries++;
    route_park(w, r, REQUEST_CAUSE_NO_NODE, r->tries > ROUTE_QUICK_TRIES ? ROUTE_PAUSE : 0);
}
