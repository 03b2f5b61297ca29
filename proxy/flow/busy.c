/* busy: counts the scripts that are under way. When one has kept its connection silent for a while,
 * discovery is asked to look: it finds the nodes that answer BUSY. */
#include "flow/busy.h"
#include "flow/backend.h"
#include "flow/pool.h"
#include "flow/worker.h"

#define BUSY_INTERVAL 0.05  /* s between looks while scripts are under way */
#define BUSY_SILENT   40000 /* µs without a byte from the node that make a script a long one */

void busy_on_script(struct worker *w, struct request *r)
{
    r->flags |= REQUEST_SCRIPT;
    counters_add(&w->counters, COUNTER_scripts, 1);
    if (!ev_is_active(&w->busy_timer)) {
        w->busy_timer.repeat = BUSY_INTERVAL;
        ev_timer_again(w->loop, &w->busy_timer);
    }
}

void busy_on_end(struct worker *w)
{
    counters_add(&w->counters, COUNTER_scripts, (uint64_t)-1);
}

void busy_on_topology(struct worker *w)
{
    w->some_busy = false;
    for (uint32_t i = 0; i < w->nshards; i++) {
        const struct pool *pool = w->pools[w->shards[i].master];
        w->some_busy = w->some_busy || (pool && (pool->flags & TOPOLOGY_BUSY));
    }
}

static bool busy_is_long(const struct worker *w, const struct backend *b)
{
    return b && b->head && (b->head->flags & REQUEST_SCRIPT) && w->now - b->heard > BUSY_SILENT &&
           w->now - b->head->started > BUSY_SILENT;
}

static bool busy_has_long(const struct worker *w, const struct pool *pool)
{
    for (int kind = 0; kind < POOL_KINDS; kind++)
        for (int i = 0; i < POOL_MAX_SHARED; i++)
            if (busy_is_long(w, pool->backends[kind][i]))
                return true;
    return false;
}

void busy_on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct worker *w = watcher->data;
    (void)events;
    if (counters_get(&w->counters, COUNTER_scripts) == 0) {
        ev_timer_stop(loop, watcher);
        return;
    }
    for (uint32_t i = 0; i < w->nshards; i++) {
        const struct pool *pool = w->pools[w->shards[i].master];
        if (pool && busy_has_long(w, pool)) {
            worker_hint(w);
            return;
        }
    }
}

bool busy_is(const struct worker *w)
{
    const struct process *process = w->process;
    uint64_t scripts = 0;
    if (LIKELY(!w->some_busy))
        return false;
    for (uint32_t i = 0; i < process->nworkers; i++)
        scripts += counters_get(&process->workers[i]->counters, COUNTER_scripts);
    return scripts > 0;
}
