/* event: what happened that an operator may want to know, the newest of it, in bounded memory.
 * Any thread may note something; nothing that happens with every request is noted. */
#ifndef SLOTWAY_BASE_EVENT_H
#define SLOTWAY_BASE_EVENT_H

#include "base/log.h"
#include <stddef.h>
#include <stdint.h>

#define EVENT_KEPT 200
#define EVENT_TEXT 240
/* The same text within so many seconds counts with the last one. */
#define EVENT_SAME 10.0

enum event_kind {
    EVENT_NODE,
    EVENT_FAILOVER,
    EVENT_SLOTS,
    EVENT_REDIRECTS,
    EVENT_CLIENT,
    EVENT_CONNECTION,
    EVENT_CONFIG,
    EVENT_ACTION,
    EVENT_PROXY,
    EVENT_KINDS
};

enum event_severity { EVENT_INFO, EVENT_WARNING, EVENT_CRITICAL };

struct event {
    uint64_t id;      /* 1, 2, 3 … */
    uint64_t changed; /* grows with each event and each repetition, over all events */
    double at;        /* seconds since 1970; of the last repetition */
    uint32_t count;
    uint8_t kind;     /* enum event_kind */
    uint8_t severity; /* enum event_severity */
    char text[EVENT_TEXT];
};

extern const char *const event_kinds[EVENT_KINDS];
extern const char *const event_severities[];

void event_note(enum event_kind kind, enum event_severity severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same about so many of something ("17 slots moved …"): repetitions add up. The text goes
 * behind the number. */
void event_note_some(enum event_kind kind, enum event_severity severity, uint64_t n,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Copy those that changed after `changed`, those that changed last first; returns how many. */
size_t event_copy(struct event out[EVENT_KEPT], uint64_t changed);
uint64_t event_total(void);   /* noted so far, without repetitions */
uint64_t event_changed(void); /* the greatest `changed` so far */

#endif
