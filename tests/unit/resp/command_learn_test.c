/* command_learn_test: tables learned from COMMAND replies of new, old and odd servers. */
#include "support/command_unit.h"
#include <string.h>

#define BYTES(s) (s), sizeof(s) - 1
#define HEAD(n)  "*10\r\n" n ":-2\r\n"
#define NO_LISTS "*0\r\n*0\r\n*0\r\n*0\r\n"
#define INDEX_RANGE(index, last, step)                                                             \
    "*1\r\n*6\r\n$5\r\nflags\r\n*1\r\n+RO\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\n"    \
    "index\r\n$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:" index                                          \
    "\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\n"         \
    "lastkey\r\n:" last "\r\n$7\r\nkeystep\r\n:" step "\r\n$5\r\nlimit\r\n:0\r\n"

/* One command after the other. */
/* clang-format off */
static const char new_server[] =
    "*5\r\n"
    HEAD("$8\r\nMOD.READ\r\n") "*1\r\n+readonly\r\n:2\r\n:2\r\n:1\r\n*0\r\n*0\r\n"
        INDEX_RANGE("2", "0", "1") "*0\r\n"
    HEAD("$9\r\nmod.count\r\n")
        "*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*2\r\n$25\r\nrequest_policy:all_shards\r\n$23\r\n"
        "response_policy:agg_sum\r\n*0\r\n*0\r\n"
    HEAD("$9\r\nmod.admin\r\n") "*1\r\n+admin\r\n:0\r\n:0\r\n:0\r\n" NO_LISTS
    HEAD("$8\r\nmod.wait\r\n") "*1\r\n+blocking\r\n:0\r\n:0\r\n:0\r\n" NO_LISTS
    HEAD("$3\r\nbox\r\n") "*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*1\r\n"
    HEAD("$7\r\nbox|put\r\n") "*1\r\n+write\r\n:2\r\n:2\r\n:1\r\n*0\r\n*0\r\n"
        INDEX_RANGE("2", "-1", "1") "*0\r\n";
/* clang-format on */

START_TEST(learned_from_a_new_server)
{
    const char *error = "";
    struct command_table *table = command_learn(BYTES(new_server), &error);

    ck_assert_ptr_nonnull(table);
    ck_assert_ptr_null(error);
    ck_assert_str_eq(line_keys(table, "mod.read x k"), "k");
    ck_assert_str_eq(line_keys(table, "box put a b"), "a b");
    ck_assert(line_find(table, "mod.read")->flags & COMMAND_READONLY);
    ck_assert_uint_eq(line_find(table, "mod.read")->kind, COMMAND_KEYED);
    ck_assert_uint_eq(line_find(table, "mod.count")->kind, COMMAND_MASTERS);
    ck_assert_uint_eq(line_find(table, "mod.count")->merge, COMMAND_MERGE_SUM);
    ck_assert_uint_eq(line_find(table, "mod.admin")->kind, COMMAND_ADMIN);
    ck_assert_uint_eq(line_find(table, "mod.wait")->kind, COMMAND_LATER);
    ck_assert_uint_eq(line_find(table, "proxy info")->kind, COMMAND_LOCAL);
    ck_assert_uint_eq(line_find(table, "client setinfo")->kind, COMMAND_LOCAL);
    ck_assert_ptr_null(line_find(table, "get a"));
    command_table_free(table);
}
END_TEST

/* A server that says of commands which slotway knows what it is not ready for. */
/* clang-format off */
static const char odd_server[] =
    "*3\r\n"
    HEAD("$3\r\ndel\r\n") "*1\r\n+write\r\n:2\r\n:-1\r\n:2\r\n*0\r\n*0\r\n"
        INDEX_RANGE("2", "-1", "2") "*0\r\n"
    HEAD("$4\r\nmget\r\n") "*1\r\n+readonly\r\n:1\r\n:-1\r\n:1\r\n*0\r\n*0\r\n"
        INDEX_RANGE("1", "-1", "1") "*0\r\n"
    "*10\r\n$4\r\necho\r\n:-1\r\n*0\r\n:0\r\n:0\r\n:0\r\n" NO_LISTS;
/* clang-format on */

START_TEST(what_is_split_or_answered_here_has_the_arguments_for_it)
{
    const char *error;
    struct command_table *table = command_learn(BYTES(odd_server), &error);

    ck_assert_ptr_nonnull(table);
    ck_assert_uint_eq(line_find(table, "del a b")->kind, COMMAND_KEYED);
    ck_assert_uint_eq(line_find(table, "mget a b")->kind, COMMAND_SPLIT);
    ck_assert(!command_arity_ok(line_find(table, "echo a"), 1));
    command_table_free(table);
}
END_TEST

static const char old_server[] =
    "*4\r\n"
    "*6\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
    "*6\r\n$4\r\neval\r\n:-3\r\n*1\r\n+movablekeys\r\n:0\r\n:0\r\n:0\r\n"
    "*6\r\n$6\r\nconfig\r\n:-2\r\n*1\r\n+admin\r\n:0\r\n:0\r\n:0\r\n"
    "*6\r\n$7\r\nmod.old\r\n:-3\r\n*1\r\n+write\r\n:1\r\n:-2\r\n:1\r\n";

START_TEST(learned_from_an_old_server)
{
    const char *error;
    struct command_table *table = command_learn(BYTES(old_server), &error);

    ck_assert_ptr_nonnull(table);
    ck_assert(line_find(table, "get a")->flags & COMMAND_ONE_KEY);
    ck_assert_str_eq(line_keys(table, "eval s 1 a b"), "a");
    ck_assert_str_eq(line_keys(table, "mod.old a b c"), "a b");
    ck_assert_uint_eq(line_find(table, "config set")->kind, COMMAND_MASTERS);
    command_table_free(table);
}
END_TEST

START_TEST(reply_that_is_not_of_command)
{
    static const char *const bad[] = {
        "",
        "*0\r\n",
        "+OK\r\n",
        "-ERR unknown command\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*-1\r\n",
        "*1\r\n*1\r\n$3\r\nget\r\n",
        "*1\r\n*6\r\n$3\r\nget\r\n:99999\r\n*0\r\n:1\r\n:1\r\n:1\r\n",
        "*1\r\n*6\r\n$4\r\na b \r\n:1\r\n*0\r\n:1\r\n:1\r\n:1\r\n",
        "*1\r\n*6\r\n$0\r\n\r\n:1\r\n*0\r\n:1\r\n:1\r\n:1\r\n",
        "*1\r\n*6\r\n$-1\r\n:1\r\n*0\r\n:1\r\n:1\r\n:1\r\n",
        "*2\r\n*6\r\n$3\r\nget\r\n:2\r\n*0\r\n:1\r\n:1\r\n:1\r\n",
        "*1\r\n*6\r\n$3\r\nget\r\n:2\r\n*0\r\n:1\r\n:1\r\n:1\r\n+trailing\r\n",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *error = NULL;
        ck_assert_ptr_null(command_learn(bad[i], strlen(bad[i]), &error));
        ck_assert_ptr_nonnull(error);
    }
}
END_TEST

START_TEST(cut_reply_is_not_learned)
{
    const char *error;

    for (size_t len = 0; len < sizeof(new_server) - 1; len++)
        ck_assert_ptr_null(command_learn(new_server, len, &error));
}
END_TEST

UNIT_SUITE("command_learn", {learned_from_a_new_server},
           {what_is_split_or_answered_here_has_the_arguments_for_it}, {learned_from_an_old_server},
           {reply_that_is_not_of_command}, {cut_reply_is_not_learned})
