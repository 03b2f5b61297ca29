/* slowlog: the latest requests that took longer than slowlog-log-slower-than, as Redis keeps them.
 * Each worker has its own; SLOWLOG GET puts them together by id.
 *
 *   oldest -> entry -> entry -> newest */
#ifndef SLOTWAY_FLOW_SLOWLOG_H
#define SLOTWAY_FLOW_SLOWLOG_H

#include <stddef.h>
#include <stdint.h>

struct worker;
struct client;

/* One element of SLOWLOG GET's reply, ready to be sent. */
struct slowlog_entry {
    struct slowlog_entry *newer;
    uint64_t id;     /* grows with each entry of the process */
    uint64_t inside; /* µs of its duration in which it waited in slotway */
    uint16_t node;   /* stable index of the node that answered, 0xffff: unknown */
    uint32_t len;
    char reply[];
};

struct slowlog {
    struct slowlog_entry *oldest, *newest;
    uint32_t count;
};

struct slowlog *slowlog_new(void);
void slowlog_free(struct slowlog *log); /* NULL is fine */

/* A request of c (NULL: it has left) took this long, µs. request: its bytes as sent to the node. */
void slowlog_add(struct worker *w, struct client *c, const char *request, size_t len,
                 uint64_t duration);
/* Forget all entries with an id below this one. */
void slowlog_reset(struct slowlog *log, uint64_t before);
/* The id of the next entry of any worker. */
uint64_t slowlog_next(void);

/* The parts of slowlog_add that need no worker. time: seconds since 1970. */
void slowlog_record(struct slowlog *log, uint32_t max_len, const char *request, size_t len,
                    int64_t time, uint64_t duration, const char *address, const char *name);

#endif
