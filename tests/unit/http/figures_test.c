/* figures_test: the table of figures that JSON, CSV, Prometheus and the page are made from. */
#include "http/figures.h"
#include "support/unit.h"
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(*words, word) != 0)
        words++;
    return *words;
}

START_TEST(each_is_described)
{
    static const char *const kinds[] = {"counter", "gauge", "latency", NULL};
    for (size_t i = 0; i < figure_count; i++) {
        const struct figure *f = &figures[i];
        ck_assert_msg(is_one_of(f->kind, kinds), "%s: %s", f->name, f->kind);
        ck_assert_msg(*f->unit && strlen(f->help) > 10, "%s", f->name);
        for (const char *p = f->name; *p; p++) /* names of Prometheus */
            ck_assert_msg(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_',
                          "%s", f->name);
        ck_assert_msg(strcmp(f->kind, "latency") != 0 || strcmp(f->unit, "us") == 0, "%s", f->name);
    }
}
END_TEST

START_TEST(a_name_is_in_a_scope_once)
{
    for (size_t i = 0; i < figure_count; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(strcmp(figures[i].name, figures[j].name) != 0 ||
                              strcmp(figures[i].scope, figures[j].scope) != 0,
                          "%s of %s is there twice", figures[i].name, figures[i].scope);
}
END_TEST

/* The enums are positions behind these. */
START_TEST(scopes_begin_where_they_are_said_to)
{
    for (unsigned i = 0; i < NOW_COUNT; i++)
        ck_assert_str_eq(figures_now[i].scope, "now");
    for (unsigned i = 0; i < TOTAL_COUNT; i++)
        ck_assert_str_eq(figures_total[i].scope, "total");
    for (unsigned i = 0; i < NODE_COUNT; i++)
        ck_assert_str_eq(figures_node[i].scope, "node");
    for (unsigned i = 0; i < WATCH_COUNT; i++)
        ck_assert_str_eq(figures_watch[i].scope, "node");
    for (unsigned i = 0; i < WORKER_COUNT; i++)
        ck_assert_str_eq(figures_worker[i].scope, "worker");
    ck_assert_str_eq(figures_now[NOW_requests_rate].name, "requests_rate");
    ck_assert_str_eq(figures_now[NOW_memory_bytes].name, "memory_bytes");
    ck_assert_str_eq(figures_total[TOTAL_http_refused].name, "http_refused");
    ck_assert_str_eq(figures_node[NODE_keys].name, "keys");
    ck_assert_str_eq(figures_node[NODE_latency].name, "latency");
    ck_assert_str_eq(figures_watch[WATCH_redirects].name, "redirects");
    ck_assert_str_eq(figures_watch[WATCH_bytes_out].name, "bytes_out");
    ck_assert_str_eq(figures_worker[WORKER_load].name, "load");
    ck_assert_str_eq(figures_worker[WORKER_backends].name, "backends");
}
END_TEST

START_TEST(counters_of_workers_are_totals)
{
    const struct figure *first = figures_worker + WORKER_COUNT;
    size_t n = 0;
    while (strcmp(first[n].scope, "total") == 0)
        n++;
    ck_assert_uint_eq(n, COUNTER_COUNT);
    ck_assert_str_eq(first[COUNTER_commands].name, "commands");
    ck_assert_str_eq(first[COUNTER_errors].name, "errors");
    ck_assert_str_eq(first[n].scope, "command");
    ck_assert_str_eq(figures[figure_count - 1].scope, "client");
}
END_TEST

/* Rates are told by their mean; of what is held, and of latencies, the worst counts. */
START_TEST(a_minute_of_seconds)
{
    for (unsigned i = 0; i < NOW_COUNT; i++) {
        const char *name = figures_now[i].name, *end = strrchr(name, '_');
        bool mean = (end && strcmp(end, "_rate") == 0) || strcmp(name, "cpu") == 0;
        ck_assert_msg(figures_now_max[i] == !mean, "%s", name);
    }
}
END_TEST

UNIT_SUITE("figures", {each_is_described}, {a_name_is_in_a_scope_once},
           {scopes_begin_where_they_are_said_to}, {counters_of_workers_are_totals},
           {a_minute_of_seconds})
