/* learning: which command table belongs to which version and set of modules, and which is in force.
 */
#ifndef SLOTWAY_CLUSTER_LEARNING_H
#define SLOTWAY_CLUSTER_LEARNING_H

#include "resp/command.h"

#define LEARNING_NAME_LEN 512

struct learning;

struct learning *learning_new(void);    /* NULL: out of memory */
void learning_free(struct learning *l); /* not the tables: they live until the process ends */

/* software: the version, then the modules with theirs. Is nothing to be learned about it? */
bool learning_knows(const struct learning *l, const char *software);

/* Take the raw COMMAND reply of a node that runs software. False and *error: it makes no sense; it
 * counts as known then, so that the node is not asked again and again. */
bool learning_take(struct learning *l, const char *software, const char *reply, size_t len,
                   const char **error);

/* Of the versions that n nodes run, choose the latest that is known. Returns its table if it is not
 * the same as that of the last call that returned one; else NULL. */
const struct command_table *learning_choose(struct learning *l, const char *const *software,
                                            size_t n);

#endif
