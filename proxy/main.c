/* main: start, signals, orderly stop. The control thread: listeners, discovery, systemd. */
#define _GNU_SOURCE
#include "base/event.h"
#include "base/log.h"
#include "base/memory.h"
#include "cluster/discovery.h"
#include "config.h"
#include "flow/process.h"
#include "flow/script.h"
#include "flow/worker.h"
#include "http/server.h"
#include "listener.h"
#include "resp/command.h"
#include "version.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#ifdef SLOTWAY_JEMALLOC
/* Memory that a burst needed goes back to the system within seconds (jemalloc(3)). */
const char *malloc_conf = "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0";
#endif

struct server {
    struct process process;
    struct ev_loop *loop;
    struct listener *listener;
    struct http *http;                    /* NULL: no statistics page */
    const struct command_table *commands; /* newest */
    struct topology *topology;            /* newest */
    ev_signal signals[5];
    ev_timer watchdog;
    uint32_t serving; /* workers that have not drained */
    uint32_t running; /* workers that have not ended */
    bool stopping;
    int stop_signal; /* that began it */
};

/* --- what discovery finds --- */

static void server_on_topology(void *owner, struct topology *t)
{
    struct server *server = owner;
    topology_unref(server->topology);
    server->topology = t;
    for (uint32_t i = 0; i < server->process.nworkers; i++)
        worker_give_topology(server->process.workers[i], t);
    http_give_topology(server->http, t);
    sd_notifyf(0, "STATUS=%u of %u slots are served by %u nodes", t->covered, SLOT_COUNT,
               t->nnodes);
}

static void server_on_commands(void *owner, const struct command_table *commands)
{
    struct server *server = owner;
    server->commands = commands;
    for (uint32_t i = 0; i < server->process.nworkers; i++)
        worker_give_commands(server->process.workers[i], commands);
}

static void server_on_config(struct process *process)
{
    const struct server *server = (struct server *)process; /* its first member */
    http_give_config(server->http, process->config);
}

/* --- signals --- */

/* An operator wants no more clients here (arg), or wants them again (NULL). */
static void server_on_drain(void *owner, void *arg)
{
    struct server *server = owner;
    bool drain = arg != NULL;
    if (server->stopping || drain == atomic_load(&server->process.draining))
        return;
    atomic_store(&server->process.draining, drain);
    listener_set_open(server->listener, !drain);
    for (uint32_t i = 0; i < server->process.nworkers; i++)
        worker_empty(server->process.workers[i], drain);
    event_note(EVENT_PROXY, drain ? EVENT_WARNING : EVENT_INFO, "%s",
               drain ? "slotway takes no new clients" : "slotway takes clients again");
}

static void server_stop(struct server *server, int signum)
{
    /* As with redis-server: a second Ctrl-C does not wait. A supervisor's SIGTERM may come beside
     * the terminal's SIGINT and says nothing new. */
    if (server->stopping && signum == SIGINT && server->stop_signal == SIGINT) {
        log_warning("Second %s: stopping at once", strsignal(signum));
        _exit(1);
    }
    if (server->stopping)
        return;
    server->stop_signal = signum;
    double seconds = server->process.config->drain_timeout / 1e3;
    log_notice("%s: no new clients; requests under way have %.1f s", strsignal(signum), seconds);
    sd_notify(0, "STOPPING=1");
    server->stopping = true;
    event_note(EVENT_PROXY, EVENT_WARNING, "slotway stops");
    atomic_store_explicit(&server->process.draining, true, memory_order_relaxed);
    listener_stop(server->listener);
    server->listener = NULL;
    for (uint32_t i = 0; i < server->process.nworkers; i++)
        worker_drain(server->process.workers[i], seconds);
}

static void server_reload(struct server *server)
{
    struct timespec now;
    struct config_error error;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
               (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    log_reopen();
    struct config *config = config_reload(server->process.config, &error);
    if (config) {
        process_set_config(&server->process, config);
        log_notice("Configuration reloaded");
        event_note(EVENT_CONFIG, EVENT_INFO, "configuration reloaded");
    } else {
        log_warning("Configuration not reloaded, nothing has changed: %s", error.text);
        event_note(EVENT_CONFIG, EVENT_WARNING, "configuration not reloaded: %s", error.text);
    }
    sd_notify(0, "READY=1");
}

static void server_on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop;
    (void)events;
    struct server *server = watcher->data;
    if (watcher->signum == SIGHUP)
        server_reload(server);
    else if (watcher->signum == SIGUSR1)
        log_reopen();
    else
        server_stop(server, watcher->signum);
}

/* systemd is told that all is well only while every worker turns its loop. */
static void server_on_watchdog(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct server *server = watcher->data;
    uint64_t longest = (uint64_t)(2 * watcher->repeat * 1e6);
    struct timespec now;
    (void)loop;
    (void)events;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    for (uint32_t i = 0; i < server->process.nworkers; i++) {
        const struct worker *w = server->process.workers[i];
        uint64_t seen = atomic_load_explicit(&w->heartbeat, memory_order_relaxed);
        if (seen + longest < now_us) {
            log_limited(LOG_LEVEL_WARNING, "Worker %u has been stuck for %llu ms", i,
                        (unsigned long long)(now_us - seen) / 1000);
            return;
        }
    }
    sd_notify(0, "WATCHDOG=1");
}

static void server_watch(struct server *server)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
    uint64_t watchdog = 0;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        ev_signal_init(&server->signals[i], server_on_signal, signals[i]);
        server->signals[i].data = server;
        ev_signal_start(server->loop, &server->signals[i]);
    }
    if (sd_watchdog_enabled(0, &watchdog) > 0) {
        ev_timer_init(&server->watchdog, server_on_watchdog, 0., (double)watchdog / 2e6);
        server->watchdog.data = server;
        ev_timer_start(server->loop, &server->watchdog);
    }
}

/* --- start --- */

static void server_name(struct process *process)
{
    unsigned char bytes[20];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        memset(bytes, getpid() & 0xff, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(process->id + 2 * i, 3, "%02x", bytes[i]);
}

static void server_write_pidfile(const struct config *config)
{
    if (!*config->pidfile)
        return;
    FILE *file = fopen(config->pidfile, "w");
    if (!file) {
        log_warning("Can't write pidfile %s: %s", config->pidfile, strerror(errno));
        return;
    }
    fprintf(file, "%d\n", getpid());
    fclose(file);
}

static void server_on_worker_drained(void *owner, void *arg)
{
    struct server *server = owner;
    (void)arg;
    if (--server->serving > 0)
        return;
    for (uint32_t i = 0; i < server->process.nworkers; i++)
        worker_stop(server->process.workers[i]);
}

static void server_on_worker_end(void *owner, void *arg)
{
    struct server *server = owner;
    (void)arg;
    if (--server->running == 0)
        ev_break(server->loop, EVBREAK_ALL);
}

static void server_start_workers(struct server *server)
{
    struct process *process = &server->process;
    uint32_t n = process->config->threads;
    process->on_worker_drained = server_on_worker_drained;
    process->on_worker_end = server_on_worker_end;
    process->workers = memory_zalloc(n * sizeof *process->workers);
    for (uint32_t i = 0; i < n; i++)
        process->workers[i] = worker_new(process, i, process->config, server->commands);
    process->nworkers = server->serving = server->running = n;
}

static bool server_start(struct server *server, struct config *config)
{
    struct process *process = &server->process;
    struct timespec mono;
    clock_gettime(CLOCK_MONOTONIC, &mono);
    process->config = config;
    process->started = time(NULL);
    process->started_mono = (int64_t)mono.tv_sec * 1000000 + mono.tv_nsec / 1000;
    atomic_init(&process->next_client_id, 1);
    server_name(process);
    process->max_sockets = listener_raise_limits(config);
    server->loop = ev_default_loop(EVFLAG_NOENV | EVBACKEND_EPOLL);
    server->commands = command_builtin();
    mailbox_init(&process->mailbox, server->loop, server);
    server_start_workers(server);
    server->listener = listener_start(server->loop, process);
    if (!server->listener)
        return false;
    process->on_config = server_on_config;
    process->on_drain = server_on_drain;
    static const struct discovery_events events = {server_on_topology, server_on_commands};
    process->discovery = discovery_start(server->loop, config, &events, server);
    for (uint32_t i = 0; i < process->nworkers; i++)
        worker_start(process->workers[i]);
    server->http = http_start(process);
    server_watch(server);
    server_write_pidfile(config);
    return true;
}

static void server_free_workers(struct process *process)
{
    bool any = true;
    for (uint32_t i = 0; i < process->nworkers; i++)
        worker_wait(process->workers[i]);
    while (any) {
        any = false;
        for (uint32_t i = 0; i < process->nworkers; i++)
            any = mailbox_run(&process->workers[i]->mailbox) || any;
    }
    for (uint32_t i = 0; i < process->nworkers; i++)
        worker_free(process->workers[i]);
}

static void server_finish(struct server *server)
{
    struct process *process = &server->process;
    http_join(server->http);
    server_free_workers(process);
    http_free(server->http);
    mailbox_destroy(&process->mailbox);
    discovery_stop(process->discovery);
    topology_unref(server->topology);
    script_forget_all();
    if (*process->config->pidfile)
        unlink(process->config->pidfile);
    log_notice("Stopped");
    config_unref(process->config);
    free(process->workers);
    ev_loop_destroy(server->loop);
}

int main(int argc, char *argv[])
{
    static struct server server;
    struct config *config = NULL;
    switch (config_load(argc, argv, stdout, stderr, &config)) {
    case CONFIG_DONE:
        return 0;
    case CONFIG_FAILED:
        return 1;
    case CONFIG_START:
        break;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!log_open(config->logfile)) {
        fprintf(stderr, "slotway: can't open log file %s: %s\n", config->logfile, strerror(errno));
        return 1;
    }
    log_set_level((enum log_level)config->loglevel);
    log_notice("slotway " SLOTWAY_VERSION " starts, %u worker threads, pid %d", config->threads,
               getpid());
    if (!server_start(&server, config))
        return 1;
    log_notice("Ready for clients on port %u", config->port);
    sd_notify(0, "READY=1");
    ev_run(server.loop, 0);
    server_finish(&server);
    return 0;
}
