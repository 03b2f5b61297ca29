/* config: every directive, declared once in config_table.c, and the snapshot of their
 * values. File parser, flags, --help, PROXY CONFIG, sample file and manuals all derive from that
 * table. */
#ifndef SLOTWAY_CONFIG_H
#define SLOTWAY_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_HOST_LEN   256 /* longest host name or address with its final NUL */
#define CONFIG_SOURCE_LEN 512

enum config_read_from {
    CONFIG_READ_MASTER,         /* replicas only for clients that sent READONLY */
    CONFIG_READ_PREFER_REPLICA, /* a replica if one is fit, else the master */
    CONFIG_READ_REPLICA,        /* the same */
    CONFIG_READ_NEAREST         /* replicas and master in turn, by client */
};

enum config_tls_auth { CONFIG_TLS_AUTH_NO, CONFIG_TLS_AUTH_YES, CONFIG_TLS_AUTH_OPTIONAL };

struct config_list {
    char **v;
    uint32_t n;
};

/* An immutable snapshot of all values: a field has its directive's name. Strings are never NULL
 * ("" is unset). Units: sizes in bytes; the rest as each comment says. Made by the main thread,
 * read by every thread that holds a reference. */
struct config {
    _Atomic uint32_t refs;

    /* limits and choices that requests meet */
    uint64_t proto_max_bulk_len;        /* longest bulk of a request */
    uint64_t client_query_buffer_limit; /* longest whole request */
    uint64_t
        client_input_limit; /* bytes of unanswered requests of a client before it is not read */
    uint64_t
        client_output_window;     /* bytes of replies unsent to a client before its requests wait */
    uint64_t client_output_limit; /* bytes of replies unsent to a client before it is closed */
    uint64_t client_output_limit_pubsub; /* the same of messages to a subscriber */
    uint64_t client_transaction_limit;   /* bytes of commands queued behind MULTI */
    uint64_t max_waiting_memory;         /* bytes of parked requests, all threads together */
    uint32_t max_waiting_requests;       /* number of parked requests, all threads together */
    uint32_t max_pipeline;               /* requests in flight per client */
    uint32_t max_keys_per_command;
    uint32_t read_from; /* enum config_read_from */
    bool cross_slot;    /* split MGET, MSET, DEL … over slots */
    bool allow_admin;
    int64_t slowlog_log_slower_than; /* microseconds, -1: never, 0: every command */
    uint32_t slowlog_max_len;        /* entries */

    /* nodes */
    struct config_list cluster_nodes;    /* "HOST:PORT", "[v6]:PORT" or "/unix/path" */
    struct config_list node_address_map; /* "FROM=TO"; see config_map_address */
    const char *auth_user;
    const char *auth_password;
    uint32_t connect_timeout;          /* ms */
    uint32_t backend_timeout;          /* ms of silence with requests waiting; 0: no limit */
    uint32_t redirect_timeout;         /* ms */
    uint32_t failover_timeout;         /* ms */
    uint32_t refresh_interval;         /* ms */
    uint32_t connections_per_node;     /* shared ones, per thread and node */
    uint32_t max_connections_per_node; /* leased ones, per node */
    uint32_t replica_max_lag;          /* seconds */
    bool tls_cluster;

    /* clients and listeners */
    struct config_list bind; /* empty: all addresses; a leading '-': may be missing on this host */
    uint16_t port;           /* 0: off */
    uint16_t tls_port;       /* 0: off */
    const char *unixsocket;
    uint32_t unixsocketperm; /* mode bits, 0: as the umask says */
    uint32_t tcp_backlog;
    uint32_t maxclients;
    uint32_t timeout;       /* seconds, 0: never */
    uint32_t tcp_keepalive; /* seconds, 0: off */
    const char *requirepass;
    bool protected_mode;
    bool proxy_protocol;
    struct config_list allow_from;
    struct config_list deny_commands;
    const char *aclfile;
    const char *tls_cert_file;
    const char *tls_key_file;
    const char *tls_ca_cert_file;
    uint32_t tls_auth_clients; /* enum config_tls_auth */

    /* process */
    uint32_t threads;  /* resolved: never 0 */
    uint32_t loglevel; /* enum log_level */
    const char *logfile;
    const char *pidfile;
    uint32_t drain_timeout; /* ms */

    /* statistics page */
    struct config_list stats_bind;
    uint16_t stats_port; /* 0: off */
    const char *stats_user;
    const char *stats_password;
    bool stats_admin;
};

/* Text of what went wrong, one or more lines without a final newline; "" if nothing did. */
struct config_error {
    char text[1024];
};

enum config_outcome {
    CONFIG_START, /* *config is set: run */
    CONFIG_DONE,  /* --help, --version or a good -t: printed, exit with 0 */
    CONFIG_FAILED /* the reason is printed to err: exit with 1 */
};

/* Read the command line and the file it names, print what --help, --version and -t ask for to out,
 * complaints to err. CONFIG_START: *config has one reference, the caller's. */
enum config_outcome config_load(int argc, char *const argv[], FILE *out, FILE *err,
                                struct config **config);

/* Read the same file and flags again. A new snapshot, or NULL and *error: then nothing changes.
 * Values set by config_set give way to the file's. What cannot change at run time keeps its old
 * value with a warning in the log. */
struct config *config_reload(const struct config *old, struct config_error *error);

/* A copy of old with one value changed at run time (lists: all words in value, quoted as in the
 * file), or NULL and *error (unknown name, bad value, fixed at start). */
struct config *config_set(const struct config *old, const char *name, const char *value,
                          struct config_error *error);

struct config *config_ref(const struct config *config);
void config_unref(const struct config *config); /* frees with the last reference; NULL is fine */

/* A snapshot from the text of a file (name is for messages; no include, and
 * it need not name a node), or NULL and *error with
 * every line that is wrong. For tests. */
struct config *config_parse(const char *text, size_t len, const char *name,
                            struct config_error *error);

/* All defaults, no file, no flags: one reference, the caller's. For tests and generators. */
struct config *config_default(void);

/* --- the table, for whoever prints it --- */

struct config_directive;

uint32_t config_count(void);
const struct config_directive *config_at(uint32_t index);
/* By name or alias in any case; NULL: none. */
const struct config_directive *config_find(const char *name);
const char *config_name(const struct config_directive *d);
bool config_is_secret(const struct config_directive *d);  /* a password: not for pages and logs */
bool config_is_runtime(const struct config_directive *d); /* config_set and reload may change it */
const char *config_section_of(const struct config_directive *d); /* title of its section */
bool config_is_unused(const struct config_directive *d);         /* accepted, does nothing yet */

/* The value as the file would have it (without quotes if it is one word). Caller frees. */
char *config_value(const struct config *config, const struct config_directive *d);

/* Where the value comes from: "default", "FILE:LINE", "command line" or "PROXY CONFIG SET". */
void config_source(const struct config *config, const struct config_directive *d,
                   char out[CONFIG_SOURCE_LEN]);

/* Call each() for every directive whose name matches the glob (as Redis' CONFIG GET). */
void config_match(const struct config *config, const char *pattern,
                  void (*each)(void *ctx, const struct config_directive *d, const char *value),
                  void *ctx);

/* The path of the file that was read, "" if none. */
const char *config_file(const struct config *config);

/* Documents derived from the table. */
void config_print_help(FILE *out);
void config_print_sample(FILE *out);   /* conf/slotway.conf */
void config_print_manual(FILE *out);   /* docs/slotway.8 */
void config_print_markdown(FILE *out); /* docs/configuration.md */

/* --- addresses --- */

/* Split "HOST:PORT", "[V6]:PORT" or "/unix/path" (host is the path, *port 0). False: none of them.
 */
bool config_parse_address(const char *text, char host[CONFIG_HOST_LEN], uint16_t *port);

/* Replace an announced address by what node-address-map says (host:port before host alone). True if
 * it changed. host and *port are read and written. */
bool config_map_address(const struct config *config, char host[CONFIG_HOST_LEN], uint16_t *port);

/* Protected mode is in force: clients from other hosts are refused. */
static inline bool config_is_protected(const struct config *config)
{
    return config->protected_mode && !*config->requirepass && config->bind.n == 0;
}

#endif
