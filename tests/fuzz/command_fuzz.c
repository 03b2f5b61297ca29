/* command_fuzz: any bytes as a COMMAND reply; what is learned can be looked up and searched for
 * keys with any request. Input: the reply, a zero byte, and an inline request. */
#include "resp/command.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void use(const struct command_table *table, const char *bytes, const struct resp_args *args)
{
    struct command_keys keys = {NULL, 0, 0};
    char text[COMMAND_ERROR_MAX];
    bool unknown_sub;
    const struct command *cmd = command_lookup(table, bytes, args, &unknown_sub);

    assert(command_error_unknown(text, sizeof(text), bytes, args) <= sizeof(text));
    if (!cmd)
        return;
    assert(command_at(table, cmd->family) == cmd);
    assert(command_error_subcommand(text, sizeof(text), cmd, bytes, args) <= sizeof(text));
    assert(command_error_arity(text, sizeof(text), cmd) <= sizeof(text));
    command_is_blocking(cmd, bytes, args);
    if (command_find_keys(cmd, bytes, args, &keys) == 0)
        for (uint32_t i = 0; i < keys.count; i++)
            assert(keys.v[i] >= 1 && keys.v[i] < args->argc);
    if (cmd->flags & COMMAND_ONE_KEY && command_arity_ok(cmd, args->argc))
        assert((uint32_t)cmd->first_key < args->argc);
    command_keys_free(&keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, '\0', size) : NULL;
    size_t reply = zero ? (size_t)(zero - data) : size;
    size_t line = zero ? size - reply - 1 : 0;
    char *out = malloc(RESP_INLINE_ENCODED_MAX(line));
    struct resp_args args;
    const char *error = "";
    struct command_table *table = command_learn((const char *)data, reply, &error);

    assert(table ? !error : error && *error);
    resp_args_init(&args);
    if (zero && resp_inline_encode((const char *)zero + 1, line, out, &args)) {
        use(command_builtin(), out, &args);
        if (table)
            use(table, out, &args);
    }
    for (uint32_t i = 0; table && i < command_count(table); i++)
        assert(command_at(table, i)->family == i);
    command_table_free(table);
    resp_args_free(&args);
    free(out);
    return 0;
}
