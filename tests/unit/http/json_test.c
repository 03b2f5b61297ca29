/* json_test: /stats.json and the snapshots of /events, of an ordinary and of a huge cluster. */
#define _GNU_SOURCE
#include "http/figures.h"
#include "http/json.h"
#include "http/metrics.h"
#include "support/stats_unit.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SAMPLE "tests/stats/sample.json"

static json_t *parse(char *text, size_t len)
{
    json_error_t error;
    ck_assert_ptr_nonnull(text);
    json_t *o = json_loadb(text, len, 0, &error);
    ck_assert_msg(o != NULL, "%s", error.text);
    free(text);
    return o;
}

/* Is everything that the sample has also in what is made, and the other way round? */
static void compare(const json_t *made, json_t *sample, const char *path)
{
    const char *key;
    json_t *value;
    char deeper[400];
    if (json_is_array(sample) && json_array_size(sample) > 0 && json_array_size(made) > 0) {
        snprintf(deeper, sizeof deeper, "%s[]", path);
        compare(json_array_get(made, 0), json_array_get(sample, 0), deeper);
        return;
    }
    if (!json_is_object(sample) || !json_is_object(made) || strcmp(path, ".totals") == 0)
        return;
    ck_assert_msg(json_object_size(made) == json_object_size(sample), "%s has %zu members, not %zu",
                  path, json_object_size(made), json_object_size(sample));
    json_object_foreach(sample, key, value)
    {
        snprintf(deeper, sizeof deeper, "%s.%s", path, key);
        ck_assert_msg(json_object_get(made, key) != NULL, "%s is missing", deeper);
        compare(json_object_get(made, key), value, deeper);
    }
}

START_TEST(json_has_the_shape_of_the_sample)
{
    size_t len;
    char *text = json_all(s, &len);
    json_t *made = parse(text, len);
    json_t *sample = json_load_file(SAMPLE, 0, NULL);
    ck_assert_ptr_nonnull(sample);
    compare(made, sample, "");
    json_decref(made);
    json_decref(sample);
}
END_TEST

/* Where the document has the figures of a scope. */
static const struct {
    const char *scope, *path;
} places[] = {
    {"now", "now"},
    {"total", "totals"},
    {"node", "nodes"},
    {"command", "commands.list"},
    {"client", "clients.by_rate"},
    {"worker", "workers"},
};

/* The object at a path of names; of a list its first element. */
static json_t *at_path(json_t *o, const char *path)
{
    char name[32];
    for (const char *p = path; *p; p += strcspn(p, "."), p += *p == '.') {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(p, "."), p);
        o = json_object_get(o, name);
    }
    return json_is_array(o) ? json_array_get(o, 0) : o;
}

/* In objects of their own, or told otherwise. */
static bool is_elsewhere(const char *scope, const char *name)
{
    static const char *const names[] = {"connections_shared",
                                        "connections_bulk",
                                        "connections_leased",
                                        "redirects",
                                        "refused",
                                        "lost",
                                        "replied",
                                        "opened",
                                        "failed",
                                        "up"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(scope, "node") == 0 && strcmp(names[i], name) == 0)
            return true;
    return false;
}

START_TEST(every_figure_of_the_table_is_in_the_document)
{
    size_t len;
    char *text = json_all(s, &len);
    json_t *made = parse(text, len);
    for (size_t i = 0; i < figure_count; i++)
        for (size_t j = 0; j < sizeof places / sizeof *places; j++) {
            if (strcmp(places[j].scope, figures[i].scope) != 0 ||
                is_elsewhere(figures[i].scope, figures[i].name))
                continue;
            json_t *place = at_path(made, places[j].path);
            ck_assert_msg(json_object_get(place, figures[i].name) != NULL, "%s has no %s",
                          places[j].path, figures[i].name);
        }
    json_decref(made);
}
END_TEST

START_TEST(a_snapshot_is_one_line_without_what_does_not_change)
{
    size_t len;
    char *text = json_snapshot(s, 0, &len);
    ck_assert_ptr_null(memchr(text, '\n', len));
    json_t *o = parse(text, len);
    ck_assert_ptr_nonnull(json_object_get(o, "now"));
    ck_assert_ptr_null(json_object_get(o, "history"));
    ck_assert_ptr_null(json_object_get(o, "config"));
    ck_assert_ptr_null(json_object_get(o, "minute"));
    json_decref(o);
}
END_TEST

START_TEST(passwords_are_not_shown)
{
    size_t len;
    char *text = json_all(s, &len);
    ck_assert_ptr_null(memmem(text, len, "sesame", 6));
    free(text);
}
END_TEST

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

START_TEST(a_huge_cluster_stays_small)
{
    world_free(s);
    stats_fill(100); /* and as many replicas */
    stats_fill_lists();
    s->now[NOW_clients] = 10000;
    for (unsigned i = 0; i < HISTORY_MINUTES * 60 + 60; i++)
        history_add(&s->history, s->time += 1, s->now);
    world_tick(s);
    ck_assert_uint_eq(s->history.minute.n, HISTORY_MINUTES);
    size_t len;
    double start = milliseconds();
    char *text = json_all(s, &len);
    printf("  /stats.json: %zu bytes in %.1f ms\n", len, milliseconds() - start);
    ck_assert_uint_lt(len, 1000000);
    free(text);
    start = milliseconds();
    text = json_snapshot(s, 0, &len);
    printf("  a snapshot: %zu bytes in %.1f ms\n", len, milliseconds() - start);
    ck_assert_uint_lt(len, 500000);
    free(text);
    struct gather_part out = {0};
    start = milliseconds();
    metrics_write(s, &out);
    printf("  /metrics: %zu bytes in %.1f ms\n", out.len, milliseconds() - start);
    ck_assert_uint_lt(out.len, 4000000);
    free(out.data);
}
END_TEST

UNIT_SUITE_WITH("json", stats_begin, stats_end, {json_has_the_shape_of_the_sample},
                {every_figure_of_the_table_is_in_the_document},
                {a_snapshot_is_one_line_without_what_does_not_change}, {passwords_are_not_shown},
                {a_huge_cluster_stays_small})
