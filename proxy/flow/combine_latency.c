/* combine_latency: LATENCY HISTOGRAM, LATEST and HISTORY over all masters: their rows are read into
 * one table, in which those of one name become one. */
#include "flow/combine_latency.h"
#include "base/memory.h"
#include "flow/local_call.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <stdlib.h>
#include <string.h>

/* LATENCY HISTORY keeps so many samples of an event (LATENCY_TS_LEN of Redis). */
#define LATENCY_SAMPLES 160

/* HISTOGRAM: calls that took no longer than `at` µs, and longer than the bucket before.
 * HISTORY: a sample taken at `at` (seconds), of n ms. */
struct latency_point {
    int64_t at, n;
};

/* A command or an event. Its name lies in the reply that named it first. */
struct latency_row {
    const char *name;
    size_t len;
    int64_t calls;             /* HISTOGRAM */
    int64_t at, latest, worst; /* LATEST: s, ms, ms */
    struct latency_point *points;
    size_t npoints;
};

struct latency_table {
    struct latency_row *rows;
    size_t n;
};

static struct latency_row *latency_row(struct latency_table *t, const char *name, size_t len)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->rows[i].len == len && memcmp(t->rows[i].name, name, len) == 0)
            return &t->rows[i];
    t->rows = memory_realloc(t->rows, (t->n + 1) * sizeof *t->rows);
    t->rows[t->n] = (struct latency_row){.name = name, .len = len};
    return &t->rows[t->n++];
}

/* Keeps points in the order of `at`; together: those of equal `at` are added up. */
static void latency_add(struct latency_row *row, int64_t at, int64_t n, bool together)
{
    size_t i = row->npoints;
    while (i > 0 && row->points[i - 1].at > at)
        i--;
    if (together && i > 0 && row->points[i - 1].at == at) {
        row->points[i - 1].n += n;
        return;
    }
    row->points = memory_realloc(row->points, (row->npoints + 1) * sizeof *row->points);
    memmove(row->points + i + 1, row->points + i, (row->npoints - i) * sizeof *row->points);
    row->points[i] = (struct latency_point){at, n};
    row->npoints++;
}

/* --- reading --- */

static bool latency_read_int(struct reply_reader *reader, int64_t *n)
{
    struct reply_value value;
    if (!reply_read(reader, &value) || value.type != ':')
        return false;
    *n = value.n;
    return true;
}

static bool latency_read_name(struct reply_reader *reader, struct reply_value *value)
{
    return reply_read(reader, value) && value->data && !value->null;
}

/* name, [calls, n, histogram_usec, [µs, calls until there, …]] */
static bool latency_read_command(struct latency_table *t, struct reply_reader *reader)
{
    struct reply_value name, value;
    int64_t calls, at, until, before = 0;
    if (!latency_read_name(reader, &name) || !reply_read(reader, &value) || value.n != 4 ||
        !reply_skip(reader) || !latency_read_int(reader, &calls) || !reply_skip(reader) ||
        !reply_read(reader, &value) || (value.type != '*' && value.type != '%'))
        return false;
    struct latency_row *row = latency_row(t, name.data, name.len);
    row->calls += calls;
    for (int64_t i = 0; i < value.n / 2; i++) {
        if (!latency_read_int(reader, &at) || !latency_read_int(reader, &until))
            return false;
        latency_add(row, at, until - before, true);
        before = until;
    }
    return true;
}

/* [event, at, latest, worst] */
static bool latency_read_event(struct latency_table *t, struct reply_reader *reader)
{
    struct reply_value head, name;
    int64_t at, latest, worst;
    if (!reply_read(reader, &head) || head.n != 4 || !latency_read_name(reader, &name) ||
        !latency_read_int(reader, &at) || !latency_read_int(reader, &latest) ||
        !latency_read_int(reader, &worst))
        return false;
    struct latency_row *row = latency_row(t, name.data, name.len);
    if (at > row->at || (at == row->at && latest > row->latest)) {
        row->at = at;
        row->latest = latest;
    }
    row->worst = worst > row->worst ? worst : row->worst;
    return true;
}

/* [at, n] */
static bool latency_read_sample(struct latency_table *t, struct reply_reader *reader)
{
    struct reply_value head;
    int64_t at, n;
    if (!reply_read(reader, &head) || head.n != 2 || !latency_read_int(reader, &at) ||
        !latency_read_int(reader, &n))
        return false;
    latency_add(latency_row(t, "", 0), at, n, false);
    return true;
}

/* --- writing --- */

static void latency_write_commands(const struct latency_table *t, struct reply *r)
{
    reply_map(r, t->n);
    for (size_t i = 0; i < t->n; i++) {
        const struct latency_row *row = &t->rows[i];
        int64_t until = 0;
        reply_bulk(r, row->name, row->len);
        reply_map(r, 2);
        reply_bulk_string(r, "calls");
        reply_int(r, row->calls);
        reply_bulk_string(r, "histogram_usec");
        reply_map(r, row->npoints);
        for (size_t k = 0; k < row->npoints; k++) {
            reply_int(r, row->points[k].at);
            reply_int(r, until += row->points[k].n);
        }
    }
}

static void latency_write_events(const struct latency_table *t, struct reply *r)
{
    reply_array(r, t->n);
    for (size_t i = 0; i < t->n; i++) {
        const struct latency_row *row = &t->rows[i];
        reply_array(r, 4);
        reply_bulk(r, row->name, row->len);
        reply_int(r, row->at);
        reply_int(r, row->latest);
        reply_int(r, row->worst);
    }
}

static void latency_write_samples(const struct latency_table *t, struct reply *r)
{
    size_t n = t->n ? t->rows[0].npoints : 0;
    size_t first = n > LATENCY_SAMPLES ? n - LATENCY_SAMPLES : 0;
    reply_array(r, n - first);
    for (size_t i = first; i < n; i++) {
        reply_array(r, 2);
        reply_int(r, t->rows[0].points[i].at);
        reply_int(r, t->rows[0].points[i].n);
    }
}

static const struct latency_kind {
    const char *command;
    int elements; /* of a row in the outermost aggregate */
    bool (*read)(struct latency_table *t, struct reply_reader *reader);
    void (*write)(const struct latency_table *t, struct reply *r);
} latency_kinds[] = {
    {"latency|histogram", 2, latency_read_command, latency_write_commands},
    {"latency|latest", 1, latency_read_event, latency_write_events},
    {"latency|history", 1, latency_read_sample, latency_write_samples},
};

static bool latency_read(struct worker *w, struct fanout *f, const struct latency_kind *kind,
                         struct latency_table *t)
{
    for (uint32_t i = 0; i < f->children; i++) {
        struct bufq *q = &f->replies[i].q;
        const char *data = bufq_flatten(&w->chunks, q);
        struct reply_reader reader = {data, data ? data + q->len : data};
        struct reply_value head;
        if (!reply_read(&reader, &head) || (head.type != '*' && head.type != '%'))
            return false;
        for (int64_t k = 0; k < head.n / kind->elements; k++)
            if (!kind->read(t, &reader))
                return false;
    }
    return true;
}

bool combine_latency(struct worker *w, struct fanout *f, struct bufq *out)
{
    const struct latency_kind *kind = latency_kinds;
    struct latency_table table = {0};
    while (strcmp(kind->command, f->parent->cmd->name) != 0)
        kind++;
    bool good = latency_read(w, f, kind, &table);
    if (good) {
        struct reply r = local_reply_to(w, f->parent, out);
        kind->write(&table, &r);
    }
    for (size_t i = 0; i < table.n; i++)
        free(table.rows[i].points);
    free(table.rows);
    return good;
}
