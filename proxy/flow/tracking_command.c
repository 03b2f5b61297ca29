/* tracking_command: CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR. Checks and texts are those
 * of redis-server 7. */
#include "base/memory.h"
#include "flow/gather.h"
#include "flow/local_call.h"
#include "flow/tracking_state.h"
#include <stdio.h>
#include <stdlib.h>

/* Room for an error that quotes prefixes, which are cut. */
#define TRACKING_ERROR_MAX 1000

/* --- ON and OFF --- */

/* A copy that outlives the request; freed with free(). */
static struct tracking_wish *tracking_wish_copy(const struct tracking_wish *wish)
{
    size_t size = sizeof *wish + wish->nprefixes * sizeof wish->prefixes[0], bytes = 0;
    for (uint32_t i = 0; i < wish->nprefixes; i++)
        bytes += wish->prefixes[i].len;
    struct tracking_wish *copy = memory_alloc(size + bytes);
    char *out = (char *)copy + size;
    memcpy(copy, wish, size);
    for (uint32_t i = 0; i < wish->nprefixes; i++) {
        memcpy(out, wish->prefixes[i].data, wish->prefixes[i].len);
        copy->prefixes[i].data = out;
        out += wish->prefixes[i].len;
    }
    return copy;
}

static void tracking_find_collect(struct worker *w, const void *question, struct gather_part *part)
{
    const struct tracking_wish *wish = question;
    part->n = tracking_table_find(w, wish->target.id);
}

static bool tracking_overlap(const struct tracking_prefix *a, const struct tracking_prefix *b)
{
    return memcmp(a->data, b->data, a->len < b->len ? a->len : b->len) == 0;
}

/* The order of the alphabet, in which Redis keeps prefixes. */
static int tracking_compare_prefixes(const void *a, const void *b)
{
    const struct tracking_prefix *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);
    return order ? order : x->len > y->len ? 1 : x->len < y->len ? -1 : 0;
}

/* False: a prefix overlaps with another one; text says so. */
static bool tracking_check_prefixes(const struct client *c, const struct tracking_wish *wish,
                                    char text[TRACKING_ERROR_MAX])
{
    const struct tracking *t = tracking_of(c);
    for (uint32_t i = 0; i < wish->nprefixes; i++) {
        const struct tracking_prefix *p = &wish->prefixes[i], *other = NULL;
        for (uint32_t k = 0; t && k < t->nprefixes; k++) {
            const struct tracking_prefix *q = &t->prefixes[k];
            if (tracking_overlap(p, q) && (!other || tracking_compare_prefixes(q, other) < 0))
                other = q;
        }
        bool existing = other;
        for (uint32_t k = i + 1; k < wish->nprefixes && !other; k++)
            if (tracking_overlap(p, &wish->prefixes[k]))
                other = &wish->prefixes[k];
        if (!other)
            continue;
        snprintf(text, TRACKING_ERROR_MAX,
                 "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client "
                 "must not overlap.",
                 (int)p->len, p->data, existing ? "an existing" : "another provided",
                 (int)other->len, other->data);
        return false;
    }
    return true;
}

/* Why these options can not be switched on now; NULL: they can. */
static const char *tracking_check_options(const struct client *c, const struct tracking_wish *wish)
{
    uint32_t new = wish->options, old = tracking_is_on(c) ? tracking_of(c)->options : 0;
    if (!(new &TRACKING_BCAST) && wish->nprefixes)
        return "ERR PREFIX option requires BCAST mode to be enabled";
    if (tracking_is_on(c) && ((old ^ new) & TRACKING_BCAST))
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    if ((new &TRACKING_BCAST) && (new &(TRACKING_OPTIN | TRACKING_OPTOUT)))
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    if ((new &TRACKING_OPTIN) && (new &TRACKING_OPTOUT))
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    if (((new &TRACKING_OPTIN) && (old & TRACKING_OPTOUT)) ||
        ((new &TRACKING_OPTOUT) && (old & TRACKING_OPTIN)))
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    return NULL;
}

/* Do what was asked. Returns an error text, which may be in text, or NULL; *later: the reply comes
 * by itself. */
static const char *tracking_switch(struct client *c, const struct command *cmd,
                                   const struct tracking_wish *wish, char text[TRACKING_ERROR_MAX],
                                   bool *later)
{
    *later = false;
    if (!wish->on && !wish->off)
        return "ERR syntax error";
    if (wish->off) {
        tracking_end(c);
        return NULL;
    }
    const char *error = tracking_check_options(c, wish);
    if (error)
        return error;
    if (!tracking_check_prefixes(c, wish, text))
        return text;
    *later = tracking_enable(c, cmd, wish);
    return NULL;
}

static void tracking_find_finish(struct worker *w, struct gather *g, struct bufq *out)
{
    struct tracking_wish *wish = g->question;
    struct reply r = local_reply_to(w, g->request, out);
    const char *error = "ERR The client ID you want redirect to does not exist";
    char text[TRACKING_ERROR_MAX];
    bool later = false;
    uint32_t at = 0;
    while (at < g->nparts && !g->parts[at].n)
        at++;
    wish->target.worker = at;
    if (at < g->nparts)
        error = tracking_switch(g->request->client, g->request->cmd, wish, text, &later);
    if (error)
        reply_error(&r, error);
    else if (!later)
        reply_status(&r, "OK");
}

/* The option in args[*i], with its value. Returns an error text or NULL. */
static const char *tracking_parse_option(const struct local_call *call, uint32_t *i,
                                         struct tracking_wish *wish)
{
    bool more = *i + 1 < local_argc(call);
    int64_t id;
    for (size_t k = 0; k < TRACKING_OPTIONS; k++) {
        if (local_is(call, *i, tracking_options[k].name)) {
            wish->options |= tracking_options[k].option;
            return NULL;
        }
    }
    if (more && local_is(call, *i, "redirect")) {
        if (wish->target.id)
            return "ERR A client can only redirect to a single other client";
        if (!local_int(call, ++*i, &id))
            return "ERR value is not an integer or out of range";
        if (id <= 0)
            return "ERR The client ID you want redirect to does not exist";
        wish->target.id = (uint64_t)id;
        return NULL;
    }
    if (!more || !local_is(call, *i, "prefix"))
        return "ERR syntax error";
    struct tracking_prefix *prefix = &wish->prefixes[wish->nprefixes++];
    prefix->data = local_arg(call, ++*i);
    prefix->len = local_len(call, *i);
    return NULL;
}

static void tracking_carry_out(const struct local_call *call, struct tracking_wish *wish)
{
    struct client *c = call->c;
    char text[TRACKING_ERROR_MAX];
    bool later;
    if (wish->target.id) { /* as Redis: whether there is such a client is said first */
        gather_start(c, call->cmd, tracking_wish_copy(wish), tracking_find_collect,
                     tracking_find_finish);
        return;
    }
    const char *error = tracking_switch(c, call->cmd, wish, text, &later);
    if (error)
        client_reply_error(c, error);
    else if (!later)
        local_ok(c);
}

void local_tracking(const struct local_call *call)
{
    struct tracking_wish *wish = memory_zalloc(sizeof *wish +
                                               local_argc(call) * sizeof wish->prefixes[0]);
    const char *error = NULL;
    wish->on = local_is(call, 2, "on");
    wish->off = local_is(call, 2, "off");
    for (uint32_t i = 3; i < local_argc(call) && !error; i++)
        error = tracking_parse_option(call, &i, wish);
    if (error)
        client_reply_error(call->c, error);
    else
        tracking_carry_out(call, wish);
    free(wish);
}

/* --- CACHING and what can be asked --- */

void local_caching(const struct local_call *call)
{
    struct client *c = call->c;
    struct tracking *t = tracking_of(c);
    bool yes = local_is(call, 2, "yes");
    if (!tracking_is_on(c))
        client_reply_error(c,
                           "ERR CLIENT CACHING can be called only when the client is in tracking "
                           "mode with OPTIN or OPTOUT mode enabled");
    else if (!yes && !local_is(call, 2, "no"))
        client_reply_error(c, "ERR syntax error");
    else if (yes && !(t->options & TRACKING_OPTIN))
        client_reply_error(c, "ERR CLIENT CACHING YES is only valid when tracking is enabled in "
                              "OPTIN mode.");
    else if (!yes && !(t->options & TRACKING_OPTOUT))
        client_reply_error(c, "ERR CLIENT CACHING NO is only valid when tracking is enabled in "
                              "OPTOUT mode.");
    else {
        t->options |= TRACKING_CACHING;
        local_ok(c);
    }
}

/* The words under "flags". Returns how many. */
static size_t tracking_words(const struct client *c, const char *words[8])
{
    static const struct tracking off;
    const struct tracking *t = tracking_is_on(c) ? tracking_of(c) : &off;
    size_t n = 0;
    words[n++] = t == &off ? "off" : "on";
    for (size_t i = 0; i < TRACKING_OPTIONS; i++) {
        uint32_t option = tracking_options[i].option;
        if (!(t->options & option))
            continue;
        words[n++] = tracking_options[i].name;
        if (t->options & TRACKING_CACHING && option == TRACKING_OPTIN)
            words[n++] = "caching-yes";
        if (t->options & TRACKING_CACHING && option == TRACKING_OPTOUT)
            words[n++] = "caching-no";
    }
    if (t->options & TRACKING_BROKEN)
        words[n++] = "broken_redirect";
    return n;
}

static void tracking_reply_prefixes(struct reply *r, const struct tracking *t)
{
    uint32_t n = t ? t->nprefixes : 0;
    struct tracking_prefix *sorted = memory_alloc((n + 1) * sizeof *sorted);
    if (n)
        memcpy(sorted, t->prefixes, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, tracking_compare_prefixes);
    reply_array(r, n);
    for (uint32_t i = 0; i < n; i++)
        reply_bulk(r, sorted[i].data, sorted[i].len);
    free(sorted);
}

void local_trackinginfo(const struct local_call *call)
{
    struct client *c = call->c;
    const char *words[8];
    struct bufq q = {0};
    struct reply r = local_reply(c, &q);
    size_t n = tracking_words(c, words);
    reply_map(&r, 3);
    reply_bulk_string(&r, "flags");
    reply_set(&r, n);
    for (size_t i = 0; i < n; i++)
        reply_bulk_string(&r, words[i]);
    reply_bulk_string(&r, "redirect");
    reply_int(&r, tracking_redirect(c));
    reply_bulk_string(&r, "prefixes");
    tracking_reply_prefixes(&r, tracking_is_on(c) ? tracking_of(c) : NULL);
    client_reply_bufq(c, &q);
}

void local_getredir(const struct local_call *call)
{
    local_int_reply(call->c, tracking_redirect(call->c));
}
