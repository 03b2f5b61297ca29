/* stream: a socket and the bytes that wait to be written to it. The only place that reads and
 * writes sockets of the data path; TLS will live here too.
 *
 *   owner --append--> out [ acknowledged | sent | unsent ] --flush, once a turn--> socket
 *                         (dropped)       ^cursor
 *
 * A client's stream drops bytes when they are written. A backend's stream retains them until the
 * owner acknowledges them (stream_ack), so that a request can be sent again without a second copy.
 * A stream that became dirty during a turn of the loop is flushed once, at its end. */
#ifndef SLOTWAY_FLOW_STREAM_H
#define SLOTWAY_FLOW_STREAM_H

#include "base/chunk.h"
#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

struct worker;
struct stream;

struct stream_ops {
    void (*on_readable)(struct stream *s);
    /* Bytes were written; s->unsent says how many still wait. NULL: of no interest. */
    void (*on_drained)(struct stream *s);
    /* The connect that stream_open was told of succeeded. */
    void (*on_connected)(struct stream *s);
    /* Broken; the owner closes it. error: errno. */
    void (*on_failed)(struct stream *s, int error);
};

struct stream {
    ev_io io;
    struct worker *worker;
    const struct stream_ops *ops;
    struct bufq out;
    struct seg *cursor; /* retain: segment of the first unsent byte, or where the last one ended */
    size_t cursor_offset; /* retain: offset of the first unsent byte in it */
    size_t unsent;
    uint64_t bytes_in, bytes_out;
    struct stream *next; /* on the worker's list of dirty streams */
    bool dirty;
    bool retain;
    bool reading;    /* the owner wants on_readable */
    bool blocked;    /* the socket refused bytes: waiting for it to be writable */
    bool connecting; /* a connect is under way: waiting for it to be writable */
    bool closed;
    bool to_node;
};

#define STREAM_AGAIN (-1)
#define STREAM_EOF   (-2)
#define STREAM_ERROR (-3)

/* Take over fd (non-blocking). connecting: a connect(2) is in progress on it. */
void stream_open(struct stream *s, struct worker *w, int fd, const struct stream_ops *ops,
                 bool retain, bool connecting);
/* Close the socket, drop the bytes. The struct stays the owner's. Safe to call twice. */
void stream_close(struct stream *s);
void stream_set_reading(struct stream *s, bool reading);

/* One read(2): bytes read, or STREAM_AGAIN, STREAM_EOF, STREAM_ERROR (errno set). */
ssize_t stream_read(struct stream *s, char *buf, size_t cap);

/* Write what can be written now. Called by the worker at the end of the turn. */
void stream_flush(struct stream *s);

/* Retaining streams: the first len bytes will not be needed again. They must have been sent. */
void stream_ack_slow(struct stream *s, size_t len);

static inline void stream_ack(struct stream *s, size_t len)
{
    struct seg *head = s->out.head;
    if (len < head->len) {
        head->data += len;
        head->len -= len;
        s->out.len -= len;
        if (s->cursor == head)
            s->cursor_offset -= len;
        return;
    }
    stream_ack_slow(s, len);
}

void stream_mark_dirty(struct stream *s);

/* Tell the stream that len bytes were appended to s->out. */
static inline void stream_appended(struct stream *s, size_t len)
{
    s->unsent += len;
    if (!s->dirty)
        stream_mark_dirty(s);
}

void stream_append(struct stream *s, const void *data, size_t len);
/* As bufq_append_from: a span if long, else a copy. */
void stream_append_from(struct stream *s, struct chunk *chunk, char *data, size_t len);
void stream_splice(struct stream *s, struct bufq *from);

#endif
