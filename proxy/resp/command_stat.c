/* command_stat: numbers for the names of commands that stay the same when the table of commands
 * changes, so that figures can be kept by them. */
#include "resp/command_row.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Written under the lock, each before the count covers it; never changed. */
static const char *names[COMMAND_STATS];
static unsigned char families[COMMAND_STATS];
static _Atomic uint32_t count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

const char *command_stat_name(uint32_t stat)
{
    return stat < atomic_load_explicit(&count, memory_order_acquire) ? names[stat] : NULL;
}

/* A command's family is that of the first flag that it has. */
static const uint16_t family_flags[COMMAND_STAT_FAMILIES - 1] = {COMMAND_SCRIPT, COMMAND_PUBSUB,
                                                                 COMMAND_WRITE, COMMAND_READONLY};
const char *const command_stat_families[COMMAND_STAT_FAMILIES] = {"script", "pubsub", "write",
                                                                  "read", "other"};

static unsigned char family_of(const struct command *cmd)
{
    unsigned char at = 0;
    while (at < COMMAND_STAT_FAMILIES - 1 && !(cmd->flags & family_flags[at]))
        at++;
    return at;
}

unsigned command_stat_family(uint32_t stat)
{
    return stat < COMMAND_STATS ? families[stat] : COMMAND_STAT_FAMILIES - 1;
}

uint16_t command_stat_of(const struct command *cmd)
{
    const char *name = cmd->name;
    uint32_t n, at;
    pthread_mutex_lock(&lock);
    n = atomic_load_explicit(&count, memory_order_relaxed);
    for (at = 0; at < n && strcmp(names[at], name) != 0;)
        at++;
    if (at == COMMAND_STATS) {
        at = COMMAND_STATS - 1;
    } else if (at == n) {
        const char *copy = n == COMMAND_STATS - 1 ? "other" : strdup(name);
        names[n] = copy ? copy : "?";
        families[n] = family_of(cmd);
        atomic_store_explicit(&count, n + 1, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return (uint16_t)at;
}
