/* pubsub_link_subs: commands on a link, and what is subscribed there.
 *
 *   SUBSCRIBE … -> node      answers pair with ops, in order: ops -> op -> op -> last_op
 */
#include "base/memory.h"
#include "flow/pubsub_hub.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <stdlib.h>

/* What a node counted may be up to so old when slotway reads it, µs. */
#define LINK_GHOST_TIME 200000

/* --- commands --- */

void link_command(struct pubsub_link *l, enum pubsub_op_kind kind, struct pubsub_sub *sub, int argc,
                  const char *const *argv, const size_t *lens)
{
    struct worker *w = l->hub->worker;
    struct reply r = {.pool = &w->chunks, .q = &l->stream.out, .protocol = 2};
    struct pubsub_op *op = memory_zalloc(sizeof *op);
    size_t before = l->stream.out.len;
    reply_array(&r, (size_t)argc);
    for (int i = 0; i < argc; i++)
        reply_bulk(&r, argv[i], lens ? lens[i] : strlen(argv[i]));
    stream_appended(&l->stream, l->stream.out.len - before);
    if (!l->ops)
        l->heard = w->now; /* silence counts from here */
    op->kind = kind;
    op->sub = sub;
    op->turn = w->now;
    if (l->last_op)
        l->last_op->next = op;
    else
        l->ops = op;
    l->last_op = op;
    if (sub)
        sub->inflight++;
}

static void link_topic_command(struct pubsub_sub *sub, enum pubsub_op_kind kind)
{
    static const char *const names[PUBSUB_KINDS][2] = {
        [PUBSUB_CHANNEL] = {"SUBSCRIBE", "UNSUBSCRIBE"},
        [PUBSUB_PATTERN] = {"PSUBSCRIBE", "PUNSUBSCRIBE"},
        [PUBSUB_SHARD] = {"SSUBSCRIBE", "SUNSUBSCRIBE"},
    };
    const struct pubsub_topic *t = sub->topic;
    const char *verb = names[t->kind][kind == PUBSUB_OP_UNSUB];
    const char *argv[] = {verb, topic_name(t)};
    size_t lens[] = {strlen(verb), topic_name_len(t)};
    link_command(sub->link, kind, sub, 2, argv, lens);
}

void link_greet(struct pubsub_link *l)
{
    const struct config *config = l->hub->worker->config;
    const char *with_user[] = {"AUTH", config->auth_user, config->auth_password};
    const char *alone[] = {"AUTH", config->auth_password};
    if (!*config->auth_password)
        return;
    if (*config->auth_user)
        link_command(l, PUBSUB_OP_GREET, NULL, 3, with_user, NULL);
    else
        link_command(l, PUBSUB_OP_GREET, NULL, 2, alone, NULL);
}

/* --- subscriptions --- */

struct pubsub_sub *link_sub(const struct pubsub_link *l, const struct pubsub_topic *t)
{
    for (struct pubsub_sub *sub = t->subs; sub; sub = sub->topic_next)
        if (sub->link == l)
            return sub;
    return NULL;
}

void link_subscribe(struct pubsub_link *l, struct pubsub_topic *t)
{
    struct pubsub_sub *sub = link_sub(l, t);
    if (sub && sub->wanted)
        return;
    if (!sub) {
        sub = memory_zalloc(sizeof *sub);
        sub->topic = t;
        sub->link = l;
        sub->topic_next = t->subs;
        t->subs = sub;
        sub->link_next = l->subs;
        if (l->subs)
            l->subs->link_prev = sub;
        l->subs = sub;
        l->idle_since = 0;
        census_add_link(t->entry, l->node, 1);
    }
    sub->wanted = true;
    sub->asked = l->hub->worker->now;
    link_topic_command(sub, PUBSUB_OP_SUB);
}

void link_confirm_again(struct pubsub_topic *t)
{
    for (struct pubsub_sub *sub = t->subs; sub; sub = sub->topic_next) {
        if (!sub->wanted || sub->asked == t->hub->worker->now)
            continue;
        sub->asked = t->hub->worker->now;
        link_topic_command(sub, PUBSUB_OP_SUB);
    }
}

void link_unsubscribe(struct pubsub_sub *sub)
{
    sub->wanted = false;
    sub->confirmed = 0;
    sub->ending++;
    link_topic_command(sub, PUBSUB_OP_UNSUB);
}

/* What a node counted a moment ago may still be on its way here. */
static void ghost_add(struct pubsub *hub, struct pubsub_topic *t, uint16_t node)
{
    struct pubsub_ghost *ghost = memory_zalloc(sizeof *ghost);
    ghost->entry = census_take((enum pubsub_kind)t->kind, topic_name(t), topic_name_len(t));
    ghost->node = node;
    ghost->due = hub->worker->now + LINK_GHOST_TIME;
    if (hub->last_ghost)
        hub->last_ghost->next = ghost;
    else
        hub->ghosts = ghost;
    hub->last_ghost = ghost;
}

void ghost_free_due(struct pubsub *hub, uint64_t now)
{
    while (hub->ghosts && hub->ghosts->due <= now) {
        struct pubsub_ghost *ghost = hub->ghosts;
        hub->ghosts = ghost->next;
        if (!hub->ghosts)
            hub->last_ghost = NULL;
        census_add_link(ghost->entry, ghost->node, -1);
        census_release(ghost->entry);
        free(ghost);
    }
}

void link_free_sub(struct pubsub_sub *sub)
{
    struct pubsub_link *l = sub->link;
    struct pubsub_topic *t = sub->topic;
    struct pubsub_sub **at = &t->subs;
    while (*at != sub)
        at = &(*at)->topic_next;
    *at = sub->topic_next;
    *(sub->link_prev ? &sub->link_prev->link_next : &l->subs) = sub->link_next;
    if (sub->link_next)
        sub->link_next->link_prev = sub->link_prev;
    if (!l->subs)
        l->idle_since = l->hub->worker->now;
    ghost_add(l->hub, t, l->node);
    free(sub);
    topic_check_idle(t);
}
