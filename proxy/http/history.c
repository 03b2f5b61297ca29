/* history: the figures of the last second over time.
 * Samples mostly come a second apart, but earlier when the cluster changes; points do not. A point
 * of a minute is the mean of its seconds or the greatest of them, as the table says. */
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

/* --- seconds --- */

/* The newest point is of so many seconds more. */
static void history_merge(struct history *h, const double now[NOW_COUNT], double elapsed)
{
    struct history_ring *ring = &h->second;
    float *point = ring->v + (size_t)((ring->next + ring->cap - 1) % ring->cap) * NOW_COUNT;
    double all = h->newest_is_of + elapsed;
    for (unsigned i = 0; i < NOW_COUNT; i++) {
        double before = (double)point[i];
        double mean = (before * h->newest_is_of + now[i] * elapsed) / all;
        point[i] = (float)(!figures_now_max[i] ? mean : before > now[i] ? before : now[i]);
    }
    h->newest_is_of = all;
}

static void history_to_second(struct history *h, double time, const double now[NOW_COUNT],
                              double elapsed)
{
    float point[NOW_COUNT];
    double apart = time - h->second.newest, newest = time;
    uint32_t steps = 1;
    /* else it is the first one, or the clock was set: from here on it counts anew */
    if (h->second.n && apart > -1 && apart < HISTORY_SECONDS) {
        steps = apart > 0 ? (uint32_t)(apart + 0.5) : 0;
        newest = h->second.newest + steps;
    } else if (h->second.n && apart > 0) {
        steps = HISTORY_SECONDS;
    }
    if (steps == 0) {
        history_merge(h, now, elapsed);
        return;
    }
    for (unsigned i = 0; i < NOW_COUNT; i++)
        point[i] = (float)now[i];
    for (uint32_t i = 0; i < steps; i++)
        history_push(&h->second, point, newest);
    h->newest_is_of = elapsed;
}

/* --- minutes --- */

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

/* Nothing is known of the minutes between this one and that one. */
static void history_skip_minutes(struct history *h, int64_t minute)
{
    float nothing[NOW_COUNT];
    for (unsigned i = 0; i < NOW_COUNT; i++)
        nothing[i] = HISTORY_NONE;
    if (minute - h->this_minute > HISTORY_MINUTES)
        h->this_minute = minute - HISTORY_MINUTES;
    while (++h->this_minute < minute)
        history_push(&h->minute, nothing, (double)h->this_minute * 60);
}

static void history_to_minute(struct history *h, const double now[NOW_COUNT], double elapsed)
{
    for (unsigned i = 0; i < NOW_COUNT; i++) {
        if (now[i] < 0)
            continue;
        h->of[i] += elapsed;
        if (!figures_now_max[i])
            h->sum[i] += now[i] * elapsed;
        else if (now[i] > h->sum[i])
            h->sum[i] = now[i];
    }
}

bool history_add(struct history *h, double time, const double now[NOW_COUNT])
{
    int64_t minute = (int64_t)(time / 60);
    bool complete = h->this_minute != 0 && minute > h->this_minute;
    double elapsed = h->last > 0 && time > h->last ? time - h->last : 1;
    h->last = time;
    history_to_second(h, time, now, elapsed);
    if (complete) {
        history_end_minute(h);
        history_skip_minutes(h, minute);
    }
    if (h->this_minute == 0)
        h->this_minute = minute;
    history_to_minute(h, now, elapsed);
    return complete;
}
