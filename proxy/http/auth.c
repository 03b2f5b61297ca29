/* auth: name and password of the statistics page, and how often an address may guess.
 * A crypt(3) hash is slow on purpose, so the last good password is remembered by its digest. */
#define _GNU_SOURCE
#include "http/auth.h"
#include "base/memory.h"
#include "base/net.h"
#include <arpa/inet.h>
#include <crypt.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define AUTH_ADDRESSES        512 /* whose wrong passwords are remembered; the oldest is forgotten */
#define AUTH_DEFAULT_PASSWORD "admin"

/* An IPv4 address, or the first 64 bits of an IPv6 address: whoever has one has all of them. */
struct auth_address {
    uint64_t key;
    double since; /* the first of its wrong passwords */
    uint32_t wrong;
};

struct auth {
    struct auth_address addresses[AUTH_ADDRESSES];
    uint64_t refused;
    unsigned char salt[32];
    unsigned char good[SHA256_DIGEST_LENGTH]; /* of the last password that was right */
    bool good_known;
};

struct auth *auth_new(void)
{
    struct auth *a = memory_zalloc(sizeof *a);
    if (RAND_bytes(a->salt, sizeof a->salt) != 1) {
        free(a);
        return NULL;
    }
    return a;
}

void auth_free(struct auth *a)
{
    free(a);
}

uint64_t auth_refused(const struct auth *a)
{
    return a->refused;
}

bool auth_same(const char *a, const char *b)
{
    unsigned char x[SHA256_DIGEST_LENGTH], y[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)a, strlen(a), x);
    SHA256((const unsigned char *)b, strlen(b), y);
    return CRYPTO_memcmp(x, y, sizeof x) == 0;
}

/* crypt(3) hashes begin with "$METHOD$"; no other text with a dollar in front is taken for one. */
static bool auth_is_hash(const char *text)
{
    return text[0] == '$' && strchr(text + 1, '$');
}

bool auth_is_default(const struct config *config)
{
    return strcmp(config->stats_password, AUTH_DEFAULT_PASSWORD) == 0;
}

bool auth_is_own_name(const char *host)
{
    static const char local[] = "localhost";
    char name[256], own[256] = "";
    unsigned char address[16];
    bool v6 = host && *host == '[';
    if (!host || !*host)
        return true;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(host + v6, v6 ? "]" : ":"), host + v6);
    if (inet_pton(v6 ? AF_INET6 : AF_INET, name, address) == 1)
        return true;
    gethostname(own, sizeof own - 1);
    size_t len = strlen(name), dot = len > sizeof local ? len - sizeof local : 0;
    return strcasecmp(name, local) == 0 || strcasecmp(name, own) == 0 ||
           (dot && name[dot] == '.' && strcasecmp(name + dot + 1, local) == 0);
}

/* --- guesses --- */

static uint64_t auth_key(const struct sockaddr *peer)
{
    uint64_t key = 0;
    if (peer->sa_family == AF_INET) {
        key = ((const struct sockaddr_in *)peer)->sin_addr.s_addr | 1ULL << 32;
    } else if (peer->sa_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)peer)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(in6)) {
            uint32_t v4;
            memcpy(&v4, &in6->s6_addr[12], sizeof v4);
            return v4 | 1ULL << 32;
        }
        memcpy(&key, in6->s6_addr, sizeof key);
    }
    return key;
}

static struct auth_address *auth_find(struct auth *a, uint64_t key)
{
    for (size_t i = 0; i < AUTH_ADDRESSES; i++)
        if (a->addresses[i].wrong && a->addresses[i].key == key)
            return &a->addresses[i];
    return NULL;
}

static bool auth_is_limited(struct auth *a, uint64_t key, double now)
{
    struct auth_address *address = auth_find(a, key);
    if (address && now - address->since >= AUTH_WINDOW)
        address->wrong = 0;
    return address && address->wrong >= AUTH_GUESSES;
}

static void auth_note_wrong(struct auth *a, uint64_t key, double now)
{
    struct auth_address *address = auth_find(a, key);
    if (address) {
        address->wrong++;
        return;
    }
    address = &a->addresses[0];
    for (size_t i = 1; i < AUTH_ADDRESSES && address->wrong; i++)
        if (!a->addresses[i].wrong || a->addresses[i].since < address->since)
            address = &a->addresses[i];
    *address = (struct auth_address){.key = key, .since = now, .wrong = 1};
}

/* --- passwords --- */

static bool auth_crypt(const char *password, const char *hash)
{
    struct crypt_data *data = memory_zalloc(sizeof *data);
    const char *made = crypt_r(password, hash, data);
    bool same = made && made[0] == '$' && auth_same(made, hash);
    OPENSSL_cleanse(data, sizeof *data);
    free(data);
    return same;
}

/* Digest of a password and of the hash that it is compared with, under this process' salt. */
static void auth_digest(const struct auth *a, const char *password, const char *hash,
                        unsigned char out[SHA256_DIGEST_LENGTH])
{
    size_t cap = sizeof a->salt + strlen(password) + strlen(hash) + 2;
    unsigned char *text = memory_alloc(cap);
    memcpy(text, a->salt, sizeof a->salt);
    int len = snprintf((char *)text + sizeof a->salt, cap - sizeof a->salt, "%s\n%s", hash,
                       password);
    SHA256(text, sizeof a->salt + (size_t)len, out);
    OPENSSL_cleanse(text, cap);
    free(text);
}

static bool auth_hash_matches(struct auth *a, const char *password, const char *hash)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    auth_digest(a, password, hash, digest);
    if (a->good_known && CRYPTO_memcmp(digest, a->good, sizeof digest) == 0)
        return true;
    if (!auth_crypt(password, hash))
        return false;
    memcpy(a->good, digest, sizeof a->good);
    a->good_known = true;
    return true;
}

enum auth_result auth_check(struct auth *a, const struct config *config,
                            const struct sockaddr *peer, const char *user, const char *password,
                            double now)
{
    uint64_t key = auth_key(peer);
    if (auth_is_default(config) && !net_is_loopback(peer))
        return AUTH_DEFAULT;
    if (!user || !password)
        return AUTH_MISSING;
    if (auth_is_limited(a, key, now)) {
        a->refused++;
        return AUTH_LIMITED;
    }
    bool same_user = auth_same(user, config->stats_user);
    bool same_password = auth_is_hash(config->stats_password)
                             ? auth_hash_matches(a, password, config->stats_password)
                             : auth_same(password, config->stats_password);
    if (same_user && same_password)
        return AUTH_OK;
    a->refused++;
    auth_note_wrong(a, key, now);
    return AUTH_WRONG;
}
