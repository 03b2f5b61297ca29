/* flow: one worker in the test's own thread, between clients and nodes whose every byte the test
 * writes and reads itself. */
#include "support/flow.h"
#include "base/memory.h"
#include "flow/client.h"
#include "flow/route.h"
#include "support/testing.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLOW_PATIENCE_MS 20000
#define FLOW_QUIET_TURNS 6 /* so many turns without anything new: nothing will come by itself */
#define FLOW_SHOWN       100

/* --- life --- */

static int flow_listen(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    return fd;
}

static uint16_t flow_port(int fd)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    return ntohs(addr.sin_port);
}

struct flow *flow_start(const char *config)
{
    struct flow *f = memory_zalloc(sizeof *f);
    struct config_error error;
    signal(SIGPIPE, SIG_IGN);
    if (!config)
        config = "";
    f->config = config_parse(config, strlen(config), "test", &error);
    ck_assert_msg(f->config != NULL, "%s", error.text);
    atomic_init(&f->process.next_client_id, 1);
    f->process.config = f->config;
    f->process.max_sockets = 1000;
    snprintf(f->process.id, sizeof f->process.id, "%040d", 7);
    f->w = f->workers[0] = worker_new(&f->process, 0, f->config, command_builtin());
    f->process.workers = f->workers;
    f->process.nworkers = 1;
    mailbox_init(&f->process.mailbox, f->w->loop, f);
    for (unsigned i = 0; i < FLOW_NODES; i++) {
        struct flow_peer *node = &f->nodes[i];
        node->listener = flow_listen(0);
        node->port = flow_port(node->listener);
        node->flags = i < REPLICA_A ? TOPOLOGY_MASTER : TOPOLOGY_REPLICA;
        for (unsigned k = 0; k < FLOW_LINKS; k++)
            node->links[k].fd = -1;
    }
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        f->owner[slot] = (uint16_t)(slot * 3 / SLOT_COUNT);
    flow_publish(f);
    flow_turn(f);
    return f;
}

struct worker *flow_second(struct flow *f)
{
    struct worker *w = worker_new(&f->process, 1, f->process.config, command_builtin());
    route_set_topology(w, topology_ref(f->w->topology));
    f->workers[f->process.nworkers++] = w;
    return w;
}

static void flow_drop_link(struct flow_link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    free(link->in);
    free(link->command);
    memset(link, 0, sizeof *link);
    link->fd = -1;
}

static void flow_drop_links(struct flow_peer *node)
{
    for (unsigned i = 0; i < FLOW_LINKS; i++)
        flow_drop_link(&node->links[i]);
    node->last = NULL;
}

void flow_stop(struct flow *f)
{
    for (uint32_t i = 0; i < f->process.nworkers; i++) {
        for (struct client *c = f->workers[i]->clients, *next; c; c = next) {
            next = c->next;
            client_close(c);
        }
    }
    flow_turn(f);
    for (unsigned i = 0; i < FLOW_NODES; i++) {
        if (f->nodes[i].listener >= 0)
            close(f->nodes[i].listener);
        flow_drop_links(&f->nodes[i]);
    }
    flow_settle(f);
    mailbox_destroy(&f->process.mailbox);
    while (f->process.nworkers > 0)
        worker_free(f->workers[--f->process.nworkers]);
    config_unref(f->process.config);
    free(f);
}

/* --- turns --- */

void flow_turn(struct flow *f)
{
    for (uint32_t i = 0; i < f->process.nworkers; i++)
        ev_run(f->workers[i]->loop, EVRUN_NOWAIT);
}

static void flow_accept(struct flow_peer *node)
{
    if (node->listener < 0)
        return;
    /* cppcheck-suppress nullPointer */
    int fd = accept4(node->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
    if (fd < 0)
        return;
    /* A second answer must not wait until the first is acknowledged. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (unsigned i = 0; i < FLOW_LINKS; i++) {
        if (node->links[i].fd < 0) {
            node->links[i].fd = fd;
            return;
        }
    }
    ck_abort_msg("more than %d connections to a node", FLOW_LINKS);
}

/* Read what came on a node's connection; true if something did. */
static bool flow_receive(struct flow_link *link)
{
    if (link->fd < 0)
        return false;
    if (link->cap - link->len < 65536)
        link->in = memory_realloc(link->in, link->cap = 2 * link->cap + 131072);
    ssize_t n = read(link->fd, link->in + link->len, link->cap - link->len);
    if (n > 0)
        link->len += (size_t)n;
    else if ((n == 0 || errno == ECONNRESET) && link->len == 0)
        flow_drop_link(link);
    return n > 0;
}

bool flow_step(struct flow *f)
{
    bool moved = false;
    flow_turn(f);
    for (unsigned i = 0; i < FLOW_NODES; i++) {
        flow_accept(&f->nodes[i]);
        for (unsigned k = 0; k < FLOW_LINKS; k++)
            moved = flow_receive(&f->nodes[i].links[k]) || moved;
    }
    return moved;
}

void flow_settle(struct flow *f)
{
    for (int quiet = 0; quiet < FLOW_QUIET_TURNS;)
        quiet = flow_step(f) || f->w->patient ? 0 : quiet + 1;
}

void flow_until(struct flow *f, bool (*condition)(void *arg), void *arg, const char *what)
{
    int64_t end = now_ms() + (int64_t)(FLOW_PATIENCE_MS * test_slack());
    for (unsigned turn = 0; !condition(arg); turn++) {
        ck_assert_msg(now_ms() < end, "waited in vain for %s", what);
        flow_step(f);
        if (turn > FLOW_QUIET_TURNS)
            poll_pause(1);
    }
}

struct flow_time {
    const struct worker *w;
    uint64_t until; /* µs */
};

static bool flow_is_later(void *arg)
{
    const struct flow_time *time = arg;
    return time->w->now >= time->until;
}

void flow_pass(struct flow *f, unsigned ms)
{
    struct flow_time time = {f->w, f->w->now + 1000ull * ms};
    flow_until(f, flow_is_later, &time, "time to pass");
}

/* --- topology --- */

static void flow_fill_node(struct flow *f, struct topology *t, uint16_t at, unsigned i)
{
    struct topology_node *node = &t->nodes[at];
    struct sockaddr_in *addr = (struct sockaddr_in *)&node->addr;
    snprintf(node->id, sizeof node->id, "%040u", i + 1);
    snprintf(node->host, sizeof node->host, "127.0.0.1");
    snprintf(node->announced, sizeof node->announced, "127.0.0.1");
    node->port = node->announced_port = f->nodes[i].port;
    node->index = (uint16_t)i;
    node->flags = f->nodes[i].flags;
    node->master = TOPOLOGY_NO_NODE;
    addr->sin_family = AF_INET;
    addr->sin_port = htons(f->nodes[i].port);
    addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    node->addrlen = sizeof *addr;
}

void flow_publish(struct flow *f)
{
    uint16_t position[FLOW_NODES], n = 0;
    for (unsigned i = 0; i < FLOW_NODES; i++)
        position[i] = f->nodes[i].hidden ? TOPOLOGY_NO_NODE : n++;
    struct topology *t = topology_new(n);
    t->version = ++f->version;
    for (unsigned i = 0; i < FLOW_NODES; i++)
        if (position[i] != TOPOLOGY_NO_NODE)
            flow_fill_node(f, t, position[i], i);
    for (unsigned i = REPLICA_A; i < FLOW_NODES; i++)
        if (position[i] != TOPOLOGY_NO_NODE && (f->nodes[i].flags & TOPOLOGY_REPLICA))
            t->nodes[position[i]].master = position[i - REPLICA_A];
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t owner = f->owner[slot];
        t->owner[slot] = owner < FLOW_NODES ? position[owner] : TOPOLOGY_NO_NODE;
        if (t->owner[slot] == TOPOLOGY_NO_NODE)
            continue;
        t->nodes[t->owner[slot]].slots++;
        t->covered += !(t->nodes[t->owner[slot]].flags & TOPOLOGY_FAIL);
    }
    for (uint32_t i = 1; i < f->process.nworkers; i++)
        route_set_topology(f->workers[i], topology_ref(t));
    route_set_topology(f->w, t);
}

/* --- clients --- */

int flow_client_of(struct flow *f, struct worker *w)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    worker_give_client(w, pair[0], true);
    flow_turn(f);
    return pair[1];
}

int flow_client(struct flow *f)
{
    return flow_client_of(f, f->w);
}

/* An address of digits; ipv6 too. */
static struct addrinfo *flow_resolve(const char *ip, uint16_t port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *at;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    ck_assert_int_eq(getaddrinfo(ip, service, &hints, &at), 0);
    return at;
}

int flow_client_at(struct flow *f, const char *listens, const char *connects, uint16_t *port)
{
    struct addrinfo *at = flow_resolve(listens, 0);
    int listener = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), client = -1, off = 0;
    if (at->ai_family == AF_INET6)
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(listener, at->ai_addr, at->ai_addrlen) == 0 && listen(listener, 1) == 0) {
        struct sockaddr_storage own;
        socklen_t len = sizeof own;
        ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&own, &len), 0);
        /* The port has the same place in both families' addresses. */
        *port = ntohs(((struct sockaddr_in *)&own)->sin_port);
        freeaddrinfo(at);
        at = flow_resolve(connects, *port);
        client = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(client, at->ai_addr, at->ai_addrlen), 0);
        fcntl(client, F_SETFL, O_NONBLOCK);
        /* cppcheck-suppress nullPointer */
        int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        ck_assert_int_ge(accepted, 0);
        worker_give_client(f->w, accepted, false);
        flow_turn(f);
    }
    freeaddrinfo(at);
    close(listener);
    return client;
}

struct client *flow_newest(struct flow *f)
{
    return f->w->clients;
}

void flow_send_raw(struct flow *f, int client, const char *data, size_t len)
{
    int64_t end = now_ms() + (int64_t)(FLOW_PATIENCE_MS * test_slack());
    while (len > 0) {
        ssize_t n = write(client, data, len);
        ck_assert_msg(n >= 0 || errno == EAGAIN, "write: %s", strerror(errno));
        ck_assert_msg(now_ms() < end, "the client is not read from");
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
        flow_step(f);
    }
}

/* The words of a command as RESP; returns the end. */
static char *flow_encode(char *out, const char *command)
{
    unsigned words = 1;
    for (const char *p = command; *p; p++)
        words += *p == ' ';
    out += sprintf(out, "*%u\r\n", words);
    while (words-- > 0) {
        int len = (int)strcspn(command, " ");
        out += sprintf(out, "$%d\r\n%.*s\r\n", len, len, command);
        command += len + 1;
    }
    return out;
}

void flow_send_all(struct flow *f, int client, const char *const *commands)
{
    size_t size = 1;
    for (const char *const *p = commands; *p; p++)
        size += 16 * strlen(*p) + 64;
    char *all = memory_alloc(size), *end = all;
    for (const char *const *p = commands; *p; p++)
        end = flow_encode(end, *p);
    flow_send_raw(f, client, all, (size_t)(end - all));
    free(all);
}

/* The client's next bytes, at most len: how many, 0: none now, -1: the end. */
static ssize_t flow_read(int client, char *buf, size_t len)
{
    ssize_t n = read(client, buf, len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n > 0 ? n : -1;
}

void flow_expect_bytes(struct flow *f, int client, const char *data, size_t len)
{
    int64_t end = now_ms() + (int64_t)(FLOW_PATIENCE_MS * test_slack());
    char *got = memory_alloc(len + 1);
    size_t had = 0;
    for (unsigned turn = 0; had < len; turn++) {
        ssize_t n = flow_read(client, got + had, len - had);
        got[had + (size_t)(n > 0 ? n : 0)] = '\0';
        ck_assert_msg(n >= 0, "closed after \"%.300s\" instead of \"%.300s\"", got, data);
        had += (size_t)n;
        ck_assert_msg(memcmp(got, data, had) == 0, "the client got \"%.300s\", not \"%.300s\"", got,
                      data);
        ck_assert_msg(now_ms() < end, "the client got only \"%.300s\" (%zu bytes) of \"%.300s\"",
                      got, had, data);
        flow_step(f);
        if (turn > FLOW_QUIET_TURNS && n == 0)
            poll_pause(1);
    }
    free(got);
    flow_expect_nothing(f, client);
}

void flow_expect(struct flow *f, int client, const char *replies)
{
    flow_expect_bytes(f, client, replies, strlen(replies));
}

void flow_expect_nothing(struct flow *f, int client)
{
    char more[300];
    flow_settle(f);
    ssize_t n = flow_read(client, more, sizeof more - 1);
    if (n < 0)
        return;
    more[n] = '\0';
    ck_assert_msg(n == 0, "the client got \"%s\", which nothing asked for", more);
}

struct flow_end {
    int client;
    char more[300];
    ssize_t n;
};

static bool flow_at_end(void *arg)
{
    struct flow_end *end = arg;
    end->n = flow_read(end->client, end->more, sizeof end->more - 1);
    return end->n != 0;
}

void flow_expect_closed(struct flow *f, int client)
{
    struct flow_end end = {.client = client};
    flow_until(f, flow_at_end, &end, "the end of a client's connection");
    if (end.n > 0)
        end.more[end.n] = '\0';
    ck_assert_msg(end.n < 0, "\"%s\" before the end of a client's connection", end.more);
}

/* --- nodes --- */

/* Take the number after a type byte; NULL: incomplete. */
static const char *flow_number(const char *p, const char *end, char type, size_t *n)
{
    const char *stop = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    if (!stop)
        return NULL;
    ck_assert_msg(*p == type, "a node got something malformed: \"%.60s\"", p);
    *n = strtoul(p + 1, NULL, 10);
    return stop + 1;
}

/* The first whole command of a link in words; false: none is whole. */
static bool flow_take(struct flow_link *link)
{
    const char *p = link->in, *end = link->in + link->len;
    size_t argc, len, at = 0;
    if (link->len == 0 || !(p = flow_number(p, end, '*', &argc)))
        return false;
    char *words = memory_alloc(argc * (FLOW_SHOWN + 2) + 1);
    for (size_t i = 0; i < argc; i++) {
        p = flow_number(p, end, '$', &len);
        if (!p || (size_t)(end - p) < len + 2) {
            free(words);
            return false;
        }
        const char *space = i ? " " : "";
        if (len > FLOW_SHOWN)
            at += (size_t)sprintf(words + at, "%s<%zu>", space, len);
        else
            at += (size_t)sprintf(words + at, "%s%.*s", space, (int)len, p);
        p += len + 2;
    }
    link->len = (size_t)(end - p);
    memmove(link->in, p, link->len);
    free(link->command);
    link->command = words;
    return true;
}

const char *flow_node_takes(struct flow *f, enum flow_node node)
{
    struct flow_peer *peer = &f->nodes[node];
    for (unsigned i = 0; i < FLOW_LINKS; i++) {
        if (flow_take(&peer->links[i])) {
            peer->last = &peer->links[i];
            return peer->last->command;
        }
    }
    return NULL;
}

struct flow_wait {
    struct flow *f;
    enum flow_node node;
    const char *command;
};

static bool flow_has_command(void *arg)
{
    struct flow_wait *wait = arg;
    wait->command = flow_node_takes(wait->f, wait->node);
    return wait->command != NULL;
}

const char *flow_node_command(struct flow *f, enum flow_node node, const char *like)
{
    struct flow_wait wait = {.f = f, .node = node};
    char what[200];
    snprintf(what, sizeof what, "node %d to get \"%.150s\"", (int)node, like);
    flow_until(f, flow_has_command, &wait, what);
    return wait.command;
}

void flow_node_gets(struct flow *f, enum flow_node node, const char *command)
{
    ck_assert_str_eq(flow_node_command(f, node, command), command);
}

void flow_node_gets_nothing(struct flow *f, enum flow_node node)
{
    flow_settle(f);
    const char *command = flow_node_takes(f, node);
    if (command)
        ck_abort_msg("node %d got \"%s\"", (int)node, command);
}

void flow_answer_bytes(struct flow *f, enum flow_node node, const char *data, size_t len)
{
    int64_t end = now_ms() + (int64_t)(FLOW_PATIENCE_MS * test_slack());
    struct flow_link *link = f->nodes[node].last;
    ck_assert_msg(link && link->fd >= 0, "node %d has no connection to answer on", (int)node);
    while (len > 0) {
        ssize_t n = write(link->fd, data, len);
        ck_assert_msg(n >= 0 || errno == EAGAIN, "node: write: %s", strerror(errno));
        ck_assert_msg(now_ms() < end, "the node is not read from");
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
        flow_turn(f);
    }
    flow_settle(f);
}

void flow_answer(struct flow *f, enum flow_node node, const char *reply)
{
    flow_answer_bytes(f, node, reply, strlen(reply));
}

void flow_answer_redirect(struct flow *f, enum flow_node node, const char *kind, unsigned slot,
                          enum flow_node target)
{
    char line[100];
    snprintf(line, sizeof line, "-%s %u 127.0.0.1:%u\r\n", kind, slot, f->nodes[target].port);
    flow_answer(f, node, line);
}

void flow_node_serves(struct flow *f, enum flow_node node, const char *command, const char *reply)
{
    flow_node_gets(f, node, command);
    flow_answer(f, node, reply);
}

void flow_node_cuts(struct flow *f, enum flow_node node)
{
    flow_drop_link(f->nodes[node].last);
    f->nodes[node].last = NULL;
    flow_settle(f);
}

unsigned flow_node_links(struct flow *f, enum flow_node node)
{
    unsigned n = 0;
    flow_settle(f);
    for (unsigned i = 0; i < FLOW_LINKS; i++)
        n += f->nodes[node].links[i].fd >= 0;
    return n;
}

void flow_node_dies(struct flow *f, enum flow_node node)
{
    close(f->nodes[node].listener);
    f->nodes[node].listener = -1;
    flow_drop_links(&f->nodes[node]);
    flow_settle(f);
}

void flow_node_returns(struct flow *f, enum flow_node node)
{
    f->nodes[node].listener = flow_listen(f->nodes[node].port);
}

const char *flow_link_takes(struct flow_link *link)
{
    return link->fd >= 0 && flow_take(link) ? link->command : NULL;
}

void flow_link_answers(struct flow_link *link, const char *reply)
{
    ssize_t len = (ssize_t)strlen(reply);
    ck_assert_int_eq(write(link->fd, reply, (size_t)len), len);
}

void flow_link_cuts(struct flow_link *link)
{
    flow_drop_link(link);
}

uint64_t flow_count(struct flow *f, enum counter which)
{
    return counters_get(&f->w->counters, which);
}

char *flow_pattern(size_t len)
{
    char *pattern = memory_alloc(len + 1);
    for (size_t i = 0; i < len; i++)
        pattern[i] = (char)('a' + (i * 7 + i / 1000) % 26);
    pattern[len] = '\0';
    return pattern;
}
