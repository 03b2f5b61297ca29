/* drain and reload: SIGTERM finishes what is under way, SIGHUP takes a good file and keeps the old
 * configuration with a bad one; what the command line says about bad files. */
#include "support/fixture.h"
#include "support/http.h"
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert(f != NULL);
    fputs(text, f);
    fclose(f);
}

START_TEST(sigterm_drains)
{
    struct cluster *c = cluster_start();
    struct proxy *p = proxy_start(c, NULL);
    redisContext *r = client_open(p->port), *idle = client_open(p->port);
    expect(idle, "PONG", "PING");
    expect(r, "OK", "SET drain 0");
    expect(r, "OK", "CLIENT SETNAME busy");
    /* Many commands under way, one of them slow. */
    char command[64];
    redisAppendCommand(r, "EVAL %s 1 drain",
                       "local t = redis.call('TIME') local e = t[1] * 1000000 + t[2] + 300000 "
                       "repeat t = redis.call('TIME') until t[1] * 1000000 + t[2] > e return 1");
    for (int i = 1; i <= 1000; i++) {
        snprintf(command, sizeof command, "INCR drain%s", i % 2 ? "" : "ed");
        redisAppendCommand(r, command);
    }
    int done = 0;
    while (!done)
        ck_assert_int_eq(redisBufferWrite(r, &done), REDIS_OK);
    /* The slow one is under way, and the rest has come with it. */
    expect_soon(idle, "*name=busy*cmd=incr*", "CLIENT LIST");
    proxy_signal(p, SIGTERM);
    int replies = 0;
    void *reply;
    while (replies < 1001 && redisGetReply(r, &reply) == REDIS_OK) {
        ck_assert_msg(((redisReply *)reply)->type == REDIS_REPLY_INTEGER, "%s",
                      ((redisReply *)reply)->str);
        freeReplyObject(reply);
        replies++;
    }
    printf("  %d of 1001 replies after SIGTERM\n", replies);
    ck_assert_int_eq(replies, 1001);
    /* The signal may be noticed after all that; nobody has to ask for it. */
    ck_assert_int_ne(redisGetReply(idle, &reply), REDIS_OK);
    ck_assert_int_eq(idle->err, REDIS_ERR_EOF);
    redisFree(r);
    redisFree(idle);
    int64_t start = now_ms();
    stop_and_check(p);
    report_figure("end after the last client", (double)(now_ms() - start), 1000, "ms");
    cluster_stop(c);
}
END_TEST

/* Those who wait are closed without a word, as by a server that ends: workers know how to connect
 * again, and take an error for one of theirs. What comes later is for others. */
START_TEST(sigterm_closes_those_who_wait)
{
    struct cluster *c = cluster_start();
    struct proxy *p = proxy_start(c, NULL);
    static const char *const commands[] = {"BLPOP drain:one 0", "BRPOP drain:a drain:b drain:c 100",
                                           "BLMOVE {drain}a {drain}b LEFT LEFT 0"};
    enum { N = sizeof commands / sizeof commands[0] };
    redisContext *waiting[N];
    for (int i = 0; i < N; i++) {
        waiting[i] = client_open(p->port);
        redisAppendCommand(waiting[i], commands[i]);
        int done = 0;
        while (!done)
            ck_assert_int_eq(redisBufferWrite(waiting[i], &done), REDIS_OK);
    }
    redisContext *other = client_open(p->port);
    expect_soon(other, "*slotway_blocked:3*", "PROXY INFO");
    proxy_signal(p, SIGTERM);
    for (int i = 0; i < N; i++) {
        void *reply = NULL;
        ck_assert_int_eq(redisGetReply(waiting[i], &reply), REDIS_ERR);
        ck_assert_msg(waiting[i]->err == REDIS_ERR_EOF, "%s: %s", commands[i], waiting[i]->errstr);
        redisFree(waiting[i]);
    }
    redisFree(other);
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

/* Both reloads, the good one and the bad one, are events of the statistics page. */
static bool reloads_are_events(void *arg)
{
    json_t *stats = http_stats(((struct proxy *)arg)->stats_port);
    char *events = json_dumps(http_at(stats, "events.list"), 0);
    bool both = strstr(events, "\"configuration reloaded\"") &&
                strstr(events, "configuration not reloaded: ") && strstr(events, "no-such-thing");
    free(events);
    json_decref(stats);
    return both;
}

START_TEST(sighup_reloads)
{
    struct cluster *c = cluster_start();
    char file[300], text[600], flags[400];
    snprintf(file, sizeof file, "%.250s/slotway.conf", temp_dir("conf"));
    snprintf(text, sizeof text,
             "# a comment\ncluster-nodes 127.0.0.1:%d\nmaxclients 500\nloglevel notice\n", c->port);
    write_file(file, text);
    snprintf(flags, sizeof flags, "-c %s", file);
    struct proxy *p = proxy_start(NULL, flags);
    redisContext *r = client_open(p->port);
    expect(r, "[\"maxclients\", \"500\"]", "PROXY CONFIG GET maxclients");

    snprintf(text, sizeof text, "cluster-nodes 127.0.0.1:%d\nmaxclients 600\n", c->port);
    write_file(file, text);
    proxy_signal(p, SIGHUP);
    expect_soon(r, "[\"maxclients\", \"600\"]", "PROXY CONFIG GET maxclients");

    /* A bad file changes nothing at all, not even by its good lines, and the log says why. */
    snprintf(text, sizeof text, "cluster-nodes 127.0.0.1:%d\nmaxclients 700\nno-such-thing 1\n",
             c->port);
    write_file(file, text);
    proxy_signal(p, SIGHUP);
    ck_assert_msg(proxy_wait_log(p, "no-such-thing", 5000), "the log does not name the bad line");
    expect(r, "[\"maxclients\", \"600\"]", "PROXY CONFIG GET maxclients");
    unlink(file);
    proxy_signal(p, SIGHUP);
    ck_assert(proxy_wait_log(p, "No such file", 5000));
    ck_assert(wait_until(reloads_are_events, p, 5000));
    expect(r, "OK", "SET reload x");
    redisFree(r);
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

START_TEST(command_line_and_files_are_checked)
{
    char file[300], flags[400], out[65536];
    snprintf(file, sizeof file, "%.250s/slotway.conf", temp_dir("conf"));
    snprintf(flags, sizeof flags, "-t -c %s", file);
    write_file(file, "cluster-nodes 127.0.0.1:7000\nport 5001\nstats-port 1948\n");
    ck_assert_msg(proxy_run(flags, out, sizeof out) == 0, "%.500s", out);
    write_file(file, "cluster-nodes 127.0.0.1:7000\n\nport 500100\n");
    ck_assert_int_eq(proxy_run(flags, out, sizeof out), 1);
    ck_assert_msg(strstr(out, "slotway.conf") && strstr(out, "3") && strstr(out, "port") &&
                      strstr(out, "65535"),
                  "file, line, what and what is allowed: %.500s", out);
    ck_assert_int_eq(proxy_run("--help", out, sizeof out), 0);
    ck_assert(strstr(out, "--port") && strstr(out, "--stats-port"));
    ck_assert_int_eq(proxy_run("-h", out, sizeof out), 0);
    ck_assert_int_eq(proxy_run("--version", out, sizeof out), 0);
    ck_assert(strstr(out, "slotway"));
    ck_assert_int_eq(proxy_run("-V", out, sizeof out), 0);
    ck_assert_int_gt(proxy_run("--nosuch 1", out, sizeof out), 0);
    ck_assert_msg(strstr(out, "nosuch") != NULL, "%.500s", out);
    ck_assert_int_gt(proxy_run("-c /nonexistent", out, sizeof out), 0);
}
END_TEST

/* A port that is taken is said, with the reason, and nothing runs on. */
START_TEST(port_that_is_taken)
{
    struct cluster *c = cluster_start();
    struct proxy *p = proxy_start(c, NULL);
    char flags[200], out[8192];
    snprintf(flags, sizeof flags, "--bind 127.0.0.1 --port %d 127.0.0.1:%d", p->port, c->port);
    int status = proxy_run(flags, out, sizeof out);
    ck_assert_msg(status > 0, "status %d: %.500s", status, out);
    char port[8];
    snprintf(port, sizeof port, "%d", p->port);
    ck_assert_msg(strstr(out, port) != NULL, "%.500s", out);
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

PLAIN_SUITE("drain and reload", 40, sigterm_drains, sigterm_closes_those_who_wait, sighup_reloads,
            command_line_and_files_are_checked, port_that_is_taken)
