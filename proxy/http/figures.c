/* figures: every figure of the statistics page, declared once. */
#include "http/figures.h"

#define MEAN false
#define MAX  true

const struct figure figures[] = {
#define NOW(name, unit, merge, help) {"now", #name, "gauge", unit, help},
#include "http/figures.def"
#define TOTAL(name, kind, unit, help) {"total", #name, #kind, #unit, help},
#include "http/figures.def"
#define NODE(name, kind, unit, help) {"node", #name, #kind, #unit, help},
#include "http/figures.def"
#define X(name, unit, help) {"node", #name, "counter", #unit, help},
#include "flow/watch.def"
#undef X
#define WORKER(name, kind, unit, help) {"worker", #name, #kind, #unit, help},
#include "http/figures.def"
#define X(name, kind, unit, help) {"total", #name, #kind, #unit, help},
#include "base/counters.def"
#undef X
#define COMMAND(name, kind, unit, help) {"command", #name, #kind, #unit, help},
#include "http/figures.def"
#define CLIENT(name, kind, unit, help) {"client", #name, #kind, #unit, help},
#include "http/figures.def"
};

const size_t figure_count = sizeof figures / sizeof figures[0];
const struct figure *const figures_now = figures;
const struct figure *const figures_total = figures + NOW_COUNT;
const struct figure *const figures_node = figures + NOW_COUNT + TOTAL_COUNT;
const struct figure *const figures_watch = figures + NOW_COUNT + TOTAL_COUNT + NODE_COUNT;

const struct figure *const figures_worker = figures + NOW_COUNT + TOTAL_COUNT + NODE_COUNT +
                                            WATCH_COUNT;

const bool figures_now_max[NOW_COUNT] = {
#define NOW(name, unit, merge, help) merge,
#include "http/figures.def"
};
