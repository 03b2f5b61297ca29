/* local_slowlog_test: SLOWLOG: the entries of all workers as those of one server. How an entry
 * looks is in slowlog_test. */
#include "flow/slowlog.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COUNT "-ERR count should be greater than or equal to -1\r\n"

static struct worker *second;
static unsigned long long base; /* the id before the first one of a test */

static void begin(void)
{
    flow_begin_with("slowlog-max-len 12\n");
    second = flow_second(f);
    base = (unsigned long long)slowlog_next() - 1;
}

/* n entries of a worker, with a word each. */
static void record(struct worker *w, unsigned n, const char *word)
{
    char request[40];
    int len = snprintf(request, sizeof request, "*1\r\n$%zu\r\n%s\r\n", strlen(word), word);
    while (n-- > 0)
        slowlog_record(w->slowlog, w->config->slowlog_max_len, request, (size_t)len, 1, 2, "a:1",
                       "");
}

/* c gets, for line, these words: an entry each, "1b 2a" for those with the ids base + 1, … */
static void gets(const char *line, const char *entries)
{
    char want[4096] = "", word[8];
    unsigned n = 0, id;
    int used;
    size_t at = 0;
    for (const char *p = entries; sscanf(p, " %u%7s%n", &id, word, &used) == 2; p += used) {
        at += (size_t)snprintf(want + at, sizeof want - at,
                               "*6\r\n:%llu\r\n:1\r\n:2\r\n*1\r\n$1\r\n%s\r\n$3\r\na:1\r\n$0\r\n"
                               "\r\n",
                               base + id, word);
        n++;
    }
    char all[4200];
    snprintf(all, sizeof all, "*%u\r\n%s", n, want);
    flow_send(f, c, line);
    flow_expect(f, c, all);
}

START_TEST(entries_of_all_workers_are_shown_newest_first)
{
    static const struct flow_case len[] = {{"SLOWLOG LEN", ":4\r\n"}};
    gets("SLOWLOG GET", "");
    record(f->w, 1, "a");
    record(second, 2, "b");
    record(f->w, 1, "c");
    flow_asks(c, len);
    gets("SLOWLOG GET", "4c 3b 2b 1a");
    gets("slowlog get 2", "4c 3b");
    gets("SLOWLOG GET 1", "4c");
    gets("SLOWLOG GET 0", "");
    gets("SLOWLOG GET 4", "4c 3b 2b 1a");
    gets("SLOWLOG GET 5", "4c 3b 2b 1a");
    gets("SLOWLOG GET -1", "4c 3b 2b 1a");
    gets("SLOWLOG GET 9223372036854775807", "4c 3b 2b 1a");
    int other = flow_client_of(f, second);
    flow_send(f, other, "SLOWLOG LEN");
    flow_expect(f, other, ":4\r\n");
    close(other);
}
END_TEST

START_TEST(ten_are_shown_unless_more_are_asked_for)
{
    record(f->w, 6, "a");
    record(second, 5, "b");
    gets("SLOWLOG GET", "11b 10b 9b 8b 7b 6a 5a 4a 3a 2a");
    gets("SLOWLOG GET 11", "11b 10b 9b 8b 7b 6a 5a 4a 3a 2a 1a");
}
END_TEST

/* Each worker keeps as many, as all slow requests may have been its own. */
START_TEST(no_more_are_shown_than_one_server_would_have_kept)
{
    static const struct flow_case len[] = {{"SLOWLOG LEN", ":12\r\n"}};
    record(f->w, 7, "a");
    record(second, 7, "b");
    flow_asks(c, len);
    gets("SLOWLOG GET -1", "14b 13b 12b 11b 10b 9b 8b 7a 6a 5a 4a 3a");
    gets("SLOWLOG GET 13", "14b 13b 12b 11b 10b 9b 8b 7a 6a 5a 4a 3a");
}
END_TEST

START_TEST(reset_forgets_what_there_was_everywhere)
{
    record(f->w, 1, "a");
    record(second, 1, "b");
    flow_send(f, c, "SLOWLOG RESET");
    flow_expect(f, c, "+OK\r\n");
    gets("SLOWLOG GET", "");
    record(second, 1, "c");
    gets("SLOWLOG GET", "3c");
}
END_TEST

/* Each worker hears of it at another time. */
START_TEST(what_is_slow_after_reset_was_said_stays)
{
    record(second, 1, "a");
    ck_assert_int_eq(write(c, "*2\r\n$7\r\nSLOWLOG\r\n$5\r\nRESET\r\n", 28), 28);
    ev_run(f->w->loop, EVRUN_NOWAIT); /* it has been asked for, and second does not know */
    record(second, 1, "b");
    flow_expect(f, c, "+OK\r\n");
    gets("SLOWLOG GET", "2b");
}
END_TEST

START_TEST(a_transactions_reset_is_of_when_it_began)
{
    flow_send(f, c, "MULTI", "SET b 1", "SLOWLOG RESET", "SLOWLOG LEN", "EXEC");
    flow_node_gets_all(NODE_A, "MULTI", "SET b 1", "EXEC");
    record(f->w, 1, "a"); /* while the node runs it */
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_expect(f, c, "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n+OK\r\n:1\r\n");
}
END_TEST

START_TEST(wrong_words_are_answered_as_redis_does)
{
    static const struct flow_case bad[] = {
        {"SLOWLOG", "-ERR wrong number of arguments for 'slowlog' command\r\n"},
        {"SLOWLOG nosuch", "-ERR unknown subcommand 'nosuch'. Try SLOWLOG HELP.\r\n"},
        {"SLOWLOG LEN x", "-ERR wrong number of arguments for 'slowlog|len' command\r\n"},
        {"SLOWLOG RESET x", "-ERR wrong number of arguments for 'slowlog|reset' command\r\n"},
        {"SLOWLOG HELP x", "-ERR wrong number of arguments for 'slowlog|help' command\r\n"},
        {"SLOWLOG GET x", COUNT},
        {"SLOWLOG GET -2", COUNT},
        {"SLOWLOG GET 1 2", "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try "
                            "SLOWLOG HELP.\r\n"},
    };
    flow_asks(c, bad);
    flow_send(f, c, "SLOWLOG HELP");
    flow_contains(flow_received(c), "+GET [<count>]\r", "+LEN\r", "+RESET\r", "+HELP\r");
}
END_TEST

UNIT_SUITE_WITH("local_slowlog", begin, flow_end, {entries_of_all_workers_are_shown_newest_first},
                {ten_are_shown_unless_more_are_asked_for},
                {no_more_are_shown_than_one_server_would_have_kept},
                {reset_forgets_what_there_was_everywhere},
                {what_is_slow_after_reset_was_said_stays},
                {a_transactions_reset_is_of_when_it_began},
                {wrong_words_are_answered_as_redis_does})
