/* The floor of the bench: the least that a proxy on epoll can cost. One thread, one connection to
 * one plain server; finds where requests and replies end and pairs them, without hashing. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 *   client.in --whole requests--> backend.out --> server
 *                   |  one entry per request
 *                   v
 *                 fifo
 *                   |  the oldest entry says whose the next reply is
 *                   v
 *   client.out <--whole replies-- backend.in  <-- server
 *
 * All that a turn of the loop produced is written at its end, once per socket.
 */

enum { READ_SIZE = 64 * 1024, EVENTS = 1024 };

struct buffer {
    char *data;
    size_t len, off, cap;
};

struct peer {
    int fd;
    bool closed, dirty, polls_write;
    unsigned owed; /* replies that are still to come */
    struct buffer in, out;
    struct peer *next_dirty;
};

static int epoll_fd, listen_fd;
static struct peer backend, *dirty;
static struct peer **fifo;
static size_t fifo_head, fifo_tail, fifo_cap = 1 << 16; /* a power of two */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void buffer_reserve(struct buffer *b, size_t room)
{
    if (b->off) {
        memmove(b->data, b->data + b->off, b->len - b->off);
        b->len -= b->off;
        b->off = 0;
    }
    if (b->cap - b->len >= room)
        return;
    b->cap = (b->len + room) * 2;
    b->data = realloc(b->data, b->cap);
    if (!b->data)
        fail("memory");
}

static void peer_mark(struct peer *p)
{
    if (p->dirty)
        return;
    p->dirty = true;
    p->next_dirty = dirty;
    dirty = p;
}

static void peer_append(struct peer *p, const char *data, size_t len)
{
    if (p->closed)
        return;
    if (p->out.cap - p->out.len < len)
        buffer_reserve(&p->out, len);
    memcpy(p->out.data + p->out.len, data, len);
    p->out.len += len;
    peer_mark(p);
}

static void fifo_push(struct peer *p)
{
    if (fifo_tail - fifo_head == fifo_cap) {
        struct peer **grown = malloc(2 * fifo_cap * sizeof(struct peer *));
        if (!grown)
            fail("memory");
        for (size_t i = fifo_head; i != fifo_tail; i++)
            grown[i & (2 * fifo_cap - 1)] = fifo[i & (fifo_cap - 1)];
        free(fifo);
        fifo = grown;
        fifo_cap *= 2;
    }
    fifo[fifo_tail++ & (fifo_cap - 1)] = p;
    p->owed++;
}

/* Length of the RESP message at p, or 0 if it is not complete. */
static size_t message_length(const char *p, size_t avail)
{
    size_t at = 0;
    for (uint64_t pending = 1; pending; pending--) {
        const char *lf = at < avail ? memchr(p + at, '\n', avail - at) : NULL;
        if (!lf)
            return 0;
        char type = p[at];
        long n = type == '$' || type == '*' ? strtol(p + at + 1, NULL, 10) : 0;
        at = (size_t)(lf - p) + 1;
        if (type == '$' && n >= 0)
            at += (size_t)n + 2;
        else if (type == '*' && n > 0)
            pending += (uint64_t)n;
        if (at > avail)
            return 0;
    }
    return at;
}

static void client_free(struct peer *c)
{
    free(c->in.data);
    free(c->out.data);
    free(c);
}

static void client_close(struct peer *c)
{
    if (c->closed)
        return;
    close(c->fd);
    c->closed = true;
    peer_mark(c); /* freed at the end of a turn, when nothing is owed to it */
}

static void client_messages(struct peer *c)
{
    char *data = c->in.data + c->in.off;
    size_t avail = c->in.len - c->in.off, at = 0, n;
    while ((n = message_length(data + at, avail - at))) {
        fifo_push(c);
        at += n;
    }
    peer_append(&backend, data, at);
    c->in.off += at;
}

static void backend_messages(void)
{
    char *data = backend.in.data + backend.in.off;
    size_t avail = backend.in.len - backend.in.off, at = 0, n;
    while ((n = message_length(data + at, avail - at))) {
        struct peer *c = fifo[fifo_head++ & (fifo_cap - 1)];
        c->owed--;
        peer_append(c, data + at, n);
        if (c->closed)
            peer_mark(c);
        at += n;
    }
    backend.in.off += at;
}

static void peer_read(struct peer *p)
{
    struct buffer *b = &p->in;
    if (b->off == b->len)
        b->off = b->len = 0;
    buffer_reserve(b, READ_SIZE);
    ssize_t n = read(p->fd, b->data + b->len, b->cap - b->len);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 && p == &backend)
        fail("the server closed the connection");
    if (n <= 0) {
        client_close(p);
        return;
    }
    b->len += (size_t)n;
    p == &backend ? backend_messages() : client_messages(p);
}

static void peer_flush(struct peer *p)
{
    struct buffer *b = &p->out;
    ssize_t n = b->len > b->off ? send(p->fd, b->data + b->off, b->len - b->off, MSG_NOSIGNAL) : 0;
    if (n < 0 && errno != EAGAIN) {
        client_close(p);
        return;
    }
    b->off += n > 0 ? (size_t)n : 0;
    if (b->off == b->len)
        b->off = b->len = 0;
    bool wants = b->len > 0;
    if (wants != p->polls_write) {
        struct epoll_event ev = {.events = EPOLLIN | (wants ? EPOLLOUT : 0), .data.ptr = p};
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, p->fd, &ev);
        p->polls_write = wants;
    }
}

static void turn_end(void)
{
    while (dirty) {
        struct peer *p = dirty;
        dirty = p->next_dirty;
        p->dirty = false;
        if (!p->closed)
            peer_flush(p);
        else if (!p->owed)
            client_free(p);
    }
}

static void peer_watch(struct peer *p)
{
    int one = 1;
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = p};
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(p->fd, F_SETFL, fcntl(p->fd, F_GETFL) | O_NONBLOCK);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->fd, &ev))
        fail("epoll_ctl");
}

static void clients_accept(void)
{
    for (int fd; (fd = accept(listen_fd, NULL, NULL)) >= 0;) {
        struct peer *c = calloc(1, sizeof(*c));
        if (!c)
            fail("memory");
        c->fd = fd;
        peer_watch(c);
    }
}

static int loopback_socket(struct sockaddr_in *address, const char *port)
{
    *address = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)atoi(port)),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        fail("socket");
    return fd;
}

int main(int argc, char **argv)
{
    struct sockaddr_in here, there;
    struct epoll_event events[EVENTS], ev = {.events = EPOLLIN, .data.ptr = NULL};
    int one = 1;
    if (argc != 3) {
        fputs("usage: floor PORT SERVER-PORT   (both on 127.0.0.1)\n", stderr);
        return 2;
    }
    fifo = malloc(fifo_cap * sizeof(struct peer *));
    epoll_fd = epoll_create1(0);
    backend.fd = loopback_socket(&there, argv[2]);
    if (!fifo || connect(backend.fd, (struct sockaddr *)&there, sizeof(there)))
        fail("connect");
    peer_watch(&backend);
    listen_fd = loopback_socket(&here, argv[1]);
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    fcntl(listen_fd, F_SETFL, O_NONBLOCK);
    if (bind(listen_fd, (struct sockaddr *)&here, sizeof(here)) || listen(listen_fd, 4096))
        fail("listen");
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &ev);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct peer *p = events[i].data.ptr;
            if (!p)
                clients_accept();
            else if (!p->closed && (events[i].events & EPOLLOUT))
                peer_mark(p);
            if (p && !p->closed && (events[i].events & ~(uint32_t)EPOLLOUT))
                peer_read(p);
        }
        turn_end();
    }
}
