/* counters: one block a worker, written by its thread, read by any.
 * The table of names and help texts from which every output derives. */
#include "base/counters.h"

const struct counter_info counter_info[COUNTER_COUNT] = {
#define X(name, kind, unit, help) {#name, COUNTER_KIND_##kind, #unit, help},
#include "base/counters.def"
#undef X
};
