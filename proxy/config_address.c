/* config_address: addresses as the configuration writes them.
 * Checks of the words of lists, and the map for nodes that announce what cannot be reached. */
#include "config_table.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool config_is_ipv6(const char *host)
{
    struct in6_addr addr;
    char plain[CONFIG_HOST_LEN];
    size_t len = strcspn(host, "%"); /* fe80::1%eth0 */

    if (len >= sizeof(plain))
        return false;
    memcpy(plain, host, len);
    plain[len] = '\0';
    return inet_pton(AF_INET6, plain, &addr) == 1;
}

/* An IPv4 address or a host name: letters, digits, '.', '-', '_'. */
static bool config_is_name(const char *host)
{
    size_t len = strlen(host);

    if (len == 0 || len >= CONFIG_HOST_LEN || *host == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)host[i]) && !strchr(".-_", host[i]))
            return false;
    }
    return true;
}

static bool config_parse_port(const char *text, uint16_t *port)
{
    size_t len = strlen(text);
    long value = 0;

    if (len == 0 || len > 5 || strspn(text, "0123456789") != len)
        return false;
    value = strtol(text, NULL, 10);
    *port = (uint16_t)value;
    return value >= 1 && value <= 65535;
}

static bool config_copy_host(const char *text, size_t len, char host[CONFIG_HOST_LEN])
{
    if (len == 0 || len >= CONFIG_HOST_LEN)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    return true;
}

bool config_parse_address(const char *text, char host[CONFIG_HOST_LEN], uint16_t *port)
{
    *port = 0;
    if (*text == '/')
        return config_copy_host(text, strlen(text), host);
    const char *colon = strrchr(text, ':');
    if (!colon || !config_parse_port(colon + 1, port))
        return false;
    if (*text == '[')
        return colon[-1] == ']' && config_copy_host(text + 1, (size_t)(colon - text) - 2, host) &&
               config_is_ipv6(host);
    return config_copy_host(text, (size_t)(colon - text), host) && config_is_name(host);
}

/* "HOST", "V6", "[V6]" (*port 0) or what config_parse_address takes, but no path. */
static bool config_parse_side(const char *text, char host[CONFIG_HOST_LEN], uint16_t *port)
{
    size_t len = strlen(text);

    *port = 0;
    if (*text == '/' || len == 0)
        return false;
    if (config_is_ipv6(text) || config_is_name(text))
        return config_copy_host(text, len, host);
    if (*text == '[' && text[len - 1] == ']' && len > 2)
        return config_copy_host(text + 1, len - 2, host) && config_is_ipv6(host);
    return config_parse_address(text, host, port);
}

struct mapping {
    char from[CONFIG_HOST_LEN];
    char to[CONFIG_HOST_LEN];
    uint16_t from_port; /* 0: every port */
    uint16_t to_port;   /* 0: the same */
};

static bool config_parse_mapping(const char *word, struct mapping *map)
{
    char from[2 * CONFIG_HOST_LEN];
    const char *equals = strchr(word, '=');

    if (!equals || (size_t)(equals - word) >= sizeof(from))
        return false;
    memcpy(from, word, (size_t)(equals - word));
    from[equals - word] = '\0';
    return config_parse_side(from, map->from, &map->from_port) &&
           config_parse_side(equals + 1, map->to, &map->to_port) &&
           !map->from_port == !map->to_port;
}

/* The first row for this host and exactly this port (0: for the host with any port). */
static bool config_find_mapping(const struct config *config, const char *host, uint16_t port,
                                struct mapping *map)
{
    for (uint32_t i = 0; i < config->node_address_map.n; i++) {
        if (config_parse_mapping(config->node_address_map.v[i], map) && map->from_port == port &&
            strcasecmp(map->from, host) == 0)
            return true;
    }
    return false;
}

bool config_map_address(const struct config *config, char host[CONFIG_HOST_LEN], uint16_t *port)
{
    struct mapping map;

    if (!config_find_mapping(config, host, *port, &map) &&
        !config_find_mapping(config, host, 0, &map))
        return false;
    memcpy(host, map.to, sizeof(map.to));
    if (map.to_port)
        *port = map.to_port;
    return true;
}

bool config_check_bind(const char *word)
{
    word += *word == '-';
    return strcmp(word, "*") == 0 || strcmp(word, "::*") == 0 || config_is_ipv6(word) ||
           config_is_name(word);
}

bool config_check_address(const char *word)
{
    char host[CONFIG_HOST_LEN];
    uint16_t port;

    return config_parse_address(word, host, &port);
}

bool config_check_address_map(const char *word)
{
    struct mapping map;

    return config_parse_mapping(word, &map);
}

bool config_check_network(const char *word)
{
    struct in_addr v4;
    char host[CONFIG_HOST_LEN];
    size_t len = strcspn(word, "/");

    if (!config_copy_host(word, len, host) ||
        !(config_is_ipv6(host) || inet_pton(AF_INET, host, &v4) == 1))
        return false;
    if (!word[len])
        return true;
    const char *bits = word + len + 1;
    size_t digits = strlen(bits);
    return digits >= 1 && digits <= 3 && strspn(bits, "0123456789") == digits &&
           atoi(bits) <= (strchr(host, ':') ? 128 : 32);
}
