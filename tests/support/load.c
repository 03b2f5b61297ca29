/* load: clients in one epoll thread. What they send is made in load_pipeline.c, what comes back is
 * judged in load_model.c, summed up in load_report.c. */
#include "support/load_state.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- connections ---- */

static void watch(struct load *l, struct client *c, bool writable)
{
    struct epoll_event e = {.events = EPOLLIN | (writable ? EPOLLOUT : 0u), .data.ptr = c};
    if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &e) != 0)
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e);
}

static bool reconnect(struct load *l, struct client *c)
{
    c->fd = raw_open(l->o.port, 0);
    if (c->fd < 0)
        return false;
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (c->reader)
        redisReaderFree(c->reader);
    c->reader = redisReaderCreate();
    c->connected = true;
    watch(l, c, false);
    return true;
}

static void lost_connection(struct load *l, struct client *c)
{
    if (!GET(l->closable))
        l->result.closed++;
    for (int i = c->answered; i < c->nops; i++) {
        struct op *op = &c->ops[i];
        for (int p = 0; load_is_write(op) && p < op->nparts; p++)
            load_maybe_written(&c->keys[op->part[p]], op->seq[p]);
    }
    c->nops = c->answered = 0;
    c->out_len = c->out_sent = 0;
    close(c->fd);
    c->connected = false;
    c->next_start = now_ms() + 20;
}

static void send_more(struct load *l, struct client *c)
{
    while (c->out_sent < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(l, c, true);
            return;
        }
        if (n <= 0) {
            lost_connection(l, c);
            return;
        }
        c->out_sent += (size_t)n;
    }
    watch(l, c, false);
}

static void good_reply(struct load *l, struct client *c)
{
    int64_t at = now_ms() - l->begin;
    ADD(c->done, 1);
    if (at < MAX_MS)
        __atomic_fetch_or(&c->good[at / 8], (uint8_t)(1u << (at % 8)), __ATOMIC_RELAXED);
    if (c->group < 0) {
        ADD(l->done_group[LOAD_GROUPS], 1);
        return;
    }
    ADD(l->done_group[c->group], 1);
    if (at < MAX_MS && GET(l->success[c->group][at]) < 65535)
        ADD(l->success[c->group][at], 1);
}

static void pipeline_done(struct load *l, struct client *c)
{
    int64_t now = now_ms(), took = now - c->started;
    int row = c->group < 0 ? LOAD_GROUPS : c->group;
    int64_t fault = GET(l->fault);
    if (fault && c->started >= fault && took > l->longest_wait[row])
        l->longest_wait[row] = took;
    l->pipelines[row][fault ? 1 : 0]++;
    c->nops = c->answered = 0;
    c->out_len = c->out_sent = 0;
    c->next_start = c->started + l->o.pace_ms;
}

static void take_replies(struct load *l, struct client *c)
{
    for (;;) {
        void *reply = NULL;
        if (redisReaderGetReply(c->reader, &reply) != REDIS_OK) {
            load_wrong(l, c, "not a reply: %s", c->reader->errstr);
            lost_connection(l, c);
            return;
        }
        if (!reply)
            return;
        redisReply *r = reply;
        if (c->answered >= c->nops) {
            load_wrong(l, c, "a reply to no command: type %d %.60s", r->type, r->str ? r->str : "");
        } else {
            l->result.commands++;
            if (load_judge(l, c, &c->ops[c->answered], r))
                good_reply(l, c);
            if (++c->answered == c->nops)
                pipeline_done(l, c);
        }
        freeReplyObject(reply);
    }
}

static void receive(struct load *l, struct client *c)
{
    static __thread char block[65536];
    ssize_t n = recv(c->fd, block, sizeof block, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lost_connection(l, c);
        return;
    }
    redisReaderFeed(c->reader, block, (size_t)n);
    take_replies(l, c);
}

static void start_pipeline(struct load *l, struct client *c, int64_t now)
{
    if (!c->connected && !reconnect(l, c)) {
        if (!GET(l->closable))
            l->result.closed++;
        c->next_start = now + 20;
        return;
    }
    c->started = now;
    if (c->keys[0].next == 1) {
        load_add_first_values(l, c);
    } else {
        uint64_t r = random_next(&l->random);
        int depth = 1 + (int)((r >> 8) % (1u << (r % 8)));
        if (depth > l->o.max_pipeline)
            depth = l->o.max_pipeline;
        for (int i = 0; i < depth; i++)
            load_add_op(l, c);
    }
    send_more(l, c);
}

static bool all_idle(struct load *l)
{
    for (int i = 0; i < l->nclients; i++)
        if (l->clients[i].nops > 0)
            return false;
    return true;
}

static void *load_loop(void *arg)
{
    struct load *l = arg;
    int64_t stop_at = 0;
    for (;;) {
        int64_t now = now_ms();
        bool stopping = GET(l->stopping);
        if (stopping && stop_at == 0)
            stop_at = now;
        if (stopping && (all_idle(l) || now - stop_at > (int64_t)(STUCK_MS * test_slack())))
            return NULL;
        for (int i = 0; i < l->nclients && !stopping; i++)
            if (l->clients[i].nops == 0 && l->clients[i].next_start <= now)
                start_pipeline(l, &l->clients[i], now);
        struct epoll_event events[64];
        int n = epoll_wait(l->epoll, events, 64, 1);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (c->connected && (events[i].events & EPOLLOUT))
                send_more(l, c);
            if (c->connected && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                receive(l, c);
        }
    }
}

/* ---- start, watch, finish ---- */

static void name_keys(struct load *l, struct client *c)
{
    static const char letters[] = "scla";
    for (int i = 0, n = 0; i < KEYS; n++) {
        struct key *k = &c->keys[i];
        k->kind = load_kind_of(i);
        int len = snprintf(k->name, sizeof k->name, "load:%llx:%d:%c%d",
                           (unsigned long long)(l->o.seed & 0xffffff), c->id, letters[k->kind], n);
        k->group = l->group_of_slot[cluster_slot(k->name, (size_t)len)];
        if (c->group >= 0 && k->group != c->group)
            continue;
        k->next = 1;
        k->fate = k->kind == KEY_LIST ? calloc(1, 4) : NULL;
        i++;
    }
}

struct load *load_start(const struct load_options *options)
{
    struct load *l = calloc(1, sizeof *l);
    l->o = *options;
    l->o.max_pipeline = l->o.max_pipeline ? l->o.max_pipeline : 100;
    l->o.pace_ms = l->o.pace_ms ? l->o.pace_ms : 10;
    l->o.large = l->o.large ? l->o.large : 200;
    l->o.large_size = l->o.large_size ? l->o.large_size : 100000;
    l->o.seed = l->o.seed ? l->o.seed : test_seed();
    if (options->group_of_slot)
        memcpy(l->group_of_slot, options->group_of_slot, sizeof l->group_of_slot);
    l->random = l->o.seed;
    l->scratch = malloc((size_t)l->o.large_size + 256);
    l->begin = now_ms();
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->nclients = l->o.mixed + l->o.pinned * l->o.groups;
    ck_assert_int_le(l->o.groups, LOAD_GROUPS);
    for (int g = 0; g < LOAD_GROUPS; g++)
        l->success[g] = calloc(MAX_MS, sizeof(uint16_t));
    l->clients = calloc((size_t)l->nclients, sizeof *l->clients);
    for (int i = 0; i < l->nclients; i++) {
        struct client *c = &l->clients[i];
        c->id = i + 1;
        c->group = i < l->o.mixed ? -1 : (i - l->o.mixed) % l->o.groups;
        c->next_start = l->begin + i % l->o.pace_ms;
        c->good = calloc(MAX_MS / 8, 1);
        name_keys(l, c);
    }
    ck_assert_int_eq(pthread_create(&l->thread, NULL, load_loop, l), 0);
    ck_assert_msg(load_wait_progress(l, STRINGS + 20, 15000), "the clients make no progress");
    return l;
}

void load_fault_begins(struct load *l)
{
    PUT(l->fault, now_ms());
}

void load_may_lose(struct load *l, int group)
{
    uint32_t before = GET(l->lossy);
    for (int g = 0; g < LOAD_GROUPS; g++)
        if (g == group || (group < 0 && (before & (1u << g))))
            ADD(l->loss_round[g], 1);
    PUT(l->lossy, group < 0 ? 0 : before | (1u << group));
}

void load_may_fail(struct load *l, int group)
{
    PUT(l->fallible, group < 0 ? ~0u : GET(l->fallible) | (1u << group));
}

void load_may_close(struct load *l)
{
    PUT(l->closable, 1);
}

uint64_t load_done(struct load *l, int group)
{
    uint64_t sum = 0;
    for (int g = 0; g <= LOAD_GROUPS; g++)
        if (group < 0 || group == g)
            sum += GET(l->done_group[g]);
    return sum;
}

struct progress_wait {
    struct load *l;
    uint64_t *from, n;
};

static bool progressed(void *arg)
{
    struct progress_wait *w = arg;
    for (int i = 0; i < w->l->nclients; i++)
        if (GET(w->l->clients[i].done) < w->from[i] + w->n)
            return false;
    return true;
}

bool load_wait_progress(struct load *l, uint64_t n, int timeout_ms)
{
    struct progress_wait w = {l, calloc((size_t)l->nclients, sizeof(uint64_t)), n};
    for (int i = 0; i < l->nclients; i++)
        w.from[i] = GET(l->clients[i].done);
    bool ok = wait_until(progressed, &w, timeout_ms);
    free(w.from);
    return ok;
}

static int64_t client_first_success(struct load *l, struct client *c, int64_t since)
{
    for (int64_t at = since < l->begin ? 0 : since - l->begin; at < MAX_MS; at++)
        if (GET(c->good[at / 8]) & (1u << (at % 8)))
            return l->begin + at;
    return -1;
}

int64_t load_all_served(struct load *l, int group, int64_t since)
{
    int64_t latest = -1;
    for (int i = 0; i < l->nclients; i++) {
        struct client *c = &l->clients[i];
        if (c->group != group)
            continue;
        int64_t at = client_first_success(l, c, since);
        if (at < 0)
            return -1;
        latest = at > latest ? at : latest;
    }
    return latest;
}

struct load_result load_finish(struct load *l)
{
    int64_t end = now_ms();
    PUT(l->stopping, 1);
    pthread_join(l->thread, NULL);
    for (int i = 0; i < l->nclients; i++)
        if (l->clients[i].nops > 0) {
            struct client *c = &l->clients[i];
            load_wrong(l, c, "never answered (%d of %d commands, sent %lld ms before)",
                       c->nops - c->answered, c->nops, (long long)(now_ms() - c->started));
            lost_connection(l, c);
        }
    load_measure(l, end);
    for (int i = 0; i < l->nclients; i++)
        load_read_back(l, &l->clients[i]);
    load_print_result(l, end);
    struct load_result result = l->result;
    for (int i = 0; i < l->nclients; i++) {
        struct client *c = &l->clients[i];
        if (c->connected)
            close(c->fd);
        if (c->reader)
            redisReaderFree(c->reader);
        for (int k = 0; k < KEYS; k++)
            free(c->keys[k].fate);
        free(c->good);
        free(c->out);
    }
    for (int g = 0; g < LOAD_GROUPS; g++)
        free(l->success[g]);
    close(l->epoll);
    free(l->scratch);
    free(l->clients);
    free(l);
    return result;
}

void load_assert_clean(const struct load_result *r)
{
    ck_assert_msg(r->wrong == 0, "%llu wrong replies", (unsigned long long)r->wrong);
    ck_assert_msg(r->redirects_seen == 0, "%llu MOVED or ASK seen by clients",
                  (unsigned long long)r->redirects_seen);
    ck_assert_msg(r->unexpected_errors == 0, "%llu unexpected errors",
                  (unsigned long long)r->unexpected_errors);
    ck_assert_msg(r->closed == 0, "%llu connections closed", (unsigned long long)r->closed);
}
