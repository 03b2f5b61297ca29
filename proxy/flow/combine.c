/* combine: the merges with code of their own, one per command that needs it. */
#include "flow/combine.h"
#include "flow/combine_config.h"
#include "flow/combine_latency.h"
#include "flow/combine_script.h"
#include "flow/local_call.h"
#include "flow/local_info.h"
#include "flow/pubsub.h"
#include "flow/worker.h"
#include "resp/reply.h"

/* Write the merged reply to out; false if the replies are not what the command answers. */
typedef bool (*combine_fn)(struct worker *w, struct fanout *f, struct bufq *out);

/* One of several at random, for which no quality is needed. */
static uint32_t combine_choose(struct worker *w, uint32_t n)
{
    static _Thread_local uint64_t state;
    state = (state ^ w->now) * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)((state >> 33) % n);
}

static bool combine_is_null(const struct bufq *q)
{
    char head[4];
    size_t len = bufq_peek(q, head, sizeof head);
    return len >= 3 && (memcmp(head, "$-1", 3) == 0 || memcmp(head, "_\r\n", 3) == 0);
}

/* RANDOMKEY: any key that a node found; nil if none did. */
static bool combine_randomkey(struct worker *w, struct fanout *f, struct bufq *out)
{
    uint32_t start = combine_choose(w, f->children);
    uint32_t chosen = start;
    for (uint32_t i = 0; i < f->children; i++) {
        uint32_t candidate = (start + i) % f->children;
        if (!combine_is_null(&f->replies[candidate].q)) {
            chosen = candidate;
            break;
        }
    }
    bufq_splice(out, &f->replies[chosen].q);
    return true;
}

/* Does this FUNCTION STATS reply show a running script? */
static bool combine_runs_script(struct worker *w, struct bufq *q)
{
    const char *data = bufq_flatten(&w->chunks, q);
    struct reply_reader reader = {data, data ? data + q->len : data};
    struct reply_value value;
    return reply_read(&reader, &value) && reply_read(&reader, &value) &&
           reply_read(&reader, &value) && !value.null;
}

/* FUNCTION STATS: libraries are the same on all masters; show a script that runs on any. */
static bool combine_function_stats(struct worker *w, struct fanout *f, struct bufq *out)
{
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < f->children; i++)
        if (combine_runs_script(w, &f->replies[i].q))
            chosen = i;
    bufq_splice(out, &f->replies[chosen].q);
    return true;
}

/* A command for one shard: its answer as it is. */
static bool combine_only(struct worker *w, struct fanout *f, struct bufq *out)
{
    (void)w;
    bufq_splice(out, &f->replies[0].q);
    return true;
}

static const combine_fn combine_table[COMMAND_LOCAL_COUNT] = {
    [COMMAND_LOCAL_INFO] = local_info_merge,
    [COMMAND_LOCAL_RANDOMKEY] = combine_randomkey,
    [COMMAND_LOCAL_FUNCTION_STATS] = combine_function_stats,
    [COMMAND_LOCAL_PUBLISH] = pubsub_merge_publish,
    [COMMAND_LOCAL_PUBSUB] = pubsub_merge_pubsub,
    [COMMAND_LOCAL_CLUSTER] = combine_only,
    [COMMAND_LOCAL_DEBUG] = local_debug_merge,
    [COMMAND_LOCAL_CONFIG] = combine_config,
    [COMMAND_LOCAL_SCRIPT_EXISTS] = combine_script_exists,
    [COMMAND_LOCAL_LATENCY] = combine_latency,
};

bool combine_then(struct worker *w, struct fanout *f)
{
    return f->local == COMMAND_LOCAL_CONFIG && combine_config_then(w, f);
}

void combine_special(struct worker *w, struct fanout *f, struct bufq *out)
{
    if (!combine_table[f->local](w, f, out)) {
        bufq_clear(&w->chunks, out); /* as far as it got */
        struct reply r = local_reply_to(w, f->parent, out);
        reply_error(&r, "ERR slotway can't merge what the nodes answered");
    }
}
