/* command_unit: requests written as a line, for tests of the table of commands. */
#include "support/command_unit.h"
#include <stdio.h>
#include <string.h>

const struct command *line_parse(struct line *line, const struct command_table *table,
                                 const char *text)
{
    resp_args_init(&line->args);
    ck_assert_uint_gt(resp_inline_encode(text, strlen(text), line->bytes, &line->args), 0);
    line->cmd = command_lookup(table, line->bytes, &line->args, &line->unknown_sub);
    return line->cmd;
}

const struct command *line_find(const struct command_table *table, const char *text)
{
    struct line line;

    line_parse(&line, table, text);
    resp_args_free(&line.args);
    return line.cmd;
}

const char *line_keys(const struct command_table *table, const char *text)
{
    static char names[1024];
    struct line line;
    struct command_keys keys = {NULL, 0, 0};

    ck_assert_ptr_nonnull(line_parse(&line, table, text));
    names[0] = '\0';
    if (command_find_keys(line.cmd, line.bytes, &line.args, &keys) < 0)
        strcpy(names, "error");
    for (uint32_t i = 0; i < keys.count; i++) {
        const struct resp_arg *arg = &line.args.v[keys.v[i]];
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%.*s", i ? " " : "",
                 (int)arg->len, line.bytes + arg->off);
    }
    command_keys_free(&keys);
    resp_args_free(&line.args);
    return names;
}
