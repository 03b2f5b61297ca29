/* stats: port 1947 as an operator sees it: access, bad behaviour, a failover that is seen, actions.
 */
#define _GNU_SOURCE
#include "support/fixture.h"
#include "support/http.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOW_ONES 1000

#define get(path)       http_status(proxy->stats_port, "GET " path, HTTP_ADMIN, NULL)
#define method(request) http_status(proxy->stats_port, request, HTTP_ADMIN, NULL)

/* --- events --- */

struct told {
    const char *kind, *text;
};

static bool event_is_there(void *arg)
{
    const struct told *told = arg;
    const char *kind = told->kind, *text = told->text;
    size_t i;
    json_t *event, *stats = http_stats(proxy->stats_port);
    bool found = false;
    json_array_foreach(http_at(stats, "events.list"), i, event)
        found = found || (strcmp(json_string_value(json_object_get(event, "kind")), kind) == 0 &&
                          strstr(json_string_value(json_object_get(event, "text")), text));
    json_decref(stats);
    return found;
}

static bool event_is_told(const char *kind, const char *text)
{
    struct told told = {kind, text};
    return wait_until(event_is_there, &told, 5000);
}

/* --- access --- */

START_TEST(who_may_see_what)
{
    static const char wrong[] = "Authorization: Basic YWRtaW46d3Jvbmc=\r\n";
    int port = proxy->stats_port;
    ck_assert_int_eq(http_status(port, "GET /healthz", NULL, NULL), 200);
    ck_assert_int_eq(http_status(port, "GET /readyz", NULL, NULL), 200);
    ck_assert_int_eq(http_status(port, "GET /", NULL, NULL), 401);
    ck_assert_int_eq(http_status(port, "GET /nothing", NULL, NULL), 401);
    ck_assert_int_eq(http_status(port, "GET /stats.json", wrong, NULL), 401);
    ck_assert_int_eq(http_status(port, "GET /", "Authorization: Basic !!!\r\n", NULL), 401);
    ck_assert_int_eq(http_status(port, "GET /", "Authorization: Bearer x\r\n", NULL), 401);
    ck_assert_int_eq(get("/"), 200);
    ck_assert_int_eq(get("/app.js"), 200);
    ck_assert_int_eq(get("/metrics"), 200);
    ck_assert_int_eq(get("/stats;csv"), 200);
    ck_assert_int_eq(get("/;csv"), 200);
    ck_assert_int_eq(get("/;csv;norefresh"), 200); /* what Datadog's agent asks for */
    ck_assert_int_eq(get("/summary"), 200);
    ck_assert_int_eq(get("/nothing"), 404);
    ck_assert_int_eq(get("/../etc/passwd"), 404);
}
END_TEST

START_TEST(every_answer_carries_the_headers)
{
    static const char *const requests[] = {"GET /", "GET /healthz", "GET /nothing", "PUT /"};
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct http_answer a = http_ask(proxy->stats_port, requests[i], NULL, NULL);
        ck_assert_ptr_nonnull(strstr(a.head, "Content-Security-Policy: default-src 'none'"));
        ck_assert_ptr_nonnull(strstr(a.head, "X-Content-Type-Options: nosniff"));
        ck_assert_ptr_nonnull(strstr(a.head, "X-Frame-Options: DENY"));
        http_forget(&a);
    }
}
END_TEST

START_TEST(other_methods_and_long_requests)
{
    char *long_path = malloc(60000), *body = malloc(100001);
    int port = proxy->stats_port;
    ck_assert_int_eq(method("HEAD /stats.json"), 200);
    ck_assert_int_eq(method("POST /"), 405);
    ck_assert_int_eq(method("PUT /stats.json"), 405);
    ck_assert_int_eq(method("DELETE /metrics"), 405);
    ck_assert_int_eq(method("OPTIONS /"), 405);
    ck_assert_int_eq(method("TRACE /"), 405);
    ck_assert_int_eq(method("GET /action/drain"), 405);
    sprintf(long_path, "GET /%0*d", 50000, 0);
    ck_assert_int_eq(http_status(port, long_path, HTTP_ADMIN, NULL), 414);
    sprintf(long_path, HTTP_ADMIN "X-Long: %0*d\r\n", 50000, 0);
    ck_assert_int_eq(http_status(port, "GET /", long_path, NULL), 431);
    memset(body, 'x', 100000);
    body[100000] = '\0';
    ck_assert_int_eq(http_status(port, "POST /action/drain", HTTP_ADMIN, body), 413);
    ck_assert_int_eq(get("/"), 200);
    free(long_path);
    free(body);
}
END_TEST

START_TEST(guessing_is_limited)
{
    static const char wrong[] = "Authorization: Basic YWRtaW46d3Jvbmc=\r\n";
    struct http_answer a;
    int wrong_ones = 0;
    for (int i = 0; i < 15; i++) {
        a = http_ask_from("127.0.0.2", NULL, proxy->stats_port, "GET /", wrong, NULL);
        wrong_ones += a.status == 401;
        ck_assert(a.status == 401 || a.status == 429);
        http_forget(&a);
    }
    ck_assert_int_eq(wrong_ones, 10);
    a = http_ask_from("127.0.0.2", NULL, proxy->stats_port, "GET /", HTTP_ADMIN, NULL);
    ck_assert_int_eq(a.status, 429);
    ck_assert_ptr_nonnull(strstr(a.head, "Retry-After: "));
    http_forget(&a);
    ck_assert_int_eq(get("/"), 200); /* from another address */
}
END_TEST

START_TEST(the_default_password_is_not_for_names_of_others)
{
    static const char request[] = "GET /stats.json HTTP/1.1\r\nHost: evil.example:1947\r\n"
                                  "Connection: close\r\n" HTTP_ADMIN "\r\n";
    char answer[2000] = "";
    int fd = raw_open(proxy->stats_port, 0);
    ck_assert(raw_send(fd, request, sizeof request - 1, 1000));
    raw_read(fd, answer, sizeof answer - 1, 20000);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 403 "));
    close(fd);
}
END_TEST

START_TEST(the_default_password_is_for_this_host)
{
    struct ifaddrs *list, *i;
    char ip[INET_ADDRSTRLEN] = "";
    ck_assert_int_eq(getifaddrs(&list), 0);
    for (i = list; i; i = i->ifa_next) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)i->ifa_addr;
        if (in && in->sin_family == AF_INET && ntohl(in->sin_addr.s_addr) >> 24 != 127)
            inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
    }
    freeifaddrs(list);
    if (!*ip) {
        printf("  skipped: this host has no other address\n");
        return;
    }
    struct http_answer a = http_ask_from(ip, ip, proxy->stats_port, "GET /", HTTP_ADMIN, NULL);
    ck_assert_int_eq(a.status, 403);
    ck_assert_ptr_nonnull(strstr(a.body, "at 127.0.0.1 or localhost. Set stats-password"));
    http_forget(&a);
    a = http_ask_from(ip, ip, proxy->stats_port, "GET /healthz", NULL, NULL);
    ck_assert_int_eq(a.status, 200);
    http_forget(&a);
    redisContext *r = client_open(proxy->port);
    expect(r, "OK", "PROXY CONFIG SET stats-password sesame");
    a = http_ask_from(ip, ip, proxy->stats_port, "GET /",
                      "Authorization: Basic YWRtaW46c2VzYW1l\r\n", NULL);
    ck_assert_int_eq(a.status, 200);
    http_forget(&a);
    expect(r, "OK", "PROXY CONFIG SET stats-password admin");
    redisFree(r);
    ck_assert(event_is_told("config", "stats-password set to another value by a client"));
}
END_TEST

/* --- bad behaviour --- */

START_TEST(slow_connections_keep_nobody_out)
{
    static const char half[] = "GET / HTTP/1.1\r\nHost: x\r\n";
    int slow[SLOW_ONES];
    redisContext *r = client_open(proxy->port);
    for (int i = 0; i < SLOW_ONES; i++) {
        slow[i] = raw_open(proxy->stats_port, 0);
        ck_assert_int_ge(slow[i], 0);
        if (send(slow[i], half, sizeof half - 1, MSG_NOSIGNAL) < 0)
            continue; /* it was closed to make room */
        if (i % 100 == 0) {
            ck_assert_int_eq(get("/stats.json"), 200);
            expect(r, "PONG", "PING");
        }
    }
    ck_assert_int_eq(get("/stats.json"), 200);
    ck_assert_int_lt(process_descriptors(proxy->pid), 600);
    for (int i = 0; i < SLOW_ONES; i++)
        close(slow[i]);
    ck_assert_int_eq(get("/stats.json"), 200);
    redisFree(r);
}
END_TEST

START_TEST(garbage_is_refused)
{
    static const char *const garbage[] = {"GET\r\n\r\n", "*1\r\n$4\r\nPING\r\n",
                                          "GET / HTTP/9.9\r\n\r\n"};
    char answer[400];
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        int fd = raw_open(proxy->stats_port, 0);
        raw_send(fd, garbage[i], strlen(garbage[i]), 1000);
        shutdown(fd, SHUT_WR);
        ck_assert(raw_read_to_end(fd, answer, sizeof answer, 20000));
        ck_assert_ptr_null(strstr(answer, " 200 "));
        close(fd);
    }
    ck_assert_int_eq(get("/"), 200);
}
END_TEST

/* --- a stream --- */

/* Read until the text has come so often. */
static void read_stream(int fd, char *buf, size_t cap, const char *text, int times)
{
    size_t len = 0;
    for (int64_t end = now_ms() + 20000; now_ms() < end;) {
        int seen = 0;
        buf[len] = '\0';
        for (const char *p = buf; (p = strstr(p, text)); p++)
            seen++;
        if (seen >= times)
            return;
        ssize_t n = recv(fd, buf + len, cap - 1 - len, MSG_DONTWAIT);
        ck_assert_msg(n != 0, "the stream ended");
        if (n > 0)
            len += (size_t)n;
        else
            poll_pause(5);
    }
    ck_abort_msg("%s did not come %d times", text, times);
}

START_TEST(events_are_a_snapshot_a_second)
{
    static const char request[] = "GET /events HTTP/1.1\r\nHost: localhost\r\n" HTTP_ADMIN "\r\n";
    enum { CAP = 4 * 1024 * 1024 };
    char *buf = malloc(CAP);
    long first = 0, second = 0;
    int fd = raw_open(proxy->stats_port, 0);
    ck_assert(raw_send(fd, request, sizeof request - 1, 1000));
    read_stream(fd, buf, CAP, "\nevent: snapshot\n", 3);
    ck_assert_ptr_nonnull(strcasestr(buf, "Content-Type: text/event-stream"));
    char *id = strstr(buf, "id: ");
    sscanf(id, "id: %ld", &first);
    sscanf(strstr(id + 1, "\nid: "), "\nid: %ld", &second);
    ck_assert_int_eq(second, first + 1);
    close(fd);
    free(buf);
}
END_TEST

/* --- a failover --- */

static json_t *verdict_rule(json_t *stats, const char *rule)
{
    size_t i;
    json_t *finding;
    json_array_foreach(http_at(stats, "verdict.findings"), i,
                       finding) if (strcmp(json_string_value(json_object_get(finding, "rule")),
                                           rule) == 0) return finding;
    return NULL;
}

static bool is_red(void *arg)
{
    json_t *stats = http_stats(proxy->stats_port);
    const char *severity = json_string_value(http_at(stats, "verdict.severity"));
    bool red = strcmp(severity, "critical") == 0 && verdict_rule(stats, "slots-uncovered");
    if (red && arg)
        snprintf(
            arg, 200, "%s",
            json_string_value(json_object_get(verdict_rule(stats, "slots-uncovered"), "text")));
    json_decref(stats);
    return red;
}

static bool is_covered(void *arg)
{
    json_t *stats = http_stats(proxy->stats_port);
    bool ok = strcmp(json_string_value(http_at(stats, "cluster.state")), "ok") == 0;
    (void)arg;
    json_decref(stats);
    return ok;
}

START_TEST(a_dead_master_turns_it_red_and_a_failover_green)
{
    static uint8_t groups[CLUSTER_SLOTS];
    char text[200] = "";
    int first = 0, last = 0;
    cluster_groups(cluster, groups);
    int64_t start = now_ms();
    cluster_kill(cluster, cluster_master(cluster, 2));
    ck_assert(wait_until(is_red, text, 20000));
    report_figure("a dead master is shown red after", (double)(now_ms() - start), 2000, "ms");
    ck_assert_msg(text_matches(text, "slots * have no master*"), "%s", text);
    ck_assert_msg(sscanf(text, "slots %d-%d", &first, &last) == 2, "%s", text);
    for (int slot = first; slot <= last && slot < CLUSTER_SLOTS; slot++)
        ck_assert_msg(groups[slot] == 2, "%s, but slot %d has one", text, slot);
    ck_assert_int_eq(http_status(proxy->stats_port, "GET /readyz", NULL, NULL), 503);
    ck_assert(wait_until(is_covered, NULL, 30000));
    ck_assert(event_is_told("node", "does not answer"));
    ck_assert(event_is_told("failover", "is a master now"));
    ck_assert(event_is_told("slots", "of 16384 slots are served"));
}
END_TEST

/* --- a slot that is given away --- */

#define MOVED_SLOT 100

static bool slot_is(void *arg)
{
    size_t i;
    json_t *range, *stats = http_stats(proxy->stats_port);
    bool found = false;
    json_array_foreach(http_at(stats, "slots.ranges"), i, range)
    {
        json_int_t first = json_integer_value(json_object_get(range, "first"));
        json_int_t last = json_integer_value(json_object_get(range, "last"));
        const char *state = json_string_value(json_object_get(range, "state"));
        found = found || (first <= MOVED_SLOT && MOVED_SLOT <= last && strcmp(state, arg) == 0);
    }
    json_decref(stats);
    return found;
}

/* Also when nobody asks for what is in it. */
START_TEST(a_slot_that_is_given_away_is_shown)
{
    char id[64], migrating[] = "migrating", ok[] = "ok";
    int from = cluster->owner[MOVED_SLOT];
    int to = cluster_master(cluster, from == cluster_master(cluster, 0));
    ck_assert_int_eq(sscanf(ask_port(to, "CLUSTER MYID"), "%*[^0-9a-f]%40[0-9a-f]", id), 1);
    ck_assert(wait_until(slot_is, ok, 10000));
    ck_assert_str_eq(ask_port(from, "CLUSTER SETSLOT %d MIGRATING %s", MOVED_SLOT, id), "OK");
    ck_assert(wait_until(slot_is, migrating, 10000));
    ck_assert_str_eq(ask_port(from, "CLUSTER SETSLOT %d STABLE", MOVED_SLOT), "OK");
    ck_assert(wait_until(slot_is, ok, 10000));
}
END_TEST

/* --- actions --- */

static char *token(void)
{
    static char field[80];
    json_t *stats = http_stats(proxy->stats_port);
    snprintf(field, sizeof field, "token=%s", json_string_value(http_at(stats, "actions.token")));
    json_decref(stats);
    return field;
}

static int act(const char *action, const char *body)
{
    char request[100];
    snprintf(request, sizeof request, "POST /action/%s", action);
    return http_status(proxy->stats_port, request, HTTP_ADMIN, body);
}

START_TEST(actions_need_a_token)
{
    ck_assert_int_eq(act("refresh", "token=0123456789abcdef0123456789abcdef"), 403);
    ck_assert_int_eq(act("refresh", ""), 403);
    ck_assert_int_eq(http_status(proxy->stats_port, "POST /action/refresh", NULL, token()), 401);
    ck_assert_int_eq(act("refresh", token()), 200);
    redisContext *r = client_open(proxy->port);
    expect(r, "OK", "PROXY CONFIG SET stats-admin no");
    ck_assert_int_eq(act("refresh", "token="), 403);
    expect(r, "OK", "PROXY CONFIG SET stats-admin yes");
    redisFree(r);
    ck_assert(event_is_told("action", "admin from 127.0.0.1:"));
}
END_TEST

START_TEST(a_client_is_closed)
{
    char body[120];
    redisContext *victim = client_open(proxy->port), *other = client_open(proxy->port);
    long long id = strtoll(ask(victim, "CLIENT ID") + 1, NULL, 10);
    snprintf(body, sizeof body, "%s&id=%lld", token(), id);
    ck_assert_int_eq(act("close-client", body), 200);
    expect(victim, "closed", "PING");
    expect(other, "PONG", "PING");
    ck_assert_int_eq(act("close-client", body), 404);
    snprintf(body, sizeof body, "%s&id=x", token());
    ck_assert_int_eq(act("close-client", body), 400);
    redisFree(victim);
    redisFree(other);
}
END_TEST

/* Send something that slotway closes the connection for. */
static void say_and_be_closed(const char *text)
{
    char answer[400];
    int fd = raw_open(proxy->port, 0);
    ck_assert(raw_send(fd, text, strlen(text), 1000));
    ck_assert(raw_read_to_end(fd, answer, sizeof answer, 20000));
    close(fd);
}

START_TEST(it_is_told_why_clients_are_closed)
{
    redisContext *r = client_open(proxy->port), *victim = client_open(proxy->port);
    long long id = strtoll(ask(victim, "CLIENT ID") + 1, NULL, 10);
    expect(r, ":1", "CLIENT KILL ID %lld", id);
    redisFree(victim);
    say_and_be_closed("POST / HTTP/1.1\r\n\r\n");
    say_and_be_closed("*1\r\n$x\r\n");
    expect(r, "OK", "PROXY CONFIG SET maxclients 1");
    redisContext *refused = client_try(proxy->port);
    ck_assert(event_is_told("client", "client refused: max number of clients reached"));
    if (refused)
        redisFree(refused);
    expect(r, "OK", "PROXY CONFIG SET maxclients 10000");
    expect(r, "OK", "PROXY CONFIG SET timeout 1");
    ck_assert(event_is_told("client", "closed: idle for longer than timeout"));
    ck_assert(event_is_told("client", "closed: by CLIENT KILL"));
    ck_assert(event_is_told("client", "closed: it speaks HTTP"));
    ck_assert(event_is_told("client", "closed: Protocol error"));
    ck_assert(event_is_told("config", "maxclients set to 1 by a client"));
    redisFree(r);
    r = client_open(proxy->port);
    expect(r, "OK", "PROXY CONFIG SET timeout 0");
    redisFree(r);
}
END_TEST

static bool refuses(void *arg)
{
    redisContext *r = client_try(proxy->port);
    (void)arg;
    if (r)
        redisFree(r);
    return r == NULL;
}

static bool accepts(void *arg)
{
    return !refuses(arg);
}

static bool is_closed(void *arg)
{
    char byte;
    return recv(*(int *)arg, &byte, 1, MSG_DONTWAIT) == 0;
}

START_TEST(drain_and_resume)
{
    int idle = raw_open(proxy->port, 0);
    ck_assert_int_eq(act("drain", token()), 200);
    ck_assert(wait_until(refuses, NULL, 5000));
    ck_assert(wait_until(is_closed, &idle, 5000));
    ck_assert_int_eq(http_status(proxy->stats_port, "GET /readyz", NULL, NULL), 503);
    ck_assert_int_eq(http_status(proxy->stats_port, "GET /healthz", NULL, NULL), 200);
    ck_assert_int_eq(act("resume", token()), 200);
    ck_assert(wait_until(accepts, NULL, 5000));
    ck_assert_int_eq(http_status(proxy->stats_port, "GET /readyz", NULL, NULL), 200);
    redisContext *r = client_open(proxy->port);
    expect(r, "OK", "SET after:resume 1");
    redisFree(r);
    close(idle);
}
END_TEST

FIXTURE_SUITE("stats", 60, "--stats-admin yes", who_may_see_what, every_answer_carries_the_headers,
              other_methods_and_long_requests, guessing_is_limited,
              the_default_password_is_for_this_host,
              the_default_password_is_not_for_names_of_others, slow_connections_keep_nobody_out,
              garbage_is_refused, events_are_a_snapshot_a_second,
              a_dead_master_turns_it_red_and_a_failover_green, a_slot_that_is_given_away_is_shown,
              actions_need_a_token, a_client_is_closed, it_is_told_why_clients_are_closed,
              drain_and_resume)
