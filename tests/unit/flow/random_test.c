/* random_test: clients pipeline reads and writes while nodes refuse, redirect and cut at random.
 *
 * The nodes share one store: for each key the list of the writes that were executed, each of which
 * has a number of its own. A read answers how many there were. So from the replies of one client in
 * the order of its requests it can be told whether the requests of each key ran in that order, each
 * write once at most, and whether every reply is the right one. */
#include "base/memory.h"
#include "flow/worker.h"
#include "support/flow.h"
#include "support/testing.h"
#include "support/unit.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CLIENTS  4
#define REQUESTS 250 /* of each client */
#define PIPELINE 30
#define KEYS     5
#define GUESTS   200

static const struct {
    const char *name;
    unsigned slot;
} keys[KEYS] = {{"b", 3300}, {"{b}2", 3300}, {"f", 3168}, {"c", 7365}, {"a", 15495}};

struct store {
    unsigned executed[2 * CLIENTS * REQUESTS + 3 * GUESTS]; /* numbers of writes, in their order */
    unsigned n;
};

enum kind { GET, SET, BULK_SET, MGET, MSET };

struct op {
    enum kind kind;
    unsigned key[2], number[2]; /* of MGET and MSET: both */
    bool answered, failed, maybe;
    long length[2]; /* reads: how many writes there were */
};

struct user {
    int fd;
    unsigned sent, answered;
    struct op ops[REQUESTS];
    char in[100000];
    size_t len;
};

static struct flow *f;
static uint64_t seed;
static struct store stores[KEYS];
static enum flow_node owner[KEYS], target[KEYS]; /* target: being migrated there, else the owner */
static bool asking[FLOW_NODES][FLOW_LINKS];
static struct user *users;
static unsigned numbers;

static unsigned dice(unsigned n)
{
    return (unsigned)(random_next(&seed) % n);
}

/* --- nodes --- */

static unsigned key_of(const char *name, size_t len)
{
    for (unsigned i = 0; i < KEYS; i++)
        if (strlen(keys[i].name) == len && memcmp(keys[i].name, name, len) == 0)
            return i;
    ck_abort_msg("a node got a key that was not sent: %.*s", (int)len, name);
    return 0;
}

static unsigned word_key(const char *p)
{
    return key_of(p, strcspn(p, " "));
}

/* A refusal of the command on this key, or NULL. */
static const char *refusal(enum flow_node node, unsigned key, bool asked, char line[100])
{
    static const char *const lines[] = {"-TRYAGAIN x\r\n", "-LOADING x\r\n", "-CLUSTERDOWN x\r\n"};
    if (dice(40) == 0)
        return lines[dice(3)];
    enum flow_node to = owner[key];
    const char *kind = "MOVED";
    if (node == owner[key] && target[key] != node) {
        kind = "ASK";
        to = target[key];
    } else if (node == owner[key] || (asked && node == target[key])) {
        return NULL;
    }
    snprintf(line, 100, "-%s %u 127.0.0.1:%u\r\n", kind, keys[key].slot, f->nodes[to].port);
    return line;
}

static void execute(const char *command, char *reply, size_t cap)
{
    const char *p = strchr(command, ' ') + 1;
    unsigned key = word_key(p);
    if (strncmp(command, "GET", 3) == 0) {
        snprintf(reply, cap, ":%u\r\n", stores[key].n);
        return;
    }
    size_t len = 0;
    unsigned n = 0;
    bool read = strncmp(command, "MGET", 4) == 0;
    for (; p; p = strchr(p, ' ')) {
        p += *p == ' ';
        key = word_key(p);
        n++;
        if (read) {
            len += (size_t)snprintf(reply + len, cap - len, ":%u\r\n", stores[key].n);
            continue;
        }
        p = strchr(p, ' ') + 1;
        ck_assert_uint_lt(stores[key].n,
                          sizeof stores[key].executed / sizeof *stores[key].executed);
        stores[key].executed[stores[key].n++] = (unsigned)strtoul(p, NULL, 10);
        if (*command == 'S')
            break;
    }
    if (read) {
        memmove(reply + 4, reply, len + 1);
        snprintf(reply, 4, "*%u\r", n);
        reply[3] = '\n';
    } else {
        snprintf(reply, cap, "+OK\r\n");
    }
}

static void serve(enum flow_node node, unsigned at)
{
    struct flow_link *link = &f->nodes[node].links[at];
    char line[100], reply[300];
    const char *command = flow_link_takes(link);
    if (!command)
        return;
    if (strcmp(command, "ASKING") == 0) {
        asking[node][at] = true;
        flow_link_answers(link, "+OK\r\n");
        return;
    }
    unsigned fate = dice(300);
    const char *no = refusal(node, word_key(strchr(command, ' ') + 1), asking[node][at], line);
    asking[node][at] = false;
    if (fate > 0 && no) {
        flow_link_answers(link, no);
        return;
    }
    if (fate > 0 || (dice(2) && !no))
        execute(command, reply, sizeof reply);
    if (fate > 0)
        flow_link_answers(link, reply);
    else
        flow_link_cuts(link);
}

/* What changes about the cluster by itself. */
static void disturb(void)
{
    unsigned key = dice(KEYS);
    switch (dice(60)) {
    case 0: /* a slot has moved */
        owner[key] = target[key] = (enum flow_node)dice(3);
        break;
    case 1: /* a slot is being migrated */
        target[key] = (enum flow_node)dice(3);
        break;
    case 2: /* and has arrived */
        owner[key] = target[key];
        break;
    case 3: /* and discovery finds out */
        for (unsigned i = 0; i < KEYS; i++)
            f->owner[keys[i].slot] = (uint16_t)owner[i];
        flow_publish(f);
        break;
    default:
        break;
    }
    /* Keys of one slot move together. */
    owner[1] = owner[0];
    target[1] = target[0];
}

/* --- clients --- */

static unsigned new_number(void)
{
    return ++numbers;
}

static void send_one(struct user *user)
{
    struct op *op = &user->ops[user->sent++];
    char text[200];
    static char pad[260001];
    const char *k0, *k1;
    op->kind = dice(60) ? (enum kind)dice(2) : (enum kind)(BULK_SET + dice(3));
    if (dice(8) == 0)
        op->kind = dice(2) ? MGET : MSET;
    op->key[0] = dice(KEYS);
    op->key[1] = (op->key[0] + 1 + dice(KEYS - 1)) % KEYS;
    k0 = keys[op->key[0]].name;
    k1 = keys[op->key[1]].name;
    if (op->kind == SET || op->kind == BULK_SET || op->kind == MSET) {
        op->number[0] = new_number();
        op->number[1] = new_number();
    }
    switch (op->kind) {
    case GET:
        snprintf(text, sizeof text, "GET %s", k0);
        break;
    case SET:
    case BULK_SET:
        snprintf(text, sizeof text, "SET %s %u", k0, op->number[0]);
        break;
    case MGET:
        snprintf(text, sizeof text, "MGET %s %s", k0, k1);
        break;
    case MSET:
        snprintf(text, sizeof text, "MSET %s %u %s %u", k0, op->number[0], k1, op->number[1]);
        break;
    }
    if (op->kind != BULK_SET) {
        flow_send(f, user->fd, text);
        return;
    }
    memset(pad, 'p', sizeof pad - 1);
    char number[16];
    snprintf(number, sizeof number, "%u", op->number[0]);
    char *request = memory_alloc(sizeof pad + 200);
    size_t n = (size_t)sprintf(request,
                               "*4\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
                               strlen(k0), k0, strlen(number), number, sizeof pad - 1, pad);
    /* What does not fit into the socket needs nodes that answer. */
    for (size_t at = 0; at < n;) {
        ssize_t more = write(user->fd, request + at, n - at);
        at += more > 0 ? (size_t)more : 0;
        flow_step(f);
        for (unsigned node = 0; node < 3; node++)
            for (unsigned k = 0; k < FLOW_LINKS; k++)
                serve((enum flow_node)node, k);
    }
    free(request);
}

static char *line_end(const char *p, const char *end)
{
    return p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
}

/* Take one reply; false: it is not whole. */
static bool take_reply(struct user *user)
{
    struct op *op = &user->ops[user->answered];
    const char *p = user->in, *end = user->in + user->len;
    const char *stop = line_end(p, end);
    bool read = op->kind == GET || op->kind == MGET;
    if (!stop)
        return false;
    if (*p == '-') {
        op->failed = true;
        op->maybe = strstr(p, "may or may not") && strstr(p, "may or may not") < stop;
        ck_assert_msg(strncmp(p, "-MOVED", 6) != 0 && strncmp(p, "-ASK", 4) != 0, "%.60s", p);
    } else if (op->kind == MGET) {
        ck_assert_msg(strncmp(p, "*2\r\n", 4) == 0, "%.60s", p);
        for (int i = 0; i < 2; i++) {
            p = stop + 1;
            stop = line_end(p, end);
            if (!stop)
                return false;
            ck_assert_int_eq(*p, ':');
            op->length[i] = strtol(p + 1, NULL, 10);
        }
    } else {
        ck_assert_msg(*p == (read ? ':' : '+'), "request %u got %.60s", user->answered, p);
        op->length[0] = strtol(p + 1, NULL, 10);
    }
    op->answered = true;
    user->answered++;
    user->len = (size_t)(end - stop) - 1;
    memmove(user->in, stop + 1, user->len);
    return true;
}

static void receive(struct user *user)
{
    ssize_t n = read(user->fd, user->in + user->len, sizeof user->in - user->len);
    ck_assert_msg(n != 0, "a client was closed");
    if (n > 0)
        user->len += (size_t)n;
    while (user->len && take_reply(user))
        ck_assert_uint_le(user->answered, user->sent);
}

/* One that never reads, and leaves with requests under way. */
static void guest(void)
{
    static int fd = -1;
    static unsigned visits;
    char set[40], mset[60];
    if (fd >= 0) {
        if (dice(3) == 0) {
            close(fd);
            fd = -1;
        }
        return;
    }
    if (visits == GUESTS)
        return;
    visits++;
    fd = flow_client(f);
    snprintf(set, sizeof set, "SET b %u", new_number());
    snprintf(mset, sizeof mset, "MSET c %u f %u", numbers + 1, numbers + 2);
    numbers += 2;
    flow_send(f, fd, set, "GET b", mset, "MGET b c a", "GET a");
}

/* --- judging --- */

/* Where a write stands in its key's list; -1: it was not executed. */
static long position(unsigned key, unsigned number)
{
    long found = -1;
    for (unsigned i = 0; i < stores[key].n; i++) {
        if (stores[key].executed[i] != number)
            continue;
        ck_assert_msg(found < 0, "write %u was executed twice", number);
        found = i;
    }
    return found;
}

static void judge_key(const struct user *user, unsigned key)
{
    long last = -1; /* position of the client's latest write that was executed, or seen */
    for (unsigned i = 0; i < REQUESTS; i++) {
        const struct op *op = &user->ops[i];
        bool two = op->kind == MGET || op->kind == MSET, read = op->kind == GET || op->kind == MGET;
        for (int k = 0; k <= two; k++) {
            if (op->key[k] != key || (read && op->failed))
                continue;
            if (read) {
                ck_assert_msg(op->length[k] > last,
                              "request %u reads %ld writes of %s, and %ld was before it", i,
                              op->length[k], keys[key].name, last);
                last = op->length[k] - 1;
                continue;
            }
            long at = position(key, op->number[k]);
            if (!op->failed)
                ck_assert_msg(at >= 0, "write %u was acknowledged and not executed", i);
            if (op->failed && !op->maybe && !two)
                ck_assert_msg(at < 0, "write %u was refused and executed", i);
            /* A read that was asked again after a connection was lost may see what was lost. */
            if (at >= 0 && !op->maybe)
                ck_assert_msg(at > last, "write %u of %s is at %ld, before %ld", i, keys[key].name,
                              at, last);
            if (at > last)
                last = at;
        }
    }
}

/* What else may happen to a request that waits. */
static const char *const configs[] = {
    "max-pipeline 64\n",
    "redirect-timeout 30\nfailover-timeout 30\n",
    "max-waiting-requests 4\n",
    "connections-per-node 3\nclient-output-window 16kb\n",
};

START_TEST(every_client_sees_its_requests_run_in_their_order)
{
    seed = test_seed() + (uint64_t)_i;
    f = flow_start(configs[_i]);
    users = memory_zalloc(CLIENTS * sizeof *users);
    for (unsigned i = 0; i < KEYS; i++)
        owner[i] = target[i] = (enum flow_node)f->owner[keys[i].slot];
    for (unsigned i = 0; i < CLIENTS; i++)
        users[i].fd = flow_client(f);
    int64_t until = now_ms() + (int64_t)(60000 * test_slack());
    for (unsigned busy = CLIENTS; busy;) {
        busy = 0;
        ck_assert_msg(now_ms() < until, "client 0 has %u of %u replies", users[0].answered,
                      users[0].sent);
        for (unsigned i = 0; i < CLIENTS; i++) {
            struct user *user = &users[i];
            while (user->sent < REQUESTS && user->sent - user->answered < PIPELINE && dice(3))
                send_one(user);
            receive(user);
            busy += user->answered < REQUESTS;
        }
        disturb();
        if (dice(10) == 0)
            guest();
        if (!flow_step(f) && f->w->nparked)
            poll_pause(1);
        for (unsigned node = 0; node < 3; node++)
            for (unsigned k = 0; k < FLOW_LINKS; k++)
                for (unsigned n = dice(4); n; n--)
                    serve((enum flow_node)node, k);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        for (unsigned key = 0; key < KEYS; key++)
            judge_key(&users[i], key);
        close(users[i].fd);
    }
    flow_stop(f);
    free(users);
}
END_TEST

UNIT_SUITE("random",
           {every_client_sees_its_requests_run_in_their_order, sizeof configs / sizeof *configs})
