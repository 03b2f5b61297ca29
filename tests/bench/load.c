/* Load generator of the bench: one thread drives a proxy, or a cluster directly, and checks
 * replies. Prints one line of key=value: counts, times, latencies and the CPU time that watched
 * processes used. */
#include "bench/load.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512 };

struct counts counts;
struct sockaddr_storage node_addr[MAX_NODES];
socklen_t node_addr_len[MAX_NODES];
int nodes;
uint64_t turn_now;
bool measuring;
static bool stopping;
static int epoll_fd;
static uint64_t sent_requests;

void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

void broken(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(2);
}

void *must_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p)
        fail("memory");
    return p;
}

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
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
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + counts.connects % 200)};
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
    counts.connects++;
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

void client_start(struct client *cl)
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
    while (turn_now < deadline && (!wanted || counts.replies < wanted))
        turn(100);
}

static struct counts counts_now(void)
{
    struct counts c = counts;
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
           (unsigned long long)done, (unsigned long long)counts.errors,
           (unsigned long long)(to->nils - from->nils), (unsigned long long)counts.mismatches,
           (unsigned long long)(to->connects - from->connects), seconds, (double)done / seconds,
           hist_quantile(0.5), hist_quantile(0.99), hist_quantile(0.999),
           (double)(to->self_ns - from->self_ns) / 1e3);
    watches_print();
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
    watches_begin();
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
    return counts.errors || counts.mismatches || (opt.requests && counts.replies < opt.requests);
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
    printf("open=%d errors=%llu mismatches=%llu\n", opt.clients, (unsigned long long)counts.errors,
           (unsigned long long)counts.mismatches);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    options_read(argc, argv);
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    requests_prepare();
    if (opt.direct)
        cluster_learn();
    else
        address_set(nodes++, opt.host, opt.port);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return !strcmp(opt.shape->name, "idle") ? idle_run() : load_run();
}
