/* log_unit: the log of a unit test, kept in memory, and what is in it. */
#ifndef SLOTWAY_TESTS_LOG_UNIT_H
#define SLOTWAY_TESTS_LOG_UNIT_H

/* From now on what is logged is kept here, and what was is forgotten. */
void log_keep(void);
/* Lines of the log that have this in them. */
unsigned log_count(const char *text);

#endif
