/* summary_test: the summary for people without the page, as text and as HTML. */
#include "http/summary.h"
#include "support/stats_unit.h"
#include <stdlib.h>
#include <string.h>

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

UNIT_SUITE_WITH("summary", stats_begin, stats_end, {the_summary_begins_with_the_verdict},
                {html_is_escaped})
