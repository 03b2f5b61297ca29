/* local_client_list: CLIENT LIST and INFO, in the format of redis-server 7: a line for each client
 * of all workers. */
#include "base/memory.h"
#include "flow/gather.h"
#include "flow/local_address.h"
#include "flow/local_client.h"
#include "flow/pubsub.h"
#include "flow/session.h"
#include "flow/tracking.h"
#include "flow/transaction.h"
#include <stdlib.h>

#define CLIENT_FLAGS_LEN 20

static void client_print_flags(const struct client *c, char out[CLIENT_FLAGS_LEN])
{
    char *p = out;
    if (c->flags & CLIENT_MONITOR)
        *p++ = 'O';
    if (c->flags & CLIENT_SUBSCRIBED)
        *p++ = 'P';
    if (c->flags & CLIENT_MULTI)
        *p++ = 'x';
    if (client_is_blocked(c))
        *p++ = 'b';
    p = tracking_print_flags(c, p);
    if (c->session && c->session->transaction && keywatch_is_broken(c))
        *p++ = 'd';
    if (c->flags & CLIENT_READONLY)
        *p++ = 'r';
    if (c->flags & CLIENT_UNIX)
        *p++ = 'U';
    if (c->flags & CLIENT_CLOSING)
        *p++ = 'c';
    if (c->flags & CLIENT_NO_EVICT)
        *p++ = 'e';
    if (c->flags & CLIENT_NO_TOUCH)
        *p++ = 'T';
    if (p == out)
        *p++ = 'N';
    *p = '\0';
}

static const char *client_or_empty(const char *text)
{
    return text ? text : "";
}

/* Redis gives a client's buffer for reading back when it has been idle for longer (seconds). */
#define CLIENT_ROOM_KEPT 2
/* What is read at a time, at least (PROTO_IOBUF_LEN of Redis). */
#define CLIENT_ROOM_MIN (16 * 1024)

/* qbuf and qbuf-free together: the buffer that redis-server would have for the client now, by the
 * size of its last request. Here it is the worker's, which all share, unless the request is long.
 */
static size_t client_room(const struct client *c, int64_t idle)
{
    if (c->in)
        return c->in->cap;
    if (idle > CLIENT_ROOM_KEPT || c->commands == 0)
        return 0;
    return c->large_room && c->commands <= c->large_after + 1 ? c->large_room : CLIENT_ROOM_MIN;
}

/* One line of CLIENT LIST. executing: bytes of the client's command that asks for it, 0: another
 * one asks. As in Redis, they count as buffered; its reply is not pending yet. */
static void client_print(const struct client *c, size_t executing, struct gather_part *part)
{
    const struct session none = {0};
    const struct session *session = c->session ? c->session : &none;
    char peer[LOCAL_ADDRESS_LEN], own[LOCAL_ADDRESS_LEN];
    char flags[CLIENT_FLAGS_LEN];
    int64_t now = (int64_t)(c->worker->now / 1000000);
    size_t queued = c->in_end - c->in_begin + executing;
    size_t allocated = c->in ? c->in->cap : 0;
    size_t room = client_room(c, now - c->active);
    local_address_peer(c, peer);
    local_address_own(c, own);
    client_print_flags(c, flags);
    const struct transaction *t = c->flags & CLIENT_MULTI ? session->transaction : NULL;
    gather_printf(
        part,
        "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=%s db=0 sub=%u "
        "psub=%u ssub=%u multi=%d qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=%zu rbs=0 "
        "rbp=0 obl=0 oll=%u omem=%zu tot-mem=%zu events=%s cmd=%s user=default redir=%lld "
        "resp=%d lib-name=%s lib-ver=%s\n",
        (unsigned long long)c->id, peer, own, c->stream.io.fd, client_or_empty(session->name),
        (long long)(now - c->created), (long long)(now - c->active), flags,
        pubsub_count(c, PUBSUB_CHANNEL), pubsub_count(c, PUBSUB_PATTERN),
        pubsub_count(c, PUBSUB_SHARD), t ? (int)t->count : -1, queued,
        room > queued ? room - queued : 0, t ? t->bytes : 0, c->stream.out.len > 0,
        c->stream.out.len, sizeof *c + allocated + c->stream.out.len,
        c->stream.blocked ? "rw" : "r", c->last_command ? c->last_command->name : "NULL",
        (long long)tracking_redirect(c), c->flags & CLIENT_RESP3 ? 3 : 2,
        client_or_empty(session->lib_name), client_or_empty(session->lib_version));
}

void local_client_info(const struct local_call *call)
{
    struct gather_part part = {0};
    client_print(call->c, local_request_len(call), &part);
    local_text_reply(call->c, part.data, part.len);
    free(part.data);
}

/* --- LIST --- */

bool client_is_of_type(const struct client *c, enum client_type type)
{
    if (type == CLIENT_TYPE_ANY)
        return true;
    return type == (c->flags & CLIENT_SUBSCRIBED ? CLIENT_TYPE_PUBSUB : CLIENT_TYPE_NORMAL);
}

bool client_parse_type(const struct local_call *call, uint32_t i, enum client_type *type)
{
    static const struct {
        const char *name;
        enum client_type type;
    } types[] = {{"normal", CLIENT_TYPE_NORMAL},
                 {"pubsub", CLIENT_TYPE_PUBSUB},
                 {"slave", CLIENT_TYPE_NONE},
                 {"replica", CLIENT_TYPE_NONE},
                 {"master", CLIENT_TYPE_NONE}};
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
        if (!local_is(call, i, types[k].name))
            continue;
        *type = types[k].type;
        return true;
    }
    return false;
}

/* Which clients CLIENT LIST is about: all, those of a type, or those named. */
struct client_list_question {
    uint64_t asker;
    size_t asker_len; /* of the asker's request */
    uint8_t type;     /* enum client_type */
    uint32_t n;       /* 0: no ids were given */
    uint64_t ids[];   /* in order: there may be a million of them, and as many clients */
};

static int client_compare_ids(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x > *y ? 1 : *x < *y ? -1 : 0;
}

static bool client_list_wants(const struct client_list_question *question, const struct client *c)
{
    if (!client_is_of_type(c, (enum client_type)question->type))
        return false;
    return question->n == 0 ||
           bsearch(&c->id, question->ids, question->n, sizeof c->id, client_compare_ids) != NULL;
}

static void client_list_collect(struct worker *w, const void *question, struct gather_part *part)
{
    const struct client_list_question *q = question;
    for (const struct client *c = w->clients; c; c = c->next) {
        if (!client_list_wants(q, c))
            continue;
        client_print(c, c->id == q->asker ? q->asker_len : 0, part);
        part->n++;
    }
}

/* A line of a part, by the id that it begins with. */
struct client_line {
    uint64_t id;
    const char *data;
    size_t len;
};

static int client_compare_lines(const void *a, const void *b)
{
    const struct client_line *x = a, *y = b;
    return x->id > y->id ? 1 : x->id < y->id ? -1 : 0;
}

/* The lines of a part. Returns how many. */
static size_t client_split_lines(const struct gather_part *part, struct client_line *lines)
{
    size_t n = 0;
    for (size_t pos = 0; pos < part->len; pos += lines[n++].len) {
        const char *line = part->data + pos;
        const char *end = memchr(line, '\n', part->len - pos);
        lines[n].data = line;
        lines[n].len = (size_t)(end + 1 - line);
        lines[n].id = strtoull(line + strlen("id="), NULL, 10);
    }
    return n;
}

/* Oldest clients first, as Redis has them. */
static void client_list_finish(struct worker *w, struct gather *g, struct bufq *out)
{
    struct reply r = local_reply_to(w, g->request, out);
    struct gather_part all = {0};
    size_t total = 0, n = 0;
    for (uint32_t i = 0; i < g->nparts; i++)
        total += (size_t)g->parts[i].n;
    struct client_line *lines = memory_alloc((total + 1) * sizeof *lines);
    for (uint32_t i = 0; i < g->nparts; i++)
        n += client_split_lines(&g->parts[i], lines + n);
    qsort(lines, n, sizeof *lines, client_compare_lines);
    for (size_t i = 0; i < n; i++)
        gather_append(&all, lines[i].data, lines[i].len);
    reply_text(&r, all.data ? all.data : "", all.len);
    free(lines);
    free(all.data);
}

/* The question behind CLIENT LIST ID id…; NULL: answered with an error. */
static struct client_list_question *client_list_ids(const struct local_call *call)
{
    uint32_t n = local_argc(call) - 3;
    struct client_list_question *question = memory_zalloc(sizeof *question +
                                                          n * sizeof question->ids[0]);
    question->n = n;
    for (uint32_t i = 0; i < n; i++) {
        int64_t id;
        if (!local_int(call, i + 3, &id)) {
            client_reply_error(call->c, "ERR Invalid client ID");
            free(question);
            return NULL;
        }
        question->ids[i] = (uint64_t)id;
    }
    qsort(question->ids, n, sizeof question->ids[0], client_compare_ids);
    return question;
}

void local_client_list(const struct local_call *call)
{
    struct client_list_question *question;
    char shown[LOCAL_SHOWN_LEN];
    uint32_t argc = local_argc(call);
    enum client_type type;
    if (argc == 4 && local_is(call, 2, "type")) {
        if (!client_parse_type(call, 3, &type)) {
            client_reply_errorf(call->c, "ERR Unknown client type '%s'",
                                local_shown(call, 3, shown));
            return;
        }
        question = memory_zalloc(sizeof *question);
        question->type = (uint8_t)type;
    } else if (argc > 3 && local_is(call, 2, "id")) {
        question = client_list_ids(call);
    } else if (argc == 2) {
        question = memory_zalloc(sizeof *question);
    } else {
        client_reply_error(call->c, "ERR syntax error");
        return;
    }
    if (!question)
        return;
    question->asker = call->c->id;
    question->asker_len = local_request_len(call);
    gather_start(call->c, call->cmd, question, client_list_collect, client_list_finish);
}
