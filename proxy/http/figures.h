/* figures: every figure of the statistics page, declared once: JSON, CSV, Prometheus and the page's
 * tooltips come from here (figures.def, and counters.def and watch.def for what workers count). */
#ifndef SLOTWAY_HTTP_FIGURES_H
#define SLOTWAY_HTTP_FIGURES_H

#include "base/counters.h"
#include "flow/watch.h"
#include <stddef.h>

enum figures_now {
#define NOW(name, unit, merge, help) NOW_##name,
#include "http/figures.def"
    NOW_COUNT
};

enum figures_total {
#define TOTAL(name, kind, unit, help) TOTAL_##name,
#include "http/figures.def"
    TOTAL_COUNT
};

enum figures_node {
#define NODE(name, kind, unit, help) NODE_##name,
#include "http/figures.def"
    NODE_COUNT
};

enum figures_worker {
#define WORKER(name, kind, unit, help) WORKER_##name,
#include "http/figures.def"
    WORKER_COUNT
};

struct figure {
    const char *scope;
    const char *name;
    const char *kind; /* counter, gauge, latency */
    const char *unit;
    const char *help;
};

extern const struct figure figures[];
extern const size_t figure_count;

/* Where the scopes begin in figures[]: in the order of the enums above. */
extern const struct figure *const figures_now;
extern const struct figure *const figures_total;
extern const struct figure *const figures_node;
extern const struct figure *const figures_watch; /* of nodes, by enum watch_counter */
extern const struct figure *const figures_worker;

/* Is a minute of this figure the greatest of its seconds, or their mean? */
extern const bool figures_now_max[NOW_COUNT];

#endif
