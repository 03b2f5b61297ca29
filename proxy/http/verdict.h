/* verdict: what is wrong, how bad it is, where, and since when. The rules are one table. */
#ifndef SLOTWAY_HTTP_VERDICT_H
#define SLOTWAY_HTTP_VERDICT_H

#include "base/event.h"
#include "cluster/topology.h"
#include <stdbool.h>
#include <stddef.h>

#define VERDICT_SHOWN 32
#define VERDICT_KEPT  256 /* findings at a time; further ones of a rule are dropped */
#define VERDICT_TEXT  256

enum verdict_severity { VERDICT_OK, VERDICT_WARNING, VERDICT_CRITICAL };
extern const char *const verdict_severities[];

enum verdict_where { VERDICT_PROXY, VERDICT_SLOTS, VERDICT_NODE, VERDICT_HOST, VERDICT_CLIENT };
extern const char *const verdict_wheres[];

struct finding {
    const char *rule;
    enum verdict_severity severity;
    char text[VERDICT_TEXT];
    char advice[VERDICT_TEXT];
    double since;    /* seconds since 1970 */
    size_t rank;     /* of its rule in the table */
    double patience; /* s that it must have lasted … */
    bool told;       /* … and it has */
    double value;
    enum verdict_where where;
    char node[TOPOLOGY_ID_LEN + 1]; /* "": none */
    char host[256];
    uint64_t client; /* 0: none */
    int first, last; /* slots; -1: none */
};

struct verdict {
    struct finding *findings; /* VERDICT_KEPT of them, worst first: verdict.c */
    uint32_t n;               /* those that have lasted as long as their rules want */
    uint32_t nall;            /* … and behind them those that have not */
    struct finding *before;   /* those of the last second: from them comes `since` */
    uint32_t nbefore;
    double well_since; /* when the last finding went */
};

struct stats;

/* Judge s, and put into s->verdict what is found. */
void verdict_find(struct stats *s);
void verdict_init(struct verdict *v, double now);
void verdict_free(struct verdict *v);

/* The worst severity, and the line for it. */
enum verdict_severity verdict_severity(const struct verdict *v);
void verdict_text(const struct stats *s, char *out, size_t cap);
double verdict_since(const struct verdict *v);

/* --- for rules --- */

/* The rules, for documents and tests. */
struct verdict_rule {
    const char *name;
    enum verdict_severity severity;
    double patience; /* s that a finding must last before it is told */
    void (*find)(struct stats *s, const struct verdict_rule *rule);
    const char *help;
};
extern const struct verdict_rule verdict_rules[];
extern const size_t verdict_rule_count;

#endif
