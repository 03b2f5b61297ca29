/* histogram: how often a duration of so many microseconds occurred, four steps to each doubling.
 * Written by one thread, read by any, as counters are. */
#ifndef SLOTWAY_BASE_HISTOGRAM_H
#define SLOTWAY_BASE_HISTOGRAM_H

#include <stdint.h>

/* 0 to 7 µs one by one, then four buckets for each doubling, up to two minutes; what is longer
 * counts in the last one. */
#define HISTOGRAM_EXACT   8
#define HISTOGRAM_BUCKETS (HISTOGRAM_EXACT + 24 * 4)

struct histogram {
    uint64_t v[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t us)
{
    if (us < HISTOGRAM_EXACT)
        return (unsigned)us;
    unsigned octave = 63 - (unsigned)__builtin_clzll(us); /* 3 or more */
    unsigned at = HISTOGRAM_EXACT + (octave - 3) * 4 + (unsigned)(us >> (octave - 2) & 3);
    return at < HISTOGRAM_BUCKETS ? at : HISTOGRAM_BUCKETS - 1;
}

static inline void histogram_add_at(struct histogram *h, unsigned bucket, uint64_t times)
{
    uint64_t *v = &h->v[bucket];
    __atomic_store_n(v, __atomic_load_n(v, __ATOMIC_RELAXED) + times, __ATOMIC_RELAXED);
}

static inline void histogram_add(struct histogram *h, uint64_t us, uint64_t times)
{
    histogram_add_at(h, histogram_bucket(us), times);
}

/* Least duration that falls into this bucket; of HISTOGRAM_BUCKETS: the end of the last one. */
uint64_t histogram_lower(unsigned bucket);

/* Add a histogram that another thread may be writing to sum, which is the caller's own. */
void histogram_sum(struct histogram *sum, const struct histogram *h);
/* What came to `now` since `before`, into out. */
void histogram_since(struct histogram *out, const struct histogram *now,
                     const struct histogram *before);

/* Of the caller's own histograms: */
uint64_t histogram_count(const struct histogram *h);
/* Duration that this share of all (0.99) stayed below, µs, between the ends of a bucket in
 * proportion. -1: it is empty. */
double histogram_quantile(const struct histogram *h, double share);
/* Sum of all durations, each taken for the middle of its bucket, µs. */
double histogram_total(const struct histogram *h);
/* How many were shorter than so many µs; exact at the ends of buckets. */
uint64_t histogram_below(const struct histogram *h, uint64_t us);

#endif
