/* control: connecting, AUTH, pairing replies with callbacks in order.
 *
 *   control_send -> out (bytes)     -> transport_write -> node
 *                -> waiting (FIFO)  <- redisReader <- raw <- transport_read <- node
 *
 * All reading and writing is in transport_read and transport_write. */
#include "cluster/control.h"

#include "resp/reply.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE (16 * 1024)
#define MAX_REPLY (64 * 1024 * 1024) /* more than that is not an answer to any of our questions */

struct question {
    struct question *next;
    control_callback callback;
    void *arg;
    double sent;
};

struct buffer {
    char *data;
    size_t len;
    size_t cap;
};

struct control {
    struct ev_loop *loop;
    const struct control_events *events;
    void *owner;
    ev_io read;
    ev_io write; /* active while connecting and when the socket refuses bytes */
    ev_timer timeout;
    int fd;
    int depth; /* callbacks on the stack: control_close must not free under them */
    bool up;
    bool down;   /* on_down was called */
    bool closed; /* control_close was called */
    double began;
    char *user;
    char *password;
    redisReader *reader;
    struct buffer raw; /* bytes since the start of the reply that is being read */
    struct buffer out;
    size_t out_sent;
    struct question *first;
    struct question **end;
    uint32_t unanswered;
};

double control_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool buffer_add(struct buffer *b, const char *data, size_t len)
{
    if (b->cap - b->len < len) {
        size_t cap = (b->len + len) * 2;
        char *bigger = realloc(b->data, cap);

        if (!bigger)
            return false;
        b->data = bigger;
        b->cap = cap;
    }
    memcpy(b->data + b->len, data, len);
    b->len += len;
    return true;
}

static ssize_t transport_read(struct control *c, char *buf, size_t len)
{
    return recv(c->fd, buf, len, 0);
}

static ssize_t transport_write(struct control *c, const char *buf, size_t len)
{
    return send(c->fd, buf, len, MSG_NOSIGNAL);
}

static void stop_watchers(struct control *c)
{
    ev_io_stop(c->loop, &c->read);
    ev_io_stop(c->loop, &c->write);
    ev_timer_stop(c->loop, &c->timeout);
}

static void release(struct control *c)
{
    struct question *q;

    while ((q = c->first)) {
        c->first = q->next;
        free(q);
    }
    if (c->reader)
        redisReaderFree(c->reader);
    if (c->fd >= 0)
        close(c->fd);
    free(c->raw.data);
    free(c->out.data);
    free(c->user);
    free(c->password);
    free(c);
}

void control_close(struct control *c)
{
    if (!c || c->closed)
        return;
    c->closed = true;
    stop_watchers(c);
    if (c->depth == 0)
        release(c);
}

static void enter(struct control *c)
{
    c->depth++;
}

static void leave(struct control *c)
{
    if (--c->depth == 0 && c->closed)
        release(c);
}

static void go_down(struct control *c, const char *reason)
{
    if (c->down || c->closed)
        return;
    c->down = true;
    c->up = false;
    stop_watchers(c);
    c->events->on_down(c->owner, reason);
}

/* Send what is buffered. Errors are left to the next read, so that control_send never calls back.
 */
static void flush(struct control *c)
{
    while (c->out_sent < c->out.len) {
        ssize_t n = transport_write(c, c->out.data + c->out_sent, c->out.len - c->out_sent);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                ev_io_start(c->loop, &c->write);
            else
                ev_feed_event(c->loop, &c->read, EV_READ);
            return;
        }
        c->out_sent += (size_t)n;
    }
    c->out.len = c->out_sent = 0;
    ev_io_stop(c->loop, &c->write);
}

bool control_send(struct control *c, control_callback callback, void *arg, int argc,
                  const char **argv)
{
    struct question *q;
    char *bytes = NULL;
    int len;

    if (!c->up || !(q = calloc(1, sizeof(*q))))
        return false;
    len = redisFormatCommandArgv(&bytes, argc, argv, NULL);
    if (len < 0 || !buffer_add(&c->out, bytes, (size_t)len)) {
        free(bytes);
        free(q);
        return false;
    }
    free(bytes);
    *q = (struct question){.callback = callback, .arg = arg, .sent = control_clock()};
    *c->end = q;
    c->end = &q->next;
    c->unanswered++;
    flush(c);
    return true;
}

/* Pair one reply with the oldest question. */
static bool deliver(struct control *c, const redisReply *reply, size_t len)
{
    struct question *q = c->first;

    if (!q)
        return false;
    if (!(c->first = q->next))
        c->end = &c->first;
    c->unanswered--;
    q->callback(q->arg, reply, c->raw.data, len);
    free(q);
    return true;
}

/* Hand out every complete reply. NULL, or what is wrong. */
static const char *deliver_all(struct control *c)
{
    while (!c->closed && !c->down) {
        void *reply = NULL;
        size_t len;
        bool expected;

        if (redisReaderGetReply(c->reader, &reply) != REDIS_OK)
            return "the node answers something that is not the Redis protocol";
        if (!reply)
            return NULL;
        /* what the reader has not consumed belongs to later replies */
        len = c->raw.len - (c->reader->len - c->reader->pos);
        expected = deliver(c, reply, len);
        freeReplyObject(reply);
        if (!expected)
            return "the node answers what nobody asked";
        c->raw.len -= len;
        if (c->raw.len == 0 && c->raw.cap > READ_SIZE * 4) {
            free(c->raw.data); /* COMMAND is long and comes once */
            c->raw = (struct buffer){0};
            continue;
        }
        memmove(c->raw.data, c->raw.data + len, c->raw.len);
    }
    return NULL;
}

static const char *take_bytes(struct control *c, const char *buf, size_t len)
{
    if (c->raw.len + len > MAX_REPLY)
        return "the node's answer is too long";
    if (!buffer_add(&c->raw, buf, len) || redisReaderFeed(c->reader, buf, len) != REDIS_OK)
        return "out of memory";
    return deliver_all(c);
}

static void on_read(struct ev_loop *loop, ev_io *w, int revents)
{
    struct control *c = w->data;
    const char *wrong = NULL;
    char buf[READ_SIZE];
    ssize_t n;

    (void)loop;
    (void)revents;
    n = transport_read(c, buf, sizeof(buf));
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    enter(c);
    if (n <= 0)
        wrong = n == 0 ? "closed by the node" : strerror(errno);
    else
        wrong = take_bytes(c, buf, (size_t)n);
    if (wrong)
        go_down(c, wrong);
    leave(c);
}

static void on_auth(void *arg, const redisReply *reply, const char *raw, size_t len)
{
    struct control *c = arg;
    char reason[256];

    (void)raw;
    (void)len;
    if (reply->type != REDIS_REPLY_ERROR || reply_needs_no_auth(reply->str, reply->len))
        return;
    snprintf(reason, sizeof(reason), "AUTH refused: %s", reply->str);
    go_down(c, reason);
}

static void authenticate(struct control *c)
{
    const char *with_user[] = {"AUTH", c->user, c->password};
    const char *alone[] = {"AUTH", c->password};

    if (!*c->password)
        return;
    if (*c->user)
        control_send(c, on_auth, c, 3, with_user);
    else
        control_send(c, on_auth, c, 2, alone);
}

static void finish_connecting(struct control *c)
{
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        go_down(c, strerror(error));
        return;
    }
    ev_timer_stop(c->loop, &c->timeout);
    ev_io_stop(c->loop, &c->write);
    ev_io_start(c->loop, &c->read);
    c->up = true;
    authenticate(c);
    c->events->on_up(c->owner);
}

static void on_write(struct ev_loop *loop, ev_io *w, int revents)
{
    struct control *c = w->data;

    (void)loop;
    (void)revents;
    enter(c);
    if (c->up)
        flush(c);
    else
        finish_connecting(c);
    leave(c);
}

static void on_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct control *c = w->data;

    (void)loop;
    (void)revents;
    enter(c);
    go_down(c, "connecting took longer than connect-timeout");
    leave(c);
}

static bool start_connecting(struct control *c, const struct resolver_address *a)
{
    int on = 1;

    c->fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return false;
    if (a->addr.ss_family != AF_UNIX)
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return connect(c->fd, (const struct sockaddr *)&a->addr, a->len) == 0 || errno == EINPROGRESS;
}

struct control *control_open(struct ev_loop *loop, const struct control_target *target,
                             const struct control_events *events, void *owner)
{
    struct control *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->loop = loop;
    c->events = events;
    c->owner = owner;
    c->fd = -1;
    c->began = control_clock();
    c->end = &c->first;
    c->user = strdup(target->user);
    c->password = strdup(target->password);
    c->reader = redisReaderCreate();
    if (!c->user || !c->password || !c->reader || !start_connecting(c, &target->address)) {
        int error = errno;

        release(c);
        errno = error;
        return NULL;
    }
    ev_io_init(&c->read, on_read, c->fd, EV_READ);
    ev_io_init(&c->write, on_write, c->fd, EV_WRITE);
    ev_timer_init(&c->timeout, on_timeout, target->timeout, 0);
    c->read.data = c->write.data = c->timeout.data = c;
    ev_io_start(loop, &c->write);
    ev_timer_start(loop, &c->timeout);
    return c;
}

bool control_is_up(const struct control *c)
{
    return c && c->up;
}

double control_waiting_since(const struct control *c)
{
    if (!c->up)
        return c->down ? 0 : c->began;
    return c->first ? c->first->sent : 0;
}

uint32_t control_unanswered(const struct control *c)
{
    return c->unanswered;
}
