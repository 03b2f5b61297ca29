/* stats_figures: what port 1947 says agrees with what was sent and with the nodes' own figures, and
 * collectors can read it. */
#define _GNU_SOURCE
#include "support/fixture.h"
#include "support/http.h"
#include <string.h>
#include <unistd.h>

static double counted(json_t *stats, const char *name)
{
    size_t i;
    json_t *command;
    json_array_foreach(
        http_at(stats, "commands.list"), i,
        command) if (strcmp(json_string_value(json_object_get(command, "name")), name) ==
                     0) return json_number_value(json_object_get(command, "calls"));
    return 0;
}

static double at_nodes(json_t *stats)
{
    size_t i;
    json_t *node;
    double sum = 0;
    json_array_foreach(http_at(stats, "nodes"), i, node)
        sum += json_number_value(json_object_get(node, "requests"));
    return sum;
}

/* calls= of a command in INFO commandstats, all masters together. */
static double nodes_count(const char *name)
{
    double sum = 0;
    char field[64];
    snprintf(field, sizeof field, "cmdstat_%s:calls=", name);
    for (int i = 0; i < 3; i++) {
        const char *at = strstr(ask_port(cluster_master(cluster, i), "INFO commandstats"), field);
        sum += at ? strtod(at + strlen(field), NULL) : 0;
    }
    return sum;
}

struct figures {
    double want;
    double calls, nodes;
};

static bool all_counted(void *arg)
{
    struct figures *f = arg;
    json_t *stats = http_stats(proxy->stats_port);
    f->calls = counted(stats, "strlen");
    f->nodes = at_nodes(stats);
    json_decref(stats);
    return f->calls >= f->want;
}

/* STRLEN, because nothing else here uses it. */
START_TEST(figures_agree_with_what_was_sent)
{
    enum { N = 30000 };
    struct figures before = {0}, after = {.want = N};
    redisContext *r = client_open(proxy->port);
    all_counted(&before);
    double nodes_before = nodes_count("strlen");
    for (int i = 0; i < N; i++)
        redisAppendCommand(r, "STRLEN figures:%d", i);
    for (int i = 0; i < N; i++) {
        redisReply *reply;
        ck_assert_int_eq(redisGetReply(r, (void **)&reply), REDIS_OK);
        freeReplyObject(reply);
    }
    ck_assert(wait_until(all_counted, &after, 10000));
    ck_assert(before.calls == 0 && after.calls == N);
    ck_assert(nodes_count("strlen") - nodes_before == N);
    double nodes = after.nodes - before.nodes;
    ck_assert_msg(nodes >= N && nodes < 1.01 * N, "%.0f replies of nodes", nodes);
    redisFree(r);
}
END_TEST

struct run {
    double sent, commands, calls, nodes, rates;
};

static double rates_so_far(json_t *stats)
{
    size_t i;
    json_t *rate;
    double sum = 0;
    json_array_foreach(http_at(stats, "history.second.series.requests_rate"), i, rate)
        sum += json_number_value(rate);
    return sum;
}

static void take_figures(struct run *r)
{
    json_t *stats = http_stats(proxy->stats_port);
    r->commands = json_number_value(http_at(stats, "totals.commands"));
    r->calls = counted(stats, "getrange");
    r->nodes = at_nodes(stats);
    r->rates = rates_so_far(stats);
    json_decref(stats);
}

static bool all_taken(void *arg)
{
    struct run now = *(struct run *)arg;
    take_figures(&now);
    return now.calls >= ((struct run *)arg)->calls + now.sent && now.rates >= 0.99 * now.sent;
}

static void expect_near(const char *what, double value, double sent)
{
    ck_assert_msg(value > 0.99 * sent && value < 1.01 * sent, "%s: %.0f of %.0f", what, value,
                  sent);
}

/* Its requests, what the page counts, what the nodes have executed, and the history's rates. */
START_TEST(figures_agree_with_redis_benchmark)
{
    struct run before = {.sent = 200000}, after = {0};
    take_figures(&before);
    double executed = nodes_count("getrange");
    ck_assert_int_eq(run("redis-benchmark -h 127.0.0.1 -p %d -n %.0f -c 20 -P 16 -r 100000 -q "
                         "GETRANGE key:__rand_int__ 0 9 >/dev/null",
                         proxy->port, before.sent),
                     0);
    ck_assert(wait_until(all_taken, &before, 10000));
    take_figures(&after);
    expect_near("requests", after.commands - before.commands, before.sent);
    expect_near("calls", after.calls - before.calls, before.sent);
    expect_near("replies of nodes", after.nodes - before.nodes, before.sent);
    expect_near("executed by nodes", nodes_count("getrange") - executed, before.sent);
    printf("  the rates of the seconds add up to %.1f%% of what was sent\n",
           100 * (after.rates - before.rates) / before.sent);
}
END_TEST

/* --- collectors --- */

START_TEST(the_csv_has_a_row_for_each_node)
{
    struct http_answer a = http_ask(proxy->stats_port, "GET /stats;csv", HTTP_ADMIN, NULL);
    int up = 0, rows = 0;
    for (const char *p = a.body; (p = strstr(p, "\nslotway,127.0.0.1:")); p++)
        rows++;
    for (const char *p = a.body; (p = strstr(p, ",UP,")); p++)
        up++;
    ck_assert(strncmp(a.body, "# pxname,svname,qcur,", 21) == 0);
    ck_assert_int_eq(rows, 6);
    ck_assert_int_eq(up, 7); /* and the backend */
    ck_assert_ptr_nonnull(strstr(a.body, "\nslotway,FRONTEND,"));
    http_forget(&a);
}
END_TEST

START_TEST(promtool_finds_nothing)
{
    if (run("command -v promtool >/dev/null") != 0) {
        printf("  skipped: there is no promtool\n");
        return;
    }
    struct http_answer a = http_ask(proxy->stats_port, "GET /metrics", HTTP_ADMIN, NULL);
    char path[300];
    snprintf(path, sizeof path, "%.250s/metrics", temp_dir("metrics"));
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fwrite(a.body, 1, a.len, file);
    fclose(file);
    ck_assert_int_eq(run("promtool check metrics < %s", path), 0);
    http_forget(&a);
}
END_TEST

#define EXPORTER "prometheus-haproxy-exporter"

static bool exporter_answers(void *arg)
{
    int fd = raw_open(*(int *)arg, 0); /* it may not listen yet */
    if (fd < 0)
        return false;
    close(fd);
    struct http_answer a = http_ask(*(int *)arg, "GET /metrics", NULL, NULL);
    bool good = a.status == 200 && strstr(a.body, "\nhaproxy_up 1\n");
    http_forget(&a);
    return good;
}

/* A collector made for HAProxy: it takes slotway for one, and understands every cell. */
START_TEST(haproxys_exporter_reads_the_csv)
{
    char scrape[120], listen[60], log[300];
    int port = free_ports(1, false), up = 0;
    if (run("command -v " EXPORTER " >/dev/null") != 0) {
        printf("  skipped: there is no " EXPORTER "\n");
        return;
    }
    snprintf(scrape, sizeof scrape, "--haproxy.scrape-uri=http://admin:admin@127.0.0.1:%d/;csv",
             proxy->stats_port);
    snprintf(listen, sizeof listen, "--web.listen-address=127.0.0.1:%d", port);
    snprintf(log, sizeof log, "%.250s/log", temp_dir("exporter"));
    spawn(log, (char *[]){EXPORTER, scrape, listen, NULL});
    ck_assert(wait_until(exporter_answers, &port, 10000));
    struct http_answer a = http_ask(port, "GET /metrics", NULL, NULL);
    for (const char *p = a.body; (p = strstr(p, "\nhaproxy_server_up{")); p++)
        up += strcspn(p + 1, "\n") > 2 && strncmp(p + 1 + strcspn(p + 1, "\n") - 2, " 1", 2) == 0;
    ck_assert_int_eq(up, 6);
    ck_assert_ptr_nonnull(strstr(a.body, "\nhaproxy_exporter_csv_parse_failures_total 0\n"));
    ck_assert_ptr_nonnull(strstr(a.body, "\nhaproxy_backend_up{backend=\"slotway\"} 1\n"));
    ck_assert_ptr_nonnull(
        strstr(a.body, "\nhaproxy_frontend_limit_sessions{frontend=\"slotway\"} "));
    http_forget(&a);
}
END_TEST

FIXTURE_SUITE("stats_figures", 60, NULL, figures_agree_with_what_was_sent,
              figures_agree_with_redis_benchmark, the_csv_has_a_row_for_each_node,
              haproxys_exporter_reads_the_csv, promtool_finds_nothing)
