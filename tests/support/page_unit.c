/* page_unit: the statistics page in the test's own thread, with one worker. */
#include "support/page_unit.h"
#include "base/log.h"
#include "base/memory.h"
#include "http/feed.h"
#include "support/testing.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 10000 /* ms until a wait has failed */
#define PORTS    10    /* that are tried */
#define QUIET    20    /* turns before a wait lets other threads run */

struct http *h;
int page_port, page_draining;
static bool threaded; /* h has a thread */

static void on_drain(void *owner, void *drain)
{
    ck_assert_ptr_eq(owner, f);
    page_draining = drain != NULL;
}

/* The worker, and a port for the page. */
static void prepare(const char *config)
{
    char text[2048];
    page_port = free_ports(1, false);
    snprintf(text, sizeof text, "stats-port %d\n%s%s", page_port,
             strstr(config, "stats-bind") ? "" : "stats-bind 127.0.0.1\n", config);
    f = flow_start(text);
    f->w->thread = pthread_self();
    f->process.on_drain = on_drain;
    page_draining = -1;
}

/* Another program may have taken the port meanwhile: then another one. */
static struct http *try_ports(const char *config, struct http *(*make)(struct process *process))
{
    struct http *made = NULL;
    for (int i = 0; i < PORTS && !made; i++) {
        if (i > 0)
            flow_stop(f);
        prepare(config);
        made = make(&f->process);
        if (!f->process.config->stats_port)
            break;
    }
    return made;
}

static void begin_with(const char *config)
{
    h = try_ports(config, http_open);
    ck_assert_ptr_nonnull(h);
    ev_timer_stop(h->loop, &h->second);
}

void page_begin(void)
{
    ck_assert(log_open("/dev/null"));
    begin_with(PAGE_CONFIG);
}

void page_begin_thread(const char *config)
{
    h = try_ports(config, http_start);
    threaded = h != NULL;
}

void page_end(void)
{
    if (threaded)
        http_join(h);
    else if (h)
        http_finish(h);
    threaded = false;
    page_turns(4); /* what is under way between the two arrives */
    http_free(h);
    flow_stop(f);
}

void page_again(const char *config)
{
    page_end();
    begin_with(config);
}

void page_turn(void)
{
    if (h && !threaded)
        ev_run(h->loop, EVRUN_NOWAIT);
    flow_turn(f);
}

void page_turns(unsigned n)
{
    while (n-- > 0)
        page_turn();
}

void page_wait(unsigned turns, const char *what)
{
    static int64_t end;
    if (turns == 0)
        end = now_ms() + (int64_t)(PATIENCE * test_slack());
    ck_assert_msg(now_ms() < end, "waited in vain for %s", what);
    if (turns > QUIET)
        poll_pause(1);
}

void page_sample(void)
{
    collector_take(h->collector);
    feed_tell(h);
    http_run(h);
}

/* --- connections --- */

struct page_link page_open(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)page_port)};
    struct page_link link = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_ge(link.fd, 0);
    ck_assert_int_eq(connect(link.fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return link;
}

void page_send(struct page_link *link, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n = send(link->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        ck_assert_msg(n > 0 || errno == EAGAIN, "send: %s", strerror(errno));
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
        page_turn();
    }
}

static void take(struct page_link *link)
{
    ssize_t n = 1;
    while (n > 0) {
        if (link->cap - link->len < 65536)
            link->text = memory_realloc(link->text, link->cap = 2 * link->cap + 131072);
        n = recv(link->fd, link->text + link->len, link->cap - link->len - 1, MSG_DONTWAIT);
        if (n > 0)
            link->len += (size_t)n;
    }
    link->text[link->len] = '\0';
    link->ended = n == 0 || errno == ECONNRESET;
}

bool page_got(struct page_link *link, const char *text)
{
    take(link);
    return strstr(link->text, text) != NULL;
}

void page_forget(struct page_link *link)
{
    take(link);
    link->len = 0;
}

bool page_ended(struct page_link *link)
{
    take(link);
    return link->ended;
}

void page_close(struct page_link *link)
{
    close(link->fd);
    free(link->text);
    *link = (struct page_link){.fd = -1};
}

/* --- requests --- */

struct http_answer page_ask(const char *request, const char *headers, const char *body)
{
    struct page_link link = page_open();
    char *text = http_print(request, headers, body);
    page_send(&link, text);
    free(text);
    page_until(page_ended(&link));
    close(link.fd);
    return http_parse(link.text, link.len);
}

int page_status(const char *request, const char *headers, const char *body)
{
    struct http_answer a = page_ask(request, headers, body);
    http_forget(&a);
    return a.status;
}

void page_expect(const char *request, const char *headers, const char *body, int status,
                 const char *in_head, const char *in_body)
{
    struct http_answer a = page_ask(request, headers, body);
    ck_assert_msg(a.status == status, "%s: %d, not %d: %s", request, a.status, status, a.body);
    ck_assert_msg(!in_head || strstr(a.head, in_head), "%s: %s is not in %s", request, in_head,
                  a.head);
    ck_assert_msg(!in_body || strstr(a.body, in_body), "%s: %s is not in %s", request, in_body,
                  a.body);
    http_forget(&a);
}
