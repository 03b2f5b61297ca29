/* command_unit: requests written as a line, for tests of the table of commands. */
#ifndef SLOTWAY_TESTS_COMMAND_UNIT_H
#define SLOTWAY_TESTS_COMMAND_UNIT_H

#include "resp/command.h"
#include "support/unit.h"

/* A request written as an inline command. */
struct line {
    char bytes[4096];
    struct resp_args args; /* freed by who parsed it */
    const struct command *cmd;
    bool unknown_sub;
};

/* The command of the line, NULL if the table has none. */
const struct command *line_parse(struct line *line, const struct command_table *table,
                                 const char *text);
const struct command *line_find(const struct command_table *table, const char *text);
/* The keys of a request as "a b c"; "error" if its arguments make no sense. Valid until the next
 * call. */
const char *line_keys(const struct command_table *table, const char *text);

#endif
