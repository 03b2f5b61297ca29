/* endpoint: resolve, connect, ask, remember, retry.
 *
 *   idle -> resolving -> connecting -> connected (answers) -> lost -> connecting …
 *            names only                 `-> silent -> reconnecting every RECONNECT seconds */
#include "cluster/endpoint.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_FAST    0.05 /* seconds between attempts in the first EAGER seconds */
#define RETRY_NORMAL  0.2
#define RETRY_SLOW    1.0 /* after PATIENCE seconds */
#define EAGER         5.0
#define PATIENCE      60.0
#define RECONNECT     2.0 /* a silent connection is given up: the host may be gone */
#define MODULES_EVERY 8   /* probes */
#define MEMORY_EVERY  4   /* probes */
#define VIEW_FRESH    3.0 /* an older view is not believed */

void endpoint_key(char key[CONFIG_HOST_LEN + 8], const char *host, uint16_t port)
{
    snprintf(key, CONFIG_HOST_LEN + 8, "%s %u", host, port);
}

struct endpoint *endpoint_new(struct endpoint_env *env, const char *host, uint16_t port)
{
    struct endpoint *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    snprintf(e->host, sizeof(e->host), "%s", host);
    e->port = port;
    e->env = env;
    e->node = TOPOLOGY_NO_NODE;
    endpoint_key(e->key, e->host, port);
    if (resolver_numeric(e->host, port, &e->address[0]))
        e->naddresses = 1;
    return e;
}

/* Where to note what the node here says of itself; NULL: it is not known which node it is. */
static struct health *health_of(const struct endpoint *e)
{
    return e->node < TOPOLOGY_MAX_NODES && e->env->health ? &e->env->health[e->node] : NULL;
}

static void forget_answers(struct endpoint *e)
{
    if (health_of(e))
        health_forget(health_of(e));
    view_free(e->view);
    e->view = NULL;
    e->node = TOPOLOGY_NO_NODE;
    e->asking = e->again = e->answered = e->info_known = false;
    e->loading = e->busy = false;
    e->software_known = e->commands_asked = false;
    e->nsamples = 0;
    e->returned_at = 0;
    e->run_id[0] = e->version[0] = e->software[0] = '\0';
}

void endpoint_disconnect(struct endpoint *e)
{
    control_close(e->control);
    e->control = NULL;
    forget_answers(e);
}

void endpoint_free(struct endpoint *e)
{
    if (e->query)
        resolver_cancel(e->query);
    endpoint_disconnect(e);
    free(e);
}

bool endpoint_is_up(const struct endpoint *e)
{
    return e->control && e->answered;
}

bool endpoint_is_suspected(const struct endpoint *e)
{
    return e->refused || e->unwell_since > 0;
}

bool endpoint_is_silent(const struct endpoint *e, double now)
{
    return e->refused || (e->unwell_since > 0 && now - e->unwell_since >= ENDPOINT_SILENT);
}

/* --- answers --- */

static void on_any_answer(struct endpoint *e)
{
    bool was_unwell = endpoint_is_suspected(e) || !e->answered;

    e->answered = true;
    e->refused = false;
    e->unwell_since = 0;
    if (e->held_silent && e->returned_at == 0) {
        e->returned_at = control_clock();
        e->env->on_return(e->env->ctx);
    }
    if (was_unwell)
        e->env->on_change(e->env->ctx);
}

/* Once in the log for each new complaint. */
static void complain(struct endpoint *e, const char *what, const char *text)
{
    if (strncmp(e->trouble, text, sizeof(e->trouble) - 1) == 0)
        return;
    snprintf(e->trouble, sizeof(e->trouble), "%s", text);
    log_warning("cluster: node %s:%u: %s: %s", e->host, e->port, what, e->trouble);
}

static void on_refusal(struct endpoint *e, const redisReply *reply, const char *what)
{
    bool loading = strncmp(reply->str, "LOADING", 7) == 0;
    bool busy = strncmp(reply->str, "BUSY", 4) == 0;

    if (loading != e->loading || busy != e->busy) {
        e->loading = loading;
        e->busy = busy;
        e->env->on_change(e->env->ctx);
    }
    if (!loading && !busy)
        complain(e, what, reply->str);
}

static void number_nodes(struct view *view, struct registry *registry, double now)
{
    for (uint16_t i = 0; i < view->nnodes; i++) {
        struct view_node *node = &view->nodes[i];

        node->index = registry_see(registry, node->id, now);
        if (*node->master_id)
            node->master = registry_see(registry, node->master_id, now);
    }
}

/* Of the slots of this node, those that it is giving away. */
static void note_moving(const struct endpoint_env *env, const struct view *view)
{
    const struct view_node *node = &view->nodes[view->myself];
    bool moving[SLOT_COUNT] = {false};

    for (uint16_t i = 0; i < view->nmoving; i++)
        moving[view->moving[i]] = true;
    for (uint16_t i = 0; i < node->nranges; i++) {
        const struct view_range *range = &view->ranges[node->first_range + i];

        for (uint32_t slot = range->first; slot <= range->last; slot++)
            atomic_store_explicit(&env->moving[slot], moving[slot], memory_order_relaxed);
    }
}

static void take_view(struct endpoint *e, struct view *view, double asked_at, double now)
{
    bool same = e->view && e->view->digest == view->digest && !e->loading && !e->busy;

    number_nodes(view, e->env->registry, now);
    note_moving(e->env, view);
    view_free(e->view);
    e->view = view;
    e->view_at = now;
    e->view_asked_at = asked_at;
    e->loading = e->busy = false;
    e->trouble[0] = '\0';
    e->node = view->nodes[view->myself].index;
    if (!same || e->env->doubting)
        e->env->on_change(e->env->ctx);
}

static void on_nodes(void *arg, const redisReply *reply, const char *raw, size_t len)
{
    struct endpoint *e = arg;
    const char *error = NULL;
    struct view *view = NULL;
    double asked_at = e->asked_at; /* on_any_answer may ask again */

    (void)raw;
    (void)len;
    e->asking = false;
    on_any_answer(e);
    if (reply->type == REDIS_REPLY_ERROR)
        on_refusal(e, reply, "CLUSTER NODES");
    else if (reply->type == REDIS_REPLY_STRING)
        view = view_parse(reply->str, reply->len, &error);
    else
        error = "CLUSTER NODES is not answered with text";
    if (error)
        complain(e, "CLUSTER NODES", error);
    if (view)
        take_view(e, view, asked_at, control_clock());
    if (e->again) {
        e->again = false;
        endpoint_ask(e);
    }
}

/* The value of "name:value" in an INFO text. */
static bool info_field(const char *info, const char *name, char *out, size_t room)
{
    size_t name_len = strlen(name);

    for (const char *line = info; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, name_len) == 0 && line[name_len] == ':') {
            size_t len = strcspn(line + name_len + 1, "\r\n");

            if (len >= room)
                len = room - 1;
            memcpy(out, line + name_len + 1, len);
            out[len] = '\0';
            return true;
        }
    }
    return false;
}

static void on_server(void *arg, const redisReply *reply, const char *raw, size_t len)
{
    struct endpoint *e = arg;

    (void)raw;
    (void)len;
    on_any_answer(e);
    if (reply->type != REDIS_REPLY_STRING)
        return;
    info_field(reply->str, "run_id", e->run_id, sizeof(e->run_id));
    info_field(reply->str, "redis_version", e->version, sizeof(e->version));
    e->env->on_change(e->env->ctx);
}

static void add_sample(struct endpoint *e, double now)
{
    double spacing = e->env->config->replica_max_lag / (ENDPOINT_SAMPLES / 2.0);
    const struct endpoint_sample
        *last = &e->samples[(e->nsamples + ENDPOINT_SAMPLES - 1) % ENDPOINT_SAMPLES];

    if (e->nsamples > 0 && now - last->at < spacing)
        return;
    e->samples[e->nsamples++ % ENDPOINT_SAMPLES] = (struct endpoint_sample){now, e->offset};
}

static void note_health(const struct endpoint *e)
{
    struct health *health = health_of(e);

    if (!health)
        return;
    health_set(&health->offset, e->offset);
    health_set(&health->link_up, e->link_up);
    if (e->probed_at > 0)
        health_set(&health->probe_us, (int64_t)((control_clock() - e->probed_at) * 1e6));
}

static void on_replication(void *arg, const redisReply *reply, const char *raw, size_t len)
{
    struct endpoint *e = arg;
    bool was_up = e->link_up, was_known = e->info_known;
    char value[64];

    (void)raw;
    (void)len;
    on_any_answer(e);
    if (reply->type != REDIS_REPLY_STRING)
        return;
    e->info_known = info_field(reply->str, "role", value, sizeof(value));
    /* a master has no link: if it is made a replica it must say first that it has caught up */
    e->link_up = info_field(reply->str, "master_link_status", value, sizeof(value)) &&
                 strcmp(value, "up") == 0;
    if (info_field(reply->str, "slave_repl_offset", value, sizeof(value)) ||
        info_field(reply->str, "master_repl_offset", value, sizeof(value)))
        e->offset = strtoll(value, NULL, 10);
    add_sample(e, control_clock());
    note_health(e);
    if (was_up != e->link_up || was_known != e->info_known)
        e->env->on_change(e->env->ctx);
}

/* The sum of keys= in "db0:keys=3,expires=0…" lines. */
static int64_t count_keys(const char *info)
{
    int64_t keys = 0;

    for (const char *at = strstr(info, ":keys="); at; at = strstr(at + 1, ":keys="))
        keys += strtoll(at + strlen(":keys="), NULL, 10);
    return keys;
}

static void on_memory(void *arg, const redisReply *reply, const char *raw, size_t len)
{
    struct endpoint *e = arg;
    struct health *health = health_of(e);
    char value[64];

    (void)raw;
    (void)len;
    on_any_answer(e);
    if (reply->type != REDIS_REPLY_STRING || !health)
        return;
    if (info_field(reply->str, "used_memory", value, sizeof(value)))
        health_set(&health->memory_used, strtoll(value, NULL, 10));
    if (info_field(reply->str, "maxmemory", value, sizeof(value)))
        health_set(&health->memory_limit, strtoll(value, NULL, 10));
}

static void on_keyspace(void *arg, const redisReply *reply, const char *raw, size_t len)
{
    struct endpoint *e = arg;
    struct health *health = health_of(e);

    (void)raw;
    (void)len;
    on_any_answer(e);
    if (reply->type == REDIS_REPLY_STRING && health)
        health_set(&health->keys, count_keys(reply->str));
}

bool endpoint_is_behind(const struct endpoint *replica, const struct endpoint *master,
                        double max_lag, double now)
{
    uint32_t n = master->nsamples < ENDPOINT_SAMPLES ? master->nsamples : ENDPOINT_SAMPLES;

    for (uint32_t i = 0; i < n; i++)
        if (now - master->samples[i].at >= max_lag && master->samples[i].offset > replica->offset)
            return true;
    return false;
}

/* MODULE LIST: an array of modules, each an array "name" … "ver" … */
static void on_modules(void *arg, const redisReply *reply, const char *raw, size_t len)
{
    struct endpoint *e = arg;
    char before[sizeof(e->software)];
    size_t used;

    (void)raw;
    (void)len;
    on_any_answer(e);
    memcpy(before, e->software, sizeof(before));
    used = (size_t)snprintf(e->software, sizeof(e->software), "%s", e->version);
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *module = reply->element[i];

        for (size_t j = 1; module->type == REDIS_REPLY_ARRAY && j < module->elements; j += 2) {
            const redisReply *value = module->element[j];

            if (used >= sizeof(e->software))
                break;
            if (value->type == REDIS_REPLY_STRING)
                used += (size_t)snprintf(e->software + used, sizeof(e->software) - used, " %s",
                                         value->str);
            else if (value->type == REDIS_REPLY_INTEGER)
                used += (size_t)snprintf(e->software + used, sizeof(e->software) - used, " %lld",
                                         value->integer);
        }
    }
    if (e->software_known && strcmp(e->software, before) == 0)
        return;
    e->software_known = true;
    e->commands_asked = false;
    e->env->on_change(e->env->ctx);
}

static void on_commands(void *arg, const redisReply *reply, const char *raw, size_t len)
{
    struct endpoint *e = arg;

    on_any_answer(e);
    if (reply->type == REDIS_REPLY_ARRAY)
        e->env->on_commands(e->env->ctx, e, raw, len);
    else if (reply->type == REDIS_REPLY_ERROR)
        on_refusal(e, reply, "COMMAND");
}

/* --- questions --- */

void endpoint_ask(struct endpoint *e)
{
    const char *argv[] = {"CLUSTER", "NODES"};

    if (!control_is_up(e->control))
        return;
    if (e->asking) {
        e->again = true;
        return;
    }
    e->asking = control_send(e->control, on_nodes, e, 2, argv);
    e->asked_at = control_clock();
}

void endpoint_probe(struct endpoint *e)
{
    const char *replication[] = {"INFO", "replication"};
    const char *modules[] = {"MODULE", "LIST"};
    const char *memory[] = {"INFO", "memory"}, *keyspace[] = {"INFO", "keyspace"};

    if (!control_is_up(e->control) || control_unanswered(e->control) > (uint32_t)e->asking)
        return;
    control_send(e->control, on_replication, e, 2, replication);
    e->probed_at = control_clock();
    if (e->probes % MEMORY_EVERY == 0) {
        control_send(e->control, on_memory, e, 2, memory);
        control_send(e->control, on_keyspace, e, 2, keyspace);
    }
    if (++e->probes % MODULES_EVERY == 0)
        control_send(e->control, on_modules, e, 2, modules);
}

void endpoint_ask_commands(struct endpoint *e)
{
    const char *argv[] = {"COMMAND"};

    e->commands_asked = control_send(e->control, on_commands, e, 1, argv);
}

/* --- the connection --- */

static void on_up(void *owner)
{
    struct endpoint *e = owner;
    const char *server[] = {"INFO", "server"};
    const char *replication[] = {"INFO", "replication"};
    const char *modules[] = {"MODULE", "LIST"};

    endpoint_ask(e);
    control_send(e->control, on_server, e, 2, server);
    control_send(e->control, on_replication, e, 2, replication);
    control_send(e->control, on_modules, e, 2, modules);
}

/* A connection that served is replaced at once: only if that fails the node is at fault. */
static void on_down(void *owner, const char *reason)
{
    struct endpoint *e = owner;
    double now = control_clock();

    log_verbose("cluster: node %s:%u: %s", e->host, e->port, reason);
    if (e->unwell_since == 0)
        e->unwell_since = now;
    if (!e->answered) {
        e->refused = true;
        e->which++; /* a name may have several addresses */
        if (strncmp(reason, "AUTH", 4) == 0)
            complain(e, "connection", reason);
        snprintf(e->trouble, sizeof(e->trouble), "%s", reason);
    }
    if (e->answered)
        e->retry_at = 0;
    endpoint_disconnect(e);
    e->env->on_change(e->env->ctx);
}

static const struct control_events control_events = {on_up, on_down};

static double retry_delay(const struct endpoint *e, double now, bool fast)
{
    double unwell = e->unwell_since > 0 ? now - e->unwell_since : 0;

    if (unwell > PATIENCE)
        return RETRY_SLOW;
    return unwell < EAGER && fast ? RETRY_FAST : RETRY_NORMAL;
}

static void fail(struct endpoint *e, const char *reason, double now)
{
    if (e->unwell_since == 0)
        e->unwell_since = now;
    if (!e->refused)
        e->env->on_change(e->env->ctx);
    e->refused = true;
    snprintf(e->trouble, sizeof(e->trouble), "%s", reason);
}

static void on_resolved(void *arg, const struct resolver_address *v, size_t n, const char *error)
{
    struct endpoint *e = arg;

    e->query = NULL;
    if (n == 0) {
        fail(e, error, control_clock());
        return;
    }
    memcpy(e->address, v, n * sizeof(*v));
    e->naddresses = n;
    e->which = 0;
    e->retry_at = 0;
    e->env->on_change(e->env->ctx);
}

static void connect_now(struct endpoint *e, double now, bool fast)
{
    const struct config *config = e->env->config;
    struct control_target target = {.user = config->auth_user,
                                    .password = config->auth_password,
                                    .timeout = config->connect_timeout / 1000.0};
    struct resolver_address numeric;

    e->retry_at = now + retry_delay(e, now, fast);
    if (e->which >= e->naddresses && !resolver_numeric(e->host, e->port, &numeric)) {
        /* all its addresses were tried, or none is known: ask again what the name means */
        e->query = resolver_ask(e->env->resolver, e->host, e->port, on_resolved, e);
        return;
    }
    e->which %= e->naddresses;
    target.address = e->address[e->which];
    e->control = control_open(e->env->loop, &target, &control_events, e);
    if (!e->control)
        fail(e, strerror(errno), now);
}

/* Seconds since an answer became due. */
static void watch_silence(struct endpoint *e, double now)
{
    double since = control_waiting_since(e->control);

    if (since == 0 || now - since < ENDPOINT_SUSPECT)
        return;
    if (e->unwell_since == 0) {
        e->unwell_since = since;
        e->env->on_change(e->env->ctx);
    }
    if (control_is_up(e->control) && now - since > RECONNECT) {
        endpoint_disconnect(e);
        e->retry_at = 0;
    }
}

static void drop_old_view(struct endpoint *e, double now)
{
    double fresh = 3 * e->env->config->refresh_interval / 1000.0;

    if (fresh < VIEW_FRESH)
        fresh = VIEW_FRESH;
    if (!e->view || now - e->view_at < fresh)
        return;
    view_free(e->view);
    e->view = NULL;
    e->env->on_change(e->env->ctx);
}

void endpoint_tick(struct endpoint *e, double now, bool fast)
{
    if (e->control)
        watch_silence(e, now);
    else if (e->wanted && !e->query && now >= e->retry_at)
        connect_now(e, now, fast);
    drop_old_view(e, now);
    if (endpoint_is_silent(e, now) != e->silent) {
        e->silent = !e->silent;
        e->env->on_change(e->env->ctx);
    }
}
