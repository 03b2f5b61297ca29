/* session: what a client holds beyond its requests. The parts that have rules of their own are in
 * files of their own; here is what begins, ends and resets all of them. */
#include "flow/session.h"
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/lease.h"
#include "flow/monitor.h"
#include "flow/pubsub.h"
#include "flow/tracking.h"
#include "flow/transaction.h"
#include "flow/worker.h"
#include <stdlib.h>
#include <string.h>

#define SESSION_HELLO2 "*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n"
#define SESSION_HELLO3 "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"

struct session *session_of(struct client *c)
{
    if (!c->session)
        c->session = memory_zalloc(sizeof *c->session);
    return c->session;
}

void session_free(struct client *c)
{
    struct session *s = c->session;
    if (!s)
        return;
    monitor_end(c);
    if (s->transaction)
        transaction_free(c);
    tracking_free(c);
    pubsub_leave(c);
    lease_close_all(c);
    blocking_free(c->worker, &s->blocking);
    bufq_clear(&c->worker->chunks, &s->pushes);
    free(s->name);
    free(s->lib_name);
    free(s->lib_version);
    free(s);
    c->session = NULL;
}

void session_reset(struct client *c)
{
    struct session *s = c->session;
    c->flags &= ~(uint32_t)CLIENT_RESP3;
    if (!s)
        return;
    monitor_end(c);
    transaction_reset(c);
    tracking_end(c);
    s->holds = 0;
    pubsub_leave(c);
    lease_close_all(c);
    free(s->name);
    s->name = NULL;
}

bool session_on_command(struct client *c, const struct command *cmd, struct chunk *chunk,
                        char *data, size_t len, const struct resp_args *args)
{
    if (c->flags & CLIENT_TRACKING) {
        tracking_on_command(c, cmd);
        if (cmd->local == COMMAND_LOCAL_PING && args->argc == 1 && tracking_on_ping(c))
            return true;
    }
    if ((c->flags & CLIENT_SUBSCRIBED) && pubsub_on_command(c, cmd, data, args))
        return true;
    if ((c->flags & CLIENT_MONITOR) && monitor_on_command(c, cmd))
        return true;
    if (c->flags & CLIENT_MULTI)
        return transaction_on_command(c, cmd, chunk, data, len, args);
    return false;
}

bool session_is_alone(const struct client *c, const struct command *cmd, const char *data,
                      const struct resp_args *args)
{
    if (c->flags & CLIENT_MULTI) /* others are only queued */
        return cmd->local == COMMAND_LOCAL_EXEC ? transaction_is_alone(c)
                                                : cmd->local == COMMAND_LOCAL_RESET;
    if (cmd->local == COMMAND_LOCAL_EXEC)
        return false;
    if (cmd->flags & COMMAND_BLOCKING) /* XREAD and XREADGROUP do not always */
        return command_is_blocking(cmd, data, args);
    return true;
}

void session_on_lease_lost(struct client *c, struct backend *b)
{
    keywatch_on_lease_lost(c, b);
    tracking_on_lease_lost(c, b);
}

void session_on_confirmed(struct client *c, struct backend *b)
{
    tracking_on_confirmed(c, b);
}

void session_on_protocol(struct client *c)
{
    bool resp3 = c->flags & CLIENT_RESP3;
    const char *hello = resp3 ? SESSION_HELLO3 : SESSION_HELLO2;
    struct backend *b = c->session ? c->session->leases : NULL;
    for (; b; b = b->next_owned) {
        if (b->listens || b->resp3 == resp3)
            continue;
        b->resp3 = resp3;
        backend_command(b, hello, strlen(hello));
    }
    tracking_on_protocol(c);
}
