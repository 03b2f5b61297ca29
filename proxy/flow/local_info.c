/* local_info: INFO of the whole cluster: which masters are asked, and what slotway says of itself.
 */
#include "flow/local_info.h"
#include "base/memory.h"
#include "flow/combine_info.h"
#include "flow/local_call.h"
#include "flow/process.h"
#include "flow/pubsub_census.h"
#include "flow/tracking.h"
#include "version.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* What was asked for: bits. */
#define INFO_WITH_SLOTWAY (1u << 0) /* the # slotway section */
#define INFO_WITH_NODES   (1u << 1) /* anything else */

/* --- slotway's own figures --- */

static int64_t info_uptime(const struct worker *w)
{
    return ((int64_t)w->now - w->process->started_mono) / 1000000;
}

/* Fields that are about the server that answers, which is slotway. */
static void info_own(struct worker *w, struct gather_part *own)
{
    struct process *process = w->process;
    /* waiting for lists in several slots is slotway's business: nodes do not count these clients */
    uint64_t across = local_counter(process, COUNTER_blocked_across);
    struct timespec now;
    char exe[512];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    clock_gettime(CLOCK_REALTIME, &now);
    exe[len > 0 ? len : 0] = '\0';
    gather_printf(own,
                  "process_id:%d\nrun_id:%s\ntcp_port:%u\nserver_time_usec:%lld\n"
                  "uptime_in_seconds:%lld\nuptime_in_days:%lld\nexecutable:%s\nconfig_file:%s\n"
                  "io_threads_active:0\n"
                  "connected_clients:%llu\ncluster_connections:0\nmaxclients:%u\n"
                  "blocked_clients:%llu\n+blocked_clients:%llu\ntracking_clients:%u\nclients_in_"
                  "timeout_table:0\n"
                  "total_connections_received:%llu\nrejected_connections:%llu\n"
                  "pubsub_channels:%llu\npubsub_patterns:%llu\npubsubshard_channels:%llu\n",
                  getpid(), process->id, w->config->port,
                  (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000, (long long)info_uptime(w),
                  (long long)info_uptime(w) / 86400, exe, config_file(w->config),
                  (unsigned long long)local_counter(process, COUNTER_clients),
                  w->config->maxclients,
                  (unsigned long long)(local_counter(process, COUNTER_blocked) - across),
                  (unsigned long long)(local_counter(process, COUNTER_paused) + across),
                  tracking_clients(process),
                  (unsigned long long)(local_counter(process, COUNTER_clients_accepted) -
                                       atomic_load(&process->accepted_before)),
                  (unsigned long long)(atomic_load(&process->rejected) -
                                       atomic_load(&process->rejected_before)),
                  (unsigned long long)census_names(PUBSUB_CHANNEL),
                  (unsigned long long)census_names(PUBSUB_PATTERN),
                  (unsigned long long)census_names(PUBSUB_SHARD));
    gather_append(own, "", 1);
}

void local_info_reset(struct process *process)
{
    atomic_store(&process->accepted_before, local_counter(process, COUNTER_clients_accepted));
    atomic_store(&process->rejected_before, atomic_load(&process->rejected));
}

void local_info_slotway(struct worker *w, struct gather_part *text)
{
    const struct process *process = w->process;
    const struct topology *t = w->topology;
    gather_printf(text,
                  "%s# slotway\r\nslotway_version:%s\r\nslotway_process_id:%d\r\n"
                  "slotway_uptime_in_seconds:%lld\r\nslotway_threads:%u\r\n"
                  "slotway_cluster_nodes:%u\r\nslotway_cluster_masters:%u\r\n"
                  "slotway_slots_covered:%u\r\nslotway_topology_version:%llu\r\n"
                  "slotway_cluster_epoch:%llu\r\n",
                  text->len ? "\r\n" : "", SLOTWAY_VERSION, getpid(), (long long)info_uptime(w),
                  process->nworkers, t ? t->nnodes : 0, w->nshards, t ? t->covered : 0,
                  (unsigned long long)(t ? t->version : 0), (unsigned long long)(t ? t->epoch : 0));
    for (int i = 0; i < COUNTER_COUNT; i++)
        gather_printf(text, "slotway_%s:%llu\r\n", counter_info[i].name,
                      (unsigned long long)local_counter(process, (enum counter)i));
}

/* --- the command --- */

static uint32_t info_asked(const struct local_call *call)
{
    uint32_t asked = local_argc(call) == 1 ? INFO_WITH_SLOTWAY | INFO_WITH_NODES : 0;
    for (uint32_t i = 1; i < local_argc(call); i++) {
        if (local_is(call, i, "slotway"))
            asked |= INFO_WITH_SLOTWAY;
        else if (local_is(call, i, "all") || local_is(call, i, "default") ||
                 local_is(call, i, "everything"))
            asked |= INFO_WITH_SLOTWAY | INFO_WITH_NODES;
        else
            asked |= INFO_WITH_NODES;
    }
    return asked;
}

/* What INFO can say while no node is known: the version as HELLO tells it (clients choose commands
 * by it), and the values that are filled in by info_own. */
static const char info_skeleton[] =
    "# Server\r\nredis_version:%s\r\nredis_mode:cluster\r\nprocess_id:\r\nrun_id:\r\ntcp_port:\r\n"
    "server_time_usec:\r\nuptime_in_seconds:\r\nuptime_in_days:\r\nexecutable:\r\n"
    "config_file:\r\n# Clients\r\nconnected_clients:\r\nmaxclients:\r\n"
    "blocked_clients:\r\n# Cluster\r\ncluster_enabled:1\r\n";

static void info_without_nodes(struct worker *w, struct gather_part *text)
{
    struct gather_part skeleton = {0}, own = {0};
    gather_printf(&skeleton, info_skeleton, local_redis_version(w));
    info_own(w, &own);
    combine_info_texts((const char *const[]){skeleton.data}, &skeleton.len, 1, own.data, text);
    free(skeleton.data);
    free(own.data);
}

void local_info(const struct local_call *call)
{
    struct client *c = call->c;
    uint32_t asked = info_asked(call);
    if ((asked & INFO_WITH_NODES) && c->worker->nshards > 0) {
        uint32_t *state = memory_alloc(sizeof *state);
        *state = asked;
        fanout_all(c, call->cmd, call->request, local_request_len(call), state);
        return;
    }
    struct gather_part text = {0};
    if (asked & INFO_WITH_NODES)
        info_without_nodes(c->worker, &text);
    if (asked & INFO_WITH_SLOTWAY)
        local_info_slotway(c->worker, &text);
    local_text_reply(c, text.data ? text.data : "", text.len);
    free(text.data);
}

bool local_info_merge(struct worker *w, struct fanout *f, struct bufq *out)
{
    const char **texts = memory_alloc(f->children * sizeof *texts);
    size_t *lens = memory_alloc(f->children * sizeof *lens);
    bool good = true;
    for (uint32_t i = 0; i < f->children && good; i++) {
        struct bufq *q = &f->replies[i].q;
        const char *data = bufq_flatten(&w->chunks, q);
        struct reply_reader reader = {data, data ? data + q->len : data};
        struct reply_value value;
        good = reply_read(&reader, &value) && value.data;
        texts[i] = good ? value.data : "";
        lens[i] = good ? value.len : 0;
    }
    if (good) {
        struct gather_part own = {0}, text = {0};
        struct reply r = local_reply_to(w, f->parent, out);
        info_own(w, &own);
        combine_info_texts(texts, lens, f->children, own.data, &text);
        if (*(const uint32_t *)f->state & INFO_WITH_SLOTWAY)
            local_info_slotway(w, &text);
        reply_text(&r, text.data ? text.data : "", text.len);
        free(own.data);
        free(text.data);
    }
    free(texts);
    free(lens);
    return good;
}
