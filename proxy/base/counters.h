/* counters: one block a worker, written by its thread, read by any. Declared in counters.def. */
#ifndef SLOTWAY_BASE_COUNTERS_H
#define SLOTWAY_BASE_COUNTERS_H

#include <stdint.h>

enum counter {
#define X(name, kind, unit, help) COUNTER_##name,
#include "base/counters.def"
#undef X
    COUNTER_COUNT
};

enum counter_kind { COUNTER_KIND_counter, COUNTER_KIND_gauge };

struct counter_info {
    const char *name;
    enum counter_kind kind;
    const char *unit;
    const char *help;
};

extern const struct counter_info counter_info[COUNTER_COUNT];

struct counters {
    uint64_t v[COUNTER_COUNT];
};

/* Only the thread that owns the block writes, so a relaxed load and store is enough and costs no
 * locked instruction. */
static inline void counters_add(struct counters *counters, enum counter which, uint64_t n)
{
    uint64_t *v = &counters->v[which];
    __atomic_store_n(v, __atomic_load_n(v, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline uint64_t counters_get(const struct counters *counters, enum counter which)
{
    return __atomic_load_n(&counters->v[which], __ATOMIC_RELAXED);
}

#endif
