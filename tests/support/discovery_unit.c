/* discovery_unit: a struct discovery that was not started, and connections of its endpoints that
 * lead to a listener of the test's. */
#include "support/discovery_unit.h"
#include "base/log.h"
#include "support/config_unit.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128 /* nobody accepts: so many connections at a time */

struct discovery *d;
static struct control_target target;
static int listener;

static void ignore(void *ctx)
{
    (void)ctx;
}

static void ignore_end(void *owner, const char *reason)
{
    (void)owner;
    (void)reason;
}

static const struct control_events no_events = {ignore, ignore_end};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
}

void discovery_begin(void)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&target.address.addr;
    socklen_t len = sizeof *in;
    ck_assert(log_open("/dev/null"));
    ck_assert(resolver_numeric("127.0.0.1", 0, &target.address));
    target.user = target.password = "";
    target.timeout = 10;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)in, len), 0);
    ck_assert_int_eq(listen(listener, BACKLOG), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)in, &len), 0);
    d = calloc(1, sizeof *d);
    d->config = config_default();
    d->loop = ev_loop_new(0);
    d->last_hint = ROUNDS_NEVER;
    d->env = (struct endpoint_env){.loop = d->loop,
                                   .registry = registry_new(),
                                   .config = d->config,
                                   .on_change = ignore,
                                   .on_return = ignore};
    ev_timer_init(&d->hint_timer, on_timer, 0, 0);
    merge_map_init(&d->map);
}

void discovery_end(void)
{
    struct endpoint *e, *next;
    HASH_ITER (hh, d->endpoints, e, next) {
        HASH_DEL(d->endpoints, e);
        endpoint_free(e);
    }
    ev_timer_stop(d->loop, &d->hint_timer);
    topology_unref(d->merged);
    topology_unref(d->published);
    registry_free(d->env.registry);
    ev_loop_destroy(d->loop);
    config_unref((struct config *)d->config);
    free(d);
    close(listener);
}

void discovery_reconfigure(const char *text)
{
    config_unref((struct config *)d->config);
    d->config = d->env.config = config_good(text);
}

void discovery_connect(struct endpoint *e)
{
    if (!e->control)
        e->control = control_open(d->loop, &target, &no_events, e);
    ck_assert_ptr_nonnull(e->control);
    while (!control_is_up(e->control))
        ev_run(d->loop, EVRUN_ONCE);
    e->answered = true;
    e->refused = false;
    e->unwell_since = 0;
}
