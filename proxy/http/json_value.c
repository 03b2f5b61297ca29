/* json_value: single values of the statistics as JSON, and where they go. */
#include "http/json_part.h"
#include <math.h>

void json_put(json_t *to, const char *name, json_t *value)
{
    if (name)
        json_object_set_new_nocheck(to, name, value);
    else
        json_array_append_new(to, value);
}

json_t *json_number(double value)
{
    if (value <= STATS_UNKNOWN || !isfinite(value))
        return json_null();
    if (value == floor(value) && value < 1e15)
        return json_integer((json_int_t)value);
    return json_real(round(value * 1000) / 1000);
}

json_t *json_time(double time)
{
    return time > 0 ? json_number(time) : json_null();
}

json_t *json_text(const char *text)
{
    char clean[512];
    json_t *value = json_string(text);
    size_t n = 0;
    if (value)
        return value;
    for (; n < sizeof clean - 1 && text[n]; n++)
        clean[n] = (unsigned char)text[n] < 0x80 ? text[n] : '?';
    clean[n] = '\0';
    return json_string_nocheck(clean);
}

void json_put_number(json_t *to, const char *name, double value)
{
    json_put(to, name, json_number(value));
}

void json_put_text(json_t *to, const char *name, const char *text)
{
    json_put(to, name, json_text(text));
}

json_t *json_latency(const struct stats_latency *latency)
{
    if (latency->p50 < 0)
        return json_null();
    json_t *o = json_object();
    json_put_number(o, "p50_us", round(latency->p50));
    json_put_number(o, "p99_us", round(latency->p99));
    json_put_number(o, "p999_us", round(latency->p999));
    return o;
}

json_t *json_node_id(const struct stats *s, uint16_t index)
{
    const struct stats_node *node = stats_node_at(s, index);
    return node ? json_text(node->id) : json_null();
}
