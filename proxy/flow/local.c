/* local: the table of the commands that slotway answers itself, and what their handlers share. */
#include "flow/local.h"
#include "base/memory.h"
#include "flow/fanout.h"
#include "flow/local_call.h"
#include <stdio.h>
#include <stdlib.h>

static const local_handler local_handlers[COMMAND_LOCAL_COUNT] = {
    [COMMAND_LOCAL_PING] = local_ping,
    [COMMAND_LOCAL_ECHO] = local_echo,
    [COMMAND_LOCAL_TIME] = local_time,
    [COMMAND_LOCAL_QUIT] = local_quit,
    [COMMAND_LOCAL_SELECT] = local_select,
    [COMMAND_LOCAL_HELLO] = local_hello,
    [COMMAND_LOCAL_AUTH] = local_auth,
    [COMMAND_LOCAL_RESET] = local_reset,
    [COMMAND_LOCAL_READONLY] = local_readonly,
    [COMMAND_LOCAL_READWRITE] = local_readwrite,
    [COMMAND_LOCAL_ASKING] = local_asking,
    [COMMAND_LOCAL_CLIENT] = local_client,
    [COMMAND_LOCAL_SLOWLOG] = local_slowlog,
    [COMMAND_LOCAL_LOLWUT] = local_lolwut,
    [COMMAND_LOCAL_MONITOR] = local_monitor,
    [COMMAND_LOCAL_CLUSTER] = local_cluster,
    [COMMAND_LOCAL_PROXY] = local_proxy,
    [COMMAND_LOCAL_ACL] = local_acl,
    [COMMAND_LOCAL_DEBUG] = local_debug,
    [COMMAND_LOCAL_TO_MASTERS] = local_to_masters,
    [COMMAND_LOCAL_MULTI] = local_multi,
    [COMMAND_LOCAL_EXEC] = local_exec,
    [COMMAND_LOCAL_DISCARD] = local_discard,
    [COMMAND_LOCAL_WATCH] = local_watch,
    [COMMAND_LOCAL_UNWATCH] = local_unwatch,
    [COMMAND_LOCAL_INFO] = local_info,
    [COMMAND_LOCAL_SCAN] = local_scan,
    [COMMAND_LOCAL_WAIT] = local_wait,
    [COMMAND_LOCAL_RANDOMKEY] = local_to_masters,
    [COMMAND_LOCAL_FUNCTION_STATS] = local_to_masters,
    [COMMAND_LOCAL_LATENCY] = local_to_masters,
    [COMMAND_LOCAL_SUBSCRIBE] = local_subscribe,
    [COMMAND_LOCAL_UNSUBSCRIBE] = local_unsubscribe,
    [COMMAND_LOCAL_PUBSUB] = local_pubsub,
    [COMMAND_LOCAL_CONFIG] = local_config,
    [COMMAND_LOCAL_SCRIPT_EXISTS] = local_script_exists,
};

void local_execute(struct client *c, const struct command *cmd, char *request,
                   const struct resp_args *args)
{
    struct local_call call = {.c = c, .cmd = cmd, .request = request, .args = args};
    local_handlers[cmd->local](&call);
}

/* For special merges that change nothing in the request. */
void local_to_masters(const struct local_call *call)
{
    fanout_all(call->c, call->cmd, call->request, local_request_len(call), NULL);
}

char *local_strdup(const struct local_call *call, uint32_t i)
{
    return memory_strndup(local_arg(call, i), local_len(call, i));
}

void local_ok(struct client *c)
{
    client_reply(c, "+OK\r\n", 5);
}

void local_int_reply(struct client *c, int64_t value)
{
    char line[32];
    client_reply(c, line, (size_t)snprintf(line, sizeof line, ":%lld\r\n", (long long)value));
}

void local_bulk_reply(struct client *c, const char *data, size_t len)
{
    struct bufq q = {0};
    struct reply r = local_reply(c, &q);
    reply_bulk(&r, data, len);
    client_reply_bufq(c, &q);
}

void local_text_reply(struct client *c, const char *data, size_t len)
{
    struct bufq q = {0};
    struct reply r = local_reply(c, &q);
    reply_text(&r, data, len);
    client_reply_bufq(c, &q);
}

void local_null_reply(struct client *c)
{
    struct bufq q = {0};
    struct reply r = local_reply(c, &q);
    reply_null(&r);
    client_reply_bufq(c, &q);
}

void local_help(struct client *c, const char *const *lines, size_t n)
{
    struct bufq q = {0};
    struct reply r = local_reply(c, &q);
    reply_lines(&r, lines, n);
    client_reply_bufq(c, &q);
}

#define LOCAL_NAME_LEN 32

/* The name of the container of the command, in capitals. */
static const char *local_container(const struct local_call *call, char out[LOCAL_NAME_LEN])
{
    size_t len = strcspn(call->cmd->name, "|");
    if (len > LOCAL_NAME_LEN - 1)
        len = LOCAL_NAME_LEN - 1;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(call->cmd->name[i] & ~0x20);
    out[len] = '\0';
    return out;
}

static void local_wrong_argc(const struct local_call *call, const struct local_sub *sub)
{
    char name[64];
    size_t len = strcspn(call->cmd->name, "|");
    snprintf(name, sizeof name, "%.*s|%s", (int)len, call->cmd->name, sub->name);
    client_reply_errorf(call->c, "ERR wrong number of arguments for '%s' command", name);
}

void local_run_sub(const struct local_call *call, const struct local_sub *subs, size_t n)
{
    char shown[LOCAL_SHOWN_LEN];
    int argc = (int)local_argc(call);
    for (size_t i = 0; i < n && argc > 1; i++) {
        if (!local_is(call, 1, subs[i].name))
            continue;
        if (subs[i].argc >= 0 ? argc == subs[i].argc : argc >= -subs[i].argc)
            subs[i].run(call);
        else
            local_wrong_argc(call, &subs[i]);
        return;
    }
    char container[LOCAL_NAME_LEN];
    client_reply_errorf(call->c, "ERR unknown subcommand '%s'. Try %s HELP.",
                        argc > 1 ? local_shown(call, 1, shown) : "",
                        local_container(call, container));
}

void local_wrong_sub(const struct local_call *call)
{
    char shown[LOCAL_SHOWN_LEN], container[LOCAL_NAME_LEN];
    client_reply_errorf(call->c,
                        "ERR unknown subcommand or wrong number of arguments for '%s'. Try %s "
                        "HELP.",
                        local_shown(call, 1, shown), local_container(call, container));
}

const char *local_shown(const struct local_call *call, uint32_t i, char out[LOCAL_SHOWN_LEN])
{
    size_t len = strnlen(local_arg(call, i), local_len(call, i));
    if (len > LOCAL_SHOWN_LEN - 1)
        len = LOCAL_SHOWN_LEN - 1;
    memcpy(out, local_arg(call, i), len);
    out[len] = '\0';
    return out;
}

const char *local_redis_version(const struct worker *w)
{
    for (uint16_t i = 0; w->topology && i < w->topology->nnodes; i++)
        if (*w->topology->nodes[i].version)
            return w->topology->nodes[i].version;
    return "7.0.0";
}

uint64_t local_counter(const struct process *process, enum counter which)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < process->nworkers; i++)
        sum += counters_get(&process->workers[i]->counters, which);
    return sum;
}

void local_end_client(struct client *c)
{
    c->flags |= CLIENT_CLOSING;
    client_make_pumpable(c);
}
