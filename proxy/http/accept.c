/* accept: the sockets of stats-port and their connections, and who has to go when there are too
 * many of them. */
#define _GNU_SOURCE
#include "http/accept.h"
#include "base/memory.h"
#include "base/net.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Connections that are accepted at a time, and as many places are kept free. */
#define ACCEPT_BATCH 8
/* Of the files that the process may open, one in so many may be a connection here. */
#define ACCEPT_SHARE_OF_FILES 16
#define ACCEPT_PAUSE          0.5 /* s without accepting when there is no descriptor left */

/* --- connections --- */

struct http_connection *http_connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void accept_link(struct http *h, struct http_connection *c)
{
    c->prev = h->newest;
    if (c->prev)
        c->prev->next = c;
    else
        h->connections = c;
    h->newest = c;
    h->nconnections++;
}

static void accept_unlink(struct http *h, struct http_connection *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        h->connections = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        h->newest = c->prev;
    h->nconnections--;
}

void accept_on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http *h = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        struct http_connection *c = memory_zalloc(sizeof *c);
        c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        accept_link(h, c);
        *context = c;
    } else if (*context) {
        accept_unlink(h, *context);
        free(*context);
        *context = NULL;
    }
}

/* Full: the oldest one that has shown no password goes. It is closed in an orderly way, by
 * libmicrohttpd, which finds the end of its input. */
static void accept_make_room(struct http *h)
{
    uint32_t closing = 0;
    for (struct http_connection *c = h->connections; c; c = c->next)
        closing += c->closing;
    if (h->nconnections - closing < h->max_connections - ACCEPT_BATCH)
        return;
    for (struct http_connection *c = h->connections; c; c = c->next) {
        if (c->trusted || c->closing)
            continue;
        c->closing = true;
        shutdown(c->fd, SHUT_RDWR);
        return;
    }
}

static void accept_pause(struct http *h)
{
    for (unsigned i = 0; i < h->nsockets; i++)
        ev_io_stop(h->loop, &h->sockets[i]);
    ev_timer_again(h->loop, &h->pause);
}

static void accept_on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct http *h = timer->data;
    ev_timer_stop(loop, timer);
    for (unsigned i = 0; i < h->nsockets; i++)
        ev_io_start(loop, &h->sockets[i]);
}

static void accept_on_socket(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct http *h = io->data;
    for (int i = 0; i < ACCEPT_BATCH && h->nconnections < h->max_connections; i++) {
        struct sockaddr_storage addr = {0};
        socklen_t len = sizeof addr;
        int fd = accept4(io->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE))
            accept_pause(h);
        if (fd < 0)
            break;
        accept_make_room(h);
        /* closes fd if it refuses */
        MHD_add_connection(h->daemon, fd, (struct sockaddr *)&addr, len);
    }
    if (h->nconnections >= h->max_connections)
        accept_make_room(h);
    http_run(h);
}

/* --- listening --- */

static void accept_add_socket(void *ctx, int fd)
{
    struct http *h = ctx;
    if (h->nsockets == HTTP_MAX_SOCKETS) {
        close(fd);
        return;
    }
    ev_io *io = &h->sockets[h->nsockets++];
    ev_io_init(io, accept_on_socket, fd, EV_READ);
    io->data = h;
    ev_io_start(h->loop, io);
}

static bool accept_listen(struct http *h)
{
    const struct config *config = h->stats->config;
    bool good = true;
    if (config->stats_bind.n == 0)
        good = net_listen("*", config->stats_port, config->tcp_backlog, accept_add_socket, h) &&
               net_listen("-::*", config->stats_port, config->tcp_backlog, accept_add_socket, h);
    for (uint32_t i = 0; i < config->stats_bind.n; i++)
        good = net_listen(config->stats_bind.v[i], config->stats_port, config->tcp_backlog,
                          accept_add_socket, h) &&
               good;
    return good && h->nsockets > 0;
}

static uint32_t accept_limit(void)
{
    struct rlimit files;
    rlim_t share = HTTP_MAX_CONNECTIONS;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        share = files.rlim_cur / ACCEPT_SHARE_OF_FILES;
    if (share < 2 * ACCEPT_BATCH)
        return 2 * ACCEPT_BATCH;
    return share < HTTP_MAX_CONNECTIONS ? (uint32_t)share : HTTP_MAX_CONNECTIONS;
}

bool accept_open(struct http *h)
{
    h->max_connections = accept_limit();
    ev_init(&h->pause, accept_on_pause_over);
    h->pause.repeat = ACCEPT_PAUSE;
    h->pause.data = h;
    return accept_listen(h);
}

void accept_close(struct http *h)
{
    for (unsigned i = 0; i < h->nsockets; i++) {
        ev_io_stop(h->loop, &h->sockets[i]);
        close(h->sockets[i].fd);
    }
    if (h->pause.data)
        ev_timer_stop(h->loop, &h->pause);
}
