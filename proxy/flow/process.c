/* process: what all threads share, and changes of it that concern every worker.
 * A new configuration reaches each part through here, whether it came by SIGHUP or PROXY CONFIG. */
#include "flow/process.h"
#include "base/log.h"
#include "cluster/discovery.h"
#include <string.h>

void process_set_config(struct process *process, struct config *config)
{
    const struct config *old = process->config;
    process->config = config;
    log_set_level((enum log_level)config->loglevel);
    if (old && strcmp(old->logfile, config->logfile) != 0 && !log_open(config->logfile))
        log_warning("Can't open log file %s", config->logfile);
    for (uint32_t i = 0; i < process->nworkers; i++)
        worker_give_config(process->workers[i], config);
    if (process->discovery)
        discovery_configure(process->discovery, config);
    if (process->on_config)
        process->on_config(process);
    config_unref(old);
}

uint32_t process_clients(const struct process *process)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < process->nworkers; i++)
        sum += atomic_load_explicit(&process->workers[i]->load, memory_order_relaxed);
    return sum;
}
