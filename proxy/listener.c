/* listener: the sockets on which clients arrive.
 * Accepts in batches; refuses, with Redis' texts, what is over maxclients or not allowed in. */
#define _GNU_SOURCE
#include "listener.h"
#include "base/event.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/net.h"
#include "flow/process.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define LISTENER_BATCH 64
/* Descriptors kept for everything but clients: this many, and more per worker for its nodes. */
#define LISTENER_RESERVE            48
#define LISTENER_RESERVE_PER_WORKER 24
/* Asked for beside these, for the statistics page; where there are not so many it takes less. */
#define LISTENER_RESERVE_HTTP 256
/* Out of descriptors in spite of all: accept again after this many seconds. */
#define LISTENER_PAUSE 0.1

#define LISTENER_FULL "-ERR max number of clients reached\r\n"
#define LISTENER_DENIED                                                                            \
    "-DENIED slotway is running in protected mode because no password and no bind address is "     \
    "set. "                                                                                        \
    "In this mode connections are only accepted from the loopback interface. To connect from "     \
    "other hosts do one of the following: 1) set 'requirepass' in slotway.conf (or PROXY CONFIG "  \
    "SET requirepass from loopback); 2) name the addresses to listen on with 'bind' "              \
    "('bind * -::*' for all of them); 3) set 'protected-mode no' if the network keeps strangers "  \
    "out.\r\n"

struct listener_socket {
    struct listener_socket *next;
    struct listener *listener;
    ev_io io;
    bool unix_socket;
    char *path; /* unix socket of our own, removed at the end */
};

struct listener {
    struct ev_loop *loop;
    struct process *process;
    struct listener_socket *sockets;
    ev_timer pause;
    int spare; /* a descriptor to give up for refusing a client when there is none left */
    uint32_t next_worker;
};

/* --- accepting --- */

static void listener_refuse(int fd, const char *text)
{
    /* The socket buffer is empty: what does not fit into it is of no use to the peer either. */
    if (send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_debug("Refusal not delivered: %s", strerror(errno));
    shutdown(fd, SHUT_WR);
    close(fd);
}

static void listener_set_options(int fd, const struct config *config)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (config->tcp_keepalive) {
        int idle = (int)config->tcp_keepalive, interval = idle / 3 > 0 ? idle / 3 : 1, count = 3;
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    }
}

/* The worker with the fewest clients; among equals in turn. */
static struct worker *listener_choose(struct listener *l)
{
    struct process *process = l->process;
    struct worker *best = NULL;
    uint32_t best_load = 0;
    for (uint32_t i = 0; i < process->nworkers; i++) {
        struct worker *w = process->workers[(l->next_worker + i) % process->nworkers];
        uint32_t load = atomic_load_explicit(&w->load, memory_order_relaxed);
        if (!best || load < best_load) {
            best = w;
            best_load = load;
        }
    }
    l->next_worker++;
    return best;
}

static void listener_take(struct listener *l, int fd, bool unix_socket,
                          const struct sockaddr_storage *addr)
{
    struct process *process = l->process;
    const struct config *config = process->config;
    if (process_clients(process) >= config->maxclients ||
        process_clients(process) + atomic_load_explicit(&process->leases, memory_order_relaxed) >=
            process->max_sockets) {
        atomic_fetch_add_explicit(&process->rejected, 1, memory_order_relaxed);
        log_limited(LOG_LEVEL_WARNING, "Client refused: max number of clients reached");
        event_note(EVENT_CLIENT, EVENT_WARNING, "client refused: max number of clients reached");
        listener_refuse(fd, LISTENER_FULL);
        return;
    }
    if (!unix_socket && config_is_protected(config) &&
        !net_is_loopback((const struct sockaddr *)addr)) {
        atomic_fetch_add_explicit(&process->rejected, 1, memory_order_relaxed);
        log_limited(LOG_LEVEL_WARNING, "Client from another host refused: protected mode");
        event_note(EVENT_CLIENT, EVENT_WARNING, "client from another host refused: protected mode");
        listener_refuse(fd, LISTENER_DENIED);
        return;
    }
    if (!unix_socket)
        listener_set_options(fd, config);
    worker_give_client(listener_choose(l), fd, unix_socket);
}

static void listener_pause(struct listener *l)
{
    for (struct listener_socket *s = l->sockets; s; s = s->next)
        ev_io_stop(l->loop, &s->io);
    ev_timer_again(l->loop, &l->pause);
}

static void listener_on_pause_over(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)events;
    struct listener *l = watcher->data;
    ev_timer_stop(loop, watcher);
    for (struct listener_socket *s = l->sockets; s; s = s->next)
        ev_io_start(loop, &s->io);
}

/* No descriptor is left: give up the spare one to tell the client so, instead of letting it hang.
 */
static void listener_on_exhausted(struct listener *l, int listening)
{
    log_limited(LOG_LEVEL_WARNING, "Out of file descriptors: clients are refused");
    if (l->spare >= 0)
        close(l->spare);
    /* cppcheck-suppress nullPointer */
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        listener_refuse(fd, LISTENER_FULL);
    l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        listener_pause(l);
}

static void listener_on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct listener_socket *s = io->data;
    struct listener *l = s->listener;
    for (int i = 0; i < LISTENER_BATCH; i++) {
        struct sockaddr_storage addr = {0};
        socklen_t len = sizeof addr;
        int fd = accept4(io->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener_take(l, fd, s->unix_socket, &addr);
        } else if (errno == EMFILE || errno == ENFILE) {
            listener_on_exhausted(l, io->fd);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/* --- opening --- */

static void listener_add(struct listener *l, int fd, bool unix_socket, const char *path)
{
    struct listener_socket *s = memory_zalloc(sizeof *s);
    s->listener = l;
    s->unix_socket = unix_socket;
    s->path = path ? memory_strdup(path) : NULL;
    ev_io_init(&s->io, listener_on_readable, fd, EV_READ);
    s->io.data = s;
    s->next = l->sockets;
    l->sockets = s;
    ev_io_start(l->loop, &s->io);
}

static void listener_add_tcp(void *ctx, int fd)
{
    listener_add(ctx, fd, false, NULL);
}

static bool listener_open_tcp(struct listener *l, const char *word)
{
    const struct config *config = l->process->config;
    return net_listen(word, config->port, config->tcp_backlog, listener_add_tcp, l);
}

static bool listener_open_unix(struct listener *l)
{
    const struct config *config = l->process->config;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(config->unixsocket) >= sizeof addr.sun_path) {
        log_warning("unixsocket: the path %s is too long", config->unixsocket);
        return false;
    }
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", config->unixsocket);
    unlink(config->unixsocket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
        listen(fd, (int)config->tcp_backlog) < 0) {
        log_warning("Can't listen on unix socket %s: %s", config->unixsocket, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (config->unixsocketperm)
        chmod(config->unixsocket, (mode_t)config->unixsocketperm);
    listener_add(l, fd, true, config->unixsocket);
    return true;
}

/* Sockets that systemd opened for us (LISTEN_FDS). True if there were any. */
static bool listener_inherit(struct listener *l)
{
    int n = sd_listen_fds(1);
    for (int i = 0; i < n; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        fcntl(fd, F_SETFL, O_NONBLOCK);
        listener_add(l, fd, sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0, NULL);
    }
    return n > 0;
}

static bool listener_open_all(struct listener *l)
{
    const struct config *config = l->process->config;
    bool good = true;
    if (listener_inherit(l))
        return true;
    if (config->port && config->bind.n == 0)
        good = listener_open_tcp(l, "*") && listener_open_tcp(l, "-::*");
    for (uint32_t i = 0; config->port && i < config->bind.n; i++)
        good = listener_open_tcp(l, config->bind.v[i]) && good;
    if (*config->unixsocket)
        good = listener_open_unix(l) && good;
    if (good && !l->sockets) {
        log_warning("No address of 'bind' could be used: nothing to listen on");
        good = false;
    }
    return good;
}

struct listener *listener_start(struct ev_loop *loop, struct process *process)
{
    struct listener *l = memory_zalloc(sizeof *l);
    l->loop = loop;
    l->process = process;
    l->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ev_init(&l->pause, listener_on_pause_over);
    l->pause.repeat = LISTENER_PAUSE;
    l->pause.data = l;
    if (listener_open_all(l))
        return l;
    listener_stop(l);
    return NULL;
}

/* A listening TCP socket that was shut down refuses connections, and keeps its port until it
 * listens again. */
void listener_set_open(struct listener *l, bool open)
{
    ev_timer_stop(l->loop, &l->pause);
    for (struct listener_socket *s = l->sockets; s; s = s->next) {
        if (open && !s->unix_socket && listen(s->io.fd, (int)l->process->config->tcp_backlog) < 0)
            log_warning("Can't listen again: %s", strerror(errno));
        if (!open)
            ev_io_stop(l->loop, &s->io);
        if (!open && !s->unix_socket)
            shutdown(s->io.fd, SHUT_RD);
        if (open)
            ev_io_start(l->loop, &s->io);
    }
}

void listener_stop(struct listener *l)
{
    if (!l)
        return;
    ev_timer_stop(l->loop, &l->pause);
    while (l->sockets) {
        struct listener_socket *s = l->sockets;
        l->sockets = s->next;
        ev_io_stop(l->loop, &s->io);
        close(s->io.fd);
        if (s->path)
            unlink(s->path);
        free(s->path);
        free(s);
    }
    if (l->spare >= 0)
        close(l->spare);
    free(l);
}

/* The limit on open files, raised to `want` if that can be. */
static rlim_t listener_raise(rlim_t want)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    struct rlimit raised = {.rlim_cur = want, .rlim_max = limit.rlim_max};
    if (limit.rlim_cur >= want)
        return limit.rlim_cur;
    if (raised.rlim_max < want)
        raised.rlim_max = want; /* allowed with privileges only */
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return want;
    raised.rlim_max = limit.rlim_max;
    raised.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

uint32_t listener_raise_limits(const struct config *config)
{
    rlim_t reserve = LISTENER_RESERVE + LISTENER_RESERVE_PER_WORKER * (rlim_t)config->threads;
    rlim_t need = config->maxclients + reserve;
    rlim_t page = config->stats_port ? LISTENER_RESERVE_HTTP : 0;
    /* Each client may hold a connection of its own to a node: one that blocks, for example. */
    rlim_t limit = listener_raise(need + config->maxclients + page);
    if (limit >= need)
        return (uint32_t)(limit - reserve - (limit >= need + page ? page : 0));
    uint32_t allowed = (uint32_t)(limit > 2 * reserve ? limit - reserve : limit / 2);
    log_warning("maxclients %u needs %llu open files, the limit is %llu: at most %u clients",
                config->maxclients, (unsigned long long)need, (unsigned long long)limit, allowed);
    return allowed;
}
