/* Load generator of the bench: one thread drives a proxy, or a cluster directly, and checks
 * replies. Prints one line of key=value: counts, times, latencies and the CPU time that watched
 * processes used. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * Each client sends a batch of requests and waits for all of its replies, as redis-benchmark does:
 *
 *   client --batch--> conn[0] (the proxy)              one connection per client
 *          \-batch--> conn[0..n) (the cluster's nodes)  with --direct: one per node, by owner of
 * key
 *
 * Keys are PREFIX and 12 digits, values begin with the same digits, so each value tells whether it
 * is the answer to the request it came for.
 */

enum { DIGITS = 12, MAX_NODES = 64, MAX_WATCH = 16, MAX_PIDS = 64, CARRY = 512, SLOTS = 16384 };
enum { READ_SIZE = 256 * 1024, EVENTS = 512 };
enum { HIST_SUB = 64, HIST_SIZE = 64 * HIST_SUB };

#define NS_PER_S 1000000000ull

/* MULTI, two SET and two GET of one key, EXEC: counted as one request. */
enum { TRANSACTION_KEYS = 4, TRANSACTION_STORES = 2, TRANSACTION_PARTS = TRANSACTION_KEYS + 2 };

/* One kind of request. Requests are made by copying `text` and writing digits at `digit`. */
struct shape {
    const char *name;
    bool values; /* the reply carries values that begin with the key's digits */
    bool multi;  /* takes --keys keys */
    bool churn;  /* a new connection for each batch */
    int parts;   /* replies to one request; 0: 1 */
};

static const struct shape shapes[] = {
    {"get", true, false, false, 0},   {"set", false, false, false, 0},
    {"mget", true, true, false, 0},   {"mset", false, true, false, 0},
    {"ping", false, false, false, 0}, {"churn", true, false, true, 0},
    {"idle", true, false, false, 0},  {"transaction", true, false, false, TRANSACTION_PARTS},
};

struct options {
    const char *host;
    int port;
    int clients;
    int pipeline;
    int keys;
    uint32_t keyspace;
    size_t size;
    const char *prefix;
    uint64_t requests;
    double seconds;
    double warmup;
    bool direct;
    bool sequential;
    const struct shape *shape;
};

enum part { PART_TYPE, PART_BODY, PART_CRLF };

struct conn {
    int fd;
    struct client *client;
    char *out;
    size_t out_len, out_sent;
    int awaited;      /* replies of this batch still to come */
    int done;         /* replies of this batch that came */
    int element;      /* values of the current reply that came */
    int parts;        /* replies to the current request that came */
    uint64_t pending; /* elements missing in the current reply; 0 between replies */
    enum part part;
    uint64_t skip; /* bytes of a value still to pass over */
    bool polls_write;
    size_t carried;
    char carry[CARRY];
};

struct client {
    struct conn *conns;
    int awaited;
    uint64_t started;
};

struct watch {
    const char *name;
    int pids[MAX_PIDS];
    int count;
    uint64_t at_start;
};

static struct options opt = {.host = "127.0.0.1",
                             .port = 5000,
                             .clients = 50,
                             .pipeline = 1,
                             .keys = 10,
                             .keyspace = 1000000,
                             .size = 64,
                             .prefix = "key:",
                             .shape = &shapes[0]};
static struct sockaddr_storage node_addr[MAX_NODES];
static socklen_t node_addr_len[MAX_NODES];
static int nodes;
static uint8_t slot_node[SLOTS];
static uint8_t *key_node; /* owner of each key, with --direct */
static char *text;
static size_t text_len;
static size_t *digit; /* offsets of the digits that name keys; `digits` of them */
static size_t *stamp; /* offsets of the digits at the start of values; as many, or none */
static int digits, stamps;
static char thousands[1000][3];
static struct watch watches[MAX_WATCH];
static int watch_count;
static int epoll_fd;
static char *read_buf;
static uint64_t rng = 88172645463325252ull, next_key;
static uint64_t sent_requests, replies, errors, nils, mismatches, connects;
static uint64_t histogram[HIST_SIZE], turn_now;
static bool measuring, stopping;
static char first_error[128];

/* The system refused something that a bench cannot do without. */
static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* The other side said something that no correct one says. */
static void broken(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(2);
}

static void *must_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p)
        fail("memory");
    return p;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- latencies: 64 buckets per power of two, so within 1.6 % ---- */

static int hist_index(uint64_t ns)
{
    if (ns < HIST_SUB)
        return (int)ns;
    int top = 63 - __builtin_clzll(ns);
    return (top - 5) * HIST_SUB + (int)((ns >> (top - 6)) & (HIST_SUB - 1));
}

static double hist_us(int index)
{
    if (index < HIST_SUB)
        return index / 1e3;
    int top = index / HIST_SUB + 5;
    uint64_t low = (uint64_t)(HIST_SUB + index % HIST_SUB) << (top - 6);
    return (double)(low + (1ull << (top - 6)) / 2) / 1e3;
}

static double hist_quantile(double q)
{
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < HIST_SIZE; i++)
        total += histogram[i];
    for (int i = 0; i < HIST_SIZE; i++) {
        seen += histogram[i];
        if (total && (double)seen >= q * (double)total)
            return hist_us(i);
    }
    return 0;
}

/* ---- CPU time of watched processes ---- */

static uint64_t thread_cpu_ns(int pid, const char *tid)
{
    char path[128];
    unsigned long long ns = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", pid, tid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%llu", &ns) != 1)
        ns = 0;
    fclose(f);
    return ns;
}

/* The scheduler's own count of run time, user and system, to the nanosecond. */
static uint64_t process_cpu_ns(int pid)
{
    char path[64];
    uint64_t sum = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *d = opendir(path);
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            sum += thread_cpu_ns(pid, e->d_name);
    closedir(d);
    return sum;
}

static uint64_t watch_ns(const struct watch *w)
{
    uint64_t sum = 0;
    for (int i = 0; i < w->count; i++)
        sum += process_cpu_ns(w->pids[i]);
    return sum;
}

static void watch_add(char *arg)
{
    char *list = strchr(arg, '=');
    if (!list || watch_count == MAX_WATCH)
        broken("--cpu NAME=PID,PID…");
    *list++ = '\0';
    struct watch *w = &watches[watch_count++];
    w->name = arg;
    for (char *p = strtok(list, ","); p && w->count < MAX_PIDS; p = strtok(NULL, ","))
        w->pids[w->count++] = atoi(p);
}

/* ---- keys and requests ---- */

static uint64_t random_next(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng;
}

static uint32_t key_next(void)
{
    if (opt.sequential)
        return (uint32_t)(next_key++ % opt.keyspace);
    return (uint32_t)(((random_next() >> 32) * opt.keyspace) >> 32);
}

/* Writes the last nine of the twelve digits; the first three are always 0. */
static void put_digits(char *at, uint32_t key)
{
    memcpy(at + 3, thousands[key / 1000000], 3);
    memcpy(at + 6, thousands[key / 1000 % 1000], 3);
    memcpy(at + 9, thousands[key % 1000], 3);
}

/* Appends a bulk string; with `at` it ends in digits, and *at is where they are. */
static void text_bulk(const char *data, size_t *at)
{
    size_t len = strlen(data);
    text_len += (size_t)sprintf(text + text_len, "$%zu\r\n%s", len + (at ? DIGITS : 0), data);
    if (at) {
        *at = text_len;
        memset(text + text_len, '0', DIGITS);
        text_len += DIGITS;
    }
    memcpy(text + text_len, "\r\n", 2);
    text_len += 2;
}

static void text_value(size_t *at)
{
    size_t start = text_len + (size_t)sprintf(text + text_len, "$%zu\r\n", opt.size);
    *at = start;
    memset(text + start, '0', DIGITS);
    memset(text + start + DIGITS, 'x', opt.size - DIGITS);
    memcpy(text + start + opt.size, "\r\n", 2);
    text_len = start + opt.size + 2;
}

/* Appends the commands of a transaction. */
static void text_transaction(void)
{
    text_len = (size_t)sprintf(text, "*1\r\n$5\r\nMULTI\r\n");
    for (int i = 0; i < TRANSACTION_KEYS; i++) {
        bool stores = i < TRANSACTION_STORES;
        text_len += (size_t)sprintf(text + text_len, stores ? "*3\r\n" : "*2\r\n");
        text_bulk(stores ? "set" : "get", NULL);
        text_bulk(opt.prefix, &digit[i]);
        if (stores)
            text_value(&stamp[i]);
    }
    text_len += (size_t)sprintf(text + text_len, "*1\r\n$4\r\nEXEC\r\n");
}

/* Makes the request that all others are copies of, and notes where its digits are. */
static void text_build(void)
{
    const char *name = opt.shape->name;
    bool ping = !strcmp(name, "ping"), stores = strstr(name, "set") != NULL;
    if (!strcmp(name, "churn") || !strcmp(name, "idle"))
        name = "get";
    bool transaction = opt.shape->parts > 0;
    digits = ping ? 0 : opt.shape->multi ? opt.keys : transaction ? TRANSACTION_KEYS : 1;
    stamps = stores ? digits : transaction ? TRANSACTION_STORES : 0;
    if (opt.size < DIGITS)
        broken("values must have 12 bytes at least");
    text = must_alloc((size_t)(digits + 1), opt.size + strlen(opt.prefix) + 128);
    digit = must_alloc((size_t)digits, sizeof(*digit));
    stamp = must_alloc((size_t)digits, sizeof(*stamp));
    if (transaction) {
        text_transaction();
        return;
    }
    text_len = (size_t)sprintf(text, "*%d\r\n", 1 + digits + stamps);
    text_bulk(name, NULL);
    for (int i = 0; i < digits; i++) {
        text_bulk(opt.prefix, &digit[i]);
        if (stores)
            text_value(&stamp[i]);
    }
}

/* Appends one request to c's output. The first key decides the node with --direct. */
static void request_put(struct conn *c, uint32_t first)
{
    char *at = c->out + c->out_len;
    memcpy(at, text, text_len);
    for (int i = 0; i < digits; i++) {
        uint32_t key = i && !opt.shape->parts ? key_next() : first;
        put_digits(at + digit[i], key);
        if (i < stamps)
            put_digits(at + stamp[i], key);
    }
    c->out_len += text_len;
    c->awaited++;
}

/* ---- connections ---- */

static int conns_per_client(void)
{
    return opt.direct ? nodes : 1;
}

/* Ports of closed connections stay taken for a while; with churn each loopback address gives more.
 */
static void churn_bind(int fd)
{
    struct sockaddr_in *to = (struct sockaddr_in *)&node_addr[0];
    if (!opt.shape->churn || to->sin_family != AF_INET || ntohl(to->sin_addr.s_addr) >> 24 != 127)
        return;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + connects % 200)};
    int one = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&from, sizeof(from)))
        fail("bind");
}

static void conn_open(struct conn *c, int node)
{
    int one = 1;
    c->fd = socket(node_addr[node].ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        fail("socket");
    churn_bind(c->fd);
    if (connect(c->fd, (struct sockaddr *)&node_addr[node], node_addr_len[node]))
        fail("connect");
    connects++;
    if (node_addr[node].ss_family != AF_UNIX)
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev))
        fail("epoll_ctl");
}

static void conn_reopen(struct conn *c)
{
    close(c->fd);
    c->polls_write = false;
    conn_open(c, 0);
}

static void conn_poll_write(struct conn *c, bool want)
{
    if (c->polls_write == want)
        return;
    struct epoll_event ev = {.events = EPOLLIN | (want ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev);
    c->polls_write = want;
}

static void conn_flush(struct conn *c)
{
    while (c->out_sent < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            fail("send");
        c->out_sent += (size_t)n;
    }
    conn_poll_write(c, c->out_sent < c->out_len);
}

static void client_start(struct client *cl)
{
    int n = conns_per_client();
    uint64_t batch = (uint64_t)opt.pipeline;
    if (opt.requests && opt.requests - sent_requests < batch)
        batch = opt.requests - sent_requests;
    if (!batch || stopping)
        return;
    if (opt.shape->churn && cl->started)
        conn_reopen(&cl->conns[0]);
    for (int i = 0; i < n; i++) {
        struct conn *c = &cl->conns[i];
        c->out_len = c->out_sent = 0;
        c->done = c->awaited = 0;
    }
    for (uint64_t i = 0; i < batch; i++) {
        uint32_t key = key_next();
        request_put(&cl->conns[opt.direct ? key_node[key] : 0], key);
    }
    sent_requests += batch;
    cl->awaited = (int)batch;
    cl->started = now_ns();
    for (int i = 0; i < n; i++)
        conn_flush(&cl->conns[i]);
}

/* ---- replies ---- */

static void reply_done(struct conn *c)
{
    struct client *cl = c->client;
    if (c->done >= c->awaited)
        broken("a reply that nobody asked for");
    if (++c->parts < opt.shape->parts)
        return;
    c->parts = 0;
    c->done++;
    c->element = 0;
    replies++;
    if (measuring)
        histogram[hist_index(turn_now - cl->started)]++;
    if (--cl->awaited == 0)
        client_start(cl);
}

static void element_done(struct conn *c)
{
    if (--c->pending == 0)
        reply_done(c);
}

static void note_error(const char *line, size_t len)
{
    errors++;
    if (!first_error[0])
        snprintf(first_error, sizeof(first_error), "%.*s", (int)len, line);
}

/* Does this value begin with the digits of the key that it should answer? */
static void check_value(struct conn *c, const char *value, uint64_t len)
{
    if (c->done >= c->awaited || c->element >= digits)
        broken("more values than keys");
    const char *key = c->out + (size_t)c->done * text_len + digit[c->element];
    if (len != opt.size || memcmp(value, key, DIGITS))
        mismatches++;
    c->element++;
}

static long long header_number(const char *p, const char *end)
{
    bool negative = p < end && *p == '-';
    long long n = 0;
    p += negative;
    if (p == end)
        broken("malformed length");
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            broken("malformed length");
        n = n * 10 + (*p - '0');
    }
    return negative ? -n : n;
}

/* Takes a bulk header of `head` bytes and what is at hand of its value. 0 if more is needed. */
static size_t take_bulk(struct conn *c, const char *p, size_t head, size_t avail)
{
    long long len = header_number(p + 1, p + head - 2);
    if (len == -1) {
        nils++;
        c->element++;
        element_done(c);
        return head;
    }
    if (len < 0)
        broken("malformed length");
    if (opt.shape->values && len >= DIGITS) {
        if (avail < head + DIGITS)
            return 0;
        check_value(c, p + head, (uint64_t)len);
    }
    c->skip = (uint64_t)len;
    c->part = PART_BODY;
    return head;
}

/* Takes one header line, or 0 if it is not complete. */
static size_t take_header(struct conn *c, const char *p, size_t avail)
{
    const char *lf = memchr(p, '\n', avail);
    if (!lf) {
        if (avail >= CARRY - DIGITS)
            broken("line too long");
        return 0;
    }
    size_t head = (size_t)(lf - p) + 1;
    if (head < 3 || lf[-1] != '\r')
        broken("malformed line");
    if (c->pending == 0)
        c->pending = 1;
    if (*p == '$')
        return take_bulk(c, p, head, avail);
    if (*p == '*') {
        long long n = header_number(p + 1, lf - 1);
        c->pending += n > 0 ? (uint64_t)n : 0;
    } else if (*p == '-') {
        note_error(p, head - 2);
    } else if (*p != '+' && *p != ':') {
        broken("unknown reply type");
    }
    element_done(c);
    return head;
}

/* Takes one step through the bytes at p. Returns how many it used; 0: needs more. */
static size_t take(struct conn *c, const char *p, size_t avail)
{
    if (c->part == PART_TYPE)
        return take_header(c, p, avail);
    if (c->part == PART_BODY && c->skip) {
        size_t n = c->skip < avail ? (size_t)c->skip : avail;
        c->skip -= n;
        if (c->skip == 0)
            c->part = PART_CRLF;
        return n;
    }
    if (avail < 2)
        return 0;
    if (p[0] != '\r' || p[1] != '\n')
        broken("value without its line end");
    c->part = PART_TYPE;
    element_done(c);
    return 2;
}

static void conn_read(struct conn *c)
{
    memcpy(read_buf, c->carry, c->carried);
    ssize_t n = recv(c->fd, read_buf + c->carried, READ_SIZE, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        n ? fail("recv") : broken("connection closed by the server");
    size_t avail = c->carried + (size_t)n, at = 0, used;
    c->carried = 0; /* a reply may start the next batch on this connection */
    while (at < avail && (used = take(c, read_buf + at, avail - at)) > 0)
        at += used;
    if (avail - at > CARRY)
        broken("line too long");
    c->carried = avail - at;
    memcpy(c->carry, read_buf + at, c->carried);
}

/* ---- the cluster, with --direct ---- */

static uint16_t crc16(const char *p, size_t len)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint16_t)((uint8_t)p[i] << 8);
        for (int b = 0; b < 8; b++)
            crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

static void address_set(int node, const char *host, int port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    if (getaddrinfo(host, service, &hints, &found))
        fail("cannot resolve the address");
    memcpy(&node_addr[node], found->ai_addr, found->ai_addrlen);
    node_addr_len[node] = found->ai_addrlen;
    freeaddrinfo(found);
}

static void cluster_learn(void)
{
    redisContext *redis = redisConnect(opt.host, opt.port);
    redisReply *r = redis && !redis->err ? redisCommand(redis, "CLUSTER SLOTS") : NULL;
    if (!r || r->type != REDIS_REPLY_ARRAY || !r->elements)
        broken("CLUSTER SLOTS gave no slots");
    int ports[MAX_NODES];
    for (size_t i = 0; i < r->elements; i++) {
        redisReply *range = r->element[i], *master = range->element[2];
        int port = (int)master->element[1]->integer, node = 0;
        while (node < nodes && ports[node] != port)
            node++;
        if (node == nodes) {
            if (nodes == MAX_NODES)
                broken("too many nodes");
            ports[nodes] = port;
            address_set(nodes++, master->element[0]->str, port);
        }
        for (long long s = range->element[0]->integer; s <= range->element[1]->integer; s++)
            slot_node[s & (SLOTS - 1)] = (uint8_t)node;
    }
    freeReplyObject(r);
    redisFree(redis);
}

static void keys_assign(void)
{
    char key[256];
    size_t len = strlen(opt.prefix);
    key_node = must_alloc(opt.keyspace, 1);
    snprintf(key, sizeof(key) - DIGITS, "%s", opt.prefix);
    memset(key + len, '0', DIGITS);
    for (uint32_t i = 0; i < opt.keyspace; i++) {
        put_digits(key + len, i);
        key_node[i] = slot_node[crc16(key, len + DIGITS) & (SLOTS - 1)];
    }
}

/* ---- the run ---- */

static struct client *clients_open(void)
{
    int n = conns_per_client();
    struct client *all = must_alloc((size_t)opt.clients, sizeof(*all));
    for (int i = 0; i < opt.clients; i++) {
        all[i].conns = must_alloc((size_t)n, sizeof(struct conn));
        for (int k = 0; k < n; k++) {
            all[i].conns[k].client = &all[i];
            all[i].conns[k].out = malloc((size_t)opt.pipeline * text_len);
            if (!all[i].conns[k].out)
                fail("memory");
            conn_open(&all[i].conns[k], k);
        }
    }
    return all;
}

static void turn(int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        turn_now = now_ns();
        if (events[i].events & EPOLLOUT)
            conn_flush(c);
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            conn_read(c);
    }
    turn_now = now_ns();
}

/* Runs until the time, or with --requests until all are answered. */
static void run_until(uint64_t deadline, uint64_t wanted)
{
    turn_now = now_ns();
    while (turn_now < deadline && (!wanted || replies < wanted))
        turn(100);
}

struct counts {
    uint64_t replies, errors, nils, mismatches, connects, at, self_ns;
};

static struct counts counts_now(void)
{
    struct counts c = {.replies = replies,
                       .errors = errors,
                       .nils = nils,
                       .mismatches = mismatches,
                       .connects = connects};
    c.self_ns = process_cpu_ns(getpid());
    c.at = now_ns();
    return c;
}

static void report(const struct counts *from, const struct counts *to)
{
    double seconds = (double)(to->at - from->at) / (double)NS_PER_S;
    uint64_t done = to->replies - from->replies;
    printf("requests=%llu errors=%llu nils=%llu mismatches=%llu connects=%llu seconds=%.6f "
           "rps=%.1f p50_us=%.2f p99_us=%.2f p999_us=%.2f cpu_self_us=%.1f",
           (unsigned long long)done, (unsigned long long)errors,
           (unsigned long long)(to->nils - from->nils), (unsigned long long)mismatches,
           (unsigned long long)(to->connects - from->connects), seconds, (double)done / seconds,
           hist_quantile(0.5), hist_quantile(0.99), hist_quantile(0.999),
           (double)(to->self_ns - from->self_ns) / 1e3);
    for (int i = 0; i < watch_count; i++)
        printf(" cpu_%s_us=%.1f", watches[i].name,
               (double)(watch_ns(&watches[i]) - watches[i].at_start) / 1e3);
    printf("\n");
    if (first_error[0])
        fprintf(stderr, "load: first error: %s\n", first_error);
}

static void start_all(struct client *all)
{
    for (int i = 0; i < opt.clients; i++)
        if (all[i].awaited == 0)
            client_start(&all[i]);
}

/* Lets what is under way be answered, so that a proxy under test is idle after us. */
static void drain(struct client *all)
{
    uint64_t deadline = now_ns() + 10 * NS_PER_S;
    stopping = true;
    for (int i = 0; i < opt.clients; i++)
        while (all[i].awaited && turn_now < deadline)
            turn(100);
}

static int load_run(void)
{
    struct client *all = clients_open();
    if (!opt.requests) {
        start_all(all);
        run_until(now_ns() + (uint64_t)(opt.warmup * (double)NS_PER_S), 0);
    }
    for (int i = 0; i < watch_count; i++)
        watches[i].at_start = watch_ns(&watches[i]);
    struct counts from = counts_now();
    measuring = true;
    start_all(all);
    double seconds = opt.seconds > 0 ? opt.seconds : 600;
    run_until(now_ns() + (uint64_t)(seconds * (double)NS_PER_S), opt.requests);
    struct counts to = counts_now();
    measuring = false;
    report(&from, &to);
    fflush(stdout);
    drain(all);
    return errors || mismatches || (opt.requests && replies < opt.requests);
}

/* Opens the clients, has one request answered on each, says so and holds them until stdin ends. */
static int idle_run(void)
{
    struct client *all = clients_open();
    measuring = true;
    opt.requests = 0;
    for (int i = 0; i < opt.clients; i++) {
        client_start(&all[i]);
        stopping = true;
        while (all[i].awaited)
            turn(100);
        stopping = false;
    }
    printf("open=%d errors=%llu mismatches=%llu\n", opt.clients, (unsigned long long)errors,
           (unsigned long long)mismatches);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}

/* ---- options ---- */

static const char usage[] =
    "usage: load [options] HOST PORT\n"
    "  -w get|set|mget|mset|ping|churn|idle   what to send (get); churn: connect, GET, close\n"
    "  -c N   clients (50)          -P N   pipeline depth (1)     -k N  keys of mget, mset (10)\n"
    "  -r N   key space (1000000)   -d N   bytes of a value (64)  -K S  prefix of keys (key:)\n"
    "  -t S   seconds               -n N   requests, instead      -W S  seconds of warm-up (0.3)\n"
    "  --direct       talk to the cluster's nodes, each client with a connection to each\n"
    "  --sequential   keys in order, to fill the key space\n"
    "  --cpu NAME=PID,PID   report the CPU time of these processes as cpu_NAME_us\n";

static const struct shape *shape_find(const char *name)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (!strcmp(name, shapes[i].name))
            return &shapes[i];
    fputs(usage, stderr);
    exit(2);
}

static void options_read(int argc, char **argv)
{
    static const struct option longs[] = {{"direct", no_argument, NULL, 'D'},
                                          {"sequential", no_argument, NULL, 'S'},
                                          {"cpu", required_argument, NULL, 'C'},
                                          {NULL, 0, NULL, 0}};
    opt.warmup = 0.3;
    for (int o; (o = getopt_long(argc, argv, "w:c:P:k:r:d:K:t:n:W:", longs, NULL)) != -1;) {
        switch (o) {
        case 'w':
            opt.shape = shape_find(optarg);
            break;
        case 'c':
            opt.clients = atoi(optarg);
            break;
        case 'P':
            opt.pipeline = atoi(optarg);
            break;
        case 'k':
            opt.keys = atoi(optarg);
            break;
        case 'r':
            opt.keyspace = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'd':
            opt.size = strtoul(optarg, NULL, 10);
            break;
        case 'K':
            opt.prefix = optarg;
            break;
        case 't':
            opt.seconds = atof(optarg);
            break;
        case 'n':
            opt.requests = strtoull(optarg, NULL, 10);
            break;
        case 'W':
            opt.warmup = atof(optarg);
            break;
        case 'D':
            opt.direct = true;
            break;
        case 'S':
            opt.sequential = true;
            break;
        case 'C':
            watch_add(optarg);
            break;
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (argc - optind != 2 || opt.clients < 1 || opt.pipeline < 1 || opt.keys < 1 ||
        !opt.keyspace || opt.keyspace > 999999999 || strlen(opt.prefix) > 200 ||
        (opt.direct && (opt.shape->multi || opt.shape->churn))) {
        fputs(usage, stderr);
        exit(2);
    }
    opt.host = argv[optind];
    opt.port = atoi(argv[optind + 1]);
    if (!opt.requests && opt.seconds <= 0)
        opt.seconds = 3;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    options_read(argc, argv);
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    rng ^= now_ns() << 16;
    for (int i = 0; i < 1000; i++) {
        thousands[i][0] = (char)('0' + i / 100);
        thousands[i][1] = (char)('0' + i / 10 % 10);
        thousands[i][2] = (char)('0' + i % 10);
    }
    if (opt.direct) {
        cluster_learn();
        keys_assign();
    } else {
        address_set(nodes++, opt.host, opt.port);
    }
    text_build();
    read_buf = must_alloc(1, READ_SIZE + CARRY);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return !strcmp(opt.shape->name, "idle") ? idle_run() : load_run();
}
