/* server: the thread that answers on stats-port.
 * libmicrohttpd has no thread and no listening socket of its own: its epoll descriptor is watched
 * by this thread's loop, which accepts and decides who has to go when there are too many. */
#define _GNU_SOURCE
#include "http/server.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/net.h"
#include "http/exchange.h"
#include "http/feed.h"
#include "http/http.h"
#include <errno.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Connections that are accepted at a time, and as many places are kept free. */
#define HTTP_BATCH 8
/* Of the files that the process may open, one in so many may be a connection here. */
#define HTTP_SHARE_OF_FILES 16
#define HTTP_FIRST_SAMPLE   0.05 /* s after the start */
#define HTTP_SOON           0.02 /* s until a sample after a change of the cluster … */
#define HTTP_APART          0.25 /* … that far from the one before, at least */
#define HTTP_PATIENCE       0.5  /* s until a sample is taken without workers that do not answer */
#define HTTP_LAST_TURNS     8    /* of libmicrohttpd, to send what is left */
#define HTTP_PAUSE          0.5  /* s without accepting when there is no descriptor left */

/* --- connections --- */

struct http_connection *http_connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void http_link(struct http *h, struct http_connection *c)
{
    c->prev = h->newest;
    if (c->prev)
        c->prev->next = c;
    else
        h->connections = c;
    h->newest = c;
    h->nconnections++;
}

static void http_unlink(struct http *h, struct http_connection *c)
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

static void http_on_connection(void *cls, struct MHD_Connection *connection, void **context,
                               enum MHD_ConnectionNotificationCode what)
{
    struct http *h = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        struct http_connection *c = memory_zalloc(sizeof *c);
        c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        http_link(h, c);
        *context = c;
    } else if (*context) {
        http_unlink(h, *context);
        free(*context);
        *context = NULL;
    }
}

/* Full: the oldest one that has shown no password goes. It is closed in an orderly way, by
 * libmicrohttpd, which finds the end of its input. */
static void http_make_room(struct http *h)
{
    uint32_t closing = 0;
    for (struct http_connection *c = h->connections; c; c = c->next)
        closing += c->closing;
    if (h->nconnections - closing < h->max_connections - HTTP_BATCH)
        return;
    for (struct http_connection *c = h->connections; c; c = c->next) {
        if (c->trusted || c->closing)
            continue;
        c->closing = true;
        shutdown(c->fd, SHUT_RDWR);
        return;
    }
}

static void http_pause(struct http *h)
{
    for (unsigned i = 0; i < h->nsockets; i++)
        ev_io_stop(h->loop, &h->sockets[i]);
    ev_timer_again(h->loop, &h->pause);
}

static void http_on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct http *h = timer->data;
    ev_timer_stop(loop, timer);
    for (unsigned i = 0; i < h->nsockets; i++)
        ev_io_start(loop, &h->sockets[i]);
}

static void http_on_acceptable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct http *h = io->data;
    for (int i = 0; i < HTTP_BATCH && h->nconnections < h->max_connections; i++) {
        struct sockaddr_storage addr = {0};
        socklen_t len = sizeof addr;
        int fd = accept4(io->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE))
            http_pause(h);
        if (fd < 0)
            break;
        http_make_room(h);
        /* closes fd if it refuses */
        MHD_add_connection(h->daemon, fd, (struct sockaddr *)&addr, len);
    }
    if (h->nconnections >= h->max_connections)
        http_make_room(h);
    http_run(h);
}

/* --- libmicrohttpd in the loop --- */

void http_run(struct http *h)
{
    MHD_UNSIGNED_LONG_LONG ms;
    MHD_run(h->daemon);
    if (MHD_get_timeout(h->daemon, &ms) == MHD_YES) {
        h->timeout.repeat = ms > 0 ? (double)ms / 1e3 : 1e-6;
        ev_timer_again(h->loop, &h->timeout);
    } else {
        ev_timer_stop(h->loop, &h->timeout);
    }
}

static void http_on_epoll(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    http_run(io->data);
}

static void http_on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    http_run(timer->data);
}

static bool http_start_daemon(struct http *h)
{
    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, NULL,
        NULL, exchange_on_request, h, MHD_OPTION_NOTIFY_COMPLETED, exchange_on_end, h,
        MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, h, MHD_OPTION_CONNECTION_LIMIT,
        h->max_connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_TIMEOUT,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_POOL, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
        MHD_OPTION_END);
    if (!h->daemon) {
        log_warning("The statistics page does not start: libmicrohttpd refuses");
        return false;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    ev_io_init(&h->epoll, http_on_epoll, info->listen_fd, EV_READ);
    ev_init(&h->timeout, http_on_timeout);
    ev_init(&h->pause, http_on_pause_over);
    h->pause.repeat = HTTP_PAUSE;
    h->epoll.data = h->timeout.data = h->pause.data = h;
    ev_io_start(h->loop, &h->epoll);
    return true;
}

/* --- listening --- */

static void http_add_socket(void *ctx, int fd)
{
    struct http *h = ctx;
    if (h->nsockets == HTTP_MAX_SOCKETS) {
        close(fd);
        return;
    }
    ev_io *io = &h->sockets[h->nsockets++];
    ev_io_init(io, http_on_acceptable, fd, EV_READ);
    io->data = h;
    ev_io_start(h->loop, io);
}

static bool http_listen(struct http *h)
{
    const struct config *config = h->stats->config;
    bool good = true;
    if (config->stats_bind.n == 0)
        good = net_listen("*", config->stats_port, config->tcp_backlog, http_add_socket, h) &&
               net_listen("-::*", config->stats_port, config->tcp_backlog, http_add_socket, h);
    for (uint32_t i = 0; i < config->stats_bind.n; i++)
        good = net_listen(config->stats_bind.v[i], config->stats_port, config->tcp_backlog,
                          http_add_socket, h) &&
               good;
    return good && h->nsockets > 0;
}

/* --- samples --- */

static void http_take_sample(struct http *h)
{
    struct stats *s = collector_stats(h->collector);
    ev_timer_stop(h->loop, &h->patience);
    s->totals[TOTAL_http_requests] = h->requests;
    s->totals[TOTAL_http_refused] = auth_refused(h->auth);
    s->http_connections = h->nconnections;
    snprintf(s->token, sizeof s->token, "%s", s->config->stats_admin ? h->token : "");
    s->http_streams = h->nfeeds;
    collector_take(h->collector);
    feed_tell(h);
    http_run(h);
}

static void http_on_survey(void *owner, void *arg)
{
    struct http *h = owner;
    bool late = !ev_is_active(&h->patience);
    if (collector_on_survey(h->collector, arg) && !late && !h->stopping)
        http_take_sample(h);
}

static void http_on_patience(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    http_take_sample(timer->data);
}

static void http_on_second(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct http *h = timer->data;
    ev_timer_again(loop, &h->patience);
    collector_ask(h->collector, &h->mailbox, http_on_survey);
}

static void http_start_samples(struct http *h)
{
    ev_timer_init(&h->second, http_on_second, HTTP_FIRST_SAMPLE, 1.0);
    ev_init(&h->patience, http_on_patience);
    h->patience.repeat = HTTP_PATIENCE;
    h->second.data = h->patience.data = h;
    ev_timer_start(h->loop, &h->second);
}

/* --- calls from the main thread --- */

static void http_take_config(void *owner, void *arg)
{
    const struct http *h = owner;
    collector_set_config(h->collector, arg);
}

void http_give_config(struct http *h, const struct config *config)
{
    if (h)
        mailbox_post(&h->mailbox, http_take_config, config_ref(config));
}

/* What changed is to be seen at once: the next sample comes early, and the others a second apart
 * from it. A cluster that changes all the time makes no more than a few samples a second. */
static void http_hurry(struct http *h)
{
    double left = ev_timer_remaining(h->loop, &h->second);
    if (ev_is_active(&h->patience) || left < HTTP_SOON || left > 1 - HTTP_APART)
        return;
    ev_timer_stop(h->loop, &h->second);
    ev_timer_set(&h->second, HTTP_SOON, 1.0);
    ev_timer_start(h->loop, &h->second);
}

static void http_take_topology(void *owner, void *arg)
{
    struct http *h = owner;
    collector_set_topology(h->collector, arg);
    http_hurry(h);
}

void http_give_topology(struct http *h, struct topology *t)
{
    if (h)
        mailbox_post(&h->mailbox, http_take_topology, topology_ref(t));
}

static void http_take_stop(void *owner, void *arg)
{
    struct http *h = owner;
    (void)arg;
    h->stopping = true;
    ev_break(h->loop, EVBREAK_ALL);
}

/* --- life --- */

static void *http_main(void *arg)
{
    struct http *h = arg;
    ev_run(h->loop, 0);
    feed_end(h);
    exchange_resume_all(h);
    for (int i = 0; i < HTTP_LAST_TURNS; i++)
        MHD_run(h->daemon);
    return NULL;
}

static void http_make_token(struct http *h)
{
    unsigned char bytes[HTTP_TOKEN_LEN / 2];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return; /* "": no action is possible */
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(h->token + 2 * i, 3, "%02x", bytes[i]);
}

static uint32_t http_connection_limit(void)
{
    struct rlimit files;
    rlim_t share = HTTP_MAX_CONNECTIONS;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        share = files.rlim_cur / HTTP_SHARE_OF_FILES;
    if (share < 2 * HTTP_BATCH)
        return 2 * HTTP_BATCH;
    return share < HTTP_MAX_CONNECTIONS ? (uint32_t)share : HTTP_MAX_CONNECTIONS;
}

static bool http_open(struct http *h)
{
    h->max_connections = http_connection_limit();
    h->loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
    h->auth = auth_new();
    if (!h->loop || !h->auth)
        return false;
    mailbox_init(&h->mailbox, h->loop, h);
    http_make_token(h);
    http_start_samples(h);
    return http_listen(h) && http_start_daemon(h);
}

struct http *http_start(struct process *process)
{
    const struct config *config = process->config;
    if (!config->stats_port)
        return NULL;
    struct http *h = memory_zalloc(sizeof *h);
    h->process = process;
    h->collector = collector_new(process);
    h->stats = collector_stats(h->collector);
    collector_set_config(h->collector, config_ref(config));
    collector_take(h->collector); /* there is always a sample to show */
    int error = http_open(h) ? pthread_create(&h->thread, NULL, http_main, h) : -1;
    if (error) {
        log_warning("There is no statistics page on port %u", config->stats_port);
        http_free(h);
        return NULL;
    }
    pthread_setname_np(h->thread, "http");
    log_notice("Statistics page on port %u", config->stats_port);
    if (auth_is_default(config))
        log_warning("The statistics page has its default password, so it is served to this host "
                    "only. Set stats-password to serve it to others.");
    return h;
}

void http_join(struct http *h)
{
    if (!h)
        return;
    mailbox_post(&h->mailbox, http_take_stop, NULL);
    pthread_join(h->thread, NULL);
}

void http_free(struct http *h)
{
    if (!h)
        return;
    for (unsigned i = 0; i < h->nsockets; i++) {
        ev_io_stop(h->loop, &h->sockets[i]);
        close(h->sockets[i].fd);
    }
    if (h->daemon) {
        ev_io_stop(h->loop, &h->epoll);
        ev_timer_stop(h->loop, &h->timeout);
        ev_timer_stop(h->loop, &h->pause);
        MHD_stop_daemon(h->daemon);
    }
    if (h->second.data) {
        ev_timer_stop(h->loop, &h->second);
        ev_timer_stop(h->loop, &h->patience);
    }
    if (h->mailbox.loop)
        mailbox_destroy(&h->mailbox);
    if (h->loop)
        ev_loop_destroy(h->loop);
    collector_free(h->collector);
    auth_free(h->auth);
    free(h);
}
