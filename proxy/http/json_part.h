/* json_part: what the files of json*.c share. Nobody else includes it. */
#ifndef SLOTWAY_HTTP_JSON_PART_H
#define SLOTWAY_HTTP_JSON_PART_H

#include "http/stats.h"
#include <jansson.h>

/* Into an object or at the end of an array. Numbers are whole where they can be, else have three
 * digits behind the point; STATS_UNKNOWN and less is null. */
void json_put(json_t *to, const char *name, json_t *value);
void json_put_number(json_t *to, const char *name, double value);
void json_put_text(json_t *to, const char *name, const char *text);
json_t *json_number(double value);
json_t *json_text(const char *text); /* what is not UTF-8 is replaced */
/* Seconds since 1970; 0: null. */
json_t *json_time(double time);
json_t *json_latency(const struct stats_latency *latency);
json_t *json_node_id(const struct stats *s, uint16_t index); /* of a stable index; or null */

/* The parts of the document. */
json_t *json_slots(const struct stats *s);
json_t *json_shards(const struct stats *s);
json_t *json_nodes(const struct stats *s);
json_t *json_commands(const struct stats *s);
json_t *json_clients(const struct stats *s);
json_t *json_slowlog(const struct stats *s);
json_t *json_hot_keys(const struct stats *s);
json_t *json_big_values(const struct stats *s);
json_t *json_cross_slot(const struct stats *s);
json_t *json_workers(const struct stats *s);
json_t *json_proxy(const struct stats *s);
json_t *json_actions(const struct stats *s);
json_t *json_config(const struct stats *s);

#endif
