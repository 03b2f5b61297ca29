/* local_client: CLIENT: about slotway's own clients, those of all workers.
 * Texts and the format of CLIENT LIST are those of redis-server 7. */
#include "base/memory.h"
#include "flow/gather.h"
#include "flow/local_address.h"
#include "flow/local_call.h"
#include "flow/pause.h"
#include "flow/pubsub.h"
#include "flow/session.h"
#include "flow/tracking.h"
#include "flow/transaction.h"
#include <stdio.h>
#include <stdlib.h>

#define SYNTAX_ERROR "ERR syntax error"

/* As good as for ever, ms: far from where the sum with the clock could overflow. */
#define CLIENT_PAUSE_MAX (INT64_MAX / 2000)

/* --- names --- */

/* Printable ASCII without blanks. */
static bool client_text_ok(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] < '!' || s[i] > '~')
            return false;
    return true;
}

/* Put a copy of argument i, or NULL if it is empty, in the place of *text. */
static void client_replace_text(const struct local_call *call, uint32_t i, char **text)
{
    free(*text);
    *text = local_len(call, i) ? local_strdup(call, i) : NULL;
}

bool local_set_name(const struct local_call *call, uint32_t i)
{
    if (!client_text_ok(local_arg(call, i), local_len(call, i))) {
        client_reply_error(call->c, "ERR Client names cannot contain spaces, newlines or special "
                                    "characters.");
        return false;
    }
    client_replace_text(call, i, &session_of(call->c)->name);
    return true;
}

static void client_setname(const struct local_call *call)
{
    if (local_set_name(call, 2))
        local_ok(call->c);
}

static void client_getname(const struct local_call *call)
{
    const struct session *session = call->c->session;
    if (session && session->name)
        local_bulk_reply(call->c, session->name, strlen(session->name));
    else
        local_null_reply(call->c);
}

static void client_setinfo(const struct local_call *call)
{
    struct session *session = session_of(call->c);
    char shown[LOCAL_SHOWN_LEN];
    bool name = local_is(call, 2, "lib-name");
    if (!name && !local_is(call, 2, "lib-ver")) {
        client_reply_errorf(call->c, "ERR Unrecognized option '%s'", local_shown(call, 2, shown));
        return;
    }
    if (!client_text_ok(local_arg(call, 3), local_len(call, 3))) {
        client_reply_errorf(call->c,
                            "ERR %s cannot contain spaces, newlines or special characters.",
                            name ? "lib-name" : "lib-ver");
        return;
    }
    client_replace_text(call, 3, name ? &session->lib_name : &session->lib_version);
    local_ok(call->c);
}

/* --- LIST and INFO --- */

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
        allocated > queued ? allocated - queued : 0, t ? t->bytes : 0, c->stream.out.len > 0,
        c->stream.out.len, sizeof *c + allocated + c->stream.out.len,
        c->stream.blocked ? "rw" : "r", c->last_command ? c->last_command->name : "NULL",
        (long long)tracking_redirect(c), c->flags & CLIENT_RESP3 ? 3 : 2,
        client_or_empty(session->lib_name), client_or_empty(session->lib_version));
}

static void client_info(const struct local_call *call)
{
    struct gather_part part = {0};
    client_print(call->c, local_request_len(call), &part);
    local_text_reply(call->c, part.data, part.len);
    free(part.data);
}

/* The types of clients that Redis knows. */
enum client_type { CLIENT_TYPE_ANY, CLIENT_TYPE_NORMAL, CLIENT_TYPE_PUBSUB, CLIENT_TYPE_NONE };

static bool client_is_of_type(const struct client *c, enum client_type type)
{
    if (type == CLIENT_TYPE_ANY)
        return true;
    return type == (c->flags & CLIENT_SUBSCRIBED ? CLIENT_TYPE_PUBSUB : CLIENT_TYPE_NORMAL);
}

/* Which clients CLIENT LIST is about: all, those of a type, or those named. */
struct client_list_question {
    uint64_t asker;
    size_t asker_len; /* of the asker's request */
    uint8_t type;     /* enum client_type */
    uint32_t n;       /* 0: no ids were given */
    uint64_t ids[];
};

static bool client_list_wants(const struct client_list_question *question, const struct client *c)
{
    if (!client_is_of_type(c, (enum client_type)question->type))
        return false;
    for (uint32_t i = 0; i < question->n; i++)
        if (question->ids[i] == c->id)
            return true;
    return question->n == 0;
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

/* The type that argument i names; slotway has no clients of some. False: Redis knows none such. */
static bool client_parse_type(const struct local_call *call, uint32_t i, enum client_type *type)
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
    return question;
}

static void client_list(const struct local_call *call)
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
        client_reply_error(call->c, SYNTAX_ERROR);
        return;
    }
    if (!question)
        return;
    question->asker = call->c->id;
    question->asker_len = local_request_len(call);
    gather_start(call->c, call->cmd, question, client_list_collect, client_list_finish);
}

static void client_id(const struct local_call *call)
{
    local_int_reply(call->c, (int64_t)call->c->id);
}

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
    return q->skip_me || local_is(call, i, "no") ? NULL : SYNTAX_ERROR;
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
    return SYNTAX_ERROR;
}

static void client_kill(const struct local_call *call)
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

static void client_unblock(const struct local_call *call)
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

/* --- modes --- */

static void client_reply_mode(const struct local_call *call)
{
    struct client *c = call->c;
    if (local_is(call, 2, "on")) {
        c->flags &= ~(uint32_t)(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_SKIP_NOW);
        local_ok(c);
    } else if (local_is(call, 2, "off")) {
        c->flags |= CLIENT_REPLY_OFF;
    } else if (local_is(call, 2, "skip")) {
        if (!(c->flags & CLIENT_REPLY_OFF))
            c->flags |= CLIENT_REPLY_SKIP;
    } else {
        client_reply_error(c, SYNTAX_ERROR);
    }
}

static void client_switch(const struct local_call *call, uint32_t flag)
{
    if (local_is(call, 2, "on")) {
        call->c->flags |= flag;
        local_ok(call->c);
    } else if (local_is(call, 2, "off")) {
        call->c->flags &= ~flag;
        local_ok(call->c);
    } else {
        client_reply_error(call->c, SYNTAX_ERROR);
    }
}

static void client_no_evict(const struct local_call *call)
{
    client_switch(call, CLIENT_NO_EVICT);
}

static void client_no_touch(const struct local_call *call)
{
    client_switch(call, CLIENT_NO_TOUCH);
}

/* Workers look at the clock while anything is paused, so nobody has to be told. */
static void client_pause(const struct local_call *call)
{
    struct process *process = call->c->worker->process;
    bool all = true;
    int64_t ms;
    if (local_argc(call) > 4) {
        local_wrong_sub(call);
        return;
    }
    if (local_argc(call) == 4) {
        all = local_is(call, 3, "all");
        if (!all && !local_is(call, 3, "write")) {
            client_reply_error(call->c, "ERR CLIENT PAUSE mode must be WRITE or ALL");
            return;
        }
    }
    if (!local_int(call, 2, &ms)) {
        client_reply_error(call->c, "ERR timeout is not an integer or out of range");
    } else if (ms < 0) {
        client_reply_error(call->c, "ERR timeout is negative");
    } else {
        if (ms > CLIENT_PAUSE_MAX)
            ms = CLIENT_PAUSE_MAX;
        uint64_t now = call->c->worker->now;
        pause_start(process, now, now + (uint64_t)ms * 1000, all);
        local_ok(call->c);
    }
}

static void client_unpause(const struct local_call *call)
{
    pause_end(call->c->worker->process);
    local_ok(call->c);
}

static void client_help(const struct local_call *call)
{
    static const char *const lines[] = {
        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CACHING (YES|NO)",
        "    Track the keys of the next command (OPTIN), or do not (OPTOUT).",
        "GETREDIR",
        "    Return who is told of changes: -1: tracking is off, 0: this connection.",
        "GETNAME",
        "    Return the name of this connection.",
        "ID",
        "    Return the ID of this connection.",
        "INFO",
        "    Return the line of this connection in CLIENT LIST.",
        "KILL <ip:port>",
        "    Close the connection from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close connections to which all options apply:",
        "    * ADDR (<ip:port>|<unixsocket>:0), LADDR (<ip:port>|<unixsocket>:0)",
        "    * ID <client-id>, USER <username>, TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "    * MAXAGE <seconds>: open for at least so long",
        "    * SKIPME (YES|NO): spare this connection (default: yes)",
        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <client-id> [<client-id> ...]]",
        "    Return a line for each connection of slotway's clients.",
        "UNBLOCK <client-id> [TIMEOUT|ERROR]",
        "    End the wait of a client that is blocked.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Be told when keys change that this connection has read.",
        "TRACKINGINFO",
        "    Return how this connection tracks.",
        "UNPAUSE",
        "    End the pause.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Hold back all commands, or those that write, for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Choose whether this connection gets replies.",
        "SETNAME <name>",
        "    Give this connection a name.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Tell which client library is used.",
        "NO-EVICT (ON|OFF), NO-TOUCH (ON|OFF)",
        "    Accepted and shown in CLIENT LIST.",
        "HELP",
        "    Print this help.",
    };
    local_help(call->c, lines, sizeof lines / sizeof lines[0]);
}

void local_client(const struct local_call *call)
{
    static const struct local_sub subs[] = {
        {"id", 2, client_id},
        {"info", 2, client_info},
        {"list", -2, client_list},
        {"kill", -3, client_kill},
        {"setname", 3, client_setname},
        {"getname", 2, client_getname},
        {"setinfo", 4, client_setinfo},
        {"reply", 3, client_reply_mode},
        {"pause", -3, client_pause},
        {"unblock", -3, client_unblock},
        {"unpause", 2, client_unpause},
        {"no-evict", 3, client_no_evict},
        {"no-touch", 3, client_no_touch},
        {"getredir", 2, local_getredir},
        {"tracking", -3, local_tracking},
        {"caching", 3, local_caching},
        {"trackinginfo", 2, local_trackinginfo},
        {"help", 2, client_help},
    };
    local_run_sub(call, subs, sizeof subs / sizeof subs[0]);
}
