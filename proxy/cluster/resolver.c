/* resolver: a queue to the thread, a list back, one ev_async to say that something is in it.
 *
 *   resolver_ask -> pending -> [thread: getaddrinfo] -> done -> on_done -> callback
 *
 * The state is shared and counted, so that resolver_stop need not wait for a slow name server. */
#include "cluster/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct resolver_query {
    struct resolver_query *next;
    resolver_callback callback;
    void *arg;
    bool cancelled; /* main thread only */
    uint16_t port;
    char host[256];
    size_t n;
    struct resolver_address v[RESOLVER_MAX_ADDRESSES];
    const char *error;
};

struct queue {
    struct resolver_query *first;
    struct resolver_query **end;
};

struct shared {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct queue pending;
    struct resolver *owner; /* NULL once stopped */
    struct queue done;
    int refs;
};

struct resolver {
    struct ev_loop *loop;
    ev_async async;
    struct shared *shared;
};

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->end = &q->first;
}

static void queue_push(struct queue *q, struct resolver_query *query)
{
    query->next = NULL;
    *q->end = query;
    q->end = &query->next;
}

static struct resolver_query *queue_pop(struct queue *q)
{
    struct resolver_query *query = q->first;

    if (query && !(q->first = query->next))
        q->end = &q->first;
    return query;
}

static void queue_clear(struct queue *q)
{
    struct resolver_query *query;

    while ((query = queue_pop(q)))
        free(query);
}

/* With the lock held; releases it. */
static void shared_leave(struct shared *s)
{
    bool last = --s->refs == 0;

    pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    queue_clear(&s->pending);
    queue_clear(&s->done);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    free(s);
}

static void look_up(struct resolver_query *query)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char port[8];
    int rc;

    snprintf(port, sizeof(port), "%u", query->port);
    hints.ai_flags = AI_ADDRCONFIG;
    rc = getaddrinfo(query->host, port, &hints, &list);
    if (rc == EAI_NONAME || rc == EAI_NODATA) {
        /* a host whose only interface is loopback has no "configured" address family */
        hints.ai_flags = 0;
        rc = getaddrinfo(query->host, port, &hints, &list);
    }
    query->error = rc ? gai_strerror(rc) : "no address";
    for (struct addrinfo *a = list; a && query->n < RESOLVER_MAX_ADDRESSES; a = a->ai_next) {
        memcpy(&query->v[query->n].addr, a->ai_addr, a->ai_addrlen);
        query->v[query->n++].len = a->ai_addrlen;
    }
    if (list)
        freeaddrinfo(list);
}

static void *thread_main(void *arg)
{
    struct shared *s = arg;
    struct resolver_query *query;

    pthread_mutex_lock(&s->lock);
    while (s->owner) {
        if (!(query = queue_pop(&s->pending))) {
            pthread_cond_wait(&s->wake, &s->lock);
            continue;
        }
        pthread_mutex_unlock(&s->lock);
        look_up(query);
        pthread_mutex_lock(&s->lock);
        queue_push(&s->done, query);
        if (s->owner)
            ev_async_send(s->owner->loop, &s->owner->async);
    }
    shared_leave(s);
    return NULL;
}

static void on_done(struct ev_loop *loop, ev_async *w, int revents)
{
    struct resolver *r = w->data;
    struct resolver_query *query, *next;

    (void)loop;
    (void)revents;
    pthread_mutex_lock(&r->shared->lock);
    query = r->shared->done.first;
    queue_init(&r->shared->done);
    pthread_mutex_unlock(&r->shared->lock);
    for (; query; query = next) {
        next = query->next;
        if (!query->cancelled)
            query->callback(query->arg, query->v, query->n, query->n ? NULL : query->error);
        free(query);
    }
}

static bool start_thread(struct shared *s)
{
    pthread_t thread;
    sigset_t all, old;
    int rc;

    /* signals belong to the main thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&thread, NULL, thread_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0)
        pthread_detach(thread);
    return rc == 0;
}

struct resolver *resolver_start(struct ev_loop *loop)
{
    struct resolver *r = calloc(1, sizeof(*r));
    struct shared *s = calloc(1, sizeof(*s));

    if (!r || !s) {
        free(r);
        free(s);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    queue_init(&s->pending);
    queue_init(&s->done);
    s->owner = r;
    s->refs = 2;
    r->loop = loop;
    r->shared = s;
    ev_async_init(&r->async, on_done);
    r->async.data = r;
    ev_async_start(loop, &r->async);
    if (!start_thread(s)) {
        s->refs = 1;
        resolver_stop(r);
        return NULL;
    }
    return r;
}

void resolver_stop(struct resolver *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->shared->lock);
    r->shared->owner = NULL;
    pthread_cond_signal(&r->shared->wake);
    shared_leave(r->shared);
    ev_async_stop(r->loop, &r->async);
    free(r);
}

struct resolver_query *resolver_ask(struct resolver *r, const char *host, uint16_t port,
                                    resolver_callback callback, void *arg)
{
    struct resolver_query *query = calloc(1, sizeof(*query));

    if (!query)
        return NULL;
    snprintf(query->host, sizeof(query->host), "%s", host);
    query->port = port;
    query->callback = callback;
    query->arg = arg;
    pthread_mutex_lock(&r->shared->lock);
    queue_push(&r->shared->pending, query);
    pthread_cond_signal(&r->shared->wake);
    pthread_mutex_unlock(&r->shared->lock);
    return query;
}

void resolver_cancel(struct resolver_query *query)
{
    query->cancelled = true;
}

bool resolver_numeric(const char *host, uint16_t port, struct resolver_address *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out->addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->addr;
    struct sockaddr_un *un = (struct sockaddr_un *)&out->addr;

    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        out->len = sizeof(*v4);
    } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        out->len = sizeof(*v6);
    } else if (host[0] == '/' && strlen(host) < sizeof(un->sun_path)) {
        un->sun_family = AF_UNIX;
        strcpy(un->sun_path, host);
        out->len = sizeof(*un);
    }
    return out->len > 0;
}
