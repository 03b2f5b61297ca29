/* monitor: MONITOR: lines of what passes, collected in a turn and handed to all who watch. */
#include "flow/monitor.h"
#include "base/log.h"
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/dispatch.h"
#include "flow/gather.h"
#include "flow/lease.h"
#include "flow/local_address.h"
#include "flow/local_call.h"
#include "flow/secret.h"
#include "flow/session.h"
#include <stdlib.h>
#include <sys/time.h>

/* So much of an argument is shown; Redis shows all of it, but lines are copied for each worker. */
#define MONITOR_SHOWN (1024 * 1024)

#define MONITOR_COMMAND "*1\r\n$7\r\nMONITOR\r\n"

/* One worker's. */
struct monitor {
    struct client **clients; /* that watch */
    uint32_t n, cap;
    struct request *waiting;    /* MONITORs not answered yet, linked by backend_next */
    struct gather_part lines;   /* of this turn */
    struct gather_part scripts; /* what nodes said of scripts in this turn */
    _Atomic uint32_t watching;  /* n, for other workers */
    _Atomic size_t coming;      /* bytes that others have posted here and that were not taken yet */
    _Atomic bool overrun;       /* something was left out because too much was coming */
};

struct monitor *monitor_new(void)
{
    return memory_zalloc(sizeof(struct monitor));
}

static void monitor_forget_lines(struct monitor *m)
{
    free(m->lines.data);
    free(m->scripts.data);
    m->lines = m->scripts = (struct gather_part){0};
}

void monitor_free(struct worker *w)
{
    struct monitor *m = w->monitor;
    while (m->waiting) {
        struct request *r = m->waiting;
        m->waiting = r->backend_next;
        request_free(w, r);
    }
    monitor_forget_lines(m);
    free(m->clients);
    free(m);
}

bool monitor_is_on(const struct worker *w)
{
    return atomic_load_explicit(&w->process->monitors, memory_order_relaxed) > 0;
}

/* --- lines --- */

static const struct {
    char byte;
    char shown;
} monitor_escapes[] = {
    {'\\', '\\'}, {'"', '"'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}, {'\a', 'a'}, {'\b', 'b'},
};

static void monitor_put_byte(struct gather_part *out, unsigned char byte)
{
    for (size_t i = 0; i < sizeof monitor_escapes / sizeof monitor_escapes[0]; i++) {
        if ((unsigned char)monitor_escapes[i].byte == byte) {
            const char pair[2] = {'\\', monitor_escapes[i].shown};
            gather_append(out, pair, sizeof pair);
            return;
        }
    }
    gather_printf(out, "\\x%02x", byte);
}

/* ' "text"' with everything escaped that is not printable, as Redis does. */
static void monitor_put_quoted(struct gather_part *out, const char *data, size_t len)
{
    size_t shown = len > MONITOR_SHOWN ? MONITOR_SHOWN : len, plain = 0;
    gather_append(out, " \"", 2);
    for (size_t i = 0; i < shown; i++) {
        unsigned char byte = (unsigned char)data[i];
        if (byte >= 32 && byte < 127 && byte != '"' && byte != '\\')
            continue;
        gather_append(out, data + plain, i - plain);
        monitor_put_byte(out, byte);
        plain = i + 1;
    }
    gather_append(out, data + plain, shown - plain);
    if (len > shown)
        gather_printf(out, "... (%zu more bytes)", len - shown);
    gather_append(out, "\"", 1);
}

/* To Redis who watches is a replica, which may not touch keys. */
static bool monitor_refuses(const struct command *cmd)
{
    if (cmd->local == COMMAND_LOCAL_EXEC)
        return false; /* it is as good as what was queued, which was looked at */
    return (cmd->flags & (COMMAND_READONLY | COMMAND_WRITE | COMMAND_SCRIPT)) ||
           strcmp(cmd->name, "publish") == 0;
}

/* As Redis: nothing administrative, and nothing that asks not to be shown; scripts ask because they
 * show themselves. */
static bool monitor_shows(const struct command *cmd)
{
    if (cmd->local == COMMAND_LOCAL_PROXY || (cmd->flags & COMMAND_ADMINISTRATIVE))
        return false;
    return !(cmd->flags & COMMAND_SKIP_MONITOR) || (cmd->flags & COMMAND_SCRIPT);
}

void monitor_feed(struct client *c, const struct command *cmd, const char *request,
                  const struct resp_args *args)
{
    struct gather_part *out = &c->worker->monitor->lines;
    char address[LOCAL_ADDRESS_LEN];
    struct timeval now;
    if (!monitor_shows(cmd) || ((c->flags & CLIENT_MONITOR) && monitor_refuses(cmd)))
        return;
    gettimeofday(&now, NULL);
    if (c->flags & CLIENT_UNIX)
        snprintf(address, sizeof address, "unix:%s", c->worker->config->unixsocket);
    else
        local_address_peer(c, address);
    gather_printf(out, "+%lld.%06ld [0 %s]", (long long)now.tv_sec, (long)now.tv_usec, address);
    const struct secret_rule *rule = secret_rule(request, args);
    for (uint32_t i = 0; i < args->argc; i++) {
        if (secret_hides(rule, request, args, i))
            monitor_put_quoted(out, SECRET_SHOWN, strlen(SECRET_SHOWN));
        else
            monitor_put_quoted(out, request + args->v[i].off, args->v[i].len);
    }
    gather_append(out, "\r\n", 2);
}

/* --- handing out --- */

/* To all of this worker who watch. */
static void monitor_show(struct worker *w, const char *data, size_t len)
{
    struct monitor *m = w->monitor;
    struct chunk *chunk = chunk_alloc_size(&w->chunks, len);
    memcpy(chunk->data, data, len);
    for (uint32_t i = m->n; i-- > 0;) /* one that is closed for not reading leaves the array */
        if (!(m->clients[i]->flags & (CLIENT_REPLY_OFF | CLIENT_CLOSING)))
            client_send_push(m->clients[i], chunk, chunk->data, len);
    chunk_unref(&w->chunks, chunk);
}

struct monitor_mail {
    size_t len;
    char data[];
};

/* What came in between could not be kept: who watches would miss lines without knowing. */
static void monitor_close_all(struct worker *w)
{
    struct monitor *m = w->monitor;
    log_limited(LOG_LEVEL_WARNING,
                "Monitoring clients closed: too many lines were waiting for "
                "them, client-output-limit is %llu",
                (unsigned long long)w->config->client_output_limit);
    while (m->n > 0) {
        client_note_closed(m->clients[m->n - 1], EVENT_WARNING,
                           "lines of MONITOR are not read: client-output-limit");
        counters_add(&w->counters, COUNTER_clients_closed_output, 1);
        client_close(m->clients[m->n - 1]);
    }
}

static void monitor_on_mail(void *owner, void *arg)
{
    struct worker *w = owner;
    struct monitor_mail *mail = arg;
    struct monitor *m = w->monitor;
    atomic_fetch_sub_explicit(&m->coming, mail->len, memory_order_relaxed);
    if (atomic_exchange_explicit(&m->overrun, false, memory_order_relaxed))
        monitor_close_all(w);
    else if (m->n > 0)
        monitor_show(w, mail->data, mail->len);
    free(mail);
}

static void monitor_post(struct worker *w, struct worker *other)
{
    const struct gather_part *lines = &w->monitor->lines;
    struct monitor *m = other->monitor;
    size_t before = atomic_fetch_add_explicit(&m->coming, lines->len, memory_order_relaxed);
    if (before > w->config->client_output_limit) {
        atomic_fetch_sub_explicit(&m->coming, lines->len, memory_order_relaxed);
        atomic_store_explicit(&m->overrun, true, memory_order_relaxed);
        return;
    }
    struct monitor_mail *mail = memory_alloc(sizeof *mail + lines->len);
    mail->len = lines->len;
    memcpy(mail->data, lines->data, lines->len);
    worker_post(other, monitor_on_mail, mail);
}

/* Scripts' lines wait for the end of the turn because the line of the request that runs the script
 * may come in the same turn, by mail: it was posted before the request was sent. */
void monitor_flush(struct worker *w)
{
    struct monitor *m = w->monitor;
    if (m->scripts.len && m->n > 0)
        monitor_show(w, m->scripts.data, m->scripts.len);
    m->scripts.len = 0;
    if (!m->lines.len)
        return;
    for (uint32_t i = 0; i < w->process->nworkers; i++) {
        struct worker *other = w->process->workers[i];
        if (other != w && atomic_load_explicit(&other->monitor->watching, memory_order_relaxed))
            monitor_post(w, other);
    }
    if (m->n > 0)
        monitor_show(w, m->lines.data, m->lines.len);
    m->lines.len = 0;
    if (!monitor_is_on(w))
        monitor_forget_lines(m);
}

/* --- scripts --- */

/* A line of a node's MONITOR: "+1700000000.000000 [0 lua] …" is what a script runs. */
static bool monitor_is_of_script(const char *data, size_t len)
{
    const char *end = data + len;
    const char *open = memchr(data, '[', len > 64 ? 64 : len);
    const char *space = open ? memchr(open, ' ', (size_t)(end - open)) : NULL;
    return space && end - space > 5 && memcmp(space, " lua]", 5) == 0;
}

static void monitor_on_line(struct backend *b, struct chunk *chunk, char *data, size_t len)
{
    (void)chunk;
    if (*data != '+')
        backend_fail(b, "unexpected reply");
    else if (monitor_is_of_script(data, len))
        gather_append(&b->worker->monitor->scripts, data, len);
}

/* The lease of this pool on which a worker listens, NULL: none. */
static struct backend *monitor_lease(const struct pool *pool)
{
    struct backend *b = pool->leases;
    while (b && b->on_push != monitor_on_line)
        b = b->next_lease;
    return b;
}

static void monitor_listen(struct worker *w, uint16_t node)
{
    struct backend *b = lease_take(w, node, false);
    if (!b)
        return;
    b->listens = b->unasked = true;
    b->on_push = monitor_on_line;
    backend_command(b, MONITOR_COMMAND, sizeof MONITOR_COMMAND - 1);
}

/* Has each master confirmed that it is listened to? One that can't do so is not waited for. */
static bool monitor_hears(const struct worker *w)
{
    for (uint32_t i = 0; i < w->nshards; i++) {
        const struct pool *pool = w->pools[w->shards[i].master];
        const struct backend *b = pool ? monitor_lease(pool) : NULL;
        if (b && b->own && !(pool->flags & POOL_UNFIT))
            return false;
    }
    return true;
}

static void monitor_begin(struct client *c)
{
    struct monitor *m = c->worker->monitor;
    if (m->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 4;
        m->clients = memory_realloc(m->clients, m->cap * sizeof(struct client *));
    }
    m->clients[m->n++] = c;
    c->flags |= CLIENT_MONITOR;
    atomic_store_explicit(&m->watching, m->n, memory_order_relaxed);
}

void monitor_answer(struct worker *w)
{
    static char ok[] = "+OK\r\n";
    struct monitor *m = w->monitor;
    while (m->waiting && monitor_hears(w)) {
        struct request *r = m->waiting;
        m->waiting = r->backend_next;
        r->backend_next = NULL;
        if (r->client) {
            monitor_begin(r->client);
            request_hold(w, r, NULL, ok, sizeof ok - 1);
        } else {
            atomic_fetch_sub_explicit(&w->process->monitors, 1, memory_order_relaxed);
        }
        client_finish(w, r);
    }
}

static void monitor_listen_to_all(struct worker *w)
{
    for (uint32_t i = 0; i < w->nshards; i++) {
        const struct pool *pool = w->pools[w->shards[i].master];
        if (pool && !monitor_lease(pool))
            monitor_listen(w, w->shards[i].master);
    }
}

void monitor_follow(struct worker *w)
{
    const struct monitor *m = w->monitor;
    monitor_answer(w); /* before masters that were lost are tried again */
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++) {
        struct pool *pool = w->pools[i];
        struct backend *b = pool ? monitor_lease(pool) : NULL;
        if (b && ((m->n == 0 && !m->waiting) || pool->gone || !pool->has_slots))
            backend_abandon(b);
    }
    if (m->n > 0 || m->waiting)
        monitor_listen_to_all(w);
}

/* --- clients --- */

/* Answered when the masters are listened to: what a script runs after the OK is shown. */
void local_monitor(const struct local_call *call)
{
    struct client *c = call->c;
    struct worker *w = c->worker;
    struct monitor *m = w->monitor;
    if (c->flags & CLIENT_MONITOR)
        return; /* Redis says nothing either */
    session_of(c);
    monitor_listen_to_all(w);
    struct request *r = client_reply_later(c, call->cmd);
    r->backend_next = m->waiting;
    m->waiting = r;
    atomic_fetch_add_explicit(&w->process->monitors, 1, memory_order_relaxed);
    w->careful = true;
    monitor_answer(w);
}

void monitor_end(struct client *c)
{
    struct monitor *m = c->worker->monitor;
    if (!(c->flags & CLIENT_MONITOR))
        return;
    c->flags &= ~(uint32_t)CLIENT_MONITOR;
    for (uint32_t i = 0; i < m->n; i++)
        if (m->clients[i] == c)
            m->clients[i] = m->clients[--m->n];
    atomic_store_explicit(&m->watching, m->n, memory_order_relaxed);
    atomic_fetch_sub_explicit(&c->worker->process->monitors, 1, memory_order_relaxed);
    if (m->n == 0)
        monitor_follow(c->worker);
}

bool monitor_on_command(struct client *c, const struct command *cmd)
{
    if (!monitor_refuses(cmd))
        return false;
    dispatch_reject(c, cmd, "ERR Replica can't interact with the keyspace");
    return true;
}
