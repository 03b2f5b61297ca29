/* command_stat: numbers for the names of commands that stay the same when the table of commands
 * changes, so that figures can be kept by them. */
#include "resp/command_row.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Written under the lock, each before the count covers it; never changed. */
static const char *names[COMMAND_STATS];
static _Atomic uint32_t count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

const char *command_stat_name(uint32_t stat)
{
    return stat < atomic_load_explicit(&count, memory_order_acquire) ? names[stat] : NULL;
}

uint16_t command_stat_of(const char *name)
{
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
        atomic_store_explicit(&count, n + 1, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    return (uint16_t)at;
}
