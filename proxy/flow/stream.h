/* stream: a socket and the bytes that wait to be written to it. The only place that reads and
 * writes sockets of the data path; TLS will live here too.
 *
 *   owner --append--> out [ acknowledged | sent | unsent ] --flush, once a turn--> socket
 *                         (dropped)       ^cursor
 *
 * A client's stream drops bytes when they are written. A backend's stream retains them until the
 * owner acknowledges them (stream_ack), so that a request can be sent again without a second copy.
 * A stream that became dirty during a turn of the loop is flushed once, at its end; or, if its
 * owner expects more bytes soon, at the end of a later turn, but not much later than
 * STREAM_PATIENCE. Those to nodes may be held until a later turn, too (worker_hold_nodes). */
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
    /* Will more be appended soon, so that one write does for both? NULL: no. */
    bool (*expects_more)(const struct stream *s);
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
    struct stream *next;                        /* on the worker's list of dirty streams */
    struct stream *next_patient, *prev_patient; /* on its list of those that expect more */
    uint64_t patient_since;                     /* µs; 0: not on that list */
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
/* If the peer has not received all that was written, the rest is not to reach it later, when it is
 * closed: the kernel would go on trying for minutes. What the peer has, it has. */
void stream_forsake(const struct stream *s);
void stream_set_reading(struct stream *s, bool reading);
/* Has the peer closed the connection? Asks the kernel and reads nothing: for a stream that is not
 * read from. */
bool stream_is_left(const struct stream *s);

/* One read(2): bytes read, or STREAM_AGAIN, STREAM_EOF, STREAM_ERROR (errno set). */
ssize_t stream_read(struct stream *s, char *buf, size_t cap);

/* Write what can be written now. */
void stream_flush(struct stream *s);

/* µs that bytes wait for others at most, but for the precision of the loop's timers. */
#define STREAM_PATIENCE 1000
/* At the end of the turn: flush what has waited long enough; flush what is dirty, or let it wait.
 */
void stream_flush_patient(struct worker *w);
void stream_flush_dirty(struct worker *w);
/* Keep nodes' streams from being flushed in this turn. True: there are such. */
bool stream_hold_nodes(struct worker *w);
/* Flush those, in the order in which they were held. */
void stream_flush_held(struct worker *w);

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
