/* event: what happened that an operator may want to know, the newest of it, in bounded memory.
 * A ring under a lock: events are rare, and who notes one holds it for a copy of a line. */
#define _GNU_SOURCE
#include "base/event.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const event_kinds[EVENT_KINDS] = {
    "node", "failover", "slots", "redirects", "client", "connection", "config", "action", "proxy"};
const char *const event_severities[] = {"info", "warning", "critical"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct event ring[EVENT_KEPT];
static uint64_t total, changes;

/* Of these kinds no more are noted in a second: a storm of them must not drive out the others. */
static const uint32_t most_per_second[EVENT_KINDS] = {[EVENT_CLIENT] = 5, [EVENT_CONNECTION] = 5};
static struct {
    int64_t second;
    uint32_t n;
} noted[EVENT_KINDS];

static double event_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool event_is_too_many(enum event_kind kind, double now)
{
    if (most_per_second[kind] == 0)
        return false;
    if (noted[kind].second != (int64_t)now) {
        noted[kind].second = (int64_t)now;
        noted[kind].n = 0;
    }
    return ++noted[kind].n > most_per_second[kind];
}

/* The text behind the number with which it begins, if it does. */
static const char *event_behind_number(const char *text)
{
    return text + strspn(text, "0123456789");
}

/* The latest event of the same kind and text, not long ago. some: but for the number in front. */
static struct event *event_same(enum event_kind kind, const char *text, bool some, double now)
{
    for (uint64_t back = 0; back < total && back < EVENT_KEPT; back++) {
        struct event *e = &ring[(total - 1 - back) % EVENT_KEPT];
        if (e->kind != kind || now - e->at >= EVENT_SAME)
            continue;
        if (some ? strcmp(event_behind_number(e->text), event_behind_number(text)) == 0
                 : strcmp(e->text, text) == 0)
            return e;
    }
    return NULL;
}

static struct event *event_new(enum event_kind kind, enum event_severity severity,
                               const char text[EVENT_TEXT])
{
    struct event *e = &ring[total % EVENT_KEPT];
    e->id = ++total;
    e->count = 1;
    e->kind = (uint8_t)kind;
    e->severity = (uint8_t)severity;
    memcpy(e->text, text, EVENT_TEXT);
    return e;
}

/* some: so many of what the text is about, whose number is in front of it; 0: it is not counted. */
static void event_put(enum event_kind kind, enum event_severity severity, uint64_t some,
                      const char text[EVENT_TEXT])
{
    double now = event_clock();
    pthread_mutex_lock(&lock);
    struct event *e = event_same(kind, text, some > 0, now);
    if (e && some > 0) {
        uint64_t sum = strtoull(e->text, NULL, 10) + some;
        snprintf(e->text, EVENT_TEXT, "%llu%s", (unsigned long long)sum, event_behind_number(text));
    } else if (e) {
        e->count++;
    } else if (!event_is_too_many(kind, now)) {
        e = event_new(kind, severity, text);
    }
    if (e) {
        e->at = now;
        e->changed = ++changes;
    }
    pthread_mutex_unlock(&lock);
}

void event_note(enum event_kind kind, enum event_severity severity, const char *format, ...)
{
    char text[EVENT_TEXT] = "";
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    event_put(kind, severity, 0, text);
}

void event_note_some(enum event_kind kind, enum event_severity severity, uint64_t n,
                     const char *format, ...)
{
    char text[EVENT_TEXT] = "";
    int len = snprintf(text, sizeof text, "%llu ", (unsigned long long)n);
    va_list ap;
    va_start(ap, format);
    vsnprintf(text + len, sizeof text - (size_t)len, format, ap);
    va_end(ap);
    event_put(kind, severity, n, text);
}

static int event_compare(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    return (x->changed < y->changed) - (x->changed > y->changed);
}

size_t event_copy(struct event *out, size_t cap, uint64_t changed)
{
    size_t n = 0;
    pthread_mutex_lock(&lock);
    for (uint64_t back = 0; back < total && back < EVENT_KEPT && n < cap; back++) {
        const struct event *e = &ring[(total - 1 - back) % EVENT_KEPT];
        if (e->changed > changed)
            out[n++] = *e;
    }
    pthread_mutex_unlock(&lock);
    if (n > 1)
        qsort(out, n, sizeof *out, event_compare);
    return n;
}

uint64_t event_total(void)
{
    pthread_mutex_lock(&lock);
    uint64_t n = total;
    pthread_mutex_unlock(&lock);
    return n;
}

uint64_t event_changed(void)
{
    pthread_mutex_lock(&lock);
    uint64_t n = changes;
    pthread_mutex_unlock(&lock);
    return n;
}
