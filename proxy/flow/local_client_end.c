/* local_client_end: CLIENT KILL and UNBLOCK: ask all workers to end clients, or what they wait in.
 */
#include "base/memory.h"
#include "flow/gather.h"
#include "flow/local_address.h"
#include "flow/local_client.h"
#include "flow/session.h"
#include <stdio.h>
#include <stdlib.h>

/* --- KILL --- */

struct client_kill_question {
    uint64_t asker;
    uint64_t id;     /* 0: any */
    int64_t max_age; /* seconds; 0: any */
    uint8_t type;    /* enum client_type */
    bool skip_me;
    bool none;                    /* a user or address that no client of slotway has */
    bool old_form;                /* CLIENT KILL addr: answers OK or an error */
    char addr[LOCAL_ADDRESS_LEN]; /* "": any */
    char laddr[LOCAL_ADDRESS_LEN];
};

static bool client_kill_matches(const struct client_kill_question *q, const struct client *c)
{
    char address[LOCAL_ADDRESS_LEN];
    if (q->none || (q->skip_me && c->id == q->asker) || (q->id && c->id != q->id))
        return false;
    if (!client_is_of_type(c, (enum client_type)q->type))
        return false;
    if (q->max_age && (int64_t)(c->worker->now / 1000000) - c->created < q->max_age)
        return false;
    if (*q->addr) {
        local_address_peer(c, address);
        if (strcmp(address, q->addr) != 0)
            return false;
    }
    if (*q->laddr) {
        local_address_own(c, address);
        if (strcmp(address, q->laddr) != 0)
            return false;
    }
    return true;
}

static void client_kill_collect(struct worker *w, const void *question, struct gather_part *part)
{
    const struct client_kill_question *q = question;
    struct client *next;
    for (struct client *c = w->clients; c; c = next) {
        next = c->next;
        if (!client_kill_matches(q, c))
            continue;
        part->n++;
        client_note_closed(c, EVENT_INFO, "by CLIENT KILL");
        if (c->id == q->asker)
            local_end_client(c);
        else
            client_close(c);
    }
}

static void client_kill_finish(struct worker *w, struct gather *g, struct bufq *out)
{
    const struct client_kill_question *q = g->question;
    struct reply r = local_reply_to(w, g->request, out);
    int64_t killed = 0;
    for (uint32_t i = 0; i < g->nparts; i++)
        killed += g->parts[i].n;
    if (!q->old_form)
        reply_int(&r, killed);
    else if (killed)
        reply_status(&r, "OK");
    else
        reply_error(&r, "ERR No such client");
}

/* Reads the value in args[i]. Returns an error text, NULL if there is none. text: room for one that
 * quotes the value. */
typedef const char *(*client_kill_parse)(const struct local_call *call, uint32_t i,
                                         struct client_kill_question *q, char text[256]);

static const char *client_kill_id(const struct local_call *call, uint32_t i,
                                  struct client_kill_question *q, char text[256])
{
    int64_t id;
    (void)text;
    if (!local_int(call, i, &id) || id <= 0)
        return "ERR client-id should be greater than 0";
    q->id = (uint64_t)id;
    return NULL;
}

static const char *client_kill_maxage(const struct local_call *call, uint32_t i,
                                      struct client_kill_question *q, char text[256])
{
    (void)text;
    if (!local_int(call, i, &q->max_age))
        return "ERR maxage is not an integer or out of range";
    return q->max_age > 0 ? NULL : "ERR maxage should be greater than 0";
}

static const char *client_kill_type(const struct local_call *call, uint32_t i,
                                    struct client_kill_question *q, char text[256])
{
    char shown[LOCAL_SHOWN_LEN];
    enum client_type type;
    if (!client_parse_type(call, i, &type)) {
        snprintf(text, 256, "ERR Unknown client type '%s'", local_shown(call, i, shown));
        return text;
    }
    q->type = (uint8_t)type;
    return NULL;
}

static const char *client_kill_user(const struct local_call *call, uint32_t i,
                                    struct client_kill_question *q, char text[256])
{
    char shown[LOCAL_SHOWN_LEN];
    (void)q;
    if (local_len(call, i) == 7 && memcmp(local_arg(call, i), "default", 7) == 0)
        return NULL;
    snprintf(text, 256, "ERR No such user '%s'", local_shown(call, i, shown));
    return text;
}

static void client_kill_copy_address(const struct local_call *call, uint32_t i,
                                     struct client_kill_question *q, char out[LOCAL_ADDRESS_LEN])
{
    if (local_len(call, i) == 0 || local_len(call, i) >= LOCAL_ADDRESS_LEN) {
        q->none = true;
        return;
    }
    memcpy(out, local_arg(call, i), local_len(call, i));
    out[local_len(call, i)] = '\0';
}

static const char *client_kill_addr(const struct local_call *call, uint32_t i,
                                    struct client_kill_question *q, char text[256])
{
    (void)text;
    client_kill_copy_address(call, i, q, q->addr);
    return NULL;
}

static const char *client_kill_laddr(const struct local_call *call, uint32_t i,
                                     struct client_kill_question *q, char text[256])
{
    (void)text;
    client_kill_copy_address(call, i, q, q->laddr);
    return NULL;
}

static const char *client_kill_skipme(const struct local_call *call, uint32_t i,
                                      struct client_kill_question *q, char text[256])
{
    (void)text;
    q->skip_me = local_is(call, i, "yes");
    return q->skip_me || local_is(call, i, "no") ? NULL : "ERR syntax error";
}

static const struct {
    const char *name;
    client_kill_parse parse;
} client_kill_filters[] = {
    {"id", client_kill_id},         {"type", client_kill_type},   {"user", client_kill_user},
    {"addr", client_kill_addr},     {"laddr", client_kill_laddr}, {"skipme", client_kill_skipme},
    {"maxage", client_kill_maxage},
};

/* The filter named by args[i]. Returns an error text or NULL. */
static const char *client_kill_filter(const struct local_call *call, uint32_t i,
                                      struct client_kill_question *q, char text[256])
{
    size_t n = sizeof client_kill_filters / sizeof client_kill_filters[0];
    for (size_t k = 0; k < n && i + 1 < local_argc(call); k++)
        if (local_is(call, i, client_kill_filters[k].name))
            return client_kill_filters[k].parse(call, i + 1, q, text);
    return "ERR syntax error";
}

void local_client_kill(const struct local_call *call)
{
    struct client_kill_question *q = memory_zalloc(sizeof *q);
    char text[256];
    const char *error = NULL;
    q->asker = call->c->id;
    q->old_form = local_argc(call) == 3;
    q->skip_me = !q->old_form;
    if (q->old_form)
        client_kill_copy_address(call, 2, q, q->addr);
    for (uint32_t i = 2; i < local_argc(call) && !q->old_form && !error; i += 2)
        error = client_kill_filter(call, i, q, text);
    if (error) {
        client_reply_error(call->c, error);
        free(q);
        return;
    }
    gather_start(call->c, call->cmd, q, client_kill_collect, client_kill_finish);
    /* What follows in the pipeline is not executed if the sender is one of them. */
    call->c->flags |= CLIENT_BARRIER;
}

/* --- UNBLOCK --- */

struct client_unblock_question {
    int64_t id;
    enum blocking_over over;
};

static void client_unblock_collect(struct worker *w, const void *question, struct gather_part *part)
{
    const struct client_unblock_question *q = question;
    for (struct client *c = w->clients; c; c = c->next)
        if ((int64_t)c->id == q->id)
            part->n += blocking_unblock(c, q->over);
}

static void client_unblock_finish(struct worker *w, struct gather *g, struct bufq *out)
{
    struct reply r = local_reply_to(w, g->request, out);
    int64_t n = 0;
    for (uint32_t i = 0; i < g->nparts; i++)
        n += g->parts[i].n;
    reply_int(&r, n);
}

void local_client_unblock(const struct local_call *call)
{
    struct client_unblock_question question = {.over = BLOCKING_TIMEOUT};
    if (local_argc(call) > 4) {
        local_wrong_sub(call);
        return;
    }
    if (local_argc(call) == 4) {
        if (local_is(call, 3, "error")) {
            question.over = BLOCKING_ERROR;
        } else if (!local_is(call, 3, "timeout")) {
            client_reply_error(call->c, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
            return;
        }
    }
    if (!local_int(call, 2, &question.id)) {
        client_reply_error(call->c, "ERR value is not an integer or out of range");
        return;
    }
    struct client_unblock_question *copy = memory_alloc(sizeof *copy);
    *copy = question;
    gather_start(call->c, call->cmd, copy, client_unblock_collect, client_unblock_finish);
}
