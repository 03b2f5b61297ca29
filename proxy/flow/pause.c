/* pause: the state is in struct process, and each worker looks at it while it holds anybody back.
 */
#include "flow/pause.h"
#include "flow/client.h"
#include "flow/script.h"
#include "flow/worker.h"

void pause_start(struct process *process, uint64_t now, uint64_t until, bool all)
{
    uint64_t before = atomic_load(&process->pause_until);
    if (before > now) {
        all = all || atomic_load(&process->pause_all);
        until = until > before ? until : before;
    }
    atomic_store(&process->pause_all, all);
    atomic_store(&process->pause_until, until);
}

void pause_end(struct process *process)
{
    atomic_store(&process->pause_until, 0);
}

bool pause_may_write(const struct command *cmd, const char *request, const struct resp_args *args)
{
    if ((cmd->flags & COMMAND_READONLY) && !(cmd->flags & COMMAND_MAY_REPLICATE))
        return false;
    if (cmd->flags & COMMAND_SCRIPT)
        return !script_is_read_only(request, args);
    return cmd->flags & (COMMAND_WRITE | COMMAND_PUBSUB | COMMAND_MAY_REPLICATE);
}

void pause_look_again(struct worker *w)
{
    for (struct client *c = w->clients; c; c = c->next) {
        if (!(c->flags & CLIENT_PAUSED))
            continue;
        pause_release(c);
        client_make_pumpable(c);
    }
}

void pause_hold(struct client *c)
{
    if (!(c->flags & CLIENT_PAUSED))
        counters_add(&c->worker->counters, COUNTER_paused, 1);
    c->flags |= CLIENT_PAUSED;
    worker_watch_pause(c->worker);
}

void pause_release(struct client *c)
{
    if (c->flags & CLIENT_PAUSED)
        counters_add(&c->worker->counters, COUNTER_paused, (uint64_t)-1);
    c->flags &= ~(uint32_t)CLIENT_PAUSED;
}
