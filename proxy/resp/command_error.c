/* Redis' own texts for commands that cannot be run. */
#include "resp/command.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 128 /* bytes that Redis shows of a name, and of all arguments together */

/* Text being written: what does not fit in cap is cut. */
struct text {
    char *out;
    size_t cap;
    size_t len;
};

static void text_add(struct text *text, const char *s, size_t len)
{
    size_t room = text->cap - text->len;

    if (len > room)
        len = room;
    memcpy(text->out + text->len, s, len);
    text->len += len;
}

static void text_add_string(struct text *text, const char *s)
{
    text_add(text, s, strlen(s));
}

/* At most max bytes of an argument, up to its first zero byte, without line ends. */
static void text_add_arg(struct text *text, const char *request, const struct resp_arg *arg,
                         size_t max)
{
    size_t len = strnlen(request + arg->off, arg->len < max ? arg->len : max);
    size_t from = text->len;

    text_add(text, request + arg->off, len);
    for (size_t i = from; i < text->len; i++)
        if (text->out[i] == '\r' || text->out[i] == '\n')
            text->out[i] = ' ';
}

size_t command_error_unknown(char *out, size_t cap, const char *request,
                             const struct resp_args *args)
{
    struct text text = {out, cap, 0};
    size_t from;

    text_add_string(&text, "ERR unknown command '");
    text_add_arg(&text, request, &args->v[0], SHOWN_MAX);
    text_add_string(&text, "', with args beginning with: ");
    from = text.len;
    for (uint32_t i = 1; i < args->argc && text.len - from < SHOWN_MAX && text.len < cap; i++) {
        size_t room = SHOWN_MAX - (text.len - from);
        text_add_string(&text, "'");
        text_add_arg(&text, request, &args->v[i], room);
        text_add_string(&text, "' ");
    }
    return text.len;
}

size_t command_error_subcommand(char *out, size_t cap, const struct command *container,
                                const char *request, const struct resp_args *args)
{
    struct text text = {out, cap, 0};
    size_t from;

    text_add_string(&text, "ERR unknown subcommand '");
    if (args->argc > 1)
        text_add_arg(&text, request, &args->v[1], SHOWN_MAX);
    text_add_string(&text, "'. Try ");
    from = text.len;
    text_add_string(&text, container->name);
    for (size_t i = from; i < text.len; i++)
        out[i] = (char)toupper((unsigned char)out[i]);
    text_add_string(&text, " HELP.");
    return text.len;
}

size_t command_error_arity(char *out, size_t cap, const struct command *cmd)
{
    struct text text = {out, cap, 0};

    text_add_string(&text, "ERR wrong number of arguments for '");
    text_add_string(&text, cmd->name);
    text_add_string(&text, "' command");
    return text.len;
}
