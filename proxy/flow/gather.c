/* gather: runs a function in every worker's thread and brings the results back to the one that
 * asked. Parts are separate, so nothing is shared but the countdown. */
#include "flow/gather.h"
#include "base/memory.h"
#include "flow/client.h"
#include "flow/worker.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void gather_free(struct gather *g)
{
    for (uint32_t i = 0; i < g->nparts; i++)
        free(g->parts[i].data);
    free(g->question);
    free(g);
}

/* In the asking worker's thread. */
static void gather_on_all(void *owner, void *arg)
{
    struct worker *w = owner;
    struct gather *g = arg;
    struct request *r = g->request;
    if (r->client) {
        struct bufq out = {0};
        g->finish(w, g, &out);
        if (r->flags & REQUEST_NOREPLY)
            bufq_clear(&w->chunks, &out);
        else
            bufq_splice(&r->reply, &out);
    }
    client_finish(w, r);
    gather_free(g);
}

/* In each worker's thread. */
static void gather_on_question(void *owner, void *arg)
{
    struct worker *w = owner;
    struct gather *g = arg;
    g->collect(w, g->question, &g->parts[w->id]);
    if (atomic_fetch_sub_explicit(&g->missing, 1, memory_order_acq_rel) == 1)
        worker_post(g->asker, gather_on_all, g);
}

struct gather *gather_for(struct worker *w, struct request *r, void *question,
                          void (*collect)(struct worker *w, const void *question,
                                          struct gather_part *part),
                          void (*finish)(struct worker *w, struct gather *g, struct bufq *out))
{
    uint32_t n = w->process->nworkers;
    struct gather *g = memory_zalloc(sizeof *g + n * sizeof *g->parts);
    g->parts = (struct gather_part *)(g + 1);
    g->nparts = n;
    g->question = question;
    g->collect = collect;
    g->finish = finish;
    g->asker = w;
    g->request = r;
    atomic_init(&g->missing, n);
    return g;
}

void gather_ask(struct gather *g)
{
    struct process *process = g->asker->process;
    uint32_t n = g->nparts; /* g may be gone once the last one has been asked */
    for (uint32_t i = 0; i < n; i++)
        worker_post(process->workers[i], gather_on_question, g);
}

void gather_start(struct client *c, const struct command *cmd, void *question,
                  void (*collect)(struct worker *w, const void *question, struct gather_part *part),
                  void (*finish)(struct worker *w, struct gather *g, struct bufq *out))
{
    struct request *r = client_reply_later(c, cmd);
    gather_ask(gather_for(c->worker, r, question, collect, finish));
}

static void gather_reserve(struct gather_part *part, size_t len)
{
    if (part->cap - part->len >= len)
        return;
    size_t cap = part->cap ? part->cap : 1024;
    while (cap - part->len < len)
        cap *= 2;
    part->data = memory_realloc(part->data, cap);
    part->cap = cap;
}

void gather_append(struct gather_part *part, const void *data, size_t len)
{
    gather_reserve(part, len);
    if (len)
        memcpy(part->data + part->len, data, len);
    part->len += len;
}

void gather_printf(struct gather_part *part, const char *format, ...)
{
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (len > 0) {
        gather_reserve(part, (size_t)len + 1);
        vsnprintf(part->data + part->len, (size_t)len + 1, format, again);
        part->len += (size_t)len;
    }
    va_end(again);
}
