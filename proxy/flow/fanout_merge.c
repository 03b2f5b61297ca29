/* fanout_merge: the replies of all parts of a request as one: elements in the order of the keys,
 * sums, concatenations. Merges that are special to a command are in combine*.c. */
#include "flow/fanout_merge.h"
#include "base/memory.h"
#include "flow/combine.h"
#include "flow/worker.h"
#include <stdio.h>
#include <stdlib.h>

/* An element up to this size is copied behind the others: cheaper than a span. */
#define FANOUT_COPIED 2048

/* snprintf would be the dearest part of a split MGET. */
char *fanout_put_number(char *out, char type, uint64_t n)
{
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + n % 10);
    while (n /= 10);
    *out++ = type;
    while (count > 0)
        *out++ = digits[--count];
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

/* The number of an integer reply or of an aggregate's header at the start of q, which is taken off.
 */
static bool fanout_take_number(struct worker *w, struct bufq *q, char *type, int64_t *value)
{
    char line[32];
    size_t n = bufq_peek(q, line, sizeof line);
    char *end = n > 3 ? memchr(line, '\r', n) : NULL;
    if (!end || !resp_parse_int(line + 1, (size_t)(end - line - 1), value))
        return false;
    *type = line[0];
    bufq_drop(&w->chunks, q, (size_t)(end - line) + 2);
    return true;
}

/* Length of the first whole element of q. */
static size_t fanout_element(const struct bufq *q)
{
    struct resp_reply_scan scan = {0};
    size_t total = 0;
    for (const struct seg *seg = q->head; seg; seg = seg->next) {
        size_t used = 0;
        enum resp_result result = resp_scan_reply(&scan, seg->data, seg->len, &used);
        total += used;
        if (result == RESP_COMPLETE)
            return total;
        if (result == RESP_ERROR || used < seg->len)
            return 0;
    }
    return 0;
}

static void fanout_put_header(struct worker *w, struct bufq *out, char type, uint64_t n)
{
    char *p = bufq_reserve(&w->chunks, out, 32);
    bufq_commit(out, (size_t)(fanout_put_number(p, type, n) - p));
}

/* MGET: each key's element, in the order of the keys. */
static bool fanout_merge_keys(struct worker *w, struct fanout *f, struct bufq *out)
{
    uint32_t *per_child = memory_zalloc(f->children * sizeof *per_child);
    bool good = true;
    for (uint32_t i = 0; i < f->nplan; i++)
        per_child[f->plan[i]]++;
    for (uint32_t i = 0; i < f->children && good; i++) {
        char type;
        int64_t n;
        good = fanout_take_number(w, &f->replies[i].q, &type, &n) && type == '*' &&
               n == (int64_t)per_child[i];
    }
    fanout_put_header(w, out, '*', f->nplan);
    for (uint32_t i = 0; i < f->nplan && good; i++) {
        struct bufq *q = &f->replies[f->plan[i]].q;
        /* The last one of a child is all that is left of its reply. */
        bool last = per_child[f->plan[i]]-- == 1;
        if (!last && q->head != q->tail)
            bufq_flatten(&w->chunks, q);
        size_t len = last ? q->len : fanout_element(q);
        good = len > 0;
        if (len < FANOUT_COPIED) {
            bufq_copy_head(&w->chunks, out, q, len);
            bufq_drop(&w->chunks, q, len);
        } else {
            bufq_move(&w->chunks, out, q, len);
        }
    }
    free(per_child);
    return good;
}

static bool fanout_merge_concat(struct worker *w, struct fanout *f, struct bufq *out)
{
    uint64_t total = 0;
    char first = 0;
    for (uint32_t i = 0; i < f->children; i++) {
        char type;
        int64_t n;
        if (!fanout_take_number(w, &f->replies[i].q, &type, &n))
            return false;
        if (i == 0)
            first = type;
        if (type != first || (type != '*' && type != '%' && type != '~'))
            return false;
        total += n > 0 ? (uint64_t)n : 0;
    }
    fanout_put_header(w, out, first, total);
    for (uint32_t i = 0; i < f->children; i++)
        bufq_splice(out, &f->replies[i].q);
    return true;
}

static int64_t fanout_fold(uint8_t merge, int64_t a, int64_t b)
{
    switch (merge) {
    case COMMAND_MERGE_SUM:
        return (int64_t)((uint64_t)a + (uint64_t)b); /* whatever nodes say */
    case COMMAND_MERGE_MIN:
        return a < b ? a : b;
    case COMMAND_MERGE_MAX:
        return a > b ? a : b;
    case COMMAND_MERGE_AND:
        return a && b;
    case COMMAND_MERGE_OR:
        return a || b;
    default:
        return a;
    }
}

/* Integers, or arrays of integers element by element. */
static bool fanout_merge_numbers(struct worker *w, struct fanout *f, struct bufq *out)
{
    char type, other;
    int64_t n, m, elements = 1;
    bool array = false;
    for (uint32_t i = 0; i < f->children; i++) {
        char head;
        if (bufq_peek(&f->replies[i].q, &head, 1) != 1)
            return false;
        if (i == 0)
            array = head == '*';
        if ((head == '*') != array)
            return false;
        if (array &&
            (!fanout_take_number(w, &f->replies[i].q, &head, &m) || (i > 0 && m != elements)))
            return false;
        if (array)
            elements = m;
    }
    if (array)
        fanout_put_header(w, out, '*', elements < 0 ? 0 : (uint64_t)elements);
    for (int64_t e = 0; e < elements; e++) {
        if (!fanout_take_number(w, &f->replies[0].q, &type, &n) || type != ':')
            return false;
        for (uint32_t i = 1; i < f->children; i++) {
            if (!fanout_take_number(w, &f->replies[i].q, &other, &m) || other != ':')
                return false;
            n = fanout_fold(f->merge, n, m);
        }
        char *p = bufq_reserve(&w->chunks, out, 32);
        bufq_commit(out, (size_t)sprintf(p, ":%lld\r\n", (long long)n));
    }
    return true;
}

bool fanout_merge(struct worker *w, struct fanout *f, struct bufq *out)
{
    switch ((enum command_merge)f->merge) {
    case COMMAND_MERGE_KEYS:
        return fanout_merge_keys(w, f, out);
    case COMMAND_MERGE_CONCAT:
        return fanout_merge_concat(w, f, out);
    case COMMAND_MERGE_SUM:
    case COMMAND_MERGE_MIN:
    case COMMAND_MERGE_MAX:
    case COMMAND_MERGE_AND:
        return fanout_merge_numbers(w, f, out);
    case COMMAND_MERGE_OR:
    case COMMAND_MERGE_FIRST:
        for (uint32_t i = 0; i < f->children && !out->head; i++)
            bufq_splice(out, &f->replies[i].q);
        return true;
    case COMMAND_MERGE_SPECIAL:
        combine_special(w, f, out);
        return true;
    }
    return false;
}
