/* local_call: what handlers of locally answered commands share: the request and short ways to its
 * arguments. Private to local*.c and combine*.c. */
#ifndef SLOTWAY_FLOW_LOCAL_CALL_H
#define SLOTWAY_FLOW_LOCAL_CALL_H

#include "flow/client.h"
#include "flow/worker.h"
#include "resp/command.h"
#include "resp/reply.h"
#include <strings.h>

/* One request that is being answered: valid during the handler's call only. */
struct local_call {
    struct client *c;
    const struct command *cmd;
    char *request;
    const struct resp_args *args;
};

typedef void (*local_handler)(const struct local_call *call);

/* A subcommand. argc: with command and subcommand, as arity in Redis' table (0: any). */
struct local_sub {
    const char *name;
    int argc;
    local_handler run;
};

static inline uint32_t local_argc(const struct local_call *call)
{
    return call->args->argc;
}

static inline const char *local_arg(const struct local_call *call, uint32_t i)
{
    return call->request + call->args->v[i].off;
}

static inline uint32_t local_len(const struct local_call *call, uint32_t i)
{
    return call->args->v[i].len;
}

/* Is argument i this word, in any case? */
static inline bool local_is(const struct local_call *call, uint32_t i, const char *word)
{
    size_t len = strlen(word);
    return local_len(call, i) == len && strncasecmp(local_arg(call, i), word, len) == 0;
}

static inline bool local_int(const struct local_call *call, uint32_t i, int64_t *value)
{
    return resp_parse_int(local_arg(call, i), local_len(call, i), value);
}

/* Length of the whole request. */
static inline size_t local_request_len(const struct local_call *call)
{
    const struct resp_arg *last = &call->args->v[call->args->argc - 1];
    return (size_t)last->off + last->len + 2;
}

/* A builder for a reply to this client. */
static inline struct reply local_reply(struct client *c, struct bufq *q)
{
    return (struct reply){
        .pool = &c->worker->chunks, .q = q, .protocol = c->flags & CLIENT_RESP3 ? 3 : 2};
}

/* The same for a request that is answered later. */
static inline struct reply local_reply_to(struct worker *w, const struct request *r, struct bufq *q)
{
    return (struct reply){.pool = &w->chunks, .q = q, .protocol = r->flags & REQUEST_RESP3 ? 3 : 2};
}

/* Copy of argument i as a string; the caller frees. */
char *local_strdup(const struct local_call *call, uint32_t i);

void local_ok(struct client *c);
void local_int_reply(struct client *c, int64_t value);
void local_bulk_reply(struct client *c, const char *data, size_t len);
/* Text for people: verbatim in RESP3. */
void local_text_reply(struct client *c, const char *data, size_t len);
void local_null_reply(struct client *c);
void local_help(struct client *c, const char *const *lines, size_t n);

/* Run the handler of subcommand args[1]. */
void local_run_sub(const struct local_call *call, const struct local_sub *subs, size_t n);
/* The error of subcommands whose arity leaves room for arguments that they do not take. */
void local_wrong_sub(const struct local_call *call);

/* Up to 128 bytes of argument i for error texts. */
#define LOCAL_SHOWN_LEN 129
const char *local_shown(const struct local_call *call, uint32_t i, char out[LOCAL_SHOWN_LEN]);

/* The version of the nodes ("7.0.0" while unknown). */
const char *local_redis_version(const struct worker *w);

/* SETNAME in CLIENT and HELLO. False: answered with an error. */
bool local_set_name(const struct local_call *call, uint32_t i);

/* The counter summed over all workers. */
uint64_t local_counter(const struct process *process, enum counter which);

/* Answer nothing more to this client after what it is owed. */
void local_end_client(struct client *c);

/* --- handlers --- */
void local_ping(const struct local_call *call);
void local_echo(const struct local_call *call);
void local_time(const struct local_call *call);
void local_quit(const struct local_call *call);
void local_select(const struct local_call *call);
void local_hello(const struct local_call *call);
void local_auth(const struct local_call *call);
void local_reset(const struct local_call *call);
void local_readonly(const struct local_call *call);
void local_readwrite(const struct local_call *call);
void local_asking(const struct local_call *call);
void local_lolwut(const struct local_call *call);
void local_monitor(const struct local_call *call);
void local_tracking(const struct local_call *call);
void local_caching(const struct local_call *call);
void local_trackinginfo(const struct local_call *call);
void local_getredir(const struct local_call *call);
void local_acl(const struct local_call *call);
void local_debug(const struct local_call *call);
void local_client(const struct local_call *call);
void local_slowlog(const struct local_call *call);
void local_cluster(const struct local_call *call);
void local_proxy(const struct local_call *call);
void local_multi(const struct local_call *call);
void local_exec(const struct local_call *call);
void local_discard(const struct local_call *call);
void local_watch(const struct local_call *call);
void local_unwatch(const struct local_call *call);
void local_info(const struct local_call *call);
void local_scan(const struct local_call *call);
void local_script_exists(const struct local_call *call);
void local_config(const struct local_call *call);
void local_wait(const struct local_call *call);
void local_subscribe(const struct local_call *call);
void local_unsubscribe(const struct local_call *call);
void local_pubsub(const struct local_call *call);
void local_to_masters(const struct local_call *call);

/* The merge of DEBUG; see flow/combine.c. */
bool local_debug_merge(struct worker *w, struct fanout *f, struct bufq *out);

#endif
