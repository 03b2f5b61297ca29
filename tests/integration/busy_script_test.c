/* busy script: a node that answers everything with BUSY because a script runs for long is alive,
 * and what it owes is waited for; a node that has time to answer probes has time for requests. */
#include "support/fake_node.h"
#include "support/fixture.h"
#include <string.h>

#define BACKEND_TIMEOUT 1000 /* ms */

static const char maybe[] = "-ERR *may or may not have been executed*";

static void on_masters(struct cluster *c, const char *command)
{
    for (int i = 0; i < c->nnodes; i++)
        if (c->nodes[i].master)
            ck_assert_str_eq(ask_port(c->nodes[i].port, command), "OK");
}

static bool says_busy(void *arg)
{
    return strncmp(ask_port(*(int *)arg, "PING"), "-BUSY", 5) == 0;
}

static const char spin[] = "for i = 1, tonumber(ARGV[1]) do end return redis.call('INCR', KEYS[1])";

/* How many loops the node at port needs so long for. */
static const char *loops_for(int port, int ms)
{
    static char text[32];
    const int few = 20000000;
    int64_t start = now_us();

    ck_assert_str_eq(
        ask_port(port, "EVAL %s 0 %d", "for i = 1, tonumber(ARGV[1]) do end return 1", few), ":1");
    snprintf(text, sizeof text, "%lld", (long long)few * ms * 1000 / (now_us() - start));
    return text;
}

/* The script runs for four times backend-timeout. Other nodes' keys are
 * served meanwhile, and what was asked of this one is answered after it. */
START_TEST(a_long_script_gives_its_reply)
{
    struct cluster *c = cluster_start();
    struct proxy *p = proxy_start(c, "--threads 1 --loglevel verbose --backend-timeout 1000");
    redisContext *one = client_open(p->port), *other = client_open(p->port);
    int port = cluster_master(c, 0);
    const char *key = cluster_key(c, port, "busy", 0);
    const char *elsewhere = cluster_key(c, cluster_master(c, 1), "idle", 0);
    redisReply *reply;

    show_on_failure(p->log);
    on_masters(c, "CONFIG SET busy-reply-threshold 200");
    redisAppendCommand(one, "EVAL %s 1 %s %s", spin, key, loops_for(port, 4 * BACKEND_TIMEOUT));
    int done = 0;
    ck_assert_int_eq(redisBufferWrite(one, &done), REDIS_OK);
    ck_assert(wait_until(says_busy, &port, 5000));
    expect(other, "OK", "SET %s x", elsewhere);
    ck_assert_int_eq(redisGetReply(one, (void **)&reply), REDIS_OK);
    char *text = render(reply);
    ck_assert_str_eq(text, ":1");
    ck_assert(proxy_logged(p, "is busy with a script"));
    expect(other, "\"1\"", "GET %s", key);
    free(text);
    freeReplyObject(reply);
    redisFree(one);
    redisFree(other);
    stop_and_check(p);
    on_masters(c, "CONFIG SET busy-reply-threshold 5000");
    cluster_stop(c);
}
END_TEST

/* The same with a node that does as told: waited for while it says BUSY, given up afterwards. */
START_TEST(a_node_that_answers_its_probes_owes_replies_for_no_longer_than_backend_timeout)
{
    struct fake_node *node = fake_node_start();
    char flags[128];
    snprintf(flags, sizeof flags,
             "--threads 1 --loglevel verbose --backend-timeout %d 127.0.0.1:%d", BACKEND_TIMEOUT,
             fake_node_port(node));
    struct proxy *p = proxy_start(NULL, flags);
    redisContext *c = client_open(p->port);

    show_on_failure(p->log);
    expect(c, "OK", "SET slow 1");
    fake_node_rule(node, "CLUSTER", FAKE_TEXT, "-BUSY Redis is busy running a script.\r\n", 0, -1);
    fake_node_rule(node, "slow", FAKE_SILENCE, NULL, 0, 1);
    redisAppendCommand(c, "INCR slow");
    int done = 0;
    ck_assert_int_eq(redisBufferWrite(c, &done), REDIS_OK);
    ck_assert(proxy_wait_log(p, "is busy with a script", 5000));
    poll_pause(3 * BACKEND_TIMEOUT); /* the situation itself: nothing comes for so long */
    ck_assert(!proxy_logged(p, "lost with"));
    int64_t free_again = now_ms();
    fake_node_clear_rules(node);
    redisReply *reply;
    ck_assert_int_eq(redisGetReply(c, (void **)&reply), REDIS_OK);
    char *text = render(reply);
    ck_assert_msg(text_matches(text, maybe), "%s", text);
    report_figure("a node with time for probes is given up", (double)(now_ms() - free_again),
                  2 * BACKEND_TIMEOUT, "ms");
    free(text);
    freeReplyObject(reply);
    expect(c, "\"1\"", "GET slow");
    redisFree(c);
    stop_and_check(p);
    fake_node_stop(node);
}
END_TEST

PLAIN_SUITE("busy script", 60, a_long_script_gives_its_reply,
            a_node_that_answers_its_probes_owes_replies_for_no_longer_than_backend_timeout)
