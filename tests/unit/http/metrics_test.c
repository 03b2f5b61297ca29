/* metrics_test: /metrics: complete, and each figure there once. */
#include "http/csv.h"
#include "http/metrics.h"
#include "support/stats_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

UNIT_SUITE_WITH("metrics", stats_begin, stats_end, {metrics_are_complete_and_declared_once},
                {an_address_is_there_once}, {findings_are_counted_by_how_bad_they_are})
