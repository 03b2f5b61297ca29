/* addresses: nodes that announce addresses which are not those to connect to, names, IPv6 or
 * nothing; that move; that want a password. Each time all slots are served through slotway, also
 * while slots move, when nodes redirect to what they announce. */
#include "support/fixture.h"
#include <string.h>

#define MOVING 12 /* slots that move from one master to another */

static struct cluster *c;
static redisContext *admin[CLUSTER_MAX_NODES]; /* as c->nodes, opened before anything is changed */
static char keys[CLUSTER_SLOTS][16];           /* one of each slot */

/* --- the cluster --- */

static void find_keys(void)
{
    for (int i = 0, found = 0; found < CLUSTER_SLOTS; i++) {
        char key[16];
        int len = snprintf(key, sizeof key, "k%d", i);
        char *at = keys[cluster_slot(key, (size_t)len)];
        if (!*at) {
            strcpy(at, key);
            found++;
        }
    }
}

static void use(struct cluster *with)
{
    c = with;
    find_keys();
    for (int i = 0; i < c->nnodes; i++)
        admin[i] = client_open(c->nodes[i].port);
}

static void leave(void)
{
    for (int i = 0; i < c->nnodes; i++)
        redisFree(admin[i]);
    cluster_stop(c);
}

static redisContext *admin_of(int port)
{
    for (int i = 0; i < c->nnodes; i++)
        if (c->nodes[i].port == port)
            return admin[i];
    ck_abort_msg("no node has port %d", port);
    return NULL;
}

static void on_all(const char *command, const char *argument)
{
    for (int i = 0; i < c->nnodes; i++) {
        char line[200];
        snprintf(line, sizeof line, command, argument);
        const char *words[16];
        int n = 0;
        for (char *save, *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save))
            words[n++] = strcmp(w, "''") == 0 ? "" : w;
        ck_assert_str_eq(ask_argv(admin[i], n, words, NULL), "OK");
    }
}

/* Does every node's CLUSTER NODES contain this text once for each node (or never)? */
struct announcement {
    const char *text;
    bool there;
};

static bool is_announced(void *arg)
{
    const struct announcement *a = arg;
    for (int i = 0; i < c->nnodes; i++) {
        const char *nodes = ask(admin[i], "CLUSTER NODES");
        int n = 0;
        while ((nodes = strstr(nodes, a->text))) {
            nodes += strlen(a->text);
            n++;
        }
        if (n != (a->there ? c->nnodes : 0))
            return false;
    }
    return true;
}

static void wait_announced(const char *text, bool there)
{
    struct announcement a = {text, there};
    ck_assert_msg(wait_until(is_announced, &a, 20000), "the nodes do not announce %s", text);
}

/* --- what is served --- */

/* Send these words for every slot's key, and check that each reply is as wanted for the slot. */
static void for_all_slots(redisContext *to, const char *command, const char *value)
{
    for (int slot = 0; slot < CLUSTER_SLOTS; slot++)
        redisAppendCommand(to, command, keys[slot], value, slot);
    for (int slot = 0; slot < CLUSTER_SLOTS; slot++) {
        redisReply *r = NULL;
        char want[64];
        ck_assert_msg(redisGetReply(to, (void **)&r) == REDIS_OK, "slot %d: closed", slot);
        snprintf(want, sizeof want, "%s%d", value, slot);
        ck_assert_msg(r->type == REDIS_REPLY_STATUS ||
                          (r->type == REDIS_REPLY_STRING && strcmp(r->str, want) == 0),
                      "slot %d: %s", slot, r->str ? r->str : "nil");
        freeReplyObject(r);
    }
}

static void write_and_read_all(struct proxy *p, const char *value)
{
    redisContext *to = client_open(p->port);
    for_all_slots(to, "SET %s %s%d", value);
    for_all_slots(to, "GET %s", value);
    redisFree(to);
}

static int64_t counted(struct proxy *p, const char *name)
{
    redisContext *to = client_open(p->port);
    const char *at = strstr(ask(to, "INFO slotway"), name);
    redisFree(to);
    ck_assert_msg(at != NULL, "INFO does not show %s", name);
    return atoll(at + strlen(name) + 1);
}

/* Move one slot with its key by hand, and read through slotway after each step. */
static void move_slot(redisContext *to, int slot, int from, int target, const char *auth)
{
    const char *from_id = cluster_node_at(c, from)->id, *to_id = cluster_node_at(c, target)->id;
    const char *key = keys[slot];
    char want[32];

    snprintf(want, sizeof want, "\"moving%d\"", slot);
    expect(to, "OK", "SET %s moving%d", key, slot);
    expect(admin_of(target), "OK", "CLUSTER SETSLOT %d IMPORTING %s", slot, from_id);
    expect(admin_of(from), "OK", "CLUSTER SETSLOT %d MIGRATING %s", slot, to_id);
    expect(to, want, "GET %s", key);
    if (auth)
        expect(admin_of(from), "OK", "MIGRATE 127.0.0.1 %d %s 0 5000 AUTH2 %s secret", target, key,
               auth);
    else
        expect(admin_of(from), "OK", "MIGRATE 127.0.0.1 %d %s 0 5000", target, key);
    expect(to, want, "GET %s", key); /* ASK */
    expect(to, "nil", "GET {%s}none", key);
    expect(admin_of(target), "OK", "CLUSTER SETSLOT %d NODE %s", slot, to_id);
    expect(admin_of(from), "OK", "CLUSTER SETSLOT %d NODE %s", slot, to_id);
    expect(to, want, "GET %s", key); /* MOVED, unless slotway knows it already */
}

/* Slots of the first master go to the second one and back. auth: user for MIGRATE. */
static void move_slots(struct proxy *p, const char *auth)
{
    int from = cluster_master(c, 0), target = cluster_master(c, 1), first = 0;
    redisContext *to = client_open(p->port);
    int64_t moved = counted(p, "redirects_moved"), asked = counted(p, "redirects_ask");

    while (c->owner[first] != from)
        first++;
    for (int i = 0; i < MOVING; i++)
        move_slot(to, first + i, from, target, auth);
    for (int i = 0; i < MOVING; i++)
        move_slot(to, first + i, target, from, auth);
    printf("  %lld MOVED and %lld ASK\n", (long long)(counted(p, "redirects_moved") - moved),
           (long long)(counted(p, "redirects_ask") - asked));
    ck_assert_int_gt(counted(p, "redirects_moved"), moved);
    ck_assert_int_gt(counted(p, "redirects_ask"), asked);
    redisFree(to);
}

/* A slotway with these flags serves everything; it gets no error before and after moves. */
static void check_served(const char *flags, const char *auth)
{
    struct proxy *p = proxy_start(c, flags);
    show_on_failure(p->log);
    write_and_read_all(p, "a");
    move_slots(p, auth);
    write_and_read_all(p, "b");
    stop_and_check(p);
}

/* --- announced addresses --- */

/* The nodes are at 127.0.0.1 for us, and at 127.0.0.2 among themselves. */
START_TEST(an_address_that_is_mapped)
{
    const char *const options[] = {"bind 127.0.0.1 127.0.0.2", "cluster-announce-ip 127.0.0.2",
                                   NULL};
    use(cluster_start_with(3, 1, options));
    wait_announced(" 127.0.0.2:", true);
    struct proxy *p = proxy_start(c, "--node-address-map 127.0.0.2=127.0.0.1 --threads 1");
    show_on_failure(p->log);
    write_and_read_all(p, "a");
    move_slots(p, NULL);
    for (int i = 0; i < c->nnodes; i++)
        ck_assert_ptr_null(strstr(ask(admin[i], "CLIENT LIST TYPE normal"), "laddr=127.0.0.2:"));
    stop_and_check(p);
    leave();
}
END_TEST

/* As behind a port forwarder. */
static void announce_ports(const char *endpoint_type)
{
    char flags[600] = "--node-address-map";
    const char *const options[] = {"bind 127.0.0.1 127.0.0.2", "cluster-announce-ip 127.0.0.2",
                                   NULL};
    use(cluster_start_with(3, 0, options));
    for (int i = 0; i < c->nnodes; i++) {
        expect(admin[i], "OK", "CONFIG SET cluster-announce-port %d", 65500 + i);
        snprintf(flags + strlen(flags), sizeof flags - strlen(flags), " 127.0.0.2:%d=127.0.0.1:%d",
                 65500 + i, c->nodes[i].port);
    }
    on_all("CONFIG SET cluster-preferred-endpoint-type %s", endpoint_type);
    strcat(flags, " --threads 1");
    wait_announced(":6550", true);
    check_served(flags, NULL);
    on_all("CONFIG SET cluster-announce-port %s", "0");
    leave();
}

START_TEST(ports_that_are_mapped)
{
    announce_ports("ip");
}
END_TEST

START_TEST(ports_that_are_mapped_and_no_host)
{
    announce_ports("unknown-endpoint");
}
END_TEST

/* MOVED names a host name, "?" or nothing. */
static void announce_endpoint(const char *type, const char *hostname)
{
    use(cluster_start());
    on_all("CONFIG SET cluster-announce-hostname %s", hostname);
    on_all("CONFIG SET cluster-preferred-endpoint-type %s", type);
    wait_announced(",localhost ", strcmp(hostname, "localhost") == 0);
    check_served("--threads 1", NULL);
    on_all("CONFIG SET cluster-preferred-endpoint-type %s", "ip");
    on_all("CONFIG SET cluster-announce-hostname %s", "''");
    wait_announced(",localhost ", false);
    leave();
}

START_TEST(hostnames)
{
    announce_endpoint("hostname", "localhost");
}
END_TEST

START_TEST(hostnames_that_are_not_known)
{
    announce_endpoint("hostname", "''");
}
END_TEST

START_TEST(an_unknown_endpoint)
{
    announce_endpoint("unknown-endpoint", "''");
}
END_TEST

START_TEST(ipv6)
{
    const char *const options[] = {"bind 127.0.0.1 ::1", "cluster-announce-ip ::1", NULL};
    char flags[64];
    use(cluster_start_with(3, 1, options));
    wait_announced(" ::1:", true);
    check_served("--threads 1", NULL);
    snprintf(flags, sizeof flags, "[::1]:%d", c->port + 4);
    struct proxy *p = proxy_start(NULL, flags);
    write_and_read_all(p, "c");
    for (int i = 0; i < c->nnodes; i++)
        if (c->nodes[i].master)
            ck_assert_ptr_nonnull(strstr(ask(admin[i], "CLIENT LIST TYPE normal"), "laddr=[::1]:"));
    stop_and_check(p);
    leave();
}
END_TEST

/* --- addresses that change --- */

/* Everybody but the seed is killed at once and comes back elsewhere. The nodes may need long until
 * each knows each; they serve as soon as the seed knows them. */
START_TEST(all_but_the_seed_come_back_at_new_addresses)
{
    c = cluster_start_own(3, 1);
    find_keys();
    char flags[64];
    int n = c->nnodes - 1, base = free_ports(n, true);

    snprintf(flags, sizeof flags, "--threads 1 127.0.0.1:%d", c->port);
    struct proxy *p = proxy_start(NULL, flags);
    show_on_failure(p->log);
    write_and_read_all(p, "a");
    for (int i = 1; i <= n; i++)
        cluster_kill(c, c->port + i);
    run("for n in $(seq %d); do timeout 8 '%s/deploy/local-cluster' restart $n $((%d + n)) "
        "--dir '%s' >/dev/null 2>&1 & done; wait",
        n, project_root(), base - 1, c->dir);
    ck_assert(proxy_wait_serves_all(p, 20000));
    write_and_read_all(p, "b");
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

/* --- passwords --- */

START_TEST(a_password)
{
    use(cluster_start());
    on_all("CONFIG SET masterauth %s", "secret");
    on_all("CONFIG SET requirepass %s", "secret");
    check_served("--threads 1 --auth-password secret", "default");
    on_all("CONFIG SET requirepass %s", "''");
    on_all("CONFIG SET masterauth %s", "''");
    leave();
}
END_TEST

/* The default user is off, so whoever forgets to authenticate is noticed. */
START_TEST(a_user)
{
    use(cluster_start());
    on_all("ACL SETUSER %s on >secret ~* &* +@all", "slotway");
    on_all("ACL SETUSER %s off", "default");
    check_served("--threads 1 --auth-user slotway --auth-password secret", "slotway");
    on_all("ACL SETUSER %s on", "default");
    for (int i = 0; i < c->nnodes; i++)
        expect(admin[i], ":1", "ACL DELUSER slotway");
    leave();
}
END_TEST

PLAIN_SUITE("addresses", 90, an_address_that_is_mapped, ports_that_are_mapped,
            ports_that_are_mapped_and_no_host, hostnames, hostnames_that_are_not_known,
            an_unknown_endpoint, ipv6, all_but_the_seed_come_back_at_new_addresses, a_password,
            a_user)
