/* event: what happened that an operator may want to know, the newest of it, in bounded memory.
 * A list under a lock: events are rare, and who notes one holds it for a look at each. */
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
static struct event kept[EVENT_KEPT]; /* in no order */
static uint32_t nkept;
static uint64_t total, changes;

/* Of these kinds no more are kept: a storm of them must not drive out the others. */
static const uint32_t most_kept[EVENT_KINDS] = {[EVENT_CLIENT] = 40, [EVENT_CONNECTION] = 40};

static double event_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The text behind the number with which it begins, if it does. */
static const char *event_behind_number(const char *text)
{
    return text + strspn(text, "0123456789");
}

/* The event of the same kind and text, not long ago. some: but for the number in front. */
static struct event *event_same(enum event_kind kind, const char *text, bool some, double now)
{
    for (uint32_t i = 0; i < nkept; i++) {
        struct event *e = &kept[i];
        if (e->kind != kind || now - e->at >= EVENT_SAME)
            continue;
        if (some ? strcmp(event_behind_number(e->text), event_behind_number(text)) == 0
                 : strcmp(e->text, text) == 0)
            return e;
    }
    return NULL;
}

/* A free place, or that of the oldest event: of this kind, if there are as many as may be. */
static struct event *event_place(enum event_kind kind)
{
    struct event *oldest = NULL, *same = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < nkept; i++) {
        struct event *e = &kept[i];
        if (!oldest || e->changed < oldest->changed)
            oldest = e;
        if (e->kind != kind)
            continue;
        n++;
        if (!same || e->changed < same->changed)
            same = e;
    }
    if (most_kept[kind] && n >= most_kept[kind])
        return same;
    return nkept < EVENT_KEPT ? &kept[nkept++] : oldest;
}

static struct event *event_new(enum event_kind kind, enum event_severity severity,
                               const char text[EVENT_TEXT])
{
    struct event *e = event_place(kind);
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
    } else {
        e = event_new(kind, severity, text);
    }
    e->at = now;
    e->changed = ++changes;
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

size_t event_copy(struct event out[EVENT_KEPT], uint64_t changed)
{
    size_t n = 0;
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < nkept; i++)
        if (kept[i].changed > changed)
            out[n++] = kept[i];
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
