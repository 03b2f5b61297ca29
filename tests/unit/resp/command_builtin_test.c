/* command_builtin_test: the rows of commands that are known before a node is asked. */
#include "resp/command_row.h"
#include "support/command_unit.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct command_row *row_of(const char *name)
{
    for (uint32_t i = 0; i < command_builtin_nrows; i++)
        if (strcmp(command_builtin_rows[i].name, name) == 0)
            return &command_builtin_rows[i];
    return NULL;
}

START_TEST(names_are_lower_case_and_there_once)
{
    for (uint32_t i = 0; i < command_builtin_nrows; i++) {
        const char *name = command_builtin_rows[i].name;
        for (const char *p = name; *p; p++)
            ck_assert_msg(islower((unsigned char)*p) || isdigit((unsigned char)*p) ||
                              strchr("-_.|", *p),
                          "%s", name);
        ck_assert_msg(row_of(name) == &command_builtin_rows[i], "%s is there twice", name);
    }
}
END_TEST

START_TEST(subcommands_have_a_container)
{
    for (uint32_t i = 0; i < command_builtin_nrows; i++) {
        char container[64];
        const char *name = command_builtin_rows[i].name, *bar = strchr(name, '|');
        if (!bar)
            continue;
        snprintf(container, sizeof container, "%.*s", (int)(bar - name), name);
        ck_assert_msg(row_of(container) != NULL, "%s has no container", name);
        ck_assert_msg(command_builtin_rows[i].arity >= 2 || command_builtin_rows[i].arity <= -2,
                      "%s is two words", name);
    }
}
END_TEST

START_TEST(flags_do_not_contradict_each_other)
{
    for (uint32_t i = 0; i < command_builtin_nrows; i++) {
        const struct command_row *row = &command_builtin_rows[i];
        ck_assert_msg(row->arity != 0, "%s", row->name);
        ck_assert_msg((row->flags & COMMAND_WRITE) == 0 || (row->flags & COMMAND_READONLY) == 0,
                      "%s both writes and only reads", row->name);
        ck_assert_msg((row->nspecs > 0) == (row->specs != NULL), "%s", row->name);
        ck_assert_msg(row->nspecs <= COMMAND_SPECS_MAX, "%s", row->name);
    }
}
END_TEST

/* The first key is an argument that the command must have, or the next one. */
START_TEST(keys_are_where_arguments_are)
{
    for (uint32_t i = 0; i < command_builtin_nrows; i++) {
        const struct command_row *row = &command_builtin_rows[i];
        int least = row->arity < 0 ? -row->arity : row->arity;
        for (unsigned j = 0; j < row->nspecs; j++) {
            const struct command_keyspec *spec = &row->specs[j];
            if (spec->begin == COMMAND_BEGIN_INDEX)
                ck_assert_msg(spec->at > 0 && spec->at <= least, "%s: key at %d", row->name,
                              spec->at);
            if (spec->begin == COMMAND_BEGIN_KEYWORD)
                for (const char *p = spec->keyword; *p; p++)
                    ck_assert_msg(isupper((unsigned char)*p), "%s: %s", row->name, spec->keyword);
            if (spec->find == COMMAND_FIND_RANGE || spec->find == COMMAND_FIND_KEYNUM)
                ck_assert_msg(spec->step > 0, "%s: step %d", row->name, spec->step);
        }
    }
}
END_TEST

/* Facts of Redis 7 that others rest upon, one of each kind. */
static const struct {
    const char *name;
    int arity;
    uint32_t flags, not_flags;
    const char *line, *keys;
} facts[] = {
    {"get", 2, COMMAND_READONLY, COMMAND_WRITE, "get a", "a"},
    {"set", -3, COMMAND_WRITE, COMMAND_READONLY, "set a b EX 5", "a"},
    {"getex", -2, COMMAND_WRITE, COMMAND_READONLY, "getex a", "a"},
    {"mset", -3, COMMAND_WRITE, 0, "mset a 1 b 2", "a b"},
    {"object|encoding", 3, COMMAND_READONLY, 0, "object encoding a", "a"},
    {"xread", -4, COMMAND_READONLY | COMMAND_BLOCKING, 0, "xread streams a b 0 0", "a b"},
    {"xreadgroup", -7, COMMAND_WRITE | COMMAND_BLOCKING, 0, "xreadgroup group g c streams a b > >",
     "a b"},
    {"eval", -3, COMMAND_NOSCRIPT, 0, "eval x 2 a b c", "a b"},
    {"zunionstore", -4, COMMAND_WRITE, 0, "zunionstore d 2 a b weights 1 2", "d a b"},
    {"sort", -2, COMMAND_WRITE, 0, "sort a store b", "a b"},
    {"blpop", -3, COMMAND_WRITE | COMMAND_BLOCKING, 0, "blpop a b 0", "a b"},
    {"lmpop", -4, COMMAND_WRITE, COMMAND_BLOCKING, "lmpop 2 a b left", "a b"},
    {"auth", -2, COMMAND_NOAUTH, 0, "auth x", ""},
    {"ping", -1, 0, COMMAND_WRITE, "ping", ""},
    {"spublish", 3, COMMAND_PUBSUB, COMMAND_WRITE, "spublish a b", "a"},
    {"flushall", -1, COMMAND_WRITE, 0, "flushall", ""},
    {"multi", 1, COMMAND_NOSCRIPT, 0, "multi", ""},
};

START_TEST(facts_of_redis)
{
    const struct command_row *row = row_of(facts[_i].name);
    ck_assert_msg(row != NULL, "%s is missing", facts[_i].name);
    ck_assert_msg(row->arity == facts[_i].arity, "%s: arity %d", row->name, row->arity);
    ck_assert_msg((row->flags & facts[_i].flags) == facts[_i].flags, "%s: flags %x", row->name,
                  row->flags);
    ck_assert_msg((row->flags & facts[_i].not_flags) == 0, "%s: flags %x", row->name, row->flags);
    ck_assert_str_eq(line_keys(command_builtin(), facts[_i].line), facts[_i].keys);
}
END_TEST

UNIT_SUITE("command_builtin", {names_are_lower_case_and_there_once}, {subcommands_have_a_container},
           {flags_do_not_contradict_each_other}, {keys_are_where_arguments_are},
           {facts_of_redis, sizeof facts / sizeof *facts})
