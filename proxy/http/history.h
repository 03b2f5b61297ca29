/* history: the figures of the last second over time: 600 seconds and 1,440 minutes, in memory that
 * is allocated once. */
#ifndef SLOTWAY_HTTP_HISTORY_H
#define SLOTWAY_HTTP_HISTORY_H

#include "http/figures.h"

#define HISTORY_SECONDS 600
#define HISTORY_MINUTES 1440
#define HISTORY_NONE    (-1.0f) /* there was nothing to measure */

/* Points of equal distance, oldest first when read from `first` on. */
struct history_ring {
    float *v; /* cap points of NOW_COUNT figures */
    uint32_t cap, n, next;
    double newest; /* seconds since 1970 of the last point */
};

struct history {
    struct history_ring second, minute;
    double last;           /* time of the last sample, 0: none yet */
    double newest_is_of;   /* s of which the newest point of a second is made */
    double sum[NOW_COUNT]; /* of the minute that is under way … */
    double of[NOW_COUNT];  /* … over so many seconds */
    int64_t this_minute;   /* 0: none yet */
    float last_minute[NOW_COUNT];
};

void history_init(struct history *h);
void history_free(struct history *h);

/* Add the figures since the last sample, taken at time (seconds since 1970). One that comes early
 * goes into the newest point, so that points stay a second apart; missed seconds are filled with
 * the same, missed minutes with nothing. True: a minute became complete; it is in last_minute. */
bool history_add(struct history *h, double time, const double now[NOW_COUNT]);

/* Figure `which` of point i, oldest first. */
float history_at(const struct history_ring *ring, uint32_t i, unsigned which);

#endif
