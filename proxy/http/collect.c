/* collect: once a second, from the workers' figures, surveys, the topology and discovery to one
 * struct stats. Counters and histograms are read where they are; all else comes as copies. */
#define _GNU_SOURCE
#include "http/collect.h"
#include "base/memory.h"
#include "flow/process.h"
#include "http/collector.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define COLLECTOR_BURST       100 /* MOVED and ASK replies in a second that are worth an event */
#define COLLECTOR_FILES_EVERY 10  /* seconds between counts of open files */
#define COLLECTOR_STUCK       1.0 /* s without a turn of a worker's loop */

/* --- clocks and rates --- */

static double collector_clock(clockid_t which)
{
    struct timespec now = {0};
    clock_gettime(which, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double collector_rate(const struct collector *c, uint64_t now, uint64_t *before)
{
    uint64_t came = now > *before ? now - *before : 0;
    *before = now;
    return (double)came / c->elapsed;
}

struct stats_latency collector_latency(struct collector *c, const struct histogram *now,
                                       struct collector_window *window)
{
    struct histogram since;
    histogram_since(&since, now, &window->base[0]);
    if (c->rotate) {
        window->base[0] = window->base[1];
        window->base[1] = *now;
    }
    return stats_latency_of(&since);
}

/* --- life --- */

struct collector *collector_new(struct process *process)
{
    struct collector *c = memory_zalloc(sizeof *c);
    struct stats *s = &c->stats;
    c->process = process;
    c->workers = memory_zalloc((process->nworkers + 1) * sizeof *c->workers);
    for (uint32_t i = 0; i < process->nworkers; i++)
        c->workers[i].survey = survey_new(i);
    s->workers = memory_zalloc((process->nworkers + 1) * sizeof *s->workers);
    s->nworkers = process->nworkers;
    s->commands = memory_zalloc(COMMAND_STATS * sizeof *s->commands);
    s->started = collector_clock(CLOCK_REALTIME);
    snprintf(s->id, sizeof s->id, "%s", process->id);
    history_init(&s->history);
    verdict_init(&s->verdict, s->started);
    c->before = collector_clock(CLOCK_MONOTONIC);
    return c;
}

void collector_free(struct collector *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->stats.nworkers; i++)
        survey_free(c->workers[i].survey);
    free(c->workers);
    collector_free_nodes(c);
    topology_unref(c->newest);
    stats_free(&c->stats);
    free(c);
}

struct stats *collector_stats(struct collector *c)
{
    return &c->stats;
}

void collector_set_config(struct collector *c, const struct config *config)
{
    config_unref(c->stats.config);
    c->stats.config = config;
}

void collector_set_topology(struct collector *c, struct topology *t)
{
    double now = collector_clock(CLOCK_REALTIME);
    topology_unref(c->newest);
    c->newest = t;
    c->stats.map_changed = now;
    collector_follow(c, t, now);
}

const struct topology *collector_newest(const struct collector *c)
{
    return c->newest;
}

/* --- asking --- */

void collector_ask(struct collector *c, struct mailbox *asker, mailbox_fn done)
{
    for (uint32_t i = 0; i < c->stats.nworkers; i++) {
        struct collector_worker *worker = &c->workers[i];
        if (worker->asked)
            continue;
        worker->asked = true;
        worker->survey->asker = asker;
        worker->survey->done = done;
        c->due++;
        survey_ask(c->process->workers[i], worker->survey);
    }
}

bool collector_on_survey(struct collector *c, struct survey *survey)
{
    c->workers[survey->worker].asked = false;
    return --c->due == 0;
}

/* --- slotway itself --- */

static double collector_memory(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return STATS_UNKNOWN;
    int n = fscanf(file, "%*u %lu", &pages);
    fclose(file);
    return n == 1 ? (double)pages * (double)sysconf(_SC_PAGESIZE) : STATS_UNKNOWN;
}

static void collector_take_files(struct stats *s)
{
    struct rlimit limit;
    uint64_t n = 0;
    if (s->sequence % COLLECTOR_FILES_EVERY != 1)
        return;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        s->descriptors_limit = limit.rlim_cur;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return;
    while (readdir(dir))
        n++;
    closedir(dir);
    s->descriptors = n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

static double collector_cpu(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* --- workers --- */

static void collector_take_worker(struct collector *c, uint32_t i)
{
    struct collector_worker *mine = &c->workers[i];
    struct stats_worker *out = &c->stats.workers[i];
    const struct worker *w = c->process->workers[i];
    struct histogram turns = {{0}}, since;
    clockid_t clock;
    double cpu = mine->cpu_before;
    histogram_sum(&turns, &w->watch->turns);
    histogram_since(&since, &turns, &mine->turns_before);
    mine->turns_before = turns;
    if (pthread_getcpuclockid(w->thread, &clock) == 0)
        cpu = collector_clock(clock);
    out->v[WORKER_load] = (cpu - mine->cpu_before) / c->elapsed;
    mine->cpu_before = out->cpu_seconds = cpu;
    out->v[WORKER_turn_p99_us] = histogram_quantile(&since, 0.99);
    out->v[WORKER_requests_rate] = collector_rate(c, counters_get(&w->counters, COUNTER_commands),
                                                  &mine->commands_before);
    out->v[WORKER_clients] = (double)counters_get(&w->counters, COUNTER_clients);
    double turned = (double)atomic_load_explicit(&w->heartbeat, memory_order_relaxed) / 1e6;
    out->stuck = c->before - turned > COLLECTOR_STUCK ? c->before - turned : 0;
    if (mine->asked)
        return;
    out->v[WORKER_in_flight] = (double)mine->survey->in_flight;
    out->v[WORKER_waiting] = (double)mine->survey->waiting;
    out->v[WORKER_chunks_bytes] = (double)mine->survey->chunk_bytes;
    out->v[WORKER_backends] = (double)mine->survey->backends;
}

static void collector_take_counters(struct collector *c)
{
    struct stats *s = &c->stats;
    memset(s->counters, 0, sizeof s->counters);
    memset(&s->inside, 0, sizeof s->inside);
    for (uint32_t i = 0; i < s->nworkers; i++) {
        const struct worker *w = c->process->workers[i];
        for (unsigned j = 0; j < COUNTER_COUNT; j++)
            s->counters[j] += counters_get(&w->counters, j);
        histogram_sum(&s->inside, &w->watch->inside);
        collector_take_worker(c, i);
    }
    s->totals[TOTAL_clients_rejected] = atomic_load_explicit(&c->process->rejected,
                                                             memory_order_relaxed);
    s->totals[TOTAL_events] = event_total();
}

/* --- the last second --- */

static void collector_take_quantiles(double *out, const struct histogram *now,
                                     struct histogram *before)
{
    struct histogram since;
    histogram_since(&since, now, before);
    *before = *now;
    struct stats_latency latency = stats_latency_of(&since);
    out[0] = latency.p50;
    out[1] = latency.p99;
    out[2] = latency.p999;
}

static void collector_note_redirects(struct collector *c, uint64_t came)
{
    if (came >= COLLECTOR_BURST && c->redirects_last < COLLECTOR_BURST)
        event_note(EVENT_REDIRECTS, EVENT_INFO,
                   "a burst of redirects begins: %llu MOVED and ASK replies in a second",
                   (unsigned long long)came);
    c->redirects_last = came;
}

static void collector_take_now(struct collector *c)
{
    struct stats *s = &c->stats;
    uint64_t *before = c->counters_before;
    uint64_t redirects = before[COUNTER_redirects_moved] + before[COUNTER_redirects_ask];
    uint64_t moved = s->counters[COUNTER_redirects_moved] + s->counters[COUNTER_redirects_ask];
    double *now = s->now;
    now[NOW_requests_rate] = collector_rate(c, s->counters[COUNTER_commands],
                                            &before[COUNTER_commands]);
    now[NOW_errors_rate] = collector_rate(c, s->counters[COUNTER_errors], &before[COUNTER_errors]);
    now[NOW_forwarded_rate] = collector_rate(c, s->counters[COUNTER_requests_forwarded],
                                             &before[COUNTER_requests_forwarded]);
    now[NOW_bytes_in_rate] = collector_rate(c, s->counters[COUNTER_bytes_in],
                                            &before[COUNTER_bytes_in]);
    now[NOW_bytes_out_rate] = collector_rate(c, s->counters[COUNTER_bytes_out],
                                             &before[COUNTER_bytes_out]);
    now[NOW_redirects_rate] = collector_rate(c, moved, &redirects);
    before[COUNTER_redirects_moved] = s->counters[COUNTER_redirects_moved];
    before[COUNTER_redirects_ask] = s->counters[COUNTER_redirects_ask];
    collector_note_redirects(c, (uint64_t)(now[NOW_redirects_rate] * c->elapsed + 0.5));
    collector_take_quantiles(&now[NOW_inside_p50_us], &s->inside, &c->inside_before);
    collector_take_quantiles(&now[NOW_node_p50_us], &s->at_nodes, &c->at_nodes_before);
    now[NOW_clients] = (double)s->counters[COUNTER_clients];
    now[NOW_waiting] = (double)s->counters[COUNTER_waiting];
    double cpu = collector_cpu();
    now[NOW_cpu] = (cpu - c->cpu_before) / c->elapsed;
    c->cpu_before = s->cpu_seconds = cpu;
    now[NOW_memory_bytes] = collector_memory();
}

void collector_take(struct collector *c)
{
    struct stats *s = &c->stats;
    double mono = collector_clock(CLOCK_MONOTONIC);
    c->elapsed = mono - c->before > 0.001 ? mono - c->before : 0.001;
    c->before = mono;
    s->time = collector_clock(CLOCK_REALTIME);
    s->sequence++;
    if (c->newest && c->newest != s->topology) {
        topology_unref(s->topology);
        s->topology = topology_ref(c->newest);
    }
    c->rotate = s->sequence % COLLECTOR_ROTATE == 0;
    s->draining = atomic_load_explicit(&c->process->draining, memory_order_relaxed);
    collector_take_counters(c);
    collector_take_lists(c);
    collector_take_nodes(c);
    collector_take_now(c);
    collector_take_files(s);
    for (s->commands_known = 0; command_stat_name(s->commands_known);)
        s->commands_known++;
    s->nevents = (uint32_t)event_copy(s->events, 0);
    s->minute_complete = history_add(&s->history, s->time, s->now);
    verdict_find(s);
}
