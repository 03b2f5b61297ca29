/* combine_latency_test: LATENCY of all masters as that of one server. */
#include "support/flow_unit.h"

/* What a master says of one command. */
#define CALLS(n, histogram) "*4\r\n$5\r\ncalls\r\n:" n "\r\n$14\r\nhistogram_usec\r\n" histogram

START_TEST(latency_of_all_masters_is_that_of_one_server)
{
    flow_merges("LATENCY HISTOGRAM",
                "*2\r\n$3\r\nget\r\n" CALLS("6", "*4\r\n:2\r\n:5\r\n:8\r\n:6\r\n"),
                "*4\r\n$3\r\nset\r\n" CALLS("1", "*2\r\n:4\r\n:1\r\n") /**/
                "$3\r\nget\r\n" CALLS("3", "*4\r\n:1\r\n:1\r\n:4\r\n:3\r\n"),
                "*0\r\n",
                "*4\r\n$3\r\nget\r\n" /* no more than 1, 2, 4 and 8 µs */
                CALLS("9", "*8\r\n:1\r\n:1\r\n:2\r\n:6\r\n:4\r\n:8\r\n:8\r\n:9\r\n") /**/
                "$3\r\nset\r\n" CALLS("1", "*2\r\n:4\r\n:1\r\n"));
    flow_merges("LATENCY LATEST",
                "*2\r\n*4\r\n$4\r\nfork\r\n:70\r\n:3\r\n:9\r\n"
                "*4\r\n$7\r\ncommand\r\n:60\r\n:5\r\n:7\r\n",
                "*1\r\n*4\r\n$7\r\ncommand\r\n:61\r\n:4\r\n:6\r\n", "*0\r\n",
                "*2\r\n*4\r\n$4\r\nfork\r\n:70\r\n:3\r\n:9\r\n"
                "*4\r\n$7\r\ncommand\r\n:61\r\n:4\r\n:7\r\n");
    flow_merges("LATENCY HISTORY command", "*2\r\n*2\r\n:10\r\n:1\r\n*2\r\n:30\r\n:2\r\n",
                "*1\r\n*2\r\n:20\r\n:3\r\n", "*0\r\n",
                "*3\r\n*2\r\n:10\r\n:1\r\n*2\r\n:20\r\n:3\r\n*2\r\n:30\r\n:2\r\n");
    flow_merges("LATENCY LATEST", "*0\r\n", "+OK\r\n", "*0\r\n",
                "-ERR slotway can't merge what the nodes answered\r\n");
}
END_TEST

UNIT_SUITE_WITH("combine_latency", flow_begin, flow_end,
                {latency_of_all_masters_is_that_of_one_server})
