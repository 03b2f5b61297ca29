/* load_direct: which node of a cluster owns which key. */
#include "bench/load.h"
#include "cluster/slot.h"
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

static uint8_t slot_node[SLOT_COUNT];
uint8_t *key_node;

void address_set(int node, const char *host, int port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    if (getaddrinfo(host, service, &hints, &found))
        fail("cannot resolve the address");
    memcpy(&node_addr[node], found->ai_addr, found->ai_addrlen);
    node_addr_len[node] = found->ai_addrlen;
    freeaddrinfo(found);
}

static void nodes_learn(void)
{
    redisContext *redis = redisConnect(opt.host, opt.port);
    redisReply *r = redis && !redis->err ? redisCommand(redis, "CLUSTER SLOTS") : NULL;
    if (!r || r->type != REDIS_REPLY_ARRAY || !r->elements)
        broken("CLUSTER SLOTS gave no slots");
    int ports[MAX_NODES];
    for (size_t i = 0; i < r->elements; i++) {
        redisReply *range = r->element[i], *master = range->element[2];
        int port = (int)master->element[1]->integer, node = 0;
        while (node < nodes && ports[node] != port)
            node++;
        if (node == nodes) {
            if (nodes == MAX_NODES)
                broken("too many nodes");
            ports[nodes] = port;
            address_set(nodes++, master->element[0]->str, port);
        }
        for (long long s = range->element[0]->integer; s <= range->element[1]->integer; s++)
            slot_node[s & (SLOT_COUNT - 1)] = (uint8_t)node;
    }
    freeReplyObject(r);
    redisFree(redis);
}

static void keys_assign(void)
{
    char key[256];
    size_t len = strlen(opt.prefix);
    key_node = must_alloc(opt.keyspace, 1);
    snprintf(key, sizeof(key) - DIGITS, "%s", opt.prefix);
    memset(key + len, '0', DIGITS);
    for (uint32_t i = 0; i < opt.keyspace; i++) {
        put_digits(key + len, i);
        key_node[i] = slot_node[slot_of_key(key, len + DIGITS)];
    }
}

void cluster_learn(void)
{
    nodes_learn();
    keys_assign();
}
