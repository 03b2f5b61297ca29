/* worker: one thread with its loop and everything that it owns.
 * The turn of the loop, the calls from the main thread, and housekeeping. */
#define _GNU_SOURCE
#include "flow/worker.h"
#include "base/log.h"
#include "base/memory.h"
#include "cluster/discovery.h"
#include "flow/backend.h"
#include "flow/bell.h"
#include "flow/blocking.h"
#include "flow/busy.h"
#include "flow/client.h"
#include "flow/function.h"
#include "flow/monitor.h"
#include "flow/pause.h"
#include "flow/pool.h"
#include "flow/pubsub.h"
#include "flow/route.h"
#include "flow/slowlog.h"
#include "flow/tracking.h"
#include "flow/transaction.h"
#include "flow/watch.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WORKER_DRIVE_INTERVAL 0.01 /* s: parked requests are looked at so often */
#define WORKER_SLOW_INTERVAL  0.1  /* s: timeouts */
/* A worker that was not there for so long stood still (its process was stopped, its machine
 * suspended), µs; and what has come meanwhile is read for so long, µs. */
#define WORKER_STILL 300000
#define WORKER_CATCH 100000
/* Slow log entries per WORKER_SLOW_INTERVAL: when everything is slow, writing all of it down would
 * make it slower. */
#define WORKER_SLOW_BUDGET 200
/* Pumping and flushing go round so often in one turn at most, so that one client with a long
 * backlog does not keep the others waiting. */
#define WORKER_ROUNDS 4
/* A turn with so many commands, at least and at most, has others beside them soon: what goes to
 * nodes waits for what the kernel has by then. With fewer it would be in vain, and more of them are
 * a batch already. */
#define WORKER_HOLD_LEAST 2
#define WORKER_HOLD_MOST  64
#define WORKER_HOLD_TURNS 2

/* --- the turn --- */

static uint64_t worker_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static bool worker_is_careful(const struct worker *w)
{
    return w->unsettled_until >= w->seconds || monitor_is_on(w) ||
           atomic_load_explicit(&w->process->pause_until, memory_order_relaxed) > w->now;
}

static void worker_on_start_of_turn(struct ev_loop *loop, ev_check *watcher, int events)
{
    (void)loop;
    (void)events;
    struct worker *w = watcher->data;
    w->now = worker_clock();
    w->seconds = (int64_t)(w->now / 1000000);
    w->careful = worker_is_careful(w);
}

static void worker_pump(struct worker *w)
{
    struct client *list = w->pumpable;
    w->pumpable = NULL;
    while (list) {
        struct client *c = list;
        list = c->next_pump;
        c->flags &= ~(uint32_t)CLIENT_PUMPABLE;
        client_pump(c);
    }
}

static void worker_on_idle(struct ev_loop *loop, ev_idle *watcher, int events)
{
    (void)events;
    ev_idle_stop(loop, watcher);
}

/* A write to a node, and the node's read, cost more than all else that is done for a few requests.
 * So while a worker has plenty to do, nodes are written to after each third turn; the turns between
 * do not wait for events (end of turn), so nothing is held for longer than these take. */
static void worker_hold_nodes(struct worker *w)
{
    uint64_t commands = counters_get(&w->counters, COUNTER_commands);
    uint64_t n = commands - w->held_commands;
    w->held_commands = commands;
    if (n < WORKER_HOLD_LEAST || n > WORKER_HOLD_MOST || w->held_turns == WORKER_HOLD_TURNS) {
        w->held_turns = 0;
        stream_flush_held(w);
    } else if (stream_hold_nodes(w)) {
        w->held_turns++;
    }
}

static void worker_on_end_of_turn(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)events;
    struct worker *w = watcher->data;
    if (w->bells_wanted)
        bells_drive(w);
    if (w->drive_wanted && w->parked)
        route_drive(w);
    if (w->pubsub_wanted)
        pubsub_turn(w);
    if (w->assembling)
        transaction_resume(w);
    if (w->careful)
        monitor_flush(w);
    stream_flush_patient(w);
    worker_hold_nodes(w);
    for (int round = 0; round < WORKER_ROUNDS && (w->pumpable || w->dirty); round++) {
        worker_pump(w);
        monitor_flush(w);
        stream_flush_dirty(w);
    }
    watch_end_turn(w, worker_clock());
    if (w->pumpable || w->dirty || w->held || (w->drive_wanted && w->parked) || w->bells_wanted) {
        ev_idle_start(loop, &w->more_to_do); /* come back without waiting */
        return;
    }
    client_bury(w);
    backend_bury(w);
    pubsub_bury(w);
    if (w->pubsub_wanted)
        ev_idle_start(loop, &w->more_to_do);
    if (w->stopping)
        ev_break(loop, EVBREAK_ALL);
}

/* --- housekeeping --- */

static void worker_on_drive_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    struct worker *w = watcher->data;
    route_drive(w);
}

/* The end of the turn flushes what has waited long enough. */
static void worker_on_patience_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)events;
    struct worker *w = watcher->data;
    if (!w->patient)
        ev_timer_stop(loop, watcher);
}

static void worker_check_idle(struct worker *w, struct client *c)
{
    uint32_t timeout = w->config->timeout;
    if (!timeout || c->head || (c->flags & (CLIENT_SUBSCRIBED | CLIENT_MONITOR)) ||
        w->seconds - c->active <= (int64_t)timeout)
        return;
    client_note_closed(c, EVENT_INFO, "idle for longer than timeout");
    counters_add(&w->counters, COUNTER_clients_closed_idle, 1);
    client_close(c);
}

static void worker_check_drain(struct client *c)
{
    blocking_drain(c);
    if (!c->head && c->stream.unsent == 0 && !c->in)
        client_close(c);
    else
        c->flags |= CLIENT_CLOSING_IDLE;
}

/* Timers come before what the kernel has to read. So a worker that stood still for longer than a
 * timeout would call everybody silent whose answer has been there for long. It reads first. One
 * that is late at each turn does so before every other look only, or nothing would ever time out.
 */
static bool worker_catches_up(struct worker *w)
{
    uint64_t before = atomic_load_explicit(&w->heartbeat, memory_order_relaxed);
    atomic_store_explicit(&w->heartbeat, w->now, memory_order_relaxed);
    if (!w->caught_up && w->now - before > WORKER_STILL)
        w->caught_up = w->now + WORKER_CATCH;
    if (w->now < w->caught_up)
        return true;
    w->caught_up = 0;
    return false;
}

static void worker_on_slow_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    struct worker *w = watcher->data;
    struct client *next;
    w->slow_budget = WORKER_SLOW_BUDGET;
    if (worker_catches_up(w))
        return;
    pool_check(w);
    pubsub_check(w);
    if (monitor_is_on(w))
        monitor_follow(w);
    bells_check(w);
    if (tracking_clients(w->process))
        tracking_follow(w);
    for (struct client *c = w->clients; c; c = next) {
        next = c->next;
        if (client_is_blocked(c))
            blocking_check(c);
        if (w->draining || w->emptying)
            worker_check_drain(c);
        else
            worker_check_idle(w, c);
    }
    if (w->draining && !w->drained && (!w->clients || w->now >= w->drain_until)) {
        while (w->clients)
            client_close(w->clients);
        w->drained = true;
        mailbox_post(&w->process->mailbox, w->process->on_worker_drained, w);
    }
}

static void worker_on_pause_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)events;
    struct worker *w = watcher->data;
    uint64_t until = atomic_load_explicit(&w->process->pause_until, memory_order_relaxed);
    if (until > w->now)
        return;
    pause_look_again(w);
    ev_timer_stop(loop, watcher);
}

void worker_watch_pause(struct worker *w)
{
    if (!ev_is_active(&w->pause_timer))
        ev_timer_again(w->loop, &w->pause_timer);
}

void worker_hint(struct worker *w)
{
    if (w->process->discovery)
        discovery_hint(w->process->discovery);
}

const struct worker_shard *worker_shard_of(const struct worker *w, uint16_t slot)
{
    uint16_t node = slot < SLOT_COUNT ? w->slot_node[slot] : NODE_NONE;
    if (node == NODE_NONE || w->node_shard[node] == NODE_NONE)
        return NULL;
    return &w->shards[w->node_shard[node]];
}

/* --- calls from the main thread --- */

struct worker_new_client {
    int fd;
    bool unix_socket;
};

static void worker_take_client(void *owner, void *arg)
{
    struct worker_new_client *given = arg;
    client_open(owner, given->fd, given->unix_socket);
    free(given);
}

void worker_give_client(struct worker *w, int fd, bool unix_socket)
{
    struct worker_new_client *given = memory_alloc(sizeof *given);
    given->fd = fd;
    given->unix_socket = unix_socket;
    atomic_fetch_add_explicit(&w->load, 1, memory_order_relaxed);
    worker_post(w, worker_take_client, given);
}

static void worker_take_topology(void *owner, void *arg)
{
    route_set_topology(owner, arg);
}

void worker_give_topology(struct worker *w, struct topology *t)
{
    worker_post(w, worker_take_topology, topology_ref(t));
}

static void worker_set_commands(struct worker *w, const struct command_table *commands)
{
    w->commands = commands;
    w->last_name = 0;
    w->last_command = NULL;
}

static void worker_take_commands(void *owner, void *arg)
{
    worker_set_commands(owner, arg);
}

void worker_give_commands(struct worker *w, const struct command_table *commands)
{
    worker_post(w, worker_take_commands, (void *)(uintptr_t)commands);
}

static void worker_set_config(struct worker *w, const struct config *config)
{
    config_unref(w->config);
    w->config = config;
    w->window = config->client_output_window;
    w->max_pipeline = config->max_pipeline;
    w->limits.max_bulk = config->proto_max_bulk_len;
    w->limits.max_size = config->client_query_buffer_limit;
    w->limits.max_args = INT32_MAX; /* as Redis 7; bounded by max_size */
    w->limits.max_inline = 64 * 1024;
    w->limits_before_auth = w->limits;
    w->limits_before_auth.max_args = RESP_UNAUTH_ARGS;
    w->limits_before_auth.max_bulk = RESP_UNAUTH_BULK;
    w->slow_after = config->slowlog_log_slower_than < 0 ? UINT64_MAX
                                                        : (uint64_t)config->slowlog_log_slower_than;
}

static void worker_take_config(void *owner, void *arg)
{
    worker_set_config(owner, arg);
}

void worker_give_config(struct worker *w, const struct config *config)
{
    worker_post(w, worker_take_config, config_ref(config));
}

static void worker_take_drain(void *owner, void *arg)
{
    struct worker *w = owner;
    double *seconds = arg;
    w->draining = true;
    w->drain_until = w->now + (uint64_t)(*seconds * 1e6);
    free(seconds);
    ev_feed_event(w->loop, &w->slow_timer, EV_TIMER);
}

void worker_drain(struct worker *w, double seconds)
{
    double *copy = memory_alloc(sizeof *copy);
    *copy = seconds;
    worker_post(w, worker_take_drain, copy);
}

static void worker_take_empty(void *owner, void *arg)
{
    struct worker *w = owner;
    w->emptying = arg != NULL;
    for (struct client *c = w->clients; c && !w->emptying && !w->draining; c = c->next)
        c->flags &= ~(uint32_t)CLIENT_CLOSING_IDLE;
}

void worker_empty(struct worker *w, bool on)
{
    worker_post(w, worker_take_empty, on ? w : NULL);
}

static void worker_take_stop(void *owner, void *arg)
{
    struct worker *w = owner;
    (void)arg;
    w->stopping = true;
}

void worker_stop(struct worker *w)
{
    worker_post(w, worker_take_stop, NULL);
}

/* --- life --- */

static void worker_init_watchers(struct worker *w)
{
    mailbox_init(&w->mailbox, w->loop, w);
    ev_prepare_init(&w->end_of_turn, worker_on_end_of_turn);
    ev_check_init(&w->start_of_turn, worker_on_start_of_turn);
    ev_idle_init(&w->more_to_do, worker_on_idle);
    ev_timer_init(&w->slow_timer, worker_on_slow_timer, WORKER_SLOW_INTERVAL, WORKER_SLOW_INTERVAL);
    ev_init(&w->drive_timer, worker_on_drive_timer);
    ev_init(&w->pause_timer, worker_on_pause_timer);
    ev_init(&w->busy_timer, busy_on_timer);
    ev_init(&w->patience_timer, worker_on_patience_timer);
    w->patience_timer.repeat = STREAM_PATIENCE / 1e6;
    w->drive_timer.repeat = WORKER_DRIVE_INTERVAL;
    w->pause_timer.repeat = WORKER_DRIVE_INTERVAL;
    w->end_of_turn.data = w->start_of_turn.data = w->slow_timer.data = w;
    w->drive_timer.data = w->pause_timer.data = w->busy_timer.data = w->more_to_do.data = w;
    w->patience_timer.data = w;
    ev_set_priority(&w->start_of_turn, EV_MAXPRI); /* the clock before everything else */
    ev_prepare_start(w->loop, &w->end_of_turn);
    ev_check_start(w->loop, &w->start_of_turn);
    ev_timer_start(w->loop, &w->slow_timer);
}

struct worker *worker_new(struct process *process, uint32_t id, const struct config *config,
                          const struct command_table *commands)
{
    struct worker *w = memory_zalloc(sizeof *w);
    w->process = process;
    w->id = id;
    w->now = worker_clock();
    w->seconds = (int64_t)(w->now / 1000000);
    atomic_init(&w->heartbeat, w->now);
    w->loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
    if (!w->loop) {
        log_warning("Can't create an event loop: too many open files?");
        exit(1);
    }
    w->dirty_end = &w->dirty;
    chunk_pool_init(&w->chunks);
    slab_init(&w->requests, sizeof(struct request));
    slab_init(&w->clients_slab, sizeof(struct client));
    w->read_chunk = chunk_alloc(&w->chunks, CHUNK_READ);
    resp_args_init(&w->args);
    memset(w->slot_node, 0xff, sizeof w->slot_node);
    memset(w->node_shard, 0xff, sizeof w->node_shard);
    w->slot_stamps = memory_zalloc(SLOT_COUNT * sizeof *w->slot_stamps);
    w->slot_child = memory_zalloc(SLOT_COUNT * sizeof *w->slot_child);
    w->slowlog = slowlog_new();
    w->pubsub = pubsub_new(w);
    w->watch = watch_new();
    w->monitor = monitor_new();
    w->tracking = tracking_table_new();
    w->slow_budget = WORKER_SLOW_BUDGET;
    worker_set_config(w, config_ref(config));
    worker_set_commands(w, commands);
    worker_init_watchers(w);
    return w;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    ev_run(w->loop, 0);
    pool_close_all(w);
    pubsub_close(w);
    client_bury(w);
    backend_bury(w);
    mailbox_post(&w->process->mailbox, w->process->on_worker_end, w);
    return NULL;
}

void worker_start(struct worker *w)
{
    char name[16];
    int error = pthread_create(&w->thread, NULL, worker_main, w);
    if (error) {
        log_warning("Can't start worker thread %u: %s", w->id, strerror(error));
        exit(1);
    }
    snprintf(name, sizeof name, "worker-%u", w->id);
    pthread_setname_np(w->thread, name);
}

/* Requests that were waiting for nodes when the worker ended; their clients are gone. */
static void worker_free_parked(struct worker *w)
{
    while (w->parked) {
        struct request *r = w->parked;
        w->parked = r->backend_next;
        client_fail(w, r, "ERR slotway stops");
    }
}

void worker_wait(struct worker *w)
{
    pthread_join(w->thread, NULL);
}

void worker_free(struct worker *w)
{
    mailbox_destroy(&w->mailbox);
    while (w->clients)
        client_close(w->clients);
    transaction_resume(w);
    client_bury(w);
    pubsub_free(w);
    pool_close_all(w);
    worker_free_parked(w);
    bells_free(w);
    functions_free(w);
    backend_bury(w);
    topology_unref(w->topology);
    config_unref(w->config);
    slowlog_free(w->slowlog);
    monitor_free(w);
    tracking_table_free(w->tracking);
    chunk_unref(&w->chunks, w->read_chunk);
    resp_args_free(&w->args);
    command_keys_free(&w->keys);
    free(w->key_slots);
    free(w->shards);
    free(w->slot_stamps);
    free(w->slot_child);
    watch_free(w->watch);
    chunk_pool_destroy(&w->chunks);
    slab_destroy(&w->requests);
    slab_destroy(&w->clients_slab);
    ev_loop_destroy(w->loop);
    free(w);
}
