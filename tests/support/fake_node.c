/* fake_node: one thread, poll over its connections, a tiny store, and rules for misbehaviour. */
#include "support/fake_node.h"

#include "support/testing.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNECTIONS 64
#define MAX_RULES       64
#define MAX_KEYS        4096
#define MAX_ARGS        64
#define MAX_LOG         200000

static const char *const node_id = "00112233445566778899aabbccddeeff00112233";

struct connection {
    int fd;
    char *in;
    size_t len, cap;
    bool silent;
};

struct rule {
    char word[64];
    enum fake_act act;
    char *text;
    size_t len;
    int times;
};

struct entry {
    char *key, *value; /* value: string, or list elements joined by newlines */
    int count;         /* list: its length */
    bool list;
};

/* What came in, as text, and whether it was executed. */
struct record {
    char *text;
    bool executed;
};

struct fake_node {
    pthread_t thread;
    pthread_mutex_t lock; /* rules, log, store */
    int listener, port;
    int wake[2];
    int stopping;
    struct connection connections[MAX_CONNECTIONS];
    struct rule rules[MAX_RULES];
    int nrules;
    struct entry entries[MAX_KEYS];
    int nentries;
    struct record *log;
    int nlog;
    int malformed;
};

struct command {
    int argc;
    char *argv[MAX_ARGS];
    size_t len[MAX_ARGS];
};

struct reply {
    char *data;
    size_t len;
    FILE *f;
};

/* ---- the store ---- */

static struct entry *entry_of(struct fake_node *f, const char *key, bool make)
{
    for (int i = 0; i < f->nentries; i++)
        if (strcmp(f->entries[i].key, key) == 0)
            return &f->entries[i];
    if (!make || f->nentries == MAX_KEYS)
        return NULL;
    struct entry *e = &f->entries[f->nentries++];
    *e = (struct entry){.key = strdup(key), .value = strdup("")};
    return e;
}

static void put_string(FILE *out, const char *s)
{
    if (s)
        fprintf(out, "$%zu\r\n%s\r\n", strlen(s), s);
    else
        fputs("$-1\r\n", out);
}

static void set_entry(struct fake_node *f, const char *key, const char *value)
{
    struct entry *e = entry_of(f, key, true);
    free(e->value);
    e->value = strdup(value);
}

static void do_get(struct fake_node *f, struct command *c, FILE *out)
{
    struct entry *e = entry_of(f, c->argv[1], false);
    put_string(out, e ? e->value : NULL);
}

static void do_mget(struct fake_node *f, struct command *c, FILE *out)
{
    fprintf(out, "*%d\r\n", c->argc - 1);
    for (int i = 1; i < c->argc; i++) {
        struct entry *e = entry_of(f, c->argv[i], false);
        put_string(out, e ? e->value : NULL);
    }
}

static void do_set(struct fake_node *f, struct command *c, FILE *out)
{
    for (int i = 1; i + 1 < c->argc; i += 2)
        set_entry(f, c->argv[i], c->argv[i + 1]);
    fputs("+OK\r\n", out);
}

static void do_incr(struct fake_node *f, struct command *c, FILE *out)
{
    struct entry *e = entry_of(f, c->argv[1], true);
    char text[24];
    snprintf(text, sizeof text, "%ld", atol(e->value) + 1);
    set_entry(f, c->argv[1], text);
    fprintf(out, ":%s\r\n", text);
}

static void do_rpush(struct fake_node *f, struct command *c, FILE *out)
{
    struct entry *e = entry_of(f, c->argv[1], true);
    char *joined;
    size_t size;
    FILE *s = open_memstream(&joined, &size);
    fprintf(s, "%s%s%s", e->value, e->count ? "\n" : "", c->argv[2]);
    fclose(s);
    free(e->value);
    e->value = joined;
    fprintf(out, ":%d\r\n", ++e->count);
}

/* ---- being a cluster ---- */

static void do_cluster(struct fake_node *f, struct command *c, FILE *out)
{
    const char *what = c->argc > 1 ? c->argv[1] : "";
    char text[512];
    if (strcasecmp(what, "NODES") == 0) {
        snprintf(text, sizeof text, "%s 127.0.0.1:%d@%d myself,master - 0 0 1 connected 0-16383\n",
                 node_id, f->port, f->port + 10000);
        put_string(out, text);
    } else if (strcasecmp(what, "INFO") == 0) {
        put_string(out,
                   "cluster_enabled:1\r\ncluster_state:ok\r\ncluster_slots_assigned:16384\r\n"
                   "cluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\n"
                   "cluster_known_nodes:1\r\ncluster_size:1\r\ncluster_current_epoch:1\r\n"
                   "cluster_my_epoch:1\r\n");
    } else if (strcasecmp(what, "SLOTS") == 0) {
        fprintf(out,
                "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:%d\r\n$40\r\n%s\r\n*0\r\n",
                f->port, node_id);
    } else if (strcasecmp(what, "MYID") == 0) {
        put_string(out, node_id);
    } else if (strcasecmp(what, "SHARDS") == 0) {
        fprintf(out,
                "*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n*1\r\n*14\r\n"
                "$2\r\nid\r\n$40\r\n%s\r\n$4\r\nport\r\n:%d\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n"
                "$8\r\nendpoint\r\n$9\r\n127.0.0.1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
                "$18\r\nreplication-offset\r\n:1\r\n$6\r\nhealth\r\n$6\r\nonline\r\n",
                node_id, f->port);
    } else {
        fprintf(out, "-ERR unknown subcommand '%s'\r\n", what);
    }
}

static void do_info(struct fake_node *f, FILE *out)
{
    char text[512];
    snprintf(text, sizeof text,
             "# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\nprocess_id:1\r\n"
             "run_id:%s\r\ntcp_port:%d\r\nuptime_in_seconds:1\r\n# Persistence\r\nloading:0\r\n"
             "# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_repl_offset:0\r\n"
             "# Cluster\r\ncluster_enabled:1\r\n",
             node_id, f->port);
    put_string(out, text);
}

/* Execute; false if it is a command of the control plane that isn't worth a record. */
static void execute(struct fake_node *f, struct command *c, FILE *out)
{
    const char *name = c->argv[0];
    if (strcasecmp(name, "GET") == 0 && c->argc == 2)
        do_get(f, c, out);
    else if (strcasecmp(name, "MGET") == 0)
        do_mget(f, c, out);
    else if (strcasecmp(name, "SET") == 0 || strcasecmp(name, "MSET") == 0)
        do_set(f, c, out);
    else if (strcasecmp(name, "INCR") == 0 && c->argc == 2)
        do_incr(f, c, out);
    else if (strcasecmp(name, "RPUSH") == 0 && c->argc == 3)
        do_rpush(f, c, out);
    else if (strcasecmp(name, "CLUSTER") == 0)
        do_cluster(f, c, out);
    else if (strcasecmp(name, "INFO") == 0)
        do_info(f, out);
    else if (strcasecmp(name, "PING") == 0)
        fputs("+PONG\r\n", out);
    else if (strcasecmp(name, "ASKING") == 0 || strcasecmp(name, "READONLY") == 0 ||
             strcasecmp(name, "CLIENT") == 0 || strcasecmp(name, "AUTH") == 0)
        fputs("+OK\r\n", out);
    else
        fprintf(out, "-ERR unknown command '%s', with args beginning with: \r\n", name);
}

/* ---- requests ---- */

/* One multibulk request at the beginning of the input: its length, 0: incomplete, -1: malformed. */
static long parse(struct connection *n, struct command *c)
{
    char *p = n->in, *end = n->in + n->len, *line;
    if (p == end)
        return 0;
    if (*p != '*')
        return -1;
    if (!(line = memchr(p, '\n', n->len)))
        return 0;
    c->argc = atoi(p + 1);
    if (c->argc < 1 || c->argc > MAX_ARGS)
        return -1;
    p = line + 1;
    for (int i = 0; i < c->argc; i++) {
        if (p == end || !(line = memchr(p, '\n', (size_t)(end - p))))
            return 0;
        if (*p != '$')
            return -1;
        long len = atol(p + 1);
        p = line + 1;
        if (end - p < len + 2)
            return 0;
        if (p[len] != '\r' || p[len + 1] != '\n')
            return -1;
        c->argv[i] = p;
        c->len[i] = (size_t)len;
        p += len + 2;
    }
    /* Only now may the ends be overwritten: before, the bytes may have to be looked at again. */
    for (int i = 0; i < c->argc; i++)
        c->argv[i][c->len[i]] = 0;
    return p - n->in;
}

static struct record *record(struct fake_node *f, struct command *c)
{
    char *text = NULL;
    size_t size;
    FILE *s = open_memstream(&text, &size);
    for (int i = 0; i < c->argc; i++)
        fprintf(s, "%s%s", i ? " " : "", c->argv[i]);
    fclose(s);
    if (f->nlog == MAX_LOG) {
        free(text);
        return &f->log[MAX_LOG - 1];
    }
    f->log[f->nlog] = (struct record){.text = text};
    return &f->log[f->nlog++];
}

static struct rule *rule_for(struct fake_node *f, const char *text)
{
    for (int i = 0; i < f->nrules; i++) {
        struct rule *r = &f->rules[i];
        if (r->times != 0 && strstr(text, r->word)) {
            if (r->times > 0)
                r->times--;
            return r;
        }
    }
    return NULL;
}

static void drop(struct connection *n)
{
    close(n->fd);
    free(n->in);
    *n = (struct connection){.fd = -1};
}

static bool send_all(struct connection *n, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(n->fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* The reply and something more in one piece: who reads the one finds the other behind it. */
static bool send_joined(struct connection *n, const struct reply *r, const char *more, size_t len)
{
    char *both = malloc(r->len + len);
    memcpy(both, r->data, r->len);
    memcpy(both + r->len, more, len);
    bool ok = send_all(n, both, r->len + len);
    free(both);
    return ok;
}

/* False: the connection is to be closed. */
static bool answer(struct fake_node *f, struct connection *n, struct command *c)
{
    struct record *rec = record(f, c);
    struct rule *rule = rule_for(f, rec->text);
    enum fake_act act = rule ? rule->act : FAKE_ANSWER;
    struct reply r = {0};
    bool runs = act == FAKE_ANSWER || act == FAKE_TWICE || act == FAKE_UNASKED ||
                act == FAKE_HALF_CLOSE || act == FAKE_EXECUTE_CLOSE;
    r.f = open_memstream(&r.data, &r.len);
    if (runs) {
        execute(f, c, r.f);
        rec->executed = true;
    }
    fclose(r.f);
    bool open = true;
    switch (act) {
    case FAKE_ANSWER:
        open = send_all(n, r.data, r.len);
        break;
    case FAKE_TEXT:
        open = send_all(n, rule->text, rule->len);
        break;
    case FAKE_TEXT_CLOSE:
        send_all(n, rule->text, rule->len);
        open = false;
        break;
    case FAKE_TWICE:
        open = send_joined(n, &r, r.data, r.len);
        break;
    case FAKE_UNASKED:
        open = send_joined(n, &r, "$7\r\nunasked\r\n", 13);
        break;
    case FAKE_HALF_CLOSE:
        send_all(n, r.data, r.len / 2);
        open = false;
        break;
    case FAKE_SILENCE:
        n->silent = true;
        break;
    case FAKE_EXECUTE_CLOSE:
    case FAKE_CLOSE:
        open = false;
    }
    free(r.data);
    return open;
}

static void serve(struct fake_node *f, struct connection *n)
{
    if (n->cap - n->len < 65536)
        n->in = realloc(n->in, n->cap = n->cap * 2 + 131072);
    ssize_t got = recv(n->fd, n->in + n->len, n->cap - n->len, 0);
    if (got <= 0) {
        drop(n);
        return;
    }
    n->len += (size_t)got;
    size_t used = 0;
    struct command c;
    while (!n->silent) {
        struct connection rest = {.in = n->in + used, .len = n->len - used};
        long len = parse(&rest, &c);
        if (len == 0)
            break;
        pthread_mutex_lock(&f->lock);
        f->malformed += len < 0;
        bool open = len > 0 && answer(f, n, &c);
        pthread_mutex_unlock(&f->lock);
        if (!open) {
            drop(n);
            return;
        }
        used += (size_t)len;
    }
    memmove(n->in, n->in + used, n->len - used);
    n->len -= used;
}

static void *node_loop(void *arg)
{
    struct fake_node *f = arg;
    struct pollfd p[MAX_CONNECTIONS + 2];
    while (!__atomic_load_n(&f->stopping, __ATOMIC_ACQUIRE)) {
        for (int i = 0; i < MAX_CONNECTIONS; i++)
            p[i] = (struct pollfd){.fd = f->connections[i].fd, .events = POLLIN};
        p[MAX_CONNECTIONS] = (struct pollfd){.fd = f->listener, .events = POLLIN};
        p[MAX_CONNECTIONS + 1] = (struct pollfd){.fd = f->wake[0], .events = POLLIN};
        poll(p, MAX_CONNECTIONS + 2, -1);
        for (int i = 0; i < MAX_CONNECTIONS; i++)
            if (p[i].fd >= 0 && p[i].revents)
                serve(f, &f->connections[i]);
        int fd = p[MAX_CONNECTIONS].revents ? accept(f->listener, NULL, NULL) : -1;
        for (int i = 0; fd >= 0 && i <= MAX_CONNECTIONS; i++) {
            if (i == MAX_CONNECTIONS) {
                close(fd);
            } else if (f->connections[i].fd < 0) {
                f->connections[i] = (struct connection){.fd = fd};
                break;
            }
        }
    }
    return NULL;
}

/* ---- for tests ---- */

struct fake_node *fake_node_start(void)
{
    struct fake_node *f = calloc(1, sizeof *f);
    f->log = calloc(MAX_LOG, sizeof *f->log);
    pthread_mutex_init(&f->lock, NULL);
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        f->connections[i].fd = -1;
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1, bound = -1;
    setsockopt(f->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in sa = {.sin_family = AF_INET};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 10 && bound != 0; i++) { /* another program may have taken it meanwhile */
        f->port = free_ports(1, false);
        sa.sin_port = htons((uint16_t)f->port);
        bound = bind(f->listener, (struct sockaddr *)&sa, sizeof sa);
    }
    ck_assert_int_eq(bound, 0);
    ck_assert_int_eq(listen(f->listener, 64), 0);
    ck_assert_int_eq(pipe2(f->wake, O_CLOEXEC), 0);
    ck_assert_int_eq(pthread_create(&f->thread, NULL, node_loop, f), 0);
    return f;
}

void fake_node_stop(struct fake_node *f)
{
    __atomic_store_n(&f->stopping, 1, __ATOMIC_RELEASE);
    ck_assert_int_eq(write(f->wake[1], "x", 1), 1);
    pthread_join(f->thread, NULL);
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        if (f->connections[i].fd >= 0)
            drop(&f->connections[i]);
    close(f->listener);
    close(f->wake[0]);
    close(f->wake[1]);
    fake_node_clear_rules(f);
    for (int i = 0; i < f->nlog; i++)
        free(f->log[i].text);
    for (int i = 0; i < f->nentries; i++) {
        free(f->entries[i].key);
        free(f->entries[i].value);
    }
    free(f->log);
    free(f);
}

int fake_node_port(struct fake_node *f)
{
    return f->port;
}

void fake_node_rule(struct fake_node *f, const char *word, enum fake_act act, const char *text,
                    size_t len, int times)
{
    pthread_mutex_lock(&f->lock);
    ck_assert_int_lt(f->nrules, MAX_RULES);
    struct rule *r = &f->rules[f->nrules++];
    snprintf(r->word, sizeof r->word, "%s", word);
    r->act = act;
    r->times = times;
    r->text = NULL;
    r->len = 0;
    if (text && len == 0) {
        char port[8];
        const char *at = strstr(text, "%d");
        snprintf(port, sizeof port, "%d", f->port);
        r->text = malloc(strlen(text) + 8);
        r->len = (size_t)(at ? sprintf(r->text, "%.*s%s%s", (int)(at - text), text, port, at + 2)
                             : sprintf(r->text, "%s", text));
    } else if (text) {
        r->text = malloc(len);
        memcpy(r->text, text, len);
        r->len = len;
    }
    pthread_mutex_unlock(&f->lock);
}

void fake_node_clear_rules(struct fake_node *f)
{
    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < f->nrules; i++)
        free(f->rules[i].text);
    f->nrules = 0;
    pthread_mutex_unlock(&f->lock);
}

static int count(struct fake_node *f, const char *word, bool executed)
{
    int n = 0;
    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < f->nlog; i++)
        n += strstr(f->log[i].text, word) && (!executed || f->log[i].executed);
    pthread_mutex_unlock(&f->lock);
    return n;
}

int fake_node_executed(struct fake_node *f, const char *word)
{
    return count(f, word, true);
}

int fake_node_received(struct fake_node *f, const char *word)
{
    return count(f, word, false);
}

int fake_node_malformed(struct fake_node *f)
{
    pthread_mutex_lock(&f->lock);
    int n = f->malformed;
    pthread_mutex_unlock(&f->lock);
    return n;
}

char *fake_node_order(struct fake_node *f, const char *word)
{
    char *text = NULL;
    size_t size;
    FILE *s = open_memstream(&text, &size);
    pthread_mutex_lock(&f->lock);
    for (int i = 0, n = 0; i < f->nlog; i++)
        if (f->log[i].executed && strstr(f->log[i].text, word)) {
            const char *space = strrchr(f->log[i].text, ' ');
            fprintf(s, "%s%s", n++ ? " " : "", space ? space + 1 : f->log[i].text);
        }
    pthread_mutex_unlock(&f->lock);
    fclose(s);
    return text;
}
