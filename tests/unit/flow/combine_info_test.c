/* combine_info_test: INFO of several masters as that of one server. */
#include "flow/combine_info.h"
#include "support/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect_merged(const char *a, const char *b, const char *own, const char *want)
{
    const char *const texts[] = {a, b};
    const size_t lens[] = {strlen(a), strlen(b)};
    struct gather_part out = {0};
    combine_info_texts(texts, lens, 2, own, &out);
    gather_append(&out, "", 1);
    ck_assert_str_eq(out.data, want);
    free(out.data);
}

START_TEST(figures_are_added_and_texts_are_the_first_nodes)
{
    expect_merged(
        "# Server\r\nredis_version:7.0.15\r\nhz:10\r\n\r\n# Stats\r\nhits:5\r\nkbps:1.25\r\n",
        "# Server\r\nredis_version:7.0.14\r\nhz:10\r\n\r\n# Stats\r\nhits:7\r\nkbps:0.50\r\n", "",
        "# Server\r\nredis_version:7.0.15\r\nhz:10\r\n\r\n# Stats\r\nhits:12\r\n"
        "kbps:1.75\r\n");
}
END_TEST

/* Redis prints such figures as unsigned ones. */
START_TEST(differences_below_zero_are_added_as_such)
{
    expect_merged("# Memory\r\nused_memory_dataset:18446744073709551516\r\n",
                  "# Memory\r\nused_memory_dataset:5217688\r\n", "",
                  "# Memory\r\nused_memory_dataset:5217588\r\n");
    expect_merged("# Memory\r\nused_memory_dataset:5\r\nmem_fragmentation_bytes:-7\r\n",
                  "# Memory\r\nused_memory_dataset:18446744073709551516\r\n"
                  "mem_fragmentation_bytes:3\r\n",
                  "", "# Memory\r\nused_memory_dataset:-95\r\nmem_fragmentation_bytes:-4\r\n");
    expect_merged("# Stats\r\nhits:9223372036854775807\r\n", "# Stats\r\nhits:1\r\n", "",
                  "# Stats\r\nhits:-9223372036854775808\r\n");
}
END_TEST

START_TEST(human_sizes_follow_their_figures)
{
    expect_merged("# Memory\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\n",
                  "# Memory\r\nused_memory:524288\r\nused_memory_human:512.00K\r\n", "",
                  "# Memory\r\nused_memory:1572864\r\nused_memory_human:1.50M\r\n");
    expect_merged("# Memory\r\nmaxmemory:0\r\nmaxmemory_human:0B\r\n",
                  "# Memory\r\nmaxmemory:0\r\nmaxmemory_human:0B\r\n", "",
                  "# Memory\r\nmaxmemory:0\r\nmaxmemory_human:0B\r\n");
}
END_TEST

START_TEST(ratios_are_means)
{
    expect_merged("# Memory\r\nmem_fragmentation_ratio:1.00\r\nused_memory_peak_perc:90.00%\r\n",
                  "# Memory\r\nmem_fragmentation_ratio:2.00\r\nused_memory_peak_perc:80.00%\r\n",
                  "",
                  "# Memory\r\nmem_fragmentation_ratio:1.50\r\nused_memory_peak_perc:85.00%\r\n");
}
END_TEST

START_TEST(bad_news_of_one_node_is_shown)
{
    expect_merged("# Persistence\r\nrdb_last_bgsave_status:ok\r\nloading:0\r\n",
                  "# Persistence\r\nrdb_last_bgsave_status:err\r\nloading:1\r\n", "",
                  "# Persistence\r\nrdb_last_bgsave_status:err\r\nloading:1\r\n");
}
END_TEST

START_TEST(keyspace_is_summed_and_ttl_weighted)
{
    expect_merged("# Keyspace\r\ndb0:keys=10,expires=1,avg_ttl=100\r\n",
                  "# Keyspace\r\ndb0:keys=5,expires=3,avg_ttl=500\r\n", "",
                  "# Keyspace\r\ndb0:keys=15,expires=4,avg_ttl=400\r\n");
}
END_TEST

START_TEST(a_node_without_keys_takes_nothing_away)
{
    expect_merged("# Keyspace\r\n", "# Keyspace\r\ndb0:keys=5,expires=3,avg_ttl=500\r\n", "",
                  "# Keyspace\r\ndb0:keys=5,expires=3,avg_ttl=500\r\n");
}
END_TEST

START_TEST(statistics_of_commands_are_merged)
{
    expect_merged("# Commandstats\r\ncmdstat_get:calls=1,usec=4,usec_per_call=4.00\r\n",
                  "# Commandstats\r\ncmdstat_get:calls=3,usec=4,usec_per_call=1.33\r\n"
                  "cmdstat_set:calls=1,usec=1,usec_per_call=1.00\r\n",
                  "",
                  "# Commandstats\r\ncmdstat_get:calls=4,usec=8,usec_per_call=2.00\r\n"
                  "cmdstat_set:calls=1,usec=1,usec_per_call=1.00\r\n");
    expect_merged("# Latencystats\r\nl_get:p50=1.003,p99.9=9.023\r\n",
                  "# Latencystats\r\nl_get:p50=2.007,p99.9=3.007\r\n", "",
                  "# Latencystats\r\nl_get:p50=2.007,p99.9=9.023\r\n");
}
END_TEST

START_TEST(replicas_of_all_masters_are_numbered)
{
    expect_merged("# Replication\r\nconnected_slaves:1\r\nslave0:ip=a\r\n",
                  "# Replication\r\nconnected_slaves:2\r\nslave0:ip=b\r\nslave1:ip=c\r\n", "",
                  "# Replication\r\nconnected_slaves:3\r\nslave0:ip=a\r\nslave1:ip=b\r\n"
                  "slave2:ip=c\r\n");
}
END_TEST

START_TEST(own_fields_replace_those_that_are_there)
{
    expect_merged("# Server\r\nprocess_id:1\r\n", "# Server\r\nprocess_id:2\r\n",
                  "process_id:77\nrun_id:abc\n", "# Server\r\nprocess_id:77\r\n");
}
END_TEST

START_TEST(text_that_is_not_info_is_left_out)
{
    expect_merged("no section:1\r\n# A\r\nno colon\r\n\r\n", "", "", "# A\r\n");
}
END_TEST

START_TEST(names_of_any_length_are_told_apart)
{
    char section[900], a[2100], want[2100];
    memset(section, 's', sizeof section);
    section[sizeof section - 1] = '\0';
    snprintf(a, sizeof a, "# %s\r\nx:1\r\n%s:2\r\n", section, section);
    snprintf(want, sizeof want, "# %s\r\nx:1\r\n%s:2\r\n", section, section);
    expect_merged(a, a, "", want);
}
END_TEST

UNIT_SUITE("combine_info", {figures_are_added_and_texts_are_the_first_nodes},
           {differences_below_zero_are_added_as_such}, {human_sizes_follow_their_figures},
           {ratios_are_means}, {bad_news_of_one_node_is_shown},
           {keyspace_is_summed_and_ttl_weighted}, {a_node_without_keys_takes_nothing_away},
           {statistics_of_commands_are_merged}, {replicas_of_all_masters_are_numbered},
           {own_fields_replace_those_that_are_there}, {text_that_is_not_info_is_left_out},
           {names_of_any_length_are_told_apart})
