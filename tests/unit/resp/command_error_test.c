/* command_error_test: the texts of Redis for what cannot be run. */
#include "support/command_unit.h"
#include <stdio.h>
#include <string.h>

/* The error text for a line, as slotway's client would choose it, of at most cap bytes. */
static const char *error_of(const char *line, size_t cap)
{
    static char text[COMMAND_ERROR_MAX + 1];
    struct line request;
    size_t len;
    memset(text, '#', sizeof text);
    if (!line_parse(&request, command_builtin(), line))
        len = command_error_unknown(text, cap, request.bytes, &request.args);
    else if (request.unknown_sub)
        len = command_error_subcommand(text, cap, request.cmd, request.bytes, &request.args);
    else
        len = command_error_arity(text, cap, request.cmd);
    ck_assert_uint_le(len, cap);
    ck_assert_int_eq(text[len], '#'); /* what is behind it is not touched */
    text[len] = '\0';
    resp_args_free(&request.args);
    return text;
}

static const struct {
    const char *line, *text;
} errors[] = {
    {"foo", "ERR unknown command 'foo', with args beginning with: "},
    {"FoO", "ERR unknown command 'FoO', with args beginning with: "},
    {"foo a b", "ERR unknown command 'foo', with args beginning with: 'a' 'b' "},
    {"foo \"\" b", "ERR unknown command 'foo', with args beginning with: '' 'b' "},
    /* line ends would end the error, a zero byte ends the text */
    {"foo a \"b\\r\\nc\"", "ERR unknown command 'foo', with args beginning with: 'a' 'b  c' "},
    {"\"f\\no\" \"\\r\"", "ERR unknown command 'f o', with args beginning with: ' ' "},
    {"foo \"a\\x00b\" c", "ERR unknown command 'foo', with args beginning with: 'a' 'c' "},
    {"CLIENT foo", "ERR unknown subcommand 'foo'. Try CLIENT HELP."},
    {"cluster \"f\\r\\no\" x", "ERR unknown subcommand 'f  o'. Try CLUSTER HELP."},
    {"client kill", "ERR wrong number of arguments for 'client|kill' command"},
    {"GET", "ERR wrong number of arguments for 'get' command"},
};

START_TEST(texts)
{
    ck_assert_str_eq(error_of(errors[_i].line, COMMAND_ERROR_MAX), errors[_i].text);
}
END_TEST

/* A buffer that is too small is filled, not overrun. */
START_TEST(texts_are_cut_to_the_buffer)
{
    char want[COMMAND_ERROR_MAX];
    for (size_t cap = 0; cap <= strlen(errors[_i].text) + 3; cap++) {
        snprintf(want, sizeof want, "%.*s", (int)cap, errors[_i].text);
        ck_assert_str_eq(error_of(errors[_i].line, cap), want);
    }
}
END_TEST

START_TEST(names_and_arguments_are_cut_at_128_bytes)
{
    char line[2000], text[COMMAND_ERROR_MAX];
    memset(line, 'x', sizeof line);
    memcpy(line + 200, " aaaa ", 6);
    line[500] = '\0';
    snprintf(text, sizeof text,
             "ERR unknown command '%.128s', with args beginning with: 'aaaa' '%.121s' ", line,
             line + 206);
    ck_assert_str_eq(error_of(line, COMMAND_ERROR_MAX), text);
    strcpy(line + 340, " more");
    ck_assert_str_eq(error_of(line, COMMAND_ERROR_MAX), text); /* nothing of the third one */
    memcpy(line, "client ", 7);
    line[200] = 'x';
    snprintf(text, sizeof text, "ERR unknown subcommand '%.128s'. Try CLIENT HELP.", line + 7);
    ck_assert_str_eq(error_of(line, COMMAND_ERROR_MAX), text);
}
END_TEST

UNIT_SUITE("command_error", {texts, sizeof errors / sizeof *errors},
           {texts_are_cut_to_the_buffer, sizeof errors / sizeof *errors},
           {names_and_arguments_are_cut_at_128_bytes})
