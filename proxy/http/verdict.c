/* verdict: what is wrong, how bad it is, where, and since when.
 * Each rule looks at one second's figures and adds what it finds; `since` comes from the finding of
 * the same rule about the same thing the second before. */
#include "http/verdict.h"
#include "base/memory.h"
#include "http/stats.h"
#include "http/verdict_rule.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const verdict_severities[] = {"ok", "warning", "critical"};
const char *const verdict_wheres[] = {"proxy", "slots", "node", "host", "client"};

void verdict_init(struct verdict *v, double now)
{
    memset(v, 0, sizeof *v);
    v->findings = memory_zalloc(VERDICT_KEPT * sizeof *v->findings);
    v->before = memory_zalloc(VERDICT_KEPT * sizeof *v->before);
    v->well_since = now;
}

void verdict_free(struct verdict *v)
{
    free(v->findings);
    free(v->before);
}

struct finding *verdict_add(struct stats *s, const struct verdict_rule *rule,
                            enum verdict_where where, const char *format, ...)
{
    static struct finding nowhere; /* what is too much is written there; one thread's */
    struct verdict *v = &s->verdict;
    struct finding *f = v->nall < VERDICT_KEPT ? &v->findings[v->nall++] : &nowhere;
    va_list ap;
    memset(f, 0, sizeof *f);
    f->rule = rule->name;
    f->rank = (size_t)(rule - verdict_rules);
    f->severity = rule->severity;
    f->patience = rule->patience;
    f->where = where;
    f->first = f->last = -1;
    va_start(ap, format);
    vsnprintf(f->text, sizeof f->text, format, ap);
    va_end(ap);
    return f;
}

void verdict_advise(struct finding *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(f->advice, sizeof f->advice, format, ap);
    va_end(ap);
}

static bool verdict_is_same(const struct finding *a, const struct finding *b)
{
    return a->rule == b->rule && a->where == b->where && a->client == b->client &&
           a->first == b->first && strcmp(a->node, b->node) == 0 && strcmp(a->host, b->host) == 0;
}

static void verdict_date(struct verdict *v, double now)
{
    v->n = 0;
    for (uint32_t i = 0; i < v->nall; i++) {
        struct finding *f = &v->findings[i];
        for (uint32_t j = 0; j < v->nbefore && f->since == 0; j++)
            if (verdict_is_same(f, &v->before[j]))
                f->since = v->before[j].since;
        if (f->since == 0)
            f->since = now;
        f->told = now - f->since >= f->patience;
        v->n += f->told;
    }
}

/* Those that are told first; of these the worst first, then in the order of the table, then oldest
 * first, then by place. */
static int verdict_compare(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;
    if (x->told != y->told)
        return (int)y->told - (int)x->told;
    if (x->severity != y->severity)
        return (int)y->severity - (int)x->severity;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->since != y->since)
        return x->since < y->since ? -1 : 1;
    return x->first != y->first ? (x->first > y->first) - (x->first < y->first)
                                : strcmp(x->node, y->node);
}

void verdict_find(struct stats *s)
{
    struct verdict *v = &s->verdict;
    struct finding *swap = v->before;
    uint32_t before = v->n;
    v->before = v->findings;
    v->nbefore = v->nall;
    v->findings = swap;
    v->nall = 0;
    for (size_t i = 0; i < verdict_rule_count; i++)
        verdict_rules[i].find(s, &verdict_rules[i]);
    verdict_date(v, s->time);
    if (v->nall > 1)
        qsort(v->findings, v->nall, sizeof *v->findings, verdict_compare);
    if (v->n == 0 && before > 0)
        v->well_since = s->time;
}

enum verdict_severity verdict_severity(const struct verdict *v)
{
    return v->n ? v->findings[0].severity : VERDICT_OK;
}

double verdict_since(const struct verdict *v)
{
    return v->n ? v->findings[0].since : v->well_since;
}

void verdict_text(const struct stats *s, char *out, size_t cap)
{
    uint32_t masters = 0;
    for (uint32_t i = 0; i < s->nnodes; i++)
        masters += s->nodes[i].v[NODE_slots] > 0;
    if (s->verdict.n)
        snprintf(out, cap, "%s", s->verdict.findings[0].text);
    else if (!s->topology)
        snprintf(out, cap, "the nodes are being asked what the cluster looks like");
    else
        snprintf(out, cap, "all %d slots are served by %u master%s%s", SLOT_COUNT, masters,
                 masters == 1 ? "" : "s", s->replicas_known ? "" : ", without replicas");
}
