/* differential: the same random commands to slotway and to one plain redis-server must give the
 * same replies in RESP2 and in RESP3: types, values, order, error texts. SLOTWAY_TEST_SEED repeats
 * a run. */
#include "support/fixture.h"
#include "support/plain_redis.h"
#include "support/wire.h"
#include <ctype.h>
#include <string.h>

/* Words that are replaced: K any key, T a key with this command's hash tag, V value, I integer, N
 * small count, J number of keys, M member, S score, X stream id, P pattern, F float. ~ in front:
 * the order of elements is not defined. What depends on time or chance is left out. */
static const char *const templates[] = {
    /* strings */
    "SET K V",
    "SET K V NX",
    "SET K V XX GET",
    "SET K V KEEPTTL",
    "SET K V NONSENSE",
    "GET K",
    "GET K",
    "GET K",
    "GETSET K V",
    "GETDEL K",
    "GETEX K PERSIST",
    "SETNX K V",
    "SETEX K 100000 V",
    "SETEX K 0 V",
    "PSETEX K 100000000 V",
    "APPEND K V",
    "STRLEN K",
    "SETRANGE K N V",
    "GETRANGE K I I",
    "SUBSTR K N N",
    "INCR K",
    "DECR K",
    "INCRBY K I",
    "DECRBY K I",
    "INCRBYFLOAT K F",
    "LCS T T",
    "LCS T T LEN",
    "LCS T T IDX",
    /* split over slots */
    "MGET K K K K",
    "MGET K",
    "MGET K K K K K K K K K K K K",
    "MSET K V K V K V",
    "MSET K V",
    "MSET K V K",
    "MSET K V K V K V K V K V K V",
    "DEL K K K",
    "DEL K",
    "UNLINK K K",
    "EXISTS K K K",
    "EXISTS K K K K K K",
    "TOUCH K K K K",
    /* keys */
    "TYPE K",
    "EXPIREAT K 4102444800",
    "EXPIREAT K 4102444800 NX",
    "PEXPIREAT K 4102444800000 GT",
    "EXPIRE K -1",
    "EXPIRE K abc",
    "PERSIST K",
    "RENAME T T",
    "RENAMENX T T",
    "COPY T T",
    "COPY T T REPLACE",
    "OBJECT ENCODING K",
    "OBJECT REFCOUNT K",
    "OBJECT FREQ K",

    "RESTORE K 0 V",
    "SORT K",
    "SORT K ALPHA",
    "SORT K ALPHA DESC LIMIT N N",
    "SORT T ALPHA STORE T",
    "SORT_RO K ALPHA",
    "MSETNX T V T V",
    "MSETNX T V T V T V",
    /* lists */
    "LPUSH K V V",
    "RPUSH K V",
    "RPUSH K V V V",
    "LPUSHX K V",
    "RPUSHX K V",
    "LPOP K",
    "RPOP K",
    "LPOP K N",
    "LLEN K",
    "LRANGE K I I",
    "LRANGE K 0 -1",
    "LINDEX K I",
    "LSET K I V",
    "LINSERT K BEFORE V V",
    "LREM K I V",
    "LTRIM K I I",
    "LPOS K V",
    "LPOS K V RANK I COUNT N",
    "RPOPLPUSH T T",
    "LMOVE T T LEFT RIGHT",
    "LMOVE T T UP DOWN",
    "LMPOP 2 T T LEFT COUNT N",
    "LMPOP J T T RIGHT",
    /* sets */
    "SADD K M M",
    "SADD K M",
    "SADD K I I I",
    "SREM K M",
    "SCARD K",
    "SISMEMBER K M",
    "SMISMEMBER K M M M",
    "~SMEMBERS K",
    "SMOVE T T M",
    "~SUNION T T T",
    "~SINTER T T",
    "~SDIFF T T T",
    "SUNIONSTORE T T T",
    "SINTERSTORE T T T",
    "SDIFFSTORE T T T",
    "SINTERCARD 2 T T",
    "SINTERCARD 2 T T LIMIT N",
    "SINTERCARD J T T",
    /* hashes */
    "HSET K M V",
    "HSET K M V M V",
    "HSET K M",
    "HMSET K M V",
    "HSETNX K M V",
    "HGET K M",
    "HMGET K M M M",
    "~HGETALL K",
    "~HKEYS K",
    "~HVALS K",
    "HLEN K",
    "HDEL K M M",
    "HEXISTS K M",
    "HINCRBY K M I",
    "HINCRBYFLOAT K M F",
    "HSTRLEN K M",
    /* sorted sets */
    "ZADD K S M S M",
    "ZADD K NX S M",
    "ZADD K XX CH S M",
    "ZADD K GT LT S M",
    "ZADD K INCR S M",
    "ZADD K F M",
    "ZSCORE K M",
    "ZMSCORE K M M",
    "ZINCRBY K S M",
    "ZCARD K",
    "ZCOUNT K -inf +inf",
    "ZCOUNT K S S",
    "ZRANK K M",
    "ZREVRANK K M",
    "ZRANGE K 0 -1",
    "ZRANGE K I I WITHSCORES",
    "ZRANGE K S S BYSCORE LIMIT N N",
    "ZRANGE K - + BYLEX",
    "ZREVRANGE K 0 -1 WITHSCORES",
    "ZRANGEBYSCORE K S S WITHSCORES",
    "ZRANGEBYLEX K [a [c",
    "ZREVRANGEBYSCORE K +inf -inf",
    "ZLEXCOUNT K - +",
    "ZREM K M M",
    "ZREMRANGEBYRANK K N N",
    "ZREMRANGEBYSCORE K S S",
    "ZPOPMIN K",
    "ZPOPMAX K N",
    "ZMPOP 2 T T MIN",
    "ZMPOP 2 T T MAX COUNT N",
    "ZUNIONSTORE T 2 T T",
    "ZUNIONSTORE T 2 T T WEIGHTS 2 3 AGGREGATE MAX",
    "ZINTERSTORE T 2 T T",
    "ZDIFFSTORE T 2 T T",
    "ZUNIONSTORE T J T T",
    "ZUNION 2 T T WITHSCORES",
    "ZINTER 2 T T WITHSCORES",
    "ZDIFF 2 T T",
    "ZINTERCARD 2 T T",
    "ZRANGESTORE T T 0 -1",
    /* streams */
    "XADD K X M V",
    "XADD K X M V M V",
    "XADD K NOMKSTREAM X M V",
    "XADD K MAXLEN = 5 X M V",
    "XLEN K",
    "XRANGE K - +",
    "XRANGE K - + COUNT N",
    "XREVRANGE K + -",
    "XDEL K X",
    "XTRIM K MAXLEN N",
    "XREAD COUNT 3 STREAMS T T 0 0",
    "XREAD STREAMS T X",
    "XGROUP CREATE K group 0",
    "XGROUP CREATE K group $ MKSTREAM",
    "XREADGROUP GROUP group c1 COUNT 2 STREAMS T >",
    "XACK K group X",
    "XPENDING K group",
    "XGROUP CREATECONSUMER K group c2",
    "XGROUP DESTROY K group",
    "XSETID K X",
    /* bits, hyperloglog, geo */
    "SETBIT K N 1",
    "GETBIT K N",
    "BITCOUNT K",
    "BITCOUNT K 0 -1 BIT",
    "BITPOS K 1",
    "BITPOS K 2",
    "BITFIELD K SET u8 0 200 INCRBY u8 0 100",
    "BITFIELD_RO K GET u8 0",
    "BITOP AND T T T",
    "BITOP NOT T T T",
    "BITOP XOR T T T T",
    "PFADD K M M M",
    "PFCOUNT K",
    "PFCOUNT T T",
    "PFMERGE T T T",
    "GEOADD K 13.361389 38.115556 M",
    "GEOADD K 15.087269 37.502669 M",
    "GEODIST K M M km",
    "GEOPOS K M M",
    "GEOHASH K M",
    "GEOSEARCH K FROMLONLAT 15 37 BYRADIUS 200 km ASC",
    "GEOSEARCHSTORE T T FROMLONLAT 15 37 BYRADIUS 200 km ASC",
    "GEORADIUS K 15 37 200 km ASC",
    /* scripts */
    "EVAL return{KEYS[1],ARGV[1]} 1 K V",
    "EVAL return(redis.call('GET',KEYS[1])) 1 K",
    "EVAL return{KEYS[1],KEYS[2]} 2 T T",
    "EVAL return(1)+ 1 K",
    "EVAL return(1) J T",
    "EVAL_RO return(redis.call('TYPE',KEYS[1])) 1 K",
    "EVAL_RO return(redis.call('DEL',KEYS[1])) 1 K",
    "EVALSHA 0123456789012345678901234567890123456789 1 K",
    /* the whole keyspace, connection and server */
    "DBSIZE",
    "~KEYS P",
    "PING",
    "PING V",
    "ECHO V",
    "NOSUCH V K",
    "NOSUCH",
    "OBJECT NOSUCH K",
    "XGROUP NOSUCH K",
    "SCRIPT EXISTS 0123456789012345678901234567890123456789",
    "PUBLISH V V",
};
#define TEMPLATES (sizeof templates / sizeof *templates)
#define MAX_WORDS 32

static uint64_t seed;

static uint64_t chance(uint64_t n)
{
    return random_next(&seed) % n;
}

struct request {
    int argc;
    char *argv[MAX_WORDS];
    size_t len[MAX_WORDS];
    bool unordered;
};

static void add(struct request *r, const void *data, size_t len)
{
    r->argv[r->argc] = malloc(len + 1);
    memcpy(r->argv[r->argc], data, len);
    r->argv[r->argc][len] = 0;
    r->len[r->argc++] = len;
}

static void add_value(struct request *r)
{
    static const char *const few[] = {"",    "0",   "1",        "-5",       "12",
                                      "1.5", "abc", "a b\r\nc", "\x01\xff", "9223372036854775807"};
    if (chance(4)) {
        const char *v = few[chance(sizeof few / sizeof *few)];
        add(r, v, strlen(v));
        return;
    }
    char bytes[3000];
    size_t len = chance(20) ? chance(100) : chance(sizeof bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)chance(256);
    add(r, bytes, len);
}

static void add_word(struct request *r, const char *word, int tag)
{
    static const char *const integers[] = {
        "0", "1", "2", "-1", "-2", "3", "100", "-100", "x", "9223372036854775807", "1.5", ""};
    static const char *const patterns[] = {"*", "k*", "{t1}*", "nothing*", "k?", "[a-k]1*"};
    static const char *const key_counts[] = {"0", "1", "2", "-1", "x", "1.5", "9999", ""};
    char text[64] = "";
    switch (word[1] ? 0 : word[0]) {
    case 'K':
        if (chance(2))
            sprintf(text, "k%d", (int)chance(40));
        else
            sprintf(text, "{t%d}%d", (int)chance(4), (int)chance(8));
        break;
    case 'T':
        sprintf(text, "{t%d}%d", tag, (int)chance(8));
        break;
    case 'V':
        add_value(r);
        return;
    case 'I':
        strcpy(text, integers[chance(sizeof integers / sizeof *integers)]);
        break;
    case 'J': /* never so that a keyword is taken for a key: a cluster looks at slots first */
        strcpy(text, key_counts[chance(sizeof key_counts / sizeof *key_counts)]);
        break;
    case 'N':
        sprintf(text, "%d", (int)chance(12));
        break;
    case 'M':
        sprintf(text, "%c%d", (char)('a' + chance(3)), (int)chance(6));
        break;
    case 'S':
        sprintf(text, "%d", (int)chance(20) - 5);
        break;
    case 'X':
        sprintf(text, "%d-%d", 1 + (int)chance(400), (int)chance(3));
        break;
    case 'P':
        strcpy(text, patterns[chance(sizeof patterns / sizeof *patterns)]);
        break;
    case 'F':
        sprintf(text, "%.2f", (double)chance(1000) / 8);
        break;
    default:
        add(r, word, strlen(word));
        return;
    }
    add(r, text, strlen(text));
}

static struct request make_request(void)
{
    struct request r = {0};
    char copy[200], *save;
    const char *t = templates[chance(TEMPLATES)];
    r.unordered = *t == '~';
    strcpy(copy, t + r.unordered);
    int tag = (int)chance(4);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        add_word(&r, w, tag);
    /* Now and then too few or too many words, or another case. */
    if (chance(40) == 0 && r.argc > 1)
        free(r.argv[--r.argc]);
    else if (chance(60) == 0 && strncmp(t, "PFCOUNT", 7) != 0)
        add_word(&r, "T", tag);
    if (chance(10) == 0)
        for (char *p = r.argv[0]; *p; p++)
            *p = (char)(chance(2) ? tolower(*p) : toupper(*p));
    return r;
}

static void show(const struct request *r, char *out, size_t cap)
{
    size_t at = 0;
    for (int i = 0; i < r->argc && at < cap; i++) {
        at += (size_t)snprintf(out + at, cap - at, "%s", i ? " " : "");
        for (size_t k = 0; k < r->len[i] && at + 5 < cap && k < 80; k++) {
            unsigned char ch = (unsigned char)r->argv[i][k];
            at += (size_t)snprintf(out + at, cap - at, ch > 32 && ch < 127 ? "%c" : "\\x%02x", ch);
        }
    }
}

/* A connection to slotway and one to redis-server that are sent the same. */
struct pair {
    struct wire *ours, *theirs;
};

static struct pair pair_open(int theirs, const char *protocol)
{
    struct pair p = {wire_open(proxy->port), wire_open(theirs)};
    char hello[16];
    snprintf(hello, sizeof hello, "HELLO %s", protocol);
    wire_ask(p.ours, hello);
    wire_ask(p.theirs, hello);
    return p;
}

static void pair_close(struct pair p)
{
    wire_close(p.ours);
    wire_close(p.theirs);
}

/* The replies of both to what was sent last must be the same. */
static void pair_compare(struct pair p, const char *what, enum wire_view view)
{
    char *want = wire_read(p.theirs, view);
    char *got = wire_read(p.ours, view);
    ck_assert_msg(strcmp(got, want) == 0, "%.600s\n  slotway %.800s\n  redis   %.800s", what, got,
                  want);
    free(got);
    free(want);
}

static void compare(const struct request *r, struct pair p, int number)
{
    char command[2000], what[2100];
    show(r, command, sizeof command);
    snprintf(what, sizeof what, "command %d of SLOTWAY_TEST_SEED=%llu: %s", number,
             (unsigned long long)test_seed(), command);
    pair_compare(p, what, r->unordered ? WIRE_SORTED : WIRE_EXACT);
}

/* Batches of commands, now from a client that speaks RESP2, now from one that speaks RESP3. */
START_TEST(same_replies_as_one_redis_server)
{
    seed = test_seed();
    int redis = plain_redis_start(NULL);
    struct pair pairs[] = {pair_open(redis, "2"), pair_open(redis, "3")};
    wire_expect(pairs[0].ours, "FLUSHALL", "+OK");
    int total = test_full() ? 1000000 : 40000;
    for (int done = 0; done < total;) {
        struct request batch[64];
        struct pair p = pairs[chance(2)];
        int n = 1 + (int)chance(64);
        for (int i = 0; i < n; i++) {
            batch[i] = make_request();
            const char *const *argv = (const char *const *)batch[i].argv;
            wire_send_argv(p.ours, batch[i].argc, argv, batch[i].len);
            wire_send_argv(p.theirs, batch[i].argc, argv, batch[i].len);
        }
        for (int i = 0; i < n; i++)
            compare(&batch[i], p, done + i);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < batch[i].argc; k++)
                free(batch[i].argv[k]);
        done += n;
    }
    pair_close(pairs[0]);
    pair_close(pairs[1]);
}
END_TEST

/* What slotway answers itself, splits, or puts together; ~: the order is not defined, ?: the values
 * are those of another server, so only the types count. */
static const char *const shapes[] = {
    "MSET a 1 b 2 c 3 d 4",
    "MGET a b c none d none",
    "MGET none",
    "GET none",
    "~KEYS *",
    "?SCAN 0 COUNT 1000",
    "?RANDOMKEY",
    "DBSIZE",
    "DEL a b none",
    "EXISTS a b c",
    "PING",
    "PING text",
    "ECHO text",
    "?TIME",
    "SELECT 0",
    "HELLO 4",
    "HELLO x",
    "HELLO 3 SETNAME",
    "HELLO 2 NONSENSE",
    "HELLO 3 AUTH default",
    "?HELLO",
    "?CLIENT ID",
    "CLIENT GETNAME",
    "CLIENT SETNAME me",
    "CLIENT GETNAME",
    "?CLIENT INFO",
    "?CLIENT LIST",
    "CLIENT LIST ID x",
    "CLIENT NO-EVICT on",
    "CLIENT GETREDIR",
    "CLIENT REPLY ON",
    "CLIENT KILL ID 999999999",
    "CLIENT UNPAUSE",
    "?INFO",
    "?INFO server",
    "CONFIG GET maxmemory",
    "~CONFIG GET zset-max-*",
    "CONFIG GET nosuch",
    "CONFIG GET timeout",
    "CONFIG GET slowlog-max-len nosuch",
    "CONFIG SET timeout 0",
    "CONFIG SET timeout minus",
    "CONFIG SET timeout 1 timeout 2",
    "CONFIG SET timeout 1 maxmemory minus",
    "CONFIG SET timeout 1 nosuch 2",
    "CONFIG SET protected-mode maybe",
    "CONFIG SET maxmemory 0 maxmemory-samples",
    "CONFIG SET daemonize yes",
    "CONFIG SET slowlog-max-len 128 maxmemory 0",
    "CONFIG SET maxmemory 0",
    "COMMAND COUNT",
    "COMMAND INFO get nosuch",
    "COMMAND DOCS get",
    "COMMAND DOCS nosuch",
    "COMMAND GETKEYS MSET a 1 b 2",
    "COMMAND GETKEYSANDFLAGS MSET a 1 b 2",
    "~COMMAND LIST FILTERBY PATTERN xr*",
    "SLOWLOG RESET", /* what came before may have been slow on this machine */
    "SLOWLOG LEN",
    "SLOWLOG GET",
    "?SLOWLOG HELP",
    "FUNCTION STATS",
    "FUNCTION LIST",
    "FUNCTION FLUSH",
    "FUNCTION KILL",
    "FUNCTION DUMP",
    "SCRIPT EXISTS 0123456789012345678901234567890123456789",
    "SCRIPT FLUSH",
    "SCRIPT KILL",
    "LATENCY LATEST",
    "LATENCY HISTORY command",
    "LATENCY RESET",
    "?LATENCY DOCTOR",
    "LATENCY HISTOGRAM nosuch",
    "?MEMORY DOCTOR",
    "?MEMORY USAGE c",
    "MEMORY USAGE none",
    "MEMORY PURGE",
    "ACL WHOAMI",
    "ACL USERS",
    "ACL LIST",
    "ACL GETUSER default",
    "ACL GETUSER nobody",
    "ACL LOG",
    "ACL LOG 5",
    "ACL LOG RESET",
    "ACL LOG x",
    "ACL LOG 1 2",
    "ACL DRYRUN default GET a",
    "ACL DRYRUN default GET",
    "ACL DRYRUN default NOSUCH a",
    "ACL DRYRUN default CONFIG NOSUCH",
    "ACL DRYRUN nobody GET a",
    "ACL DELUSER nobody other",
    "ACL DELUSER default",
    "ACL DELUSER",
    "ACL SETUSER default",
    "ACL SAVE",
    "ACL LOAD",
    "ACL NOSUCH",
    "~ACL CAT",
    "?ACL GENPASS",
    "?LASTSAVE",
    "?LOLWUT",
    "MODULE LIST",
    "PUBLISH nobody text",
    "OBJECT HELP",
    "HSET h f v",
    "HGETALL h",
    "SADD s m",
    "SMEMBERS s",
    "ZADD z 1.5 m",
    "ZRANGE z 0 -1 WITHSCORES",
    "ZSCORE z m",
    "HRANDFIELD h 1 WITHVALUES",
    "XADD x 1-1 f v",
    "XREAD STREAMS x 0",
    "XREAD STREAMS x 9",
    "XINFO STREAM none",
    "LPOP none",
    "LPOP none 2",
    "GEOPOS none m",
    "EVAL return{1,'two',false,{3}} 0",
    "EVAL redis.setresp(3);return(redis.call('HGETALL',KEYS[1])) 1 h",
    "EVAL return{double=3.5} 0",
    "EVAL return{map={a=1}} 0",
    "EVAL return{set={a=true}} 0",
    "EVAL return{big_number='12345678901234567890'} 0",
    "EVAL return{verbatim_string={format='txt',string='t'}} 0",
    "RESET",
    "PING",
};

static void compare_shapes(const char *protocol)
{
    int redis = plain_redis_start(NULL);
    struct pair p = pair_open(redis, protocol);
    wire_expect(p.ours, "FLUSHALL", "+OK");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const char *command = shapes[i];
        enum wire_view view = *command == '?'   ? WIRE_SHAPE
                              : *command == '~' ? WIRE_SORTED
                                                : WIRE_EXACT;
        command += view != WIRE_EXACT;
        wire_send(p.ours, command);
        wire_send(p.theirs, command);
        pair_compare(p, command, view);
    }
    pair_close(p);
}

START_TEST(same_shapes_in_resp2)
{
    compare_shapes("2");
}
END_TEST

START_TEST(same_shapes_in_resp3)
{
    compare_shapes("3");
}
END_TEST

/* Each command of one pipeline is answered in the protocol that was chosen before it. */
START_TEST(one_pipeline_switches_protocols)
{
    static const char *const commands[] = {
        "HSET h f v", "HGETALL h",  "GET none",   "?HELLO 3",     "HGETALL h",
        "GET none",   "MGET a b c", "SCAN 9x",    "?CLIENT INFO", "?INFO server",
        "?HELLO 2",   "HGETALL h",  "MGET a b c", "GET none",     "?CLIENT INFO",
        "?HELLO 3",   "GET none",   "RESET",      "HGETALL h",    "GET none",
    };
    int redis = plain_redis_start(NULL);
    struct pair p = pair_open(redis, "2");
    size_t n = sizeof commands / sizeof *commands;
    wire_expect(p.ours, "FLUSHALL", "+OK");
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < n; i++) {
            wire_send(p.ours, commands[i] + (*commands[i] == '?'));
            wire_send(p.theirs, commands[i] + (*commands[i] == '?'));
        }
        for (size_t i = 0; i < n; i++)
            pair_compare(p, commands[i], *commands[i] == '?' ? WIRE_SHAPE : WIRE_EXACT);
    }
    pair_close(p);
}
END_TEST

FIXTURE_SUITE("differential", 240, NULL, same_replies_as_one_redis_server, same_shapes_in_resp2,
              same_shapes_in_resp3, one_pipeline_switches_protocols)
