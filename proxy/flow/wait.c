/* wait: WAIT and WAITAOF: for the masters that this client wrote to, and the least of their
 * answers.
 *
 * A node counts the replicas that have what *this connection* wrote, and here writes travel on
 * shared connections. But a node notes its replication offset for a connection with every command
 * that it runs for it, not only with writes (processCommand in Redis 3.0 to 7.0: call(), then
 * c->woff = server.master_repl_offset). So WAIT goes out behind a PING in the same write: the PING
 * makes the offset that WAIT waits for the current one. That is at least the offset of this
 * client's writes, because WAIT goes alone: all of them have been answered. It may wait for writes
 * of others too, as it does for a client that wrote, slept, and read before it asked. */
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/blocking.h"
#include "flow/fanout.h"
#include "flow/local_call.h"
#include <stdlib.h>

#define WAIT_FIRST "*1\r\n$4\r\nPING\r\n"

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
    size_t len = local_request_len(call), first = sizeof WAIT_FIRST - 1;
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
    memcpy(data, WAIT_FIRST, first);
    memcpy(data + first, call->request, len);
    fanout_leases(c, call->cmd, slots, n, 1, data, first + len, call->request, call->args);
    free(data);
    free(slots);
}
