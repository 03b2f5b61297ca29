/* histogram: how often a duration of so many microseconds occurred.
 * A step is a quarter of its octave, so a quantile is right within some per cent. */
#include "base/histogram.h"

uint64_t histogram_lower(unsigned bucket)
{
    if (bucket < HISTOGRAM_EXACT)
        return bucket;
    unsigned octave = 3 + (bucket - HISTOGRAM_EXACT) / 4;
    uint64_t quarter = (bucket - HISTOGRAM_EXACT) % 4;
    return (1ULL << octave) + (quarter << (octave - 2));
}

void histogram_sum(struct histogram *sum, const struct histogram *h)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum->v[i] += __atomic_load_n(&h->v[i], __ATOMIC_RELAXED);
}

void histogram_since(struct histogram *out, const struct histogram *now,
                     const struct histogram *before)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        out->v[i] = now->v[i] > before->v[i] ? now->v[i] - before->v[i] : 0;
}

uint64_t histogram_count(const struct histogram *h)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        n += h->v[i];
    return n;
}

double histogram_quantile(const struct histogram *h, double share)
{
    uint64_t n = histogram_count(h);
    double rank = share * (double)n, seen = 0;
    if (n == 0)
        return -1;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double here = (double)h->v[i];
        if (here > 0 && seen + here >= rank) {
            double low = (double)histogram_lower(i), high = (double)histogram_lower(i + 1);
            return low + (high - low) * (rank - seen) / here;
        }
        seen += here;
    }
    return (double)histogram_lower(HISTOGRAM_BUCKETS);
}

double histogram_total(const struct histogram *h)
{
    double total = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += (double)h->v[i] * (double)(histogram_lower(i) + histogram_lower(i + 1)) / 2;
    return total;
}

uint64_t histogram_below(const struct histogram *h, uint64_t us)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && histogram_lower(i + 1) <= us; i++)
        n += h->v[i];
    return n;
}
