/* command_keys_test: where the keys of a request are, as a real server gives them (COMMAND
 * GETKEYS), and whether it may block. */
#include "support/command_unit.h"

/* What redis-server 7.0.15 answers to COMMAND GETKEYS. */
static const struct {
    const char *line;
    const char *keys;
} known_keys[] = {
    {"get a", "a"},
    {"set a b ex 10", "a"},
    {"mget a b a", "a b a"},
    {"mset a 1 b 2", "a b"},
    {"msetnx a 1 b 2", "a b"},
    {"del a b c", "a b c"},
    {"exists a", "a"},
    {"rename a b", "a b"},
    {"copy a b replace", "a b"},
    {"bitop and d a b", "d a b"},
    {"pfmerge d a b", "d a b"},
    {"pfcount a b", "a b"},
    {"lcs a b", "a b"},
    {"smove a b m", "a b"},
    {"rpoplpush a b", "a b"},
    {"lmove a b left right", "a b"},
    {"blmove a b left right 0", "a b"},
    {"blpop a b 0", "a b"},
    {"brpoplpush a b 0", "a b"},
    {"bzpopmin a b 0", "a b"},
    {"bzmpop 0 2 a b min", "a b"},
    {"blmpop 0 1 a left", "a"},
    {"lmpop 2 a b left", "a b"},
    {"lmpop 2x a b left", "a b"},
    {"eval s 1.5 a", "a"},
    {"zmpop 2 a b min", "a b"},
    {"sintercard 2 a b limit 1", "a b"},
    {"zintercard 2 a b", "a b"},
    {"sinter a b c", "a b c"},
    {"sinterstore d a b", "d a b"},
    {"zunionstore d 2 a b weights 1 2", "d a b"},
    {"zinterstore d 1 a", "d a"},
    {"zdiffstore d 2 a b", "d a b"},
    {"zunion 2 a b", "a b"},
    {"zinter 1 a", "a"},
    {"zdiff 2 a b", "a b"},
    {"zrangestore d a 0 1", "d a"},
    {"geosearchstore d a frommember m byradius 1 m", "d a"},
    {"georadius a 0 0 1 m", "a"},
    {"georadius a 0 0 1 m store d", "a d"},
    {"georadius a 0 0 1 m storedist d", "a d"},
    {"georadiusbymember a m 1 m store d", "a d"},
    {"georadius_ro a 0 0 1 m", "a"},
    {"sort a", "a"},
    {"sort a by nosort get # limit 0 1", "a"},
    {"sort a store d", "a d"},
    {"sort a store d store e", "a e"},
    {"sort a get store store d", "a d"},
    {"sort a by store store d", "a d"},
    {"sort_ro a by x get y", "a"},
    {"migrate h 1 a 0 5", "a"},
    {"migrate h 1 \"\" 0 5 keys a b c", "a b c"},
    {"migrate h 1 \"\" 0 5 copy replace auth keys keys a b", "a b"},
    {"migrate h 1 \"\" 0 5 auth2 keys keys keys a", "a"},
    {"eval s 2 a b c", "a b"},
    {"eval s 1.5 a", "a"}, /* refused, but by the node of the key */
    {"eval s +2x a b", "a b"},
    {"zunionstore d 1e9 a", "d a"},
    {"eval s 0", ""},
    {"eval_ro s 1 a", "a"},
    {"evalsha s 1 a b", "a"},
    {"fcall f 2 a b", "a b"},
    {"fcall_ro f 1 a x", "a"},
    {"xread streams a 0", "a"},
    {"xread count 1 block 0 streams a b 0 0", "a b"},
    {"xread count streams streams a 0", "streams"},
    {"xreadgroup group g c streams a >", "a"},
    {"xreadgroup group streams c streams a b > >", "a b"},
    {"xadd a * f v", "a"},
    {"xinfo stream a", "a"},
    {"xinfo groups a", "a"},
    {"xgroup create a g $", "a"},
    {"xdel a 1", "a"},
    {"memory usage a", "a"},
    {"object encoding a", "a"},
    {"watch a b", "a b"},
    {"restore a 0 v", "a"},
    {"hset a f v", "a"},
    {"setrange a 0 x", "a"},
    {"append a b", "a"},
    {"getex a", "a"},
    {"zadd a 1 m", "a"},
    {"touch a b", "a b"},
    {"unlink a", "a"},
    {"type a", "a"},
    {"dump a", "a"},
    {"expire a 10", "a"},
    {"move a 1", "a"},
    {"pfdebug encoding a", "a"},
    {"restore-asking a 0 v", "a"},
    /* Not asked of a server: no keys there, but the slot is that of the channel. */
    {"spublish ch m", "ch"},
    {"ssubscribe a b", "a b"},
    /* Newer than 7.0. */
    {"hexpire a 10 fields 1 f", "a"},
    {"hgetex a persist fields 1 f", "a"},
    /* No keys at all. */
    {"publish a b", ""},
    {"object help", ""},
    {"scan 0", ""},
    {"eval s 0 a b", ""},
    {"client kill x", ""},
};

START_TEST(keys_as_a_server_finds_them)
{
    ck_assert_str_eq(line_keys(command_builtin(), known_keys[_i].line), known_keys[_i].keys);
}
END_TEST

START_TEST(arguments_without_sense_give_no_keys)
{
    static const char *const lines[] = {
        "eval s 3 a b",
        "eval s -1 a",
        "eval s x a",
        "zunion 9999999999 a",
        "lmpop 4 a b left",
        "xread count 1 a 0",
        "xread streams",
        "migrate h 1 k 0 5 keys a",
        "zunionstore d 4 a b",
        "get",
        "eval s 9223372036854775807 a",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        ck_assert_str_eq(line_keys(command_builtin(), lines[i]), "error");
}
END_TEST

START_TEST(one_key_commands)
{
    static const char *const one[] = {"get", "set", "incr", "lpush", "expire", "hgetall", "zadd"};
    static const char *const other[] = {"mget", "del",   "rename", "sort",
                                        "eval", "xread", "ping",   "georadius"};
    const struct command_table *table = command_builtin();

    for (size_t i = 0; i < sizeof(one) / sizeof(one[0]); i++) {
        ck_assert(line_find(table, one[i])->flags & COMMAND_ONE_KEY);
        ck_assert_int_eq(line_find(table, one[i])->first_key, 1);
    }
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        ck_assert(!(line_find(table, other[i])->flags & COMMAND_ONE_KEY));
    ck_assert_int_eq(line_find(table, "object encoding")->first_key, 2);
}
END_TEST

static bool blocks(const char *line)
{
    struct line request;
    bool blocking;

    line_parse(&request, command_builtin(), line);
    blocking = command_is_blocking(request.cmd, request.bytes, &request.args);
    resp_args_free(&request.args);
    return blocking;
}

START_TEST(requests_that_may_block)
{
    ck_assert(blocks("blpop a 0"));
    ck_assert(blocks("xread block 0 streams a 0"));
    ck_assert(blocks("xread count 1 BLOCK 5 streams a 0"));
    ck_assert(blocks("xreadgroup group g c block 5 streams a >"));
    ck_assert(!blocks("xread streams block 0"));
    ck_assert(!blocks("xread count block streams a 0"));
    ck_assert(!blocks("xreadgroup group block block streams a >"));
    ck_assert(!blocks("xreadgroup group g c noack streams block >"));
    ck_assert(!blocks("get a"));
}
END_TEST

UNIT_SUITE("command_keys", {keys_as_a_server_finds_them, sizeof known_keys / sizeof *known_keys},
           {arguments_without_sense_give_no_keys}, {one_key_commands}, {requests_that_may_block})
