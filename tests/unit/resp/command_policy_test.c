/* command_policy_test: how each command is treated: where it goes, and how replies are merged. */
#include "support/command_unit.h"
#include <string.h>

static const struct {
    const char *line;
    uint8_t kind;
    uint8_t merge;
    uint8_t local;
} known_policies[] = {
    {"get", COMMAND_KEYED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"mget", COMMAND_SPLIT, COMMAND_MERGE_KEYS, COMMAND_LOCAL_NONE},
    {"mset", COMMAND_SPLIT, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"msetnx", COMMAND_KEYED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"touch", COMMAND_SPLIT, COMMAND_MERGE_SUM, COMMAND_LOCAL_NONE},
    {"dbsize", COMMAND_MASTERS, COMMAND_MERGE_SUM, COMMAND_LOCAL_NONE},
    {"keys", COMMAND_MASTERS, COMMAND_MERGE_CONCAT, COMMAND_LOCAL_NONE},
    {"script exists", COMMAND_MASTERS, COMMAND_MERGE_SPECIAL, COMMAND_LOCAL_SCRIPT_EXISTS},
    {"script kill", COMMAND_MASTERS, COMMAND_MERGE_OR, COMMAND_LOCAL_NONE},
    {"scan", COMMAND_MASTERS, COMMAND_MERGE_SPECIAL, COMMAND_LOCAL_SCAN},
    {"info", COMMAND_MASTERS, COMMAND_MERGE_SPECIAL, COMMAND_LOCAL_INFO},
    {"ping", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_PING},
    {"client setname", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_CLIENT},
    {"client tracking", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_CLIENT},
    {"cluster nodes", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_CLUSTER},
    {"cluster meet", COMMAND_REFUSED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"proxy info", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_PROXY},
    {"shutdown", COMMAND_ADMIN, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"acl setuser", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_ACL},
    {"blpop", COMMAND_KEYED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"wait", COMMAND_MASTERS, COMMAND_MERGE_MIN, COMMAND_LOCAL_WAIT},
    {"multi", COMMAND_LOCAL, COMMAND_MERGE_FIRST, COMMAND_LOCAL_MULTI},
    {"xread", COMMAND_KEYED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"command docs", COMMAND_ANY, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
    {"publish", COMMAND_ANY, COMMAND_MERGE_FIRST, COMMAND_LOCAL_PUBLISH},
    {"psync", COMMAND_REFUSED, COMMAND_MERGE_FIRST, COMMAND_LOCAL_NONE},
};

START_TEST(policies)
{
    const struct command *cmd = line_find(command_builtin(), known_policies[_i].line);

    ck_assert_uint_eq(cmd->kind, known_policies[_i].kind);
    ck_assert_uint_eq(cmd->merge, known_policies[_i].merge);
    ck_assert_uint_eq(cmd->local, known_policies[_i].local);
}
END_TEST

/* A shared connection must never see what changes or holds it. */
START_TEST(no_blocking_or_pubsub_command_is_forwarded)
{
    const struct command_table *table = command_builtin();

    for (uint32_t i = 0; i < command_count(table); i++) {
        const struct command *cmd = command_at(table, i);
        if (cmd->flags & COMMAND_BLOCKING)
            ck_assert_msg(cmd->flags & COMMAND_ALONE, "%s", cmd->name);
        if (cmd->flags & COMMAND_PUBSUB && strstr(cmd->name, "subscribe"))
            ck_assert_uint_eq(cmd->kind, COMMAND_LOCAL);
    }
}
END_TEST

UNIT_SUITE("command_policy", {policies, sizeof known_policies / sizeof *known_policies},
           {no_blocking_or_pubsub_command_is_forwarded})
