/* node garbage: a node that answers what no node should, cuts connections or refuses. Nothing wrong
 * is passed on or given to somebody else; writes are never executed twice; order stays. */
#include "support/fake_node.h"
#include "support/fixture.h"
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static struct fake_node *node;
static struct proxy *p;
static redisContext *c, *other;

static void begin(const char *flags)
{
    node = fake_node_start();
    char all[300];
    snprintf(all, sizeof all, "--threads 1 %s 127.0.0.1:%d", flags ? flags : "",
             fake_node_port(node));
    p = proxy_start(NULL, all);
    show_on_failure(p->log);
    c = client_open(p->port);
    other = client_open(p->port);
}

static void end(void)
{
    /* Whatever happened, all is well again. */
    fake_node_clear_rules(node);
    redisContext *fresh = client_open(p->port);
    expect(fresh, "OK", "SET after it");
    expect(fresh, "\"it\"", "GET after");
    expect(other, "\"it\"", "GET after");
    ck_assert_int_eq(fake_node_malformed(node), 0);
    redisFree(fresh);
    redisFree(c);
    redisFree(other);
    stop_and_check(p);
    fake_node_stop(node);
}

static const char maybe[] = "-ERR *may or may not have been executed*";

struct bad_reply {
    const char *name;
    enum fake_act act;
    const char *text;
    size_t len;
};

static const struct bad_reply bad_replies[] = {
    {"a bulk of length -77", FAKE_TEXT, "$-77\r\n", 0},
    {"an unknown type", FAKE_TEXT, "?what\r\n", 0},
    {"HTTP", FAKE_TEXT, "HTTP/1.1 400 Bad Request\r\n\r\n", 0},
    {"a bulk without its end", FAKE_TEXT, "$3\r\nabcXX\r\n", 0},
    {"an array of length -5", FAKE_TEXT, "*-5\r\n", 0},
    {"an integer that is none", FAKE_TEXT, ":12x\r\n", 0},
    {"a huge length", FAKE_TEXT, "$99999999999999999999999\r\n", 0},
    {"NULs", FAKE_TEXT, "\0\0\0\0\0\0\0\0", 8},
    {"a truncated bulk, then the end", FAKE_TEXT_CLOSE, "$10\r\nabc", 0},
    {"a truncated array, then the end", FAKE_TEXT_CLOSE, "*2\r\n$1\r\na\r\n", 0},
    {"a truncated line, then the end", FAKE_TEXT_CLOSE, "+O", 0},
    {"half of the right reply, then the end", FAKE_HALF_CLOSE, NULL, 0},
    {"the end", FAKE_CLOSE, NULL, 0},
};

/* A read is asked again and gets the right answer; a write fails with the one clear error. */
START_TEST(bad_replies_are_never_passed_on)
{
    begin(NULL);
    for (size_t i = 0; i < sizeof bad_replies / sizeof *bad_replies; i++) {
        const struct bad_reply *b = &bad_replies[i];
        char key[32];
        snprintf(key, sizeof key, "bad:%d:", (int)i);
        expect(c, "OK", "SET %s value%d", key, (int)i);
        char want[32];
        snprintf(want, sizeof want, "\"value%d\"", (int)i);
        fake_node_rule(node, key, b->act, b->text, b->len, 1);
        const char *got = ask(c, "GET %s", key);
        /* If some of the reply has been passed on already, the stream can't be repaired. */
        if (strncmp(got, "closed", 6) == 0) {
            ck_assert_msg(strstr(b->name, "truncated") != NULL, "%s: client closed", b->name);
            redisFree(c);
            c = client_open(p->port);
        } else {
            ck_assert_msg(strcmp(got, want) == 0, "%s: GET got %s", b->name, got);
        }
        fake_node_rule(node, key, b->act, b->text, b->len, 1);
        got = ask(c, "INCR %scount", key);
        ck_assert_msg(text_matches(got, maybe), "%s: INCR got %s", b->name, got);
        expect(other, want, "GET %s", key);
        fake_node_clear_rules(node);
    }
    end();
}
END_TEST

START_TEST(replies_twice_and_unasked_reach_nobody)
{
    begin(NULL);
    for (int i = 0; i < 40; i++) {
        expect(c, "OK", "SET mine:%d a%d", i, i);
        expect(other, "OK", "SET theirs:%d b%d", i, i);
    }
    fake_node_rule(node, "mine:7", FAKE_TWICE, NULL, 0, -1);
    fake_node_rule(node, "mine:9", FAKE_UNASKED, NULL, 0, -1);
    /* One at a time: behind other replies on their way a surplus one can't be told from the next.
     */
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < 40; i++) {
            char want[16];
            snprintf(want, sizeof want, "\"a%d\"", i);
            expect(c, want, "GET mine:%d", i);
            snprintf(want, sizeof want, "\"b%d\"", i);
            expect(other, want, "GET theirs:%d", i);
        }
    end();
}
END_TEST

START_TEST(executed_and_cut_before_the_answer)
{
    begin(NULL);
    for (int i = 0; i < 10; i++) {
        char key[24], want[24];
        snprintf(key, sizeof key, "cut:%d:", i);
        expect(c, ":1", "INCR %s", key);
        fake_node_rule(node, key, FAKE_EXECUTE_CLOSE, NULL, 0, 1);
        expect(c, maybe, "INCR %s", key);
        snprintf(want, sizeof want, "\"%d\"", 2);
        expect(c, want, "GET %s", key);
        ck_assert_int_eq(fake_node_executed(node, key), 3);
        /* A read is asked again. */
        fake_node_rule(node, key, FAKE_EXECUTE_CLOSE, NULL, 0, 1);
        expect(c, want, "GET %s", key);
    }
    end();
}
END_TEST

/* What follows a retried command of the same slot waits behind it. */
START_TEST(order_is_kept_through_retries)
{
    begin(NULL);
    for (int round = 0; round < 20; round++) {
        char key[24], want[64];
        snprintf(key, sizeof key, "order:%d:", round);
        expect(c, "OK", "SET %s 0", key);
        /* Any of the five reads is cut. */
        fake_node_rule(node, key, FAKE_ANSWER, NULL, 0, round % 5);
        fake_node_rule(node, key, FAKE_EXECUTE_CLOSE, NULL, 0, 1);
        for (int i = 0; i < 5; i++)
            redisAppendCommand(c, "GET %s", key);
        redisAppendCommand(c, "GET unrelated:%d", round);
        for (int i = 0; i < 5; i++) {
            void *reply;
            ck_assert_int_eq(redisGetReply(c, &reply), REDIS_OK);
            char *text = render(reply);
            ck_assert_str_eq(text, "\"0\"");
            free(text);
            freeReplyObject(reply);
        }
        void *reply;
        ck_assert_int_eq(redisGetReply(c, &reply), REDIS_OK);
        freeReplyObject(reply);
        /* All are refused, and the first twice more: what follows it waits. */
        fake_node_clear_rules(node);
        snprintf(want, sizeof want, "%s first", key);
        fake_node_rule(node, key, FAKE_TEXT, "-TRYAGAIN Multiple keys request\r\n", 0, 4);
        fake_node_rule(node, want, FAKE_TEXT, "-TRYAGAIN Multiple keys request\r\n", 0, 2);
        redisAppendCommand(c, "SET %s first", key);
        redisAppendCommand(c, "GET %s", key);
        redisAppendCommand(c, "SET %s second", key);
        redisAppendCommand(c, "GET %s", key);
        static const char *const answers[] = {"OK", "\"first\"", "OK", "\"second\""};
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(redisGetReply(c, &reply), REDIS_OK);
            char *text = render(reply);
            ck_assert_msg(strcmp(text, answers[i]) == 0, "reply %d is %s, not %s", i, text,
                          answers[i]);
            free(text);
            freeReplyObject(reply);
        }
        fake_node_clear_rules(node);
    }
    end();
}
END_TEST

START_TEST(writes_behind_a_retried_read_wait)
{
    begin(NULL);
    for (int round = 0; round < 20; round++) {
        char key[24], word[40];
        snprintf(key, sizeof key, "wait:%d:", round);
        expect(c, "OK", "SET %s old", key);
        snprintf(word, sizeof word, "GET %s", key);
        fake_node_rule(node, word, FAKE_CLOSE, NULL, 0, 1);
        redisAppendCommand(c, "GET %s", key);
        redisAppendCommand(c, "SET %s new", key);
        void *reply;
        ck_assert_int_eq(redisGetReply(c, &reply), REDIS_OK);
        char *text = render(reply);
        ck_assert_msg(strcmp(text, "\"old\"") == 0, "the retried GET saw %s", text);
        free(text);
        freeReplyObject(reply);
        ck_assert_int_eq(redisGetReply(c, &reply), REDIS_OK);
        text = render(reply);
        /* It may have been on its way behind the read on the connection that was cut. */
        ck_assert_msg(strcmp(text, "OK") == 0 || text_matches(text, maybe), "%s", text);
        bool ok = strcmp(text, "OK") == 0;
        free(text);
        freeReplyObject(reply);
        if (ok)
            expect(c, "\"new\"", "GET %s", key);
        else
            expect(c, "\"old\"", "GET %s", key);
        fake_node_clear_rules(node);
    }
    end();
}
END_TEST

/* Refused commands are sent again until the time is up; the client then gets an error, never MOVED
 * or ASK. */
START_TEST(endless_refusals_end_with_an_error)
{
    static const char *const refusals[] = {
        "-MOVED 1 127.0.0.1:%d\r\n",
        "-ASK 1 127.0.0.1:%d\r\n",
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        "-MOVED 1 :%d\r\n",
        "-MOVED nonsense\r\n",
        "-ASK\r\n",
        "-MOVED 99999 127.0.0.1:1\r\n",
    };
    begin("--redirect-timeout 400 --failover-timeout 600");
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        char key[24];
        snprintf(key, sizeof key, "no:%d:", (int)i);
        fake_node_rule(node, key, FAKE_TEXT, refusals[i], 0, -1);
        int64_t start = now_ms();
        const char *text = ask(c, "INCR %s", key);
        int64_t took = now_ms() - start;
        ck_assert_msg(text[0] == '-', "%s got %s", refusals[i], text);
        ck_assert_msg(strncmp(text, "-MOVED", 6) != 0 && strncmp(text, "-ASK", 4) != 0,
                      "the client was redirected: %s", text);
        ck_assert_msg(took < 5000 * test_slack(), "took %lld ms", (long long)took);
        /* Not a storm: refused again and again, with pauses. */
        ck_assert_msg(fake_node_received(node, key) < 2000, "%d tries",
                      fake_node_received(node, key));
        ck_assert_int_eq(fake_node_executed(node, key), 0);
        /* Others are served in the meantime and afterwards. */
        expect(other, "OK", "SET yes:%d x", (int)i);
    }
    end();
}
END_TEST

START_TEST(refused_for_a_while_then_served)
{
    static const char *const refusals[] = {
        "-MOVED 1 127.0.0.1:%d\r\n",
        "-ASK 1 127.0.0.1:%d\r\n",
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n"};
    begin(NULL);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        char key[24], want[16];
        snprintf(key, sizeof key, "later:%d:", (int)i);
        /* All ten as they come, and then three times what is tried first. */
        fake_node_rule(node, key, FAKE_TEXT, refusals[i], 0, 10 + 3);
        for (int n = 1; n <= 10; n++)
            redisAppendCommand(c, "INCR %s", key);
        for (int n = 1; n <= 10; n++) {
            void *reply;
            ck_assert_int_eq(redisGetReply(c, &reply), REDIS_OK);
            char *text = render(reply);
            snprintf(want, sizeof want, ":%d", n);
            ck_assert_msg(strcmp(text, want) == 0, "%s: got %s, not %s", refusals[i], text, want);
            free(text);
            freeReplyObject(reply);
        }
        ck_assert_int_eq(fake_node_executed(node, key), 10);
        /* A split command with a refused part. */
        fake_node_rule(node, "part", FAKE_TEXT, refusals[i], 0, 2);
        expect(c, "OK", "MSET a 1 part 2 b 3 c 4");
        fake_node_rule(node, "part", FAKE_TEXT, refusals[i], 0, 2);
        expect(c, "[\"1\", \"2\", \"3\", \"4\", nil]", "MGET a part b c nothing");
        fake_node_clear_rules(node);
    }
    end();
}
END_TEST

START_TEST(failed_part_of_a_split_command_is_an_error)
{
    begin("--redirect-timeout 300");
    expect(c, "OK", "MSET a 1 part 2 b 3");
    fake_node_rule(node, "part", FAKE_TEXT, "-TRYAGAIN no\r\n", 0, -1);
    expect(c, "-*", "MGET a part b");
    expect(c, "-*", "EXISTS a part b");
    expect(c, "-*", "MSET a 1 part 2 b 3");
    fake_node_clear_rules(node);
    fake_node_rule(node, "part", FAKE_TEXT, "-ERR something else\r\n", 0, -1);
    expect(c, "-ERR something else", "MGET a part b");
    expect(c, "-ERR something else", "MSET a 1 part 2 b 3");
    fake_node_clear_rules(node);
    fake_node_rule(node, "MSET", FAKE_EXECUTE_CLOSE, NULL, 0, 1);
    expect(c, maybe, "MSET a 1 part 2 b 3");
    end();
}
END_TEST

/* A node that says nothing more is given up after backend-timeout. */
START_TEST(silence)
{
    begin("--backend-timeout 700 --failover-timeout 1500");
    expect(c, ":1", "INCR quiet");
    fake_node_rule(node, "quiet", FAKE_SILENCE, NULL, 0, 1);
    int64_t start = now_ms();
    expect(c, maybe, "INCR quiet");
    report_figure("a silent node's write is answered", (double)(now_ms() - start), 1500, "ms");
    ck_assert_int_eq(fake_node_received(node, "quiet"), 2);
    fake_node_rule(node, "quiet", FAKE_SILENCE, NULL, 0, 1);
    expect(c, "\"1\"", "GET quiet");
    end();
}
END_TEST

/* Half of the clients are gone when the replies come: nobody gets what was theirs. */
START_TEST(clients_leave_before_their_replies)
{
    begin(NULL);
    for (int i = 0; i < 200; i++)
        expect(c, "OK", "SET stay:%d v%d", i, i);
    for (int round = 0; round < 50; round++) {
        int fd = raw_open(p->port, 0);
        char commands[4000] = "";
        for (int i = 0; i < 50; i++)
            sprintf(commands + strlen(commands), "GET stay:%d\r\nINCR gone:%d\r\n", i, round);
        raw_send(fd, commands, strlen(commands), 1000);
        for (int i = 0; i < 20; i++)
            redisAppendCommand(c, "GET stay:%d", 199 - i);
        close(fd);
        for (int i = 0; i < 20; i++) {
            redisReply *r;
            char want[16];
            snprintf(want, sizeof want, "v%d", 199 - i);
            ck_assert_int_eq(redisGetReply(c, (void **)&r), REDIS_OK);
            ck_assert_str_eq(r->str, want);
            freeReplyObject(r);
        }
    }
    end();
}
END_TEST

PLAIN_SUITE("node garbage", 30, bad_replies_are_never_passed_on,
            replies_twice_and_unasked_reach_nobody, executed_and_cut_before_the_answer,
            order_is_kept_through_retries, writes_behind_a_retried_read_wait,
            endless_refusals_end_with_an_error, refused_for_a_while_then_served,
            failed_part_of_a_split_command_is_an_error, silence, clients_leave_before_their_replies)
