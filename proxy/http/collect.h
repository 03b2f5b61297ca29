/* collect: once a second, from the workers' figures, surveys, the topology and discovery to one
 * struct stats. The statistics thread's. */
#ifndef SLOTWAY_HTTP_COLLECT_H
#define SLOTWAY_HTTP_COLLECT_H

#include "http/stats.h"

struct collector;

struct collector *collector_new(struct process *process);
void collector_free(struct collector *c); /* NULL is fine; no survey may be under way */

/* What has been collected; before the first collector_take all is zero. */
struct stats *collector_stats(struct collector *c);

void collector_set_config(struct collector *c, const struct config *config); /* takes over */
void collector_set_topology(struct collector *c, struct topology *t);        /* takes over */

/* The newest topology, which the next sample will be about; NULL: none yet. */
const struct topology *collector_newest(const struct collector *c);

/* Ask all workers; those that have not answered the last time are not asked again. done is posted
 * to the mailbox with each survey: give it to collector_on_survey. */
void collector_ask(struct collector *c, struct mailbox *asker, mailbox_fn done);
/* True: it was the last one that is due. */
bool collector_on_survey(struct collector *c, struct survey *survey);

/* Put together what is known now. */
void collector_take(struct collector *c);

#endif
