/* history: the figures of the last second over time.
 * A point of a minute is the mean of its seconds or the greatest of them, as the table says. */
#include "http/history.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

static void history_ring_init(struct history_ring *ring, uint32_t cap)
{
    memset(ring, 0, sizeof *ring);
    ring->cap = cap;
    ring->v = memory_zalloc((size_t)cap * NOW_COUNT * sizeof *ring->v);
}

void history_init(struct history *h)
{
    memset(h, 0, sizeof *h);
    history_ring_init(&h->second, HISTORY_SECONDS);
    history_ring_init(&h->minute, HISTORY_MINUTES);
}

void history_free(struct history *h)
{
    free(h->second.v);
    free(h->minute.v);
}

static void history_push(struct history_ring *ring, const float *point, double time)
{
    memcpy(ring->v + (size_t)ring->next * NOW_COUNT, point, NOW_COUNT * sizeof *point);
    ring->next = (ring->next + 1) % ring->cap;
    ring->n += ring->n < ring->cap;
    ring->newest = time;
}

float history_at(const struct history_ring *ring, uint32_t i, unsigned which)
{
    uint32_t at = (ring->next + ring->cap - ring->n + i) % ring->cap;
    return ring->v[(size_t)at * NOW_COUNT + which];
}

static void history_end_minute(struct history *h)
{
    for (unsigned i = 0; i < NOW_COUNT; i++) {
        double value = h->of[i] == 0        ? HISTORY_NONE
                       : figures_now_max[i] ? h->sum[i]
                                            : h->sum[i] / h->of[i];
        h->last_minute[i] = (float)value;
    }
    history_push(&h->minute, h->last_minute, (double)h->this_minute * 60);
    memset(h->sum, 0, sizeof h->sum);
    memset(h->of, 0, sizeof h->of);
}

static void history_to_minute(struct history *h, const double now[NOW_COUNT])
{
    for (unsigned i = 0; i < NOW_COUNT; i++) {
        if (now[i] < 0)
            continue;
        h->of[i]++;
        if (!figures_now_max[i])
            h->sum[i] += now[i];
        else if (now[i] > h->sum[i])
            h->sum[i] = now[i];
    }
}

bool history_add(struct history *h, double time, const double now[NOW_COUNT])
{
    float point[NOW_COUNT];
    int64_t minute = (int64_t)(time / 60);
    bool complete = h->this_minute != 0 && minute > h->this_minute;
    int64_t missed = h->second.n ? (int64_t)(time - h->second.newest + 0.5) - 1 : 0;
    for (unsigned i = 0; i < NOW_COUNT; i++)
        point[i] = (float)now[i];
    for (int64_t i = 0; i < missed && i < HISTORY_SECONDS; i++)
        history_push(&h->second, point, time);
    history_push(&h->second, point, time);
    if (complete)
        history_end_minute(h);
    if (h->this_minute == 0 || complete)
        h->this_minute = minute;
    history_to_minute(h, now);
    return complete;
}
