/* local_slowlog: SLOWLOG: the slow requests of all workers, the latest first. */
#include "base/memory.h"
#include "flow/gather.h"
#include "flow/local_call.h"
#include "flow/slowlog.h"
#include "flow/transaction.h"
#include <stdlib.h>

#define SLOWLOG_DEFAULT_COUNT 10

/* What each worker says for GET: for every entry this header, then its bytes. */
struct slowlog_item {
    uint64_t id;
    uint32_t len;
    const char *data; /* set by the one who reads it */
};

static void slowlog_get_collect(struct worker *w, const void *question, struct gather_part *part)
{
    int64_t count = *(const int64_t *)question;
    const struct slowlog *log = w->slowlog;
    int64_t skip = count < 0 || count > log->count ? 0 : log->count - count;
    for (const struct slowlog_entry *e = log->oldest; e; e = e->newer) {
        struct slowlog_item item = {.id = e->id, .len = e->len};
        if (skip-- > 0)
            continue;
        gather_append(part, &item, sizeof item);
        gather_append(part, e->reply, e->len);
        part->n++;
    }
}

static int slowlog_compare(const void *a, const void *b)
{
    const struct slowlog_item *x = a, *y = b;
    return x->id < y->id ? 1 : x->id > y->id ? -1 : 0;
}

/* The items of one part. Returns how many. */
static size_t slowlog_read_part(const struct gather_part *part, struct slowlog_item *items)
{
    size_t n = 0;
    for (size_t pos = 0; pos < part->len; pos += items[n++].len) {
        memcpy(&items[n], part->data + pos, sizeof *items);
        pos += sizeof *items;
        items[n].data = part->data + pos;
    }
    return n;
}

/* Entries that one server would have kept: slowlog-max-len of them. */
static int64_t slowlog_total(const struct worker *w, const struct gather *g)
{
    int64_t total = 0;
    for (uint32_t i = 0; i < g->nparts; i++)
        total += g->parts[i].n;
    return total < w->config->slowlog_max_len ? total : w->config->slowlog_max_len;
}

static void slowlog_get_finish(struct worker *w, struct gather *g, struct bufq *out)
{
    struct reply r = local_reply_to(w, g->request, out);
    int64_t count = *(const int64_t *)g->question;
    size_t all = 0, n = 0;
    for (uint32_t i = 0; i < g->nparts; i++)
        all += (size_t)g->parts[i].n;
    struct slowlog_item *items = memory_alloc((all + 1) * sizeof *items);
    for (uint32_t i = 0; i < g->nparts; i++)
        n += slowlog_read_part(&g->parts[i], items + n);
    qsort(items, n, sizeof *items, slowlog_compare);
    int64_t shown = slowlog_total(w, g);
    if (count >= 0 && count < shown)
        shown = count;
    reply_array(&r, (size_t)shown);
    for (int64_t i = 0; i < shown; i++)
        bufq_append(&w->chunks, out, items[i].data, items[i].len);
    free(items);
}

static void slowlog_get(const struct local_call *call)
{
    int64_t count = SLOWLOG_DEFAULT_COUNT;
    if (local_argc(call) > 3) {
        local_wrong_sub(call);
        return;
    }
    if (local_argc(call) == 3 && (!local_int(call, 2, &count) || count < -1)) {
        client_reply_error(call->c, "ERR count should be greater than or equal to -1");
        return;
    }
    int64_t *question = memory_alloc(sizeof *question);
    *question = count;
    gather_start(call->c, call->cmd, question, slowlog_get_collect, slowlog_get_finish);
}

static void slowlog_len_collect(struct worker *w, const void *question, struct gather_part *part)
{
    (void)question;
    part->n = w->slowlog->count;
}

static void slowlog_len_finish(struct worker *w, struct gather *g, struct bufq *out)
{
    struct reply r = local_reply_to(w, g->request, out);
    reply_int(&r, slowlog_total(w, g));
}

static void slowlog_len(const struct local_call *call)
{
    gather_start(call->c, call->cmd, NULL, slowlog_len_collect, slowlog_len_finish);
}

static void slowlog_reset_collect(struct worker *w, const void *question, struct gather_part *part)
{
    (void)part;
    slowlog_reset(w->slowlog, *(const uint64_t *)question);
}

static void slowlog_reset_finish(struct worker *w, struct gather *g, struct bufq *out)
{
    struct reply r = local_reply_to(w, g->request, out);
    (void)g;
    reply_status(&r, "OK");
}

static void slowlog_reset_all(const struct local_call *call)
{
    /* What comes after this command stays, and so does its own entry. In a transaction it is run
     * later than the node ran what stands around it, so what was noted since EXEC stays. */
    const struct exec *exec = call->c->worker->exec;
    uint64_t *before = memory_alloc(sizeof *before);
    *before = exec ? exec->slow_mark : slowlog_next();
    gather_start(call->c, call->cmd, before, slowlog_reset_collect, slowlog_reset_finish);
}

static void slowlog_help(const struct local_call *call)
{
    static const char *const lines[] = {
        "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET [<count>]",
        "    Return the latest <count> entries (default: 10, -1 means all). An entry is made of:",
        "    id, timestamp, time in microseconds from the request's arrival to its reply,",
        "    arguments array, client IP and port, client name",
        "LEN",
        "    Return the number of entries.",
        "RESET",
        "    Forget all entries.",
        "HELP",
        "    Print this help.",
    };
    local_help(call->c, lines, sizeof lines / sizeof lines[0]);
}

void local_slowlog(const struct local_call *call)
{
    static const struct local_sub subs[] = {
        {"get", -2, slowlog_get},
        {"len", 2, slowlog_len},
        {"reset", 2, slowlog_reset_all},
        {"help", 2, slowlog_help},
    };
    local_run_sub(call, subs, sizeof subs / sizeof subs[0]);
}
