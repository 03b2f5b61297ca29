/* stream: a socket and the bytes that wait to be written to it.
 * One write(2) per turn and stream; a write watcher exists only while the socket refuses bytes. */
#define _GNU_SOURCE
#include "flow/stream.h"
#include "flow/worker.h"
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define STREAM_MAX_IOV 64

/* The system calls are made directly: glibc's wrappers are cancellation points, which cost some 35
 * instructions a call in a process with threads, and nothing here is ever cancelled. recvfrom and
 * sendto take 2 to 3 % less CPU time per request than read and write. */

static void stream_on_event(struct ev_loop *loop, ev_io *io, int events);

/* Make the watcher wait for what the stream wants now. */
static void stream_watch(struct stream *s)
{
    int want = (s->reading ? EV_READ : 0) | (s->blocked || s->connecting ? EV_WRITE : 0);
    if ((s->io.events & (EV_READ | EV_WRITE)) == want && (ev_is_active(&s->io) || !want))
        return;
    ev_io_stop(s->worker->loop, &s->io);
    ev_io_set(&s->io, s->io.fd, want);
    if (want)
        ev_io_start(s->worker->loop, &s->io);
}

/* --- waiting for more --- */

static void stream_begin_patience(struct stream *s)
{
    struct worker *w = s->worker;
    s->patient_since = w->now;
    s->next_patient = NULL;
    s->prev_patient = w->patient_tail;
    if (w->patient_tail)
        w->patient_tail->next_patient = s;
    else
        w->patient = s;
    w->patient_tail = s;
    if (!ev_is_active(&w->patience_timer))
        ev_timer_again(w->loop, &w->patience_timer);
}

static void stream_end_patience(struct stream *s)
{
    struct worker *w = s->worker;
    if (!s->patient_since)
        return;
    s->patient_since = 0;
    if (s->prev_patient)
        s->prev_patient->next_patient = s->next_patient;
    else
        w->patient = s->next_patient;
    if (s->next_patient)
        s->next_patient->prev_patient = s->prev_patient;
    else
        w->patient_tail = s->prev_patient;
}

static void stream_flush_list(struct stream *list)
{
    while (list) {
        struct stream *s = list;
        list = s->next;
        s->dirty = false;
        if (s->ops->expects_more && s->ops->expects_more(s)) {
            if (!s->patient_since)
                stream_begin_patience(s);
            continue;
        }
        stream_end_patience(s);
        stream_flush(s);
    }
}

void stream_flush_dirty(struct worker *w)
{
    struct stream *list = w->dirty;
    w->dirty = NULL;
    w->dirty_end = &w->dirty;
    stream_flush_list(list);
}

bool stream_hold_nodes(struct worker *w)
{
    struct stream *last = NULL;
    for (struct stream *s = w->dirty; s && s->to_node; s = s->next)
        last = s;
    if (last) {
        *(w->held ? &w->held_tail->next : &w->held) = w->dirty;
        w->held_tail = last;
        w->dirty = last->next;
        if (!w->dirty)
            w->dirty_end = &w->dirty;
        last->next = NULL;
    }
    return w->held;
}

void stream_flush_held(struct worker *w)
{
    struct stream *list = w->held;
    w->held = NULL;
    stream_flush_list(list);
}

void stream_flush_patient(struct worker *w)
{
    while (w->patient && w->now - w->patient->patient_since >= STREAM_PATIENCE) {
        struct stream *s = w->patient;
        stream_end_patience(s);
        stream_flush(s);
    }
}

/* --- life --- */

void stream_open(struct stream *s, struct worker *w, int fd, const struct stream_ops *ops,
                 bool retain, bool connecting)
{
    memset(s, 0, sizeof *s);
    s->worker = w;
    s->ops = ops;
    s->retain = retain;
    s->to_node = retain;
    s->connecting = connecting;
    s->reading = true;
    ev_io_init(&s->io, stream_on_event, fd, 0);
    s->io.data = s;
    stream_watch(s);
}

void stream_close(struct stream *s)
{
    if (s->closed)
        return;
    s->closed = true;
    stream_end_patience(s);
    ev_io_stop(s->worker->loop, &s->io);
    close(s->io.fd);
    bufq_clear(&s->worker->chunks, &s->out);
    s->cursor = NULL;
    s->unsent = 0;
}

/* Only then: a FIN is sent again until it arrives, a reset is not, and a node keeps whoever waits
 * in a blocking command until it hears of the end. */
void stream_forsake(const struct stream *s)
{
    struct linger reset = {.l_onoff = 1};
    int undelivered;
    if (!s->closed && ioctl(s->io.fd, SIOCOUTQ, &undelivered) == 0 && undelivered > 0)
        setsockopt(s->io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

void stream_set_reading(struct stream *s, bool reading)
{
    if (s->reading == reading || s->closed)
        return;
    s->reading = reading;
    stream_watch(s);
}

bool stream_is_left(const struct stream *s)
{
    struct pollfd end = {.fd = s->io.fd, .events = POLLRDHUP};
    return poll(&end, 1, 0) > 0;
}

ssize_t stream_read(struct stream *s, char *buf, size_t cap)
{
    struct counters *counters = &s->worker->counters;
    ssize_t n;
    do
        n = syscall(SYS_recvfrom, s->io.fd, buf, cap, 0, NULL, NULL);
    while (n < 0 && errno == EINTR);
    counters_add(counters, COUNTER_reads, 1);
    if (n > 0) {
        s->bytes_in += (uint64_t)n;
        counters_add(counters, s->to_node ? COUNTER_node_bytes_in : COUNTER_bytes_in, (uint64_t)n);
        return n;
    }
    if (n == 0)
        return STREAM_EOF;
    return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_AGAIN : STREAM_ERROR;
}

void stream_mark_dirty(struct stream *s)
{
    struct worker *w = s->worker;
    s->dirty = true;
    /* libev calls the watchers of one turn in the reverse order of their events. Nodes in the
     * reverse order of their requests, then: so of two clients' commands for one node, each on a
     * connection of its own, the one that came first leaves first. */
    if (s->to_node) {
        s->next = w->dirty;
        w->dirty = s;
    } else {
        s->next = NULL;
        *w->dirty_end = s;
    }
    if (!s->next)
        w->dirty_end = &s->next;
}

void stream_append(struct stream *s, const void *data, size_t len)
{
    bufq_append(&s->worker->chunks, &s->out, data, len);
    stream_appended(s, len);
}

void stream_append_from(struct stream *s, struct chunk *chunk, char *data, size_t len)
{
    bufq_append_from(&s->worker->chunks, &s->out, chunk, data, len);
    stream_appended(s, len);
}

void stream_splice(struct stream *s, struct bufq *from)
{
    size_t len = from->len;
    bufq_splice(&s->out, from);
    stream_appended(s, len);
}

/* Where the unsent bytes begin. */
static struct seg *stream_first_unsent(struct stream *s, size_t *offset)
{
    if (!s->retain) {
        *offset = 0;
        return s->out.head;
    }
    if (!s->cursor) {
        s->cursor = s->out.head;
        s->cursor_offset = 0;
    }
    while (s->cursor_offset == s->cursor->len && s->cursor->next) {
        s->cursor = s->cursor->next;
        s->cursor_offset = 0;
    }
    *offset = s->cursor_offset;
    return s->cursor;
}

static int stream_gather(struct stream *s, struct iovec *iov)
{
    size_t offset;
    int n = 0;
    for (struct seg *seg = stream_first_unsent(s, &offset); seg && n < STREAM_MAX_IOV;
         seg = seg->next) {
        if (seg->len > offset) {
            iov[n].iov_base = seg->data + offset;
            iov[n].iov_len = seg->len - offset;
            n++;
        }
        offset = 0;
    }
    return n;
}

static void stream_advance(struct stream *s, size_t len)
{
    s->unsent -= len;
    if (!s->retain) {
        bufq_drop(&s->worker->chunks, &s->out, len);
        return;
    }
    while (len > 0) {
        size_t rest = s->cursor->len - s->cursor_offset;
        if (len <= rest) {
            s->cursor_offset += len;
            return;
        }
        len -= rest;
        s->cursor = s->cursor->next;
        s->cursor_offset = 0;
    }
}

static ssize_t stream_write(struct stream *s)
{
    struct iovec iov[STREAM_MAX_IOV];
    size_t offset;
    struct seg *first = stream_first_unsent(s, &offset);
    int count = first->next ? stream_gather(s, iov) : 0;
    ssize_t n;
    do
        n = count == 0 ? syscall(SYS_sendto, s->io.fd, first->data + offset, s->unsent,
                                 MSG_NOSIGNAL, NULL, 0)
                       : writev(s->io.fd, iov, count);
    while (n < 0 && errno == EINTR);
    counters_add(&s->worker->counters, COUNTER_writes, 1);
    return n;
}

void stream_flush(struct stream *s)
{
    if (s->closed || s->blocked || s->connecting || s->unsent == 0)
        return;
    ssize_t n = stream_write(s);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        s->ops->on_failed(s, errno);
        return;
    }
    if (n > 0) {
        struct counters *counters = &s->worker->counters;
        s->bytes_out += (uint64_t)n;
        counters_add(counters, s->to_node ? COUNTER_node_bytes_out : COUNTER_bytes_out,
                     (uint64_t)n);
        stream_advance(s, (size_t)n);
    }
    if (s->unsent > 0) {
        s->blocked = true;
        stream_watch(s);
    }
    if (s->ops->on_drained)
        s->ops->on_drained(s);
}

void stream_ack_slow(struct stream *s, size_t len)
{
    while (s->out.head) {
        struct seg *seg = s->out.head;
        if (len < seg->len) {
            if (len > 0)
                stream_ack(s, len);
            return;
        }
        if (!seg->next && seg == &seg->chunk->self && seg->chunk->refs == 1) {
            /* All is acknowledged: the flat chunk at the tail is used again from its start. */
            s->out.len -= seg->len;
            seg->data = seg->chunk->data;
            seg->len = 0;
            s->cursor = seg;
            s->cursor_offset = 0;
            return;
        }
        if (s->cursor == seg) {
            s->cursor = seg->next;
            s->cursor_offset = 0;
        }
        len -= seg->len;
        bufq_drop(&s->worker->chunks, &s->out, seg->len);
    }
}

static void stream_on_connect(struct stream *s)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(s->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    s->connecting = false;
    if (error) {
        s->ops->on_failed(s, error);
        return;
    }
    stream_watch(s);
    s->ops->on_connected(s);
}

static void stream_on_event(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    struct stream *s = io->data;
    if (events & EV_WRITE) {
        if (s->connecting) {
            stream_on_connect(s);
        } else {
            s->blocked = false;
            stream_flush(s);
            if (!s->closed)
                stream_watch(s);
        }
    }
    if ((events & EV_READ) && !s->closed && s->reading && !s->connecting)
        s->ops->on_readable(s);
}
