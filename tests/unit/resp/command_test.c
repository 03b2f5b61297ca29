/* command_test: the table of commands: lookup and arity. */
#include "support/command_unit.h"
#include <stdio.h>
#include <string.h>

START_TEST(names_are_found_in_any_case)
{
    const struct command_table *table = command_builtin();

    ck_assert_str_eq(line_find(table, "get a")->name, "get");
    ck_assert_str_eq(line_find(table, "GeT a")->name, "get");
    ck_assert_str_eq(line_find(table, "GEORADIUSBYMEMBER_RO a b 1 m")->name,
                     "georadiusbymember_ro");
    ck_assert_str_eq(line_find(table, "Config GET x")->name, "config|get");
    ck_assert_str_eq(line_find(table, "CLUSTER Count-Failure-Reports x")->name,
                     "cluster|count-failure-reports");
    ck_assert_str_eq(line_find(table, "client")->name, "client");
}
END_TEST

START_TEST(names_that_are_no_commands)
{
    static const char *const lines[] = {
        "ge",
        "gett",
        "xget a",
        "config|get x",
        "\"\"",
        "\"get\\x00\"",
        "\"sort\\x7fro\" a",
        "\"restore\\x0dasking\"",
        "GEORADIUSBYMEMBER-RO",
        "GEORADIUSBYxEMBER_RO",
        "getget",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        ck_assert_ptr_null(line_find(command_builtin(), lines[i]));
}
END_TEST

START_TEST(every_command_is_found_by_its_name)
{
    const struct command_table *table = command_builtin();

    for (uint32_t i = 0; i < command_count(table); i++) {
        const struct command *cmd = command_at(table, i);
        char line[128];
        char *bar;
        snprintf(line, sizeof(line), "%s", cmd->name);
        if ((bar = strchr(line, '|')) != NULL)
            *bar = ' ';
        ck_assert_ptr_eq(line_find(table, line), cmd);
        ck_assert_uint_eq(cmd->family, i);
    }
    ck_assert_ptr_null(command_at(table, command_count(table)));
}
END_TEST

START_TEST(arity)
{
    const struct command_table *table = command_builtin();

    ck_assert(command_arity_ok(line_find(table, "get"), 2));
    ck_assert(!command_arity_ok(line_find(table, "get"), 1));
    ck_assert(!command_arity_ok(line_find(table, "get"), 3));
    ck_assert(command_arity_ok(line_find(table, "del"), 20));
    ck_assert(!command_arity_ok(line_find(table, "del"), 1));
    ck_assert(command_arity_ok(line_find(table, "mset"), 5));
    ck_assert(!command_arity_ok(line_find(table, "mset"), 4));
    ck_assert(!command_arity_ok(line_find(table, "msetnx"), 6));
}
END_TEST

UNIT_SUITE("command", {names_are_found_in_any_case}, {names_that_are_no_commands},
           {every_command_is_found_by_its_name}, {arity})
