/* output_test: JSON, CSV, Prometheus and the summary, of an ordinary and of a huge cluster. */
#define _GNU_SOURCE
#include "http/csv.h"
#include "http/json.h"
#include "http/metrics.h"
#include "http/summary.h"
#include "support/stats_world.h"
#include "support/unit.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SAMPLE "tests/stats/sample.json"

static struct stats *s;

static void fill(unsigned masters)
{
    s = world_new(masters, "stats-password sesame");
    for (unsigned i = 0; i < s->nnodes; i++) {
        s->nodes[i].requests_rate = 12345.678;
        s->nodes[i].latency = (struct stats_latency){123.4, 567.8, 9012.3};
        histogram_add(&s->nodes[i].histogram, 100, 1000);
        for (unsigned f = 0; f < COMMAND_STAT_FAMILIES; f++)
            histogram_add(&s->nodes[i].families[f], 100 << f, 1000);
        for (unsigned j = 0; j < NODE_memory_used_bytes; j++)
            s->nodes[i].v[j] = j == NODE_requests ? 123456789 : 17;
    }
    for (unsigned i = 0; i < NOW_COUNT; i++)
        s->now[i] = 12345.6789 + i;
    command_builtin();
    while (s->ncommands < 300 && command_stat_name(s->ncommands)) {
        struct stats_command *command = &s->commands[s->ncommands];
        command->name = command_stat_name(s->ncommands++);
        command->calls = 1000;
        command->latency = (struct stats_latency){100, 200, 300};
    }
}

static void fill_lists(void)
{
    for (unsigned i = 0; i < STATS_CLIENTS; i++) {
        struct survey_client *client = &s->by_rate[i];
        client->id = i + 1;
        client->rate = 1000.0 - i;
        client->command = "get";
        snprintf(client->address, sizeof client->address, "10.9.8.%u:50000", i);
        memset(client->name, 'n', sizeof client->name - 1);
        memset(client->library, 'l', sizeof client->library - 1);
        s->by_output[i] = *client;
    }
    s->nrate = s->noutput = STATS_CLIENTS;
    for (unsigned i = 0; i < STATS_SLOW; i++)
        memset(s->slow[i].command, '"', SURVEY_COMMAND - 1);
    s->nslow = STATS_SLOW;
    for (unsigned i = 0; i < STATS_BIG; i++)
        memset(s->big[i].seen.key, '\\', WATCH_TEXT - 1);
    s->nbig = STATS_BIG;
    for (unsigned i = 0; i < STATS_CROSS; i++)
        memset(s->cross[i].seen.command, 'c', WATCH_TEXT - 1);
    s->ncross = STATS_CROSS;
    for (unsigned i = 0; i < EVENT_KEPT; i++)
        memset(s->events[i].text, 'e', EVENT_TEXT - 1);
    s->nevents = EVENT_KEPT;
    for (unsigned i = 0; i < STATS_KEYS; i++)
        snprintf(s->by_count[i].key, sizeof s->by_count[i].key, "key:%u", i);
    s->ncount = STATS_KEYS;
    memcpy(s->by_bytes, s->by_count, sizeof s->by_bytes);
    s->nbytes = STATS_KEYS;
}

static void setup(void)
{
    fill(3);
    fill_lists();
    world_tick(s);
}

static void teardown(void)
{
    world_free(s);
}

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
    fill(100); /* and as many replicas */
    fill_lists();
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

START_TEST(every_row_of_the_csv_has_every_column)
{
    struct gather_part out = {0};
    size_t columns = 0, rows = 0;
    csv_write(s, &out);
    for (const char *p = out.data, *end = out.data + out.len; p < end; rows++) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        size_t commas = 0;
        for (; p < line_end; p++)
            commas += *p == ',';
        if (rows == 0)
            columns = commas;
        ck_assert_uint_eq(commas, columns);
        p = line_end + 1;
    }
    ck_assert_uint_eq(rows, 1 + 1 + 6 + 1);
    ck_assert_ptr_nonnull(memmem(out.data, out.len, "\nslotway,BACKEND,", 17));
    free(out.data);
}
END_TEST

START_TEST(metrics_are_complete_and_declared_once)
{
    struct gather_part out = {0};
    metrics_write(s, &out);
    gather_append(&out, "", 1);
    ck_assert_ptr_nonnull(strstr(out.data, "\nslotway_commands_total "));
    ck_assert_ptr_nonnull(strstr(out.data, "slotway_node_up{node=\"10.0.0.1:6379\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(out.data,
                                 "slotway_node_request_seconds_bucket{node=\"10.0.0.1:6379\","
                                 "family=\"script\",le=\"0.000128\"} 1000\n"));
    for (const char *p = strstr(out.data, "# TYPE "); p; p = strstr(p + 1, "# TYPE ")) {
        char line[128];
        snprintf(line, sizeof line, "\n%.*s ", (int)strcspn(p + 7, " ") + 7, p);
        ck_assert_msg(!strstr(p, line), "%s is declared twice", line);
    }
    free(out.data);
}
END_TEST

static unsigned times(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *p = text; (p = strstr(p, what)); p++)
        n++;
    return n;
}

/* A node that left, and another one where it was: collectors refuse two figures of one name. */
START_TEST(an_address_is_there_once)
{
    struct gather_part metrics = {0}, csv = {0};
    s->nodes[5].state = STATS_DRAIN;
    s->nodes[5].v[NODE_up] = 0;
    memcpy(s->nodes[5].address, s->nodes[1].address, sizeof s->nodes[5].address);
    metrics_write(s, &metrics);
    gather_append(&metrics, "", 1);
    csv_write(s, &csv);
    gather_append(&csv, "", 1);
    ck_assert_uint_eq(times(metrics.data, "slotway_node_up{node=\"10.0.0.2:6379\"}"), 1);
    ck_assert_ptr_nonnull(strstr(metrics.data, "slotway_node_up{node=\"10.0.0.2:6379\"} 1\n"));
    ck_assert_uint_eq(times(csv.data, "\nslotway,10.0.0.2:6379,"), 1);
    free(metrics.data);
    free(csv.data);
}
END_TEST

/* A replica that is down wakes nobody who is woken by what is critical. */
START_TEST(findings_are_counted_by_how_bad_they_are)
{
    struct gather_part out = {0};
    world_set_flags(s, 5, TOPOLOGY_FAIL);
    world_tick(s);
    metrics_write(s, &out);
    gather_append(&out, "", 1);
    ck_assert_ptr_nonnull(
        strstr(out.data, "\nslotway_findings{rule=\"node-down\",severity=\"warning\"} 1\n"));
    ck_assert_ptr_nonnull(
        strstr(out.data, "\nslotway_findings{rule=\"node-down\",severity=\"critical\"} 0\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "\nslotway_verdict_severity 1\n"));
    free(out.data);
}
END_TEST

START_TEST(the_summary_begins_with_the_verdict)
{
    struct gather_part out = {0};
    world_set_flags(s, 0, TOPOLOGY_FAIL);
    world_tick(s);
    summary_text(s, &out);
    gather_append(&out, "", 1);
    ck_assert_msg(strncmp(out.data, "critical for 0 s: ", 18) == 0, "%s", out.data);
    ck_assert_ptr_nonnull(strstr(out.data, "10.0.0.1:6379"));
    free(out.data);
}
END_TEST

START_TEST(html_is_escaped)
{
    struct gather_part out = {0};
    world_set_host(s, 0, "<script>&\"'");
    world_set_flags(s, 0, TOPOLOGY_FAIL);
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        s->topology->owner[slot] = 1;
    world_tick(s);
    summary_html(s, &out);
    gather_append(&out, "", 1);
    ck_assert_ptr_nonnull(strstr(out.data, "&lt;script&gt;&amp;&quot;&#39;:6379"));
    free(out.data);
}
END_TEST

static Suite *output_suite(void)
{
    Suite *suite = suite_create("output");
    TCase *t = tcase_create("output");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, json_has_the_shape_of_the_sample);
    tcase_add_test(t, every_figure_of_the_table_is_in_the_document);
    tcase_add_test(t, a_snapshot_is_one_line_without_what_does_not_change);
    tcase_add_test(t, passwords_are_not_shown);
    tcase_add_test(t, a_huge_cluster_stays_small);
    tcase_add_test(t, every_row_of_the_csv_has_every_column);
    tcase_add_test(t, metrics_are_complete_and_declared_once);
    tcase_add_test(t, an_address_is_there_once);
    tcase_add_test(t, findings_are_counted_by_how_bad_they_are);
    tcase_add_test(t, the_summary_begins_with_the_verdict);
    tcase_add_test(t, html_is_escaped);
    suite_add_tcase(suite, t);
    return suite;
}

UNIT_MAIN(output_suite)
