/* json_unit: looking into JSON that was made. */
#ifndef SLOTWAY_TESTS_JSON_UNIT_H
#define SLOTWAY_TESTS_JSON_UNIT_H

#include <jansson.h>

/* What is at a path as JSON text: json_shows(o, "list.0.name", "\"get\""). Fails the test if it is
 * something else, or if there is nothing. */
void json_shows(const json_t *o, const char *path, const char *text);
/* The value there; NULL: nothing. */
const json_t *json_find(const json_t *o, const char *path);

#endif
