/* monitor: MONITOR shows what passes through slotway, all its workers, in Redis' format. */
#include "support/fixture.h"
#include "support/plain_redis.h"
#include "support/wire.h"
#include <string.h>

/* Commands whose lines slotway and redis-server must print alike, but for time and address. */
static const char *const shown[] = {
    "SET k v",
    "get k",
    "MGET k l",
    "AUTH default secret",
    "AUTH secret",
    "HELLO 2 AUTH default secret SETNAME n",
    "CONFIG GET maxmemory",
    "CLIENT LIST",
    "CLIENT ID",
    "INFO server",
    "SLOWLOG LEN",
    "NOSUCH a",
    "GET",
    "PING text",
    "SELECT 0",
    "DBSIZE",
    "EVAL return(redis.call('set',KEYS[1],ARGV[1])) 1 k v",
};

/* A line without its time and address. */
static const char *line_of(struct wire *w)
{
    const char *line = wire_next(w);
    ck_assert_msg(text_matches(line, "+*.* [0 *] *"), "not a line of MONITOR: %s", line);
    return strstr(line, " [0 lua]") ? strstr(line, "[0 lua]") : strstr(line, "] ") + 2;
}

START_TEST(lines_are_those_of_redis)
{
    static const char odd[] = "a\"b\\c\r\n\t\a\b\x01\xff";
    int redis = plain_redis_start(NULL);
    struct wire *monitors[] = {wire_open(proxy->port), wire_open(redis)};
    struct wire *clients[] = {wire_open(proxy->port), wire_open(redis)};
    for (int i = 0; i < 2; i++) {
        wire_expect(monitors[i], "MONITOR", "+OK");
        const char *argv[] = {"SET", odd, ""};
        wire_send_argv(clients[i], 3, argv, (size_t[]){3, sizeof odd - 1, 0});
        wire_next(clients[i]);
        for (size_t k = 0; k < sizeof shown / sizeof *shown; k++)
            wire_ask(clients[i], shown[k]);
    }
    /* What the script runs is heard from its node, perhaps later than the client's next command. */
    for (bool end = false; !end;) {
        const char *want = line_of(monitors[1]);
        end = strstr(want, "[0 lua]");
        ck_assert_str_eq(line_of(monitors[0]), want);
    }
    for (int i = 0; i < 2; i++) {
        wire_close(monitors[i]);
        wire_close(clients[i]);
    }
}
END_TEST

/* What a script runs is heard from the nodes, from the OK on, and shown behind the script. */
START_TEST(scripts_are_heard_from_the_answer_on)
{
    struct wire *c = wire_open(proxy->port);
    for (int i = 0; i < 60; i++) {
        char command[128], name[32];
        struct wire *m = wire_open(proxy->port);
        wire_expect(m, "MONITOR", "+OK");
        snprintf(command, sizeof command, "EVAL return(redis.call('set',KEYS[1],'v')) 1 key:%d", i);
        snprintf(name, sizeof name, "*\"key:%d\"*", i);
        wire_expect(c, command, "+OK");
        const char *line = line_of(m);
        ck_assert_msg(text_matches(line, "\"EVAL\" *"), "%s", line);
        line = line_of(m);
        ck_assert_msg(text_matches(line, "[0 lua] \"set\" *") && text_matches(line, name), "%s",
                      line);
        wire_close(m);
    }
    wire_close(c);
}
END_TEST

#define CLIENTS 6
#define ROUNDS  200

START_TEST(every_worker_is_seen_and_order_of_a_client_is_kept)
{
    struct wire *monitors[] = {wire_open(proxy->port), wire_open(proxy->port)};
    struct wire *clients[CLIENTS];
    for (int m = 0; m < 2; m++)
        wire_expect(monitors[m], "MONITOR", "+OK");
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = wire_open(proxy->port);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            char command[64];
            snprintf(command, sizeof command, "SET client:%d %d", i, round);
            wire_send(clients[i], command);
        }
    }
    for (int m = 0; m < 2; m++) {
        int next[CLIENTS] = {0};
        for (int n = 0; n < CLIENTS * ROUNDS; n++) {
            int i = -1, round = -1;
            const char *line = line_of(monitors[m]);
            ck_assert_msg(sscanf(line, "\"SET\" \"client:%d\" \"%d\"", &i, &round) == 2, "%s",
                          line);
            ck_assert_int_eq(round, next[i]++);
        }
        ck_assert(wire_is_silent(monitors[m], 0));
        wire_close(monitors[m]);
    }
    for (int i = 0; i < CLIENTS; i++)
        wire_close(clients[i]);
}
END_TEST

static bool lists_no_monitor(void *arg)
{
    return strstr(wire_ask(arg, "CLIENT LIST"), "flags=O") == NULL;
}

START_TEST(reset_and_quit_end_it)
{
    struct wire *m = wire_open(proxy->port), *c = wire_open(proxy->port);
    wire_expect(m, "MONITOR", "+OK");
    wire_expect(c, "CLIENT LIST", "*flags=O*");
    wire_expect(c, "PING", "+PONG");
    wire_expect(m, NULL, "+*\"PING\"");
    wire_expect(m, "GET a", "-ERR Replica can't interact with the keyspace");
    wire_expect(m, "RESET", "+RESET");
    wire_expect(m, "GET a", "$nil");
    wire_expect(c, "SET a 1", "+OK");
    ck_assert(lists_no_monitor(c));
    wire_expect(m, "GET a", "$\"1\"");
    wire_expect(m, "MONITOR", "+OK");
    wire_expect(m, "QUIT", "+OK");
    wire_expect(m, NULL, "closed");
    ck_assert(wait_until(lists_no_monitor, c, 5000));
    wire_close(m);
    wire_close(c);
}
END_TEST

START_TEST(who_does_not_read_is_closed)
{
    struct wire *m = wire_open(proxy->port), *c = wire_open(proxy->port);
    wire_expect(m, "MONITOR", "+OK");
    char *value = calloc(1, 100001);
    memset(value, 'x', 100000);
    const char *argv[] = {"SET", "big", value};
    bool closed = false;
    for (int i = 0; i < 2000 && !closed; i++) {
        wire_send_argv(c, 3, argv, (size_t[]){3, 3, 100000});
        wire_expect(c, NULL, "+OK");
        closed = lists_no_monitor(c);
    }
    ck_assert(closed);
    free(value);
    wire_close(m);
    wire_close(c);
}
END_TEST

FIXTURE_SUITE("monitor", 60, "--threads 3 --client-output-limit 16mb", lines_are_those_of_redis,
              scripts_are_heard_from_the_answer_on,
              every_worker_is_seen_and_order_of_a_client_is_kept, reset_and_quit_end_it,
              who_does_not_read_is_closed)
