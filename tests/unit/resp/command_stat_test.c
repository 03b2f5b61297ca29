/* command_stat_test: numbers for the names of commands. */
#include "resp/command_row.h"
#include "support/unit.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static uint16_t number(const char *name, uint16_t flags)
{
    struct command cmd = {.name = name, .flags = flags};
    return command_stat_of(&cmd);
}

START_TEST(numbers_are_given_in_order_and_kept)
{
    char name[] = "first";
    ck_assert_ptr_null(command_stat_name(0));
    ck_assert_uint_eq(number(name, 0), 0);
    ck_assert_uint_eq(number("second", 0), 1);
    ck_assert_uint_eq(number("first", COMMAND_WRITE), 0); /* of another table */
    memset(name, 'x', 5);                                 /* the table is gone: names stay */
    ck_assert_str_eq(command_stat_name(0), "first");
    ck_assert_str_eq(command_stat_name(1), "second");
    ck_assert_ptr_null(command_stat_name(2));
    ck_assert_uint_eq(number("secon", 0), 2);
}
END_TEST

START_TEST(tables_share_their_numbers)
{
    const struct command_row rows[] = {{.name = "get", .arity = 2}, {.name = "mine", .arity = 1}};
    const struct command_table *builtin = command_builtin();
    uint32_t n = 0;
    while (command_stat_name(n))
        n++;
    ck_assert_uint_eq(n, command_count(builtin));
    struct command_table *table = command_table_make(rows, 2);
    uint32_t more = 0;
    for (uint32_t i = 0; i < command_count(table); i++) {
        const struct command *cmd = command_at(table, i);
        ck_assert_str_eq(command_stat_name(cmd->stat), cmd->name);
        more += cmd->stat >= n;
    }
    ck_assert_uint_eq(more, 1); /* "mine" */
    command_table_free(table);
}
END_TEST

static const struct {
    uint16_t flags;
    const char *family;
} families[] = {
    {0, "other"},
    {COMMAND_READONLY, "read"},
    {COMMAND_WRITE, "write"},
    {COMMAND_WRITE | COMMAND_READONLY, "write"},
    {COMMAND_PUBSUB, "pubsub"},
    {COMMAND_PUBSUB | COMMAND_READONLY, "pubsub"},
    {COMMAND_SCRIPT | COMMAND_WRITE, "script"},
    {COMMAND_SCRIPT | COMMAND_READONLY, "script"},
    {COMMAND_NOAUTH | COMMAND_NOSCRIPT, "other"},
};

START_TEST(a_command_belongs_to_a_family)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        char name[20];
        snprintf(name, sizeof name, "c%zu", i);
        unsigned family = command_stat_family(number(name, families[i].flags));
        ck_assert_str_eq(command_stat_families[family], families[i].family);
    }
    ck_assert_str_eq(command_stat_families[command_stat_family(COMMAND_STATS)], "other");
}
END_TEST

/* Tables of a thousand versions, or a node that invents commands. */
START_TEST(what_is_too_much_counts_as_other)
{
    char name[20];
    for (unsigned i = 0; i < COMMAND_STATS + 50; i++) {
        snprintf(name, sizeof name, "c%u", i);
        ck_assert_uint_eq(number(name, 0), i < COMMAND_STATS ? i : COMMAND_STATS - 1);
    }
    ck_assert_str_eq(command_stat_name(COMMAND_STATS - 2), "c1022");
    ck_assert_str_eq(command_stat_name(COMMAND_STATS - 1), "other");
    ck_assert_ptr_null(command_stat_name(COMMAND_STATS));
    ck_assert_uint_eq(number("c7", 0), 7);
}
END_TEST

static void *give_numbers(void *arg)
{
    char name[20];
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "c%u", i);
        uint16_t stat = number(name, 0);
        if (strcmp(command_stat_name(stat), name) != 0)
            return arg;
    }
    return NULL;
}

START_TEST(any_thread_may_ask)
{
    pthread_t threads[4];
    int bad = 0;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, give_numbers, &bad), 0);
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        ck_assert_ptr_null(result);
    }
    ck_assert_ptr_nonnull(command_stat_name(199));
    ck_assert_ptr_null(command_stat_name(200));
}
END_TEST

UNIT_SUITE("command_stat", {numbers_are_given_in_order_and_kept}, {tables_share_their_numbers},
           {a_command_belongs_to_a_family}, {what_is_too_much_counts_as_other},
           {any_thread_may_ask})
