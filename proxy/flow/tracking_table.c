/* tracking_table: the clients of a worker that track or are told, and the mail between workers. */
#include "flow/tracking_table.h"
#include "base/memory.h"
#include "flow/session.h"
#include "flow/worker.h"
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define TRACKING_PUSH    ">2\r\n$10\r\ninvalidate\r\n"
#define TRACKING_MESSAGE "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"
#define TRACKING_NULL3   "_\r\n"
#define TRACKING_NULL2   "$-1\r\n"

/* A client of this worker by its id. */
struct tracking_entry {
    uint64_t id;
    struct client *client;
    UT_hash_handle hh;
};

struct tracking_table {
    struct tracking_entry *sources; /* that track */
    struct tracking_entry *targets; /* that are told by others */
};

struct tracking_table *tracking_table_new(void)
{
    return memory_zalloc(sizeof(struct tracking_table));
}

static void tracking_clear(struct tracking_entry **entries)
{
    struct tracking_entry *entry, *next;
    HASH_ITER (hh, *entries, entry, next) {
        HASH_DEL(*entries, entry);
        free(entry);
    }
}

void tracking_table_free(struct tracking_table *table)
{
    if (!table)
        return;
    tracking_clear(&table->sources);
    tracking_clear(&table->targets);
    free(table);
}

uint32_t tracking_clients(const struct process *process)
{
    return atomic_load_explicit(&process->trackers, memory_order_relaxed);
}

/* --- entries --- */

static struct client *tracking_lookup(struct tracking_entry *entries, uint64_t id)
{
    struct tracking_entry *entry;
    HASH_FIND(hh, entries, &id, sizeof id, entry);
    return entry ? entry->client : NULL;
}

static void tracking_insert(struct tracking_entry **entries, struct client *c)
{
    struct tracking_entry *entry = memory_zalloc(sizeof *entry);
    entry->id = c->id;
    entry->client = c;
    HASH_ADD(hh, *entries, id, sizeof entry->id, entry);
}

static void tracking_remove(struct tracking_entry **entries, uint64_t id)
{
    struct tracking_entry *entry;
    HASH_FIND(hh, *entries, &id, sizeof id, entry);
    if (!entry)
        return;
    HASH_DEL(*entries, entry);
    free(entry);
}

void tracking_table_add(struct client *c)
{
    if (tracking_lookup(c->worker->tracking->sources, c->id))
        return;
    tracking_insert(&c->worker->tracking->sources, c);
    atomic_fetch_add_explicit(&c->worker->process->trackers, 1, memory_order_relaxed);
}

void tracking_table_remove(struct client *c)
{
    if (!tracking_lookup(c->worker->tracking->sources, c->id))
        return;
    tracking_remove(&c->worker->tracking->sources, c->id);
    atomic_fetch_sub_explicit(&c->worker->process->trackers, 1, memory_order_relaxed);
}

void tracking_table_each(struct worker *w, void (*each)(struct client *c))
{
    struct tracking_entry *entry, *next;
    HASH_ITER (hh, w->tracking->sources, entry, next)
        each(entry->client);
}

bool tracking_table_find(struct worker *w, uint64_t id)
{
    struct client *c = w->clients;
    if (tracking_lookup(w->tracking->targets, id))
        return true;
    while (c && c->id != id)
        c = c->next;
    if (!c)
        return false;
    session_of(c); /* so that its end is noticed */
    tracking_insert(&w->tracking->targets, c);
    return true;
}

void tracking_table_forget(struct client *c)
{
    tracking_remove(&c->worker->tracking->targets, c->id);
}

/* --- telling --- */

void tracking_table_tell(struct client *c, bool redirected, const char *body, size_t len)
{
    char stack[512], *text = stack;
    const char *head = c->flags & CLIENT_RESP3 ? TRACKING_PUSH : TRACKING_MESSAGE;
    size_t head_len = strlen(head);
    if (!(c->flags & CLIENT_RESP3)) {
        if (!redirected || !(c->flags & CLIENT_SUBSCRIBED))
            return; /* as in Redis: RESP2 has no way to say it */
        if (*body == *TRACKING_NULL3) {
            body = TRACKING_NULL2;
            len = strlen(TRACKING_NULL2);
        }
    }
    if (head_len + len > sizeof stack)
        text = memory_alloc(head_len + len);
    memcpy(text, head, head_len);
    memcpy(text + head_len, body, len);
    if (redirected)
        client_send_push(c, NULL, text, head_len + len);
    else
        client_send_behind(c, text, head_len + len);
    if (text != stack)
        free(text);
}

struct tracking_mail {
    uint64_t source, target;
    struct worker *sender;
    size_t len;
    char body[];
};

/* In the source's thread again: there was no target. */
static void tracking_take_back(void *owner, void *arg)
{
    struct worker *w = owner;
    struct tracking_mail *mail = arg;
    struct client *source = tracking_lookup(w->tracking->sources, mail->source);
    if (source && tracking_redirect(source) == (int64_t)mail->target)
        tracking_on_broken(source);
    free(mail);
}

/* In the target's thread. */
static void tracking_take_mail(void *owner, void *arg)
{
    struct worker *w = owner;
    struct tracking_mail *mail = arg;
    struct client *target = tracking_lookup(w->tracking->targets, mail->target);
    if (!target) {
        worker_post(mail->sender, tracking_take_back, mail);
        return;
    }
    tracking_table_tell(target, true, mail->body, mail->len);
    free(mail);
}

void tracking_table_send(struct client *source, const struct tracking_target *target,
                         const char *body, size_t len)
{
    struct worker *w = source->worker;
    struct tracking_mail *mail = memory_alloc(sizeof *mail + len);
    mail->source = source->id;
    mail->target = target->id;
    mail->sender = w;
    mail->len = len;
    memcpy(mail->body, body, len);
    worker_post(w->process->workers[target->worker], tracking_take_mail, mail);
}
