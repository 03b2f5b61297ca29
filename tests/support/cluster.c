/* cluster: a real Redis Cluster through deploy/local-cluster, observed and disturbed directly. */
#include "cluster.h"

#include "client.h"
#include "testing.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

uint16_t cluster_slot(const char *key, size_t len)
{
    const char *open = memchr(key, '{', len);
    if (open) {
        const char *close = memchr(open + 1, '}', len - (size_t)(open + 1 - key));
        if (close && close > open + 1) {
            key = open + 1;
            len = (size_t)(close - key);
        }
    }
    /* CRC16/XMODEM bit by bit: slow, and independent of the implementation under test. */
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint16_t)((unsigned char)key[i] << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc & (CLUSTER_SLOTS - 1);
}

static int script(struct cluster *c, const char *what)
{
    char log[PATH_MAX + 8];
    int status = run("'%s/deploy/local-cluster' %s --masters %d --replicas %d --port %d --dir '%s' "
                     "--timeout-ms 2000 %s >>'%s.log' 2>&1",
                     project_root(), what, c->masters, c->replicas, c->port, c->dir, c->options,
                     c->dir);
    if (status != 0) {
        printf("  local-cluster %s: exit status %d\n", what, status);
        snprintf(log, sizeof log, "%s.log", c->dir);
        print_tail(log, 80);
    }
    return status;
}

static void must(struct cluster *c, const char *what)
{
    int status = script(c, what);
    if (status != 0)
        ck_abort_msg("local-cluster %s: exit status %d", what, status);
}

struct cluster *cluster_start_own(int masters, int replicas)
{
    const char *const none[] = {NULL};
    return cluster_start_with(masters, replicas, none);
}

struct cluster *cluster_start_with(int masters, int replicas, const char *const *options)
{
    struct cluster *c = calloc(1, sizeof *c);
    for (size_t len = 0; *options; len = strlen(c->options))
        snprintf(c->options + len, sizeof c->options - len, " --option '%s'", *options++);
    c->masters = masters;
    c->replicas = replicas;
    /* Some spare ports for nodes that are added later. */
    c->port = free_ports(masters * (1 + replicas) + 4, true);
    snprintf(c->dir, sizeof c->dir, "%s/nodes", temp_dir("cluster"));
    at_end("'%s/deploy/local-cluster' clean --masters %d --replicas %d --port %d --dir '%s' "
           ">/dev/null 2>&1 || true",
           project_root(), masters, replicas, c->port, c->dir);
    must(c, "start");
    cluster_heal(c);
    return c;
}

static redisReply *node_settings(int port)
{
    redisContext *r = client_try(port);
    redisReply *reply = r ? redisCommand(r, "CONFIG GET *") : NULL;
    if (r)
        redisFree(r);
    return reply;
}

static const char *setting(const redisReply *settings, const char *name)
{
    for (size_t i = 0; i + 1 < settings->elements; i += 2) /* in another order after a restart */
        if (strcmp(settings->element[i]->str, name) == 0)
            return settings->element[i + 1]->str;
    return "";
}

/* The next executable would take what this one has set for the nodes' own. */
static void compare_settings(int port, const redisReply *was, const redisReply *is)
{
    for (size_t i = 0; is && i + 1 < was->elements; i += 2) {
        const char *name = was->element[i]->str, *old = was->element[i + 1]->str;
        const char *new = setting(is, name);
        if (strcmp(name, "replicaof") != 0 && strcmp(name, "slaveof") != 0 && strcmp(old, new) != 0)
            fixture_failed("the node at port %d is left with %s '%s', which was '%s'", port, name,
                           new, old);
    }
}

struct cluster *cluster_start(void)
{
    const char *shared = getenv("SLOTWAY_TEST_CLUSTER");
    if (!shared)
        return cluster_start_own(3, 1);
    struct cluster *c = calloc(1, sizeof *c);
    const char *colon = strrchr(shared, ':');
    ck_assert_msg(colon != NULL, "SLOTWAY_TEST_CLUSTER must be DIR:PORT");
    snprintf(c->dir, sizeof c->dir, "%.*s", (int)(colon - shared), shared);
    c->port = atoi(colon + 1);
    c->masters = 3;
    c->replicas = 1;
    c->shared = true;
    cluster_empty(c);
    for (int i = 0; i < c->masters * (1 + c->replicas); i++)
        c->settings[i] = node_settings(c->port + i);
    return c;
}

void cluster_stop(struct cluster *c)
{
    if (!c)
        return;
    if (c->shared)
        cluster_empty(c);
    else
        must(c, "clean");
    for (int i = 0; i < CLUSTER_MAX_NODES; i++) {
        if (!c->settings[i])
            continue;
        redisReply *is = node_settings(c->port + i);
        compare_settings(c->port + i, c->settings[i], is);
        freeReplyObject(c->settings[i]);
        freeReplyObject(is);
    }
    free(c);
}

/* Parse one line of CLUSTER NODES. */
static void take_node(struct cluster *c, char *line)
{
    char id[41], address[300], flags[200], master[41], link[20];
    int used = 0;
    if (sscanf(line, "%40s %299s %199s %40s %*s %*s %*s %19s%n", id, address, flags, master, link,
               &used) < 5 ||
        c->nnodes == CLUSTER_MAX_NODES)
        return;
    if (strstr(flags, "noaddr") || strstr(flags, "handshake"))
        return;
    struct cluster_node *n = &c->nodes[c->nnodes++];
    memset(n, 0, sizeof *n);
    snprintf(n->id, sizeof n->id, "%s", id);
    snprintf(n->master_id, sizeof n->master_id, "%s", master);
    address[strcspn(address, "@")] = 0;
    n->port = atoi(strrchr(address, ':') + 1);
    n->master = strstr(flags, "master") != NULL;
    n->failed = strstr(flags, "fail") != NULL;
    for (char *save, *w = strtok_r(line + used, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        int first, last;
        if (*w == '[')
            continue;
        int got = sscanf(w, "%d-%d", &first, &last);
        if (got < 2)
            last = first;
        for (int s = first; got > 0 && s <= last; s++, n->slots++)
            c->owner[s] = n->port;
    }
}

static bool refresh_from(struct cluster *c, int port)
{
    struct timeval limit = {.tv_sec = 0, .tv_usec = 500000};
    redisContext *r = redisConnectWithTimeout("127.0.0.1", port, limit);
    if (r && !r->err)
        redisSetTimeout(r, limit);
    redisReply *reply = r && !r->err ? redisCommand(r, "CLUSTER NODES") : NULL;
    bool ok = reply && reply->type == REDIS_REPLY_STRING;
    if (ok) {
        c->nnodes = 0;
        memset(c->owner, 0, sizeof c->owner);
        char *save;
        for (char *l = strtok_r(reply->str, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
            take_node(c, l);
    }
    if (reply)
        freeReplyObject(reply);
    if (r)
        redisFree(r);
    return ok;
}

bool cluster_refresh(struct cluster *c)
{
    int ports[CLUSTER_MAX_NODES], n = c->nnodes;
    for (int i = 0; i < n; i++)
        ports[i] = c->nodes[i].port;
    for (int i = 0; i < n; i++)
        if (refresh_from(c, ports[i]))
            return true;
    for (int i = 0; i < c->masters * (1 + c->replicas); i++)
        if (refresh_from(c, c->port + i))
            return true;
    return false;
}

static bool in_step(int port, bool master)
{
    const char *info = ask_port(port, "INFO replication");
    return master ? strstr(info, "role:master") != NULL
                  : strstr(info, "role:slave") && strstr(info, "master_link_status:up") &&
                        strstr(info, "master_sync_in_progress:0");
}

static bool whole(void *arg)
{
    struct cluster *c = arg;
    static struct cluster other;
    if (!cluster_refresh(c) || c->nnodes < c->masters * (1 + c->replicas))
        return false;
    for (int i = 0; i < c->nnodes; i++) {
        struct cluster_node *n = &c->nodes[i];
        if (n->failed || !strstr(ask_port(n->port, "CLUSTER INFO"), "cluster_state:ok"))
            return false;
        if (!in_step(n->port, n->master))
            return false;
        if (!refresh_from(&other, n->port) || other.nnodes != c->nnodes ||
            memcmp(other.owner, c->owner, sizeof c->owner) != 0)
            return false;
        for (int k = 0; k < other.nnodes; k++)
            if (other.nodes[k].failed)
                return false;
    }
    for (int s = 0; s < CLUSTER_SLOTS; s++)
        if (c->owner[s] == 0)
            return false;
    return true;
}

bool cluster_wait_whole(struct cluster *c, int timeout_ms)
{
    return wait_until(whole, c, timeout_ms);
}

/* A replica that has just been filled gets no commands before its first acknowledgement, up to a
 * second later: a master that dies in between takes everything with it. So see a write through. */
static bool replicates(struct cluster *c, int port)
{
    redisContext *r = client_try(port);
    if (!r)
        return false;
    const char *key = cluster_key(c, port, "in-step:", 0);
    ask(r, "SET %s x", key);
    bool ok = strcmp(ask(r, "WAIT 1 3000"), ":1") == 0;
    ask(r, "DEL %s", key);
    redisFree(r);
    return ok;
}

static bool all_replicate(void *arg)
{
    struct cluster *c = arg;
    for (int i = 0; i < c->nnodes; i++)
        if (c->nodes[i].master && cluster_replica_of(c, c->nodes[i].port) &&
            !replicates(c, c->nodes[i].port))
            return false;
    return true;
}

/* Whoever froze a node may be a test that has ended; the nodes' pid files say whom to wake. */
static void thaw_all(struct cluster *c)
{
    for (int i = 0; i < 100; i++) {
        char path[PATH_MAX + 32];
        int pid = 0;
        snprintf(path, sizeof path, "%s/node-%d/redis.pid", c->dir, i);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        if (fscanf(f, "%d", &pid) == 1 && pid > 1)
            kill(pid, SIGCONT);
        fclose(f);
    }
}

void cluster_heal(struct cluster *c)
{
    thaw_all(c);
    if (!cluster_wait_whole(c, 300))
        cluster_revive(c);
    bool ok = cluster_wait_whole(c, 30000) && wait_until(all_replicate, c, 10000);
    if (!ok) {
        run("for i in $(seq 0 7); do redis-cli -p $((%d + i)) cluster nodes 2>&1; done", c->port);
        run("tail -n 20 '%s'/node-*/redis.log", c->dir);
    }
    ck_assert_msg(ok, "the cluster did not become whole");
}

void cluster_empty(struct cluster *c)
{
    cluster_heal(c);
    for (int i = 0; i < c->nnodes; i++)
        if (c->nodes[i].master)
            ask_port(c->nodes[i].port, "FLUSHALL");
}

int cluster_owner_of(struct cluster *c, const char *key)
{
    return c->owner[cluster_slot(key, strlen(key))];
}

const char *cluster_key(struct cluster *c, int port, const char *prefix, int n)
{
    static char ring[16][128];
    static unsigned next;
    char *key = ring[next++ % 16];
    for (int i = 0;; i++) {
        snprintf(key, sizeof ring[0], "%s%d", prefix, i);
        if (cluster_owner_of(c, key) == port && n-- == 0)
            return key;
        ck_assert_msg(i < 1000000, "no key for port %d", port);
    }
}

int cluster_master(struct cluster *c, int i)
{
    int seen = 0, ports[CLUSTER_MAX_NODES] = {0};
    for (int s = 0; s < CLUSTER_SLOTS; s++) {
        bool known = c->owner[s] == 0;
        for (int k = 0; k < seen && !known; k++)
            known = ports[k] == c->owner[s];
        if (known)
            continue;
        if (seen == i)
            return c->owner[s];
        ports[seen++] = c->owner[s];
    }
    return 0;
}

void cluster_groups(struct cluster *c, uint8_t group_of_slot[CLUSTER_SLOTS])
{
    for (int i = 0; i < CLUSTER_MAX_NODES; i++) {
        int port = cluster_master(c, i);
        for (int s = 0; port && s < CLUSTER_SLOTS; s++)
            if (c->owner[s] == port)
                group_of_slot[s] = (uint8_t)i;
    }
}

struct cluster_node *cluster_node_at(struct cluster *c, int port)
{
    for (int i = 0; i < c->nnodes; i++)
        if (c->nodes[i].port == port)
            return &c->nodes[i];
    return NULL;
}

int cluster_replica_of(struct cluster *c, int master_port)
{
    struct cluster_node *m = cluster_node_at(c, master_port);
    for (int i = 0; m && i < c->nnodes; i++)
        if (!c->nodes[i].master && strcmp(c->nodes[i].master_id, m->id) == 0)
            return c->nodes[i].port;
    return 0;
}

pid_t cluster_pid(int port)
{
    const char *at = strstr(ask_port(port, "INFO server"), "process_id:");
    return at ? atoi(at + strlen("process_id:")) : 0;
}

struct role_wait {
    struct cluster *c;
    int port;
};

/* All nodes agree that port is a master with slots. */
static bool took_over(void *arg)
{
    struct role_wait *w = arg;
    static struct cluster seen;
    if (!cluster_refresh(w->c))
        return false;
    for (int i = 0; i < w->c->nnodes; i++) {
        if (!refresh_from(&seen, w->c->nodes[i].port))
            return false;
        struct cluster_node *n = cluster_node_at(&seen, w->port);
        if (!n || !n->master || n->slots == 0)
            return false;
    }
    return true;
}

bool cluster_failover(struct cluster *c, int replica_port)
{
    if (strcmp(ask_port(replica_port, "CLUSTER FAILOVER"), "OK") != 0)
        return false;
    struct role_wait w = {c, replica_port};
    return wait_until(took_over, &w, 10000);
}

/* Its parent has looked: not before that all of its threads are known to have closed its sockets.
 */
static bool gone(void *arg)
{
    pid_t pid = *(pid_t *)arg;
    return kill(pid, 0) != 0 && errno == ESRCH;
}

void cluster_kill(struct cluster *c, int port)
{
    (void)c;
    pid_t pid = cluster_pid(port);
    ck_assert_int_gt(pid, 0);
    kill(pid, SIGKILL);
    ck_assert(wait_until(gone, &pid, 5000));
}

void cluster_freeze(struct cluster *c, int port)
{
    (void)c;
    pid_t pid = cluster_pid(port);
    ck_assert_int_gt(pid, 0);
    /* Should the test die now, somebody must wake it up: a stopped process ignores SIGTERM. */
    at_end("kill -CONT %d 2>/dev/null || true", (int)pid);
    kill(pid, SIGSTOP);
}

void cluster_thaw(struct cluster *c)
{
    thaw_all(c);
}

void cluster_revive(struct cluster *c)
{
    must(c, "start");
}

int cluster_add_node(struct cluster *c)
{
    int before[CLUSTER_MAX_NODES], n = c->nnodes;
    for (int i = 0; i < n; i++)
        before[i] = c->nodes[i].port;
    must(c, "add-node");
    ck_assert(cluster_refresh(c));
    for (int i = 0; i < c->nnodes; i++) {
        bool known = false;
        for (int k = 0; k < n; k++)
            known |= before[k] == c->nodes[i].port;
        if (!known)
            return c->nodes[i].port;
    }
    ck_abort_msg("add-node added nothing");
    return 0;
}

/* The index by which local-cluster knows the node at port; it keeps DIR/node-N/port. */
static int number_of(struct cluster *c, int port)
{
    for (int i = 0; i < 100; i++) {
        char path[PATH_MAX + 32];
        int found = 0;
        snprintf(path, sizeof path, "%s/node-%d/port", c->dir, i);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        bool hit = fscanf(f, "%d", &found) == 1 && found == port;
        fclose(f);
        if (hit)
            return i;
    }
    ck_abort_msg("no node has port %d", port);
    return -1;
}

bool cluster_restart(struct cluster *c, int port, int new_port)
{
    char what[64];
    snprintf(what, sizeof what, "restart %d %d", number_of(c, port), new_port);
    return script(c, what) == 0;
}

bool cluster_remove_node(struct cluster *c, int port)
{
    char what[64];
    snprintf(what, sizeof what, "remove-node %d", number_of(c, port));
    return script(c, what) == 0;
}

bool cluster_reshard(struct cluster *c, int slots, int from_port, int to_port)
{
    char what[64];
    snprintf(what, sizeof what, "reshard %d %d %d", slots, number_of(c, from_port),
             number_of(c, to_port));
    return script(c, what) == 0;
}

bool cluster_rolling_restart(struct cluster *c)
{
    return script(c, "rolling-restart") == 0;
}
