/* wait: WAIT and WAITAOF: for the masters that this client wrote to, and the least of their
 * answers.
 *
 * A node counts the replicas that have what *this connection* wrote, and here writes travel on
 * shared connections. But a node notes its replication offset for a connection with every command
 * on it that is replicated (call() in Redis 7.2 to 7.4 and Valkey: c->woff =
 * server.master_repl_offset, if that has grown; in Redis 3.0 to 7.0 after every command). So WAIT
 * goes out behind a command that is replicated and changes nothing: FUNCTION RESTORE of no
 * functions. It makes the offset that WAIT waits for the current one. That is at least the offset
 * of this client's writes, because WAIT goes alone: all of them have been answered. It may wait for
 * writes of others too, as it does for a client that wrote, slept, wrote again and asked. Where
 * nodes have no functions (before 7.0) PING does it. A node that refuses to note the offset (OOM,
 * NOPERM …) would count too many: then its error is the answer. */
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/blocking.h"
#include "flow/fanout.h"
#include "flow/local_call.h"
#include <stdlib.h>

/* What FUNCTION DUMP answers where there is none, in the form that 7.0 and all later servers read:
 * version 10 of RDB, and the checksum. */
#define WAIT_NO_FUNCTIONS "\x0a\x00\x5d\x9b\x5c\x40\x0f\x7f\xa2\xda"

static const char wait_mark[] = "*4\r\n$8\r\nFUNCTION\r\n$7\r\nRESTORE\r\n"
                                "$10\r\n" WAIT_NO_FUNCTIONS "\r\n$6\r\nAPPEND\r\n";
static const char wait_mark_before_7[] = "*1\r\n$4\r\nPING\r\n";

static bool wait_is_before_7(const struct worker *w)
{
    static const char name[] = "FUNCTION";
    struct resp_arg v[] = {{0, sizeof name - 1}};
    struct resp_args args = {.v = v, .argc = 1};
    bool unknown_sub;
    return !command_lookup(w->commands, name, &args, &unknown_sub);
}

/* Did the client write to this shard: to its master, or to a replica when that was the master? */
static bool wait_is_written(const struct client *c, const struct worker_shard *shard)
{
    uint64_t bits = backend_bit(shard->master);
    for (uint32_t i = 0; i < shard->nreplicas; i++)
        bits |= backend_bit(shard->replicas[i]);
    return c->written & bits;
}

void local_wait(const struct local_call *call)
{
    struct client *c = call->c;
    struct worker *w = c->worker;
    bool before_7 = wait_is_before_7(w);
    const char *mark = before_7 ? wait_mark_before_7 : wait_mark;
    size_t len = local_request_len(call);
    size_t first = (before_7 ? sizeof wait_mark_before_7 : sizeof wait_mark) - 1;
    uint32_t n = 0;
    if (w->nshards == 0) {
        client_reply_error(c, "CLUSTERDOWN No master of the cluster is known yet");
        return;
    }
    uint16_t *slots = memory_alloc(w->nshards * sizeof *slots);
    for (uint32_t i = 0; i < w->nshards; i++)
        if (wait_is_written(c, &w->shards[i]))
            slots[n++] = w->shards[i].first_slot;
    for (uint32_t i = 0; n == 0 && i < w->nshards; i++)
        slots[i] = w->shards[i].first_slot;
    if (n == 0)
        n = w->nshards;
    char *data = memory_alloc(first + len);
    memcpy(data, mark, first);
    memcpy(data + first, call->request, len);
    fanout_leases(c, call->cmd, slots, n, 1, data, first + len, call->request, call->args);
    free(data);
    free(slots);
}
