/* collect_lists: puts together what each worker holds: clients, slow requests, hot keys, large
 * values, refusals, load of slots. */
#include "cluster/discovery.h"
#include "http/collector.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- clients --- */

static int collector_compare_output(const void *a, const void *b)
{
    const struct survey_client *x = a, *y = b;
    return (x->output < y->output) - (x->output > y->output);
}

static int collector_compare_rate(const void *a, const void *b)
{
    const struct survey_client *x = a, *y = b;
    return (x->rate < y->rate) - (x->rate > y->rate);
}

/* Merge n more into the best STATS_CLIENTS, which are in order. */
static uint32_t collector_merge_clients(struct survey_client *best, uint32_t have,
                                        const struct survey_client *more, uint32_t n,
                                        int (*compare)(const void *, const void *))
{
    struct survey_client all[STATS_CLIENTS + SURVEY_CLIENTS];
    memcpy(all, best, have * sizeof *all);
    memcpy(all + have, more, n * sizeof *all);
    n += have;
    qsort(all, n, sizeof *all, compare);
    if (n > STATS_CLIENTS)
        n = STATS_CLIENTS;
    memcpy(best, all, n * sizeof *all);
    return n;
}

static void collector_take_clients(struct stats *s, const struct survey *survey)
{
    s->noutput = collector_merge_clients(s->by_output, s->noutput, survey->by_output,
                                         survey->noutput, collector_compare_output);
    s->nrate = collector_merge_clients(s->by_rate, s->nrate, survey->by_rate, survey->nrate,
                                       collector_compare_rate);
}

/* --- slow requests, sightings --- */

static int collector_compare_slow(const void *a, const void *b)
{
    const struct survey_slow *x = a, *y = b;
    return (x->id < y->id) - (x->id > y->id);
}

static void collector_take_slow(struct stats *s, const struct survey *survey)
{
    struct survey_slow all[STATS_SLOW + SURVEY_SLOW];
    uint32_t n = s->nslow + survey->nslow;
    if (survey->nslow == 0)
        return;
    memcpy(all, s->slow, s->nslow * sizeof *all);
    memcpy(all + s->nslow, survey->slow, survey->nslow * sizeof *all);
    qsort(all, n, sizeof *all, collector_compare_slow);
    s->slow_total += survey->nslow;
    s->nslow = n < STATS_SLOW ? n : STATS_SLOW;
    memcpy(s->slow, all, s->nslow * sizeof *all);
}

/* Put a sighting in front. */
static void collector_prepend(struct stats_sighting *list, uint32_t *n, uint32_t cap,
                              const struct watch_sighting *seen, uint32_t count)
{
    if (*n < cap)
        (*n)++;
    memmove(list + 1, list, (*n - 1) * sizeof *list);
    list[0].seen = *seen;
    list[0].count = count;
}

/* The same command of the same application (by its name, else by its address) is one line. */
static bool collector_is_same(const struct watch_sighting *a, const struct watch_sighting *b)
{
    if (strcmp(a->command, b->command) != 0)
        return false;
    return *a->name || *b->name ? strcmp(a->name, b->name) == 0 : strcmp(a->client, b->client) == 0;
}

static void collector_take_refusal(struct stats *s, const struct watch_sighting *seen)
{
    uint32_t count = 1, at = 0;
    while (at < s->ncross && !collector_is_same(&s->cross[at].seen, seen))
        at++;
    if (at < s->ncross) {
        count += s->cross[at].count;
        memmove(&s->cross[at], &s->cross[at + 1], (s->ncross - at - 1) * sizeof *s->cross);
        s->ncross--;
    }
    collector_prepend(s->cross, &s->ncross, STATS_CROSS, seen, count);
}

static void collector_take_sightings(struct stats *s, const struct survey *survey)
{
    for (uint32_t i = 0; i < survey->nsightings; i++) {
        const struct watch_sighting *seen = &survey->sightings[i];
        if (seen->what == WATCH_CROSS_SLOT) {
            collector_take_refusal(s, seen);
        } else {
            collector_prepend(s->big, &s->nbig, STATS_BIG, seen, 1);
            s->big_total++;
        }
    }
}

/* --- samples --- */

/* What a faded weight is worth in units a second: it is the sum of a geometric series. */
static double collector_weight(const struct stats *s)
{
    double seconds = s->sequence < 100 ? (double)s->sequence : 100;
    return (1 - WATCH_FADE) / (1 - pow(WATCH_FADE, seconds));
}

static struct sketch_entry *collector_find_key(struct sketch_entry *all, uint32_t n,
                                               const struct sketch_entry *key)
{
    for (uint32_t i = 0; i < n; i++)
        if (all[i].hash == key->hash)
            return &all[i];
    return NULL;
}

static int collector_compare_keys(const void *a, const void *b)
{
    const struct sketch_entry *x = a, *y = b;
    return (x->weight < y->weight) - (x->weight > y->weight);
}

/* Add one worker's keys to all. */
static uint32_t collector_add_keys(struct sketch_entry *all, uint32_t n, const struct sketch *more)
{
    for (uint32_t i = 0; i < SKETCH_ENTRIES; i++) {
        const struct sketch_entry *key = &more->entries[i];
        struct sketch_entry *same = key->weight > 0 ? collector_find_key(all, n, key) : NULL;
        if (same) {
            same->weight += key->weight;
            same->inherited += key->inherited;
        } else if (key->weight > 0) {
            all[n++] = *key;
        }
    }
    return n;
}

static uint32_t collector_rank_keys(const struct collector *c, bool bytes, struct stats_key *out)
{
    const struct stats *s = &c->stats;
    size_t cap = ((size_t)s->nworkers + 1) * SKETCH_ENTRIES;
    struct sketch_entry *all = calloc(cap, sizeof *all);
    double total = 0;
    uint32_t n = 0, shown = 0;
    for (uint32_t i = 0; all && i < s->nworkers; i++) {
        const struct survey *survey = c->workers[i].survey;
        if (!c->workers[i].asked)
            n = collector_add_keys(all, n, bytes ? &survey->keys_by_bytes : &survey->keys_by_rate);
    }
    for (uint32_t i = 0; i < n; i++)
        total += all[i].weight;
    if (n > 0)
        qsort(all, n, sizeof *all, collector_compare_keys);
    for (uint32_t i = 0; i < n && shown < STATS_KEYS; i++) {
        if (all[i].weight < 2 * all[i].inherited)
            continue; /* most of it may be other keys' */
        struct stats_key *key = &out[shown++];
        watch_print(all[i].key, all[i].key_len, key->key, sizeof key->key);
        key->slot = (uint16_t)(all[i].tag & 0xffff);
        key->node = (uint16_t)(all[i].tag >> 16);
        key->rate = all[i].weight * collector_weight(s);
        key->share = all[i].weight / total;
    }
    free(all);
    return shown;
}

static void collector_take_load(struct stats *s, const struct survey *survey)
{
    double worth = collector_weight(s);
    for (unsigned i = 0; i < WATCH_LOADS; i++)
        s->load[i] += survey->load[i] * worth;
    for (uint32_t i = 0; i < survey->nmoving; i++)
        s->moving[survey->moving[i]] = true;
    s->sampled += survey->sampled;
}

/* What requests have met, and what the nodes themselves say. */
static void collector_take_moving(struct collector *c)
{
    const struct discovery *d = c->process->discovery;
    for (uint32_t slot = 0; d && slot < SLOT_COUNT; slot++)
        if (discovery_is_moving(d, slot))
            c->stats.moving[slot] = true;
}

/* --- all of it --- */

void collector_take_lists(struct collector *c)
{
    struct stats *s = &c->stats;
    uint64_t oldest = 0;
    s->noutput = s->nrate = 0;
    s->sampled = s->waiting_nowhere = 0;
    s->now[NOW_in_flight] = 0;
    memset(s->load, 0, sizeof s->load);
    memset(s->moving, 0, sizeof s->moving);
    for (uint32_t i = 0; i < s->nworkers; i++) {
        struct survey *survey = c->workers[i].survey;
        if (c->workers[i].asked)
            continue; /* it does not answer: what it said before is old */
        collector_take_clients(s, survey);
        collector_take_slow(s, survey);
        collector_take_sightings(s, survey);
        collector_take_load(s, survey);
        survey->nslow = survey->nsightings = 0; /* taken */
        s->now[NOW_in_flight] += (double)survey->in_flight;
        s->waiting_nowhere += survey->waiting_nowhere;
        if (survey->waiting_oldest > oldest)
            oldest = survey->waiting_oldest;
    }
    collector_take_moving(c);
    s->now[NOW_waiting_oldest_ms] = (double)oldest / 1e3;
    s->ncount = collector_rank_keys(c, false, s->by_count);
    s->nbytes = collector_rank_keys(c, true, s->by_bytes);
}
