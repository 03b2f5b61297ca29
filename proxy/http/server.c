/* server: the thread that answers on stats-port, and takes a sample each second.
 * libmicrohttpd has no thread and no listening socket of its own: its epoll descriptor is watched
 * by this thread's loop. */
#define _GNU_SOURCE
#include "http/server.h"
#include "base/log.h"
#include "base/memory.h"
#include "http/accept.h"
#include "http/exchange.h"
#include "http/feed.h"
#include "http/http.h"
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_FIRST_SAMPLE 0.05 /* s after the start */
#define HTTP_SOON         0.02 /* s until a sample after a change of the cluster … */
#define HTTP_APART        0.25 /* … that far from the one before, at least */
#define HTTP_PATIENCE     0.5  /* s until a sample is taken without workers that do not answer */
#define HTTP_LAST_TURNS   8    /* of libmicrohttpd, to send what is left */

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
        MHD_OPTION_NOTIFY_CONNECTION, accept_on_connection, h, MHD_OPTION_CONNECTION_LIMIT,
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
    h->epoll.data = h->timeout.data = h;
    ev_io_start(h->loop, &h->epoll);
    return true;
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

void http_finish(struct http *h)
{
    feed_end(h);
    exchange_resume_all(h);
    for (int i = 0; i < HTTP_LAST_TURNS; i++)
        MHD_run(h->daemon);
}

static void *http_main(void *arg)
{
    struct http *h = arg;
    ev_run(h->loop, 0);
    http_finish(h);
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

static bool http_prepare(struct http *h)
{
    h->loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
    h->auth = auth_new();
    if (!h->loop || !h->auth)
        return false;
    mailbox_init(&h->mailbox, h->loop, h);
    http_make_token(h);
    http_start_samples(h);
    return accept_open(h) && http_start_daemon(h);
}

struct http *http_open(struct process *process)
{
    struct http *h = memory_zalloc(sizeof *h);
    h->process = process;
    h->collector = collector_new(process);
    h->stats = collector_stats(h->collector);
    collector_set_config(h->collector, config_ref(process->config));
    collector_take(h->collector); /* there is always a sample to show */
    if (http_prepare(h))
        return h;
    http_free(h);
    return NULL;
}

struct http *http_start(struct process *process)
{
    const struct config *config = process->config;
    if (!config->stats_port)
        return NULL;
    struct http *h = http_open(process);
    if (!h || pthread_create(&h->thread, NULL, http_main, h) != 0) {
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
    accept_close(h);
    if (h->daemon) {
        ev_io_stop(h->loop, &h->epoll);
        ev_timer_stop(h->loop, &h->timeout);
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
