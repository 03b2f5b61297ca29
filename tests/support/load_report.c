/* load_report: what came of it: gaps and rates, the keys read back, the summary. */
#include "support/load_state.h"
#include <string.h>

void load_measure(struct load *l, int64_t end)
{
    for (int g = 0; g <= LOAD_GROUPS; g++)
        if ((double)l->longest_wait[g] > l->result.longest_pipeline_ms)
            l->result.longest_pipeline_ms = (double)l->longest_wait[g];
    for (int i = 0; i < l->ntexts; i++)
        if (l->begin + l->texts[i].last > l->result.last_error)
            l->result.last_error = l->begin + l->texts[i].last;
    int64_t fault = l->fault ? l->fault - l->begin : 0;
    int64_t last = end - l->begin < MAX_MS ? end - l->begin : MAX_MS - 1;
    for (int g = 0; g < l->o.groups; g++) {
        int64_t run = 0, longest = 0;
        for (int64_t at = 0; at < last; at++) {
            run = l->success[g][at] || at < fault ? 0 : run + 1;
            longest = run > longest ? run : longest;
        }
        l->result.gap_ms[g] = (double)longest;
        const uint64_t *done = l->pipelines[g];
        l->result.before_rate[g] = fault > 0 ? (double)done[0] * 1000 / (double)fault : 0;
        l->result.during_rate[g] = last > fault ? (double)done[1] * 1000 / (double)(last - fault)
                                                : 0;
    }
}

static void check_list(struct load *l, struct client *c, struct key *k, const redisReply *r)
{
    if (r->type != REDIS_REPLY_ARRAY) {
        load_wrong(l, c, "%s at the end: type %d %.60s", k->name, r->type, r->str ? r->str : "");
        return;
    }
    bool excuse = load_excused(l, k);
    uint32_t previous = 0, acknowledged_seen = 0, acknowledged_all = 0;
    for (size_t i = 0; i < r->elements; i++) {
        const char *colon = strrchr(r->element[i]->str, ':');
        uint32_t seq = colon ? (uint32_t)strtoul(colon + 1, NULL, 10) : 0;
        if (seq == 0 || seq >= k->next ||
            strncmp(r->element[i]->str, k->name, strlen(k->name)) != 0)
            load_wrong(l, c, "%s holds a foreign element %.60s", k->name, r->element[i]->str);
        else if (seq <= previous)
            load_wrong(l, c, "%s: element %u after %u: twice or out of order", k->name, seq,
                       previous);
        else if (k->fate[seq] == 'n')
            load_wrong(l, c, "%s: element %u was refused but is there", k->name, seq);
        else
            acknowledged_seen += k->fate[seq] == 'a';
        previous = seq;
    }
    for (uint32_t s = 1; s < k->next; s++)
        acknowledged_all += k->fate[s] == 'a';
    /* What a length has shown to be lost already is counted, and was its excuse. */
    int64_t missing = (int64_t)acknowledged_all - acknowledged_seen - k->lost;
    if (missing > 0 && excuse)
        l->result.lost += (uint64_t)missing;
    else if (missing > 0)
        load_wrong(l, c, "%s: %u of %u acknowledged elements are there", k->name, acknowledged_seen,
                   acknowledged_all);
}

void load_read_back(struct load *l, struct client *c)
{
    redisContext *r = client_try(l->o.port);
    if (!r) {
        load_wrong(l, c, "cannot connect to read the keys back");
        return;
    }
    for (int i = 0; i < KEYS; i++)
        redisAppendCommand(r, load_kind_of(i) == KEY_LIST ? "LRANGE %s 0 -1" : "GET %s",
                           c->keys[i].name);
    for (int i = 0; i < KEYS; i++) {
        void *reply = NULL;
        if (redisGetReply(r, &reply) != REDIS_OK) {
            load_wrong(l, c, "connection ended while reading the keys back: %s", r->errstr);
            break;
        }
        redisReply *answer = reply;
        if (answer->type == REDIS_REPLY_ERROR)
            load_wrong(l, c, "%s at the end: %s", c->keys[i].name, answer->str);
        else if (load_kind_of(i) == KEY_LIST)
            check_list(l, c, &c->keys[i], answer);
        else
            load_saw_value(l, c, i, answer);
        freeReplyObject(reply);
    }
    redisFree(r);
}

void load_print_result(struct load *l, int64_t end)
{
    struct load_result *r = &l->result;
    printf(
        "  load: %llu commands in %.1f s by %d clients, %llu errors (%llu unexpected, %llu maybe), "
        "%llu wrong, %llu redirects seen, %llu closed, %llu lost by the cluster\n",
        (unsigned long long)r->commands, (double)(end - l->begin) / 1000, l->nclients,
        (unsigned long long)r->errors, (unsigned long long)r->unexpected_errors,
        (unsigned long long)r->maybe_errors, (unsigned long long)r->wrong,
        (unsigned long long)r->redirects_seen, (unsigned long long)r->closed,
        (unsigned long long)r->lost);
    for (int g = 0; g < l->o.groups && l->fault; g++)
        printf(
            "  master %d: longest gap %.0f ms, longest pipeline %lld ms, %.0f pipelines/s before, "
            "%.0f/s from the fault on, %llu errors\n",
            g, r->gap_ms[g], (long long)l->longest_wait[g], r->before_rate[g], r->during_rate[g],
            (unsigned long long)r->group_errors[g]);
    for (int i = 0; i < l->ntexts; i++)
        printf("  error %llu x, %lld to %lld ms (fault at %lld): %s\n",
               (unsigned long long)l->texts[i].count, (long long)l->texts[i].first,
               (long long)l->texts[i].last, (long long)(l->fault ? l->fault - l->begin : -1),
               l->texts[i].text);
    for (uint64_t i = 0; i < r->wrong && i < MAX_WRONG; i++) {
        for (char *p = l->wrong_text[i]; *p; p++)
            *p = *p < 32 || *p > 126 ? '?' : *p;
        printf("  WRONG %s\n", l->wrong_text[i]);
    }
    fflush(stdout);
}
