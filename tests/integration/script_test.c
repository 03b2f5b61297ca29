/* scripts: EVAL, EVALSHA and FCALL run where their keys are; a script loaded once is known
 * everywhere, also on nodes that were never told. */
#include "support/fixture.h"
#include <string.h>

static const char *text = "return redis.call('SET', KEYS[1], ARGV[1])";

static char *load_script(redisContext *c, const char *body)
{
    redisReply *r = redisCommand(c, "SCRIPT LOAD %s", body);
    ck_assert(r && r->type == REDIS_REPLY_STRING);
    char *sha = strdup(r->str);
    freeReplyObject(r);
    return sha;
}

static void forget_everywhere(void)
{
    for (int i = 0; i < cluster->nnodes; i++)
        ask_port(cluster->nodes[i].port, "SCRIPT FLUSH");
}

START_TEST(eval_runs_where_its_keys_are)
{
    redisContext *c = client_open(proxy->port);
    for (int i = 0; i < 100; i++) {
        expect(c, "OK", "EVAL %s 1 script:%d v%d", text, i, i);
        char want[16];
        snprintf(want, sizeof want, "\"v%d\"", i);
        expect(c, want, "GET script:%d", i);
        expect(c, want, "EVAL_RO %s 1 script:%d", "return redis.call('GET', KEYS[1])", i);
    }
    expect(c, ":7", "EVAL %s 0", "return 7");
    expect(c, "-ERR Number of keys can't be greater than number of args", "EVAL %s 3 a",
           "return 1");
    expect(c, "-ERR Number of keys can't be negative", "EVAL %s -1 a", "return 1");
    expect(c, "-ERR value is not an integer or out of range", "EVAL %s x a", "return 1");
}
END_TEST

START_TEST(loaded_script_works_for_all_slots)
{
    redisContext *c = client_open(proxy->port);
    char *sha = load_script(c, text);
    for (int i = 0; i < 100; i++)
        expect(c, "OK", "EVALSHA %s 1 sha:%d v", sha, i);
    expect(c, "[:1, :0]", "SCRIPT EXISTS %s 0000000000000000000000000000000000000000", sha);
    expect(c, "-NOSCRIPT *", "EVALSHA 0000000000000000000000000000000000000000 1 a");
}
END_TEST

START_TEST(nodes_that_forgot_are_taught_unseen)
{
    redisContext *c = client_open(proxy->port);
    char *sha = load_script(c, text);
    forget_everywhere();
    for (int i = 0; i < 30; i++)
        expect(c, "OK", "EVALSHA %s 1 sha:%d v", sha, i);
    /* Seen by EVAL only. */
    const char *other = "return {KEYS[1], ARGV[1]}";
    expect(c, "[\"k\", \"a\"]", "EVAL %s 1 k a", other);
    redisReply *r = redisCommand(client_open(cluster->nodes[0].port), "SCRIPT LOAD %s", other);
    char *sha2 = strdup(r->str);
    forget_everywhere();
    for (int i = 0; i < 30; i++)
        expect(c, "[*, \"a\"]", "EVALSHA %s 1 k%d a", sha2, i);
    /* In a pipeline on connections to nodes that don't know the script, as after a failover,
     * nothing overtakes it. */
    forget_everywhere();
    for (int i = 0; i < cluster->nnodes; i++)
        ask_port(cluster->nodes[i].port, "CLIENT KILL TYPE normal");
    for (int i = 0; i < 100; i++) {
        redisAppendCommand(c, "EVALSHA %s 1 pipe:%d w%d", sha, i % 10, i);
        redisAppendCommand(c, "GET pipe:%d", i % 10);
    }
    for (int i = 0; i < 200; i++) {
        void *reply;
        ck_assert_int_eq(redisGetReply(c, &reply), REDIS_OK);
        char *got = render(reply), want[16];
        snprintf(want, sizeof want, i % 2 ? "\"w%d\"" : "OK", i / 2);
        ck_assert_str_eq(got, want);
        free(got);
        freeReplyObject(reply);
    }
}
END_TEST

START_TEST(functions_are_loaded_on_every_master)
{
    redisContext *c = client_open(proxy->port);
    const char *library = "#!lua name=testlib\n"
                          "redis.register_function('put', function(keys, args)\n"
                          " return redis.call('SET', keys[1], args[1]) end)";
    expect(c, "\"testlib\"", "FUNCTION LOAD REPLACE %s", library);
    for (int i = 0; i < 30; i++)
        expect(c, "OK", "FCALL put 1 fun:%d x", i);
    expect(c, "*testlib*", "FUNCTION LIST");
    expect(c, "OK", "FUNCTION DELETE testlib");
    expect(c, "-ERR Function not found", "FCALL put 1 fun:1 x");
    expect(c, "OK", "SCRIPT FLUSH");
    expect(c, "OK", "FUNCTION FLUSH");
}
END_TEST

/* What a script says is not what its node says: it is passed on, and not sent again. */
START_TEST(errors_of_scripts_are_not_refusals)
{
    static const char *const errors[] = {
        "MOVED 1 127.0.0.1:1",
        "ASK 1 127.0.0.1:1",
        "TRYAGAIN later",
        "CLUSTERDOWN for today",
        "LOADING the truck",
        "MASTERDOWN x",
        "READONLY mode",
        "NOSCRIPT of mine",
        "MOVED",
        "NOSCRIPT",
    };
    const char *script = "redis.call('INCR', KEYS[1]) return {err = ARGV[1]}";
    redisContext *c = client_open(proxy->port);
    for (int i = 0; i < (int)(sizeof errors / sizeof errors[0]); i++) {
        char want[64];
        snprintf(want, sizeof want, "-%s", errors[i]);
        expect(c, want, "EVAL %s 1 said:%d %s", script, i, errors[i]);
        expect(c, "\"1\"", "GET said:%d", i);
    }
}
END_TEST

FIXTURE_SUITE("scripts", 30, NULL, eval_runs_where_its_keys_are, loaded_script_works_for_all_slots,
              nodes_that_forgot_are_taught_unseen, functions_are_loaded_on_every_master,
              errors_of_scripts_are_not_refusals)
