/* rounds: when to ask whom.
 * Calm: every refresh-interval. Trouble: every 50 ms, until it has been the same trouble for long.
 * Hints: at once. In big clusters only some are asked for their view, all for their health. */
#include "cluster/discovery_state.h"

#include "base/log.h"

#define HINT_SPACING  0.01 /* least seconds between two rounds that hints ask for … */
#define HINT_BURST    2.0  /* … until they have not ceased for so long; then TROUBLE_EVERY */
#define HINT_TROUBLE  0.5  /* seconds of asking often after a hint */
#define TROUBLE_EVERY 0.05 /* seconds between rounds in trouble … */
#define TROUBLE_TIRED 60.0 /* … until it has been the same trouble for this long … */
#define TIRED_EVERY   0.5  /* … and then */
#define SMALL_CLUSTER 16   /* up to that many nodes all are asked every time */
#define ASK_CALM      8    /* of more, that many in a calm round */
#define ASK_TROUBLE   4

static bool is_troubled(const struct discovery *d, double now)
{
    const uint32_t bad = TOPOLOGY_FAIL | TOPOLOGY_PFAIL | TOPOLOGY_SILENT | TOPOLOGY_LOADING;
    const struct topology *t = d->published;

    if (!t || t->covered < SLOT_COUNT || now - d->last_hint < HINT_TROUBLE)
        return true;
    for (uint16_t i = 0; i < t->nnodes; i++)
        if (t->nodes[i].flags & bad)
            return true;
    for (const struct endpoint *e = d->endpoints; e; e = e->hh.next)
        if (e->wanted && endpoint_is_suspected(e))
            return true;
    return false;
}

static double round_interval(struct discovery *d, double now)
{
    double calm = d->config->refresh_interval / 1000.0;
    double due = TROUBLE_EVERY;

    if (!is_troubled(d, now)) {
        d->trouble_since = 0;
        return calm;
    }
    if (d->trouble_since == 0)
        d->trouble_since = now;
    if (now - d->trouble_since > TROUBLE_TIRED && now - d->last_hint > HINT_TROUBLE)
        due = TIRED_EVERY;
    return due < calm ? due : calm;
}

static bool is_master(const struct discovery *d, const struct endpoint *e)
{
    for (uint16_t i = 0; d->published && i < d->published->nnodes; i++)
        if (d->published->nodes[i].index == e->node)
            return d->published->nodes[i].slots > 0;
    return false;
}

/* Ask the n endpoints whose turn it is, masters before others. */
static void ask_some(struct discovery *d, uint32_t n)
{
    uint32_t start = d->next_to_ask % HASH_COUNT(d->endpoints);

    for (int masters = 1; masters >= 0 && n > 0; masters--)
        for (int lap = 0; lap < 2; lap++) {
            uint32_t position = 0;

            for (struct endpoint *e = d->endpoints; e && n > 0; e = e->hh.next, position++)
                if ((position >= start) == (lap == 0) && endpoint_is_up(e) && !e->asking &&
                    is_master(d, e) == masters) {
                    endpoint_ask(e);
                    d->next_to_ask = position + 1;
                    n--;
                }
        }
}

static void start_round(struct discovery *d, double now, bool troubled)
{
    uint32_t up = 0;

    d->last_round = now;
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        up += endpoint_is_up(e);
    if (up > SMALL_CLUSTER) {
        ask_some(d, troubled ? ASK_TROUBLE : ASK_CALM);
        return;
    }
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        if (!e->asking)
            endpoint_ask(e);
}

/* That a node has loaded its data, or has done with a script, is seen in its view, for which in a
 * big cluster it may have no turn: replicas have one only if there are few masters. */
static void probe_all(struct discovery *d, double now)
{
    d->last_probe = now;
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next) {
        endpoint_probe(e);
        if ((e->loading || e->busy) && !e->asking)
            endpoint_ask(e);
    }
    d->changed = true; /* lag is judged by time */
}

static void say_waiting(struct discovery *d, double now)
{
    const struct endpoint *e;

    if (d->published || (d->said_waiting > 0 && now - d->said_waiting < 60))
        return;
    for (e = d->endpoints; e; e = e->hh.next) {
        if (!e->refused)
            return;
    }
    d->said_waiting = now;
    if (d->endpoints)
        log_warning("cluster: no node answers yet (%s:%u: %s), trying on", d->endpoints->host,
                    d->endpoints->port, d->endpoints->trouble);
}

void rounds_tick(struct discovery *d)
{
    double now = control_clock();
    double interval = round_interval(d, now);

    /* half a tick of grace: the timer is never exactly on time */
    if (now - d->last_round >= interval - ROUNDS_TICK / 2)
        start_round(d, now, d->trouble_since > 0);
    if (now - d->last_probe >= d->config->refresh_interval / 1000.0 - ROUNDS_TICK / 2)
        probe_all(d, now);
    say_waiting(d, now);
}

/* As start_round, but whoever is being asked is asked once more: its answer may be older than what
 * gave rise to the hint. */
static void ask_for_hint(struct discovery *d, double now)
{
    uint32_t up = 0;

    d->last_round = now;
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        up += endpoint_is_up(e);
    if (up > SMALL_CLUSTER) {
        ask_some(d, ASK_CALM);
        return;
    }
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        endpoint_ask(e);
}

void rounds_hint(struct discovery *d)
{
    double now = control_clock();
    double spacing, wait;

    if (now - d->last_hint > HINT_TROUBLE)
        d->burst_since = now;
    d->last_hint = now;
    spacing = now - d->burst_since < HINT_BURST ? HINT_SPACING : TROUBLE_EVERY;
    wait = d->last_round + spacing - now;
    if (wait <= 0) {
        ask_for_hint(d, now);
    } else if (!ev_is_active(&d->hint_timer)) {
        ev_timer_set(&d->hint_timer, wait, 0);
        ev_timer_start(d->loop, &d->hint_timer);
    }
}

void rounds_hint_is_due(struct discovery *d)
{
    ask_for_hint(d, control_clock());
}
