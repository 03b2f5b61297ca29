/* config_table: every directive, once. A new one is a row here and a field in struct config.
 * Run `make docs` after a change: the sample file and the manuals are made from these rows. */
#include "config_table.h"

enum section { NODES, NETWORK, ACCESS, TLS, PROCESS, LIMITS, SLOW_LOG, STATS };

const struct config_section config_sections[] = {
    [NODES] = {"Cluster", "Where the Redis Cluster is and how its nodes are talked to.", NULL},
    [NETWORK] = {"Network", "Where clients connect.", NULL},
    [ACCESS] = {"Access",
                "Without a password and without a bind directive slotway serves only clients on "
                "its own host (protected mode). To let other hosts in, take one of two ways: name "
                "the addresses to listen on, in a network you trust, or set a password that every "
                "client must send.",
                "#\n# Way 1, listen on named addresses of a trusted network:\n"
                "#   bind 10.0.0.5 127.0.0.1\n"
                "# Way 2, require a password:\n"
                "#   requirepass a-long-random-password\n"},
    [TLS] = {"TLS", NULL, NULL},
    [PROCESS] = {"Process", NULL, NULL},
    [LIMITS] = {"Limits",
                "Every buffer and queue has a bound. The defaults fit ordinary use; what is past a "
                "bound waits, or gets an error that names the directive.",
                NULL},
    [SLOW_LOG] = {"Slow log", NULL, NULL},
    [STATS] = {"Statistics page", NULL, NULL},
};

const uint32_t config_section_count = sizeof(config_sections) / sizeof(*config_sections);

static const char *const read_from_choices[] = {"master", "prefer-replica", "replica", "nearest",
                                                NULL};
static const char *const tls_auth_choices[] = {"no", "yes", "optional", NULL};
static const char *const loglevel_choices[] = {"debug", "verbose", "notice", "warning", NULL};

#define FIELD(f)        .offset = offsetof(struct config, f), .width = sizeof(((struct config *)0)->f)
#define RANGE(lo, hi)   .min = (lo), .max = (hi)
#define KB              1024LL
#define MB              (1024 * KB)
#define GB              (1024 * MB)
#define HOUR            (60 * 60)
#define DAY             (24 * HOUR)
#define MAX_REQUEST     (4095 * MB) /* offsets within a request have 32 bits */
#define ADDRESS_ALLOWED "HOST:PORT, [IPV6]:PORT or /path/of/a/unix/socket"

/* clang-format off */
const struct config_directive config_directives[] = {
    {.name = "cluster-nodes", .aliases = "cluster", .section = NODES, .kind = CONFIG_LIST,
     FIELD(cluster_nodes), .flags = CONFIG_RUNTIME, .fallback = "",
     .check = config_check_address, .allowed = ADDRESS_ALLOWED,
     .sample = "cluster-nodes 127.0.0.1:7000 127.0.0.1:7001 127.0.0.1:7002\n",
     .help = "Nodes to ask first what the cluster looks like; any of them is enough, the others "
             "are found. On the command line they need no directive: slotway HOST:PORT …"},
    {.name = "auth-user", .aliases = "masteruser", .section = NODES, .kind = CONFIG_STRING,
     FIELD(auth_user), .flags = CONFIG_RUNTIME, .fallback = "",
     .help = "ACL user as which slotway logs in to the nodes; empty: the default user."},
    {.name = "auth-password", .aliases = "masterauth auth", .section = NODES,
     .kind = CONFIG_STRING, FIELD(auth_password), .flags = CONFIG_RUNTIME | CONFIG_SECRET,
     .fallback = "", .help = "Password with which slotway logs in to the nodes; empty: no AUTH."},
    {.name = "node-address-map", .section = NODES, .kind = CONFIG_LIST, FIELD(node_address_map),
     .flags = CONFIG_RUNTIME, .fallback = "", .check = config_check_address_map,
     .allowed = "FROM=TO, each HOST or HOST:PORT (both with a port or both without)",
     .sample = "# node-address-map 172.17.0.2:6379=127.0.0.1:7000 10.8.0.3=redis3.example.org\n",
     .help = "Where to connect for addresses that nodes announce but slotway cannot reach, as "
             "behind NAT or Docker."},
    {.name = "read-from", .section = NODES, .kind = CONFIG_ENUM, FIELD(read_from),
     .flags = CONFIG_RUNTIME, .fallback = "master", .choices = read_from_choices,
     .help = "Which nodes serve reads. Other values than master may return values older than the "
             "last write; a master serves when no replica is fit."},
    {.name = "replica-max-lag", .section = NODES, .kind = CONFIG_SECONDS, FIELD(replica_max_lag),
     RANGE(0, DAY), .flags = CONFIG_RUNTIME, .fallback = "10",
     .help = "A replica further behind its master than this serves no reads; 0: however far."},
    {.name = "cross-slot", .section = NODES, .kind = CONFIG_BOOL, FIELD(cross_slot),
     .flags = CONFIG_RUNTIME, .fallback = "yes",
     .help = "Split MGET, MSET, DEL, UNLINK, EXISTS and TOUCH whose keys are in several slots, and "
             "let BLPOP, BRPOP and BLMPOP wait for several; no: answer CROSSSLOT as a node does."},
    {.name = "connections-per-node", .section = NODES, .kind = CONFIG_INT,
     FIELD(connections_per_node), RANGE(1, 64), .fallback = "1",
     .help = "Shared connections that each thread keeps to each node."},
    {.name = "max-connections-per-node", .section = NODES, .kind = CONFIG_INT,
     FIELD(max_connections_per_node), RANGE(1, 65535), .flags = CONFIG_RUNTIME, .fallback = "10000",
     .help = "Connections to each node, of all threads together, that are not shared: one for each "
             "client that waits in a blocking command, or holds WATCH or tracking. A node's own "
             "maxclients has to allow them."},
    {.name = "connect-timeout", .section = NODES, .kind = CONFIG_MILLIS, FIELD(connect_timeout),
     RANGE(10, 600000), .flags = CONFIG_RUNTIME, .fallback = "1000",
     .help = "Longest wait for a connection to a node."},
    {.name = "backend-timeout", .section = NODES, .kind = CONFIG_MILLIS, FIELD(backend_timeout),
     RANGE(0, DAY * 1000LL), .flags = CONFIG_RUNTIME, .fallback = "10000",
     .help = "A node that sends nothing for so long while requests wait for it is disconnected; "
             "0: never."},
    {.name = "redirect-timeout", .section = NODES, .kind = CONFIG_MILLIS, FIELD(redirect_timeout),
     RANGE(0, 600000), .flags = CONFIG_RUNTIME, .fallback = "5000",
     .help = "How long a request that nodes refuse (MOVED, ASK, TRYAGAIN, LOADING …) is sent "
             "again before the client gets the error."},
    {.name = "failover-timeout", .section = NODES, .kind = CONFIG_MILLIS, FIELD(failover_timeout),
     RANGE(0, 600000), .flags = CONFIG_RUNTIME, .fallback = "10000",
     .help = "How long requests for slots without a living master wait for a new one."},
    {.name = "refresh-interval", .section = NODES, .kind = CONFIG_MILLIS, FIELD(refresh_interval),
     RANGE(50, 600000), .flags = CONFIG_RUNTIME, .fallback = "1000",
     .help = "How often the nodes are asked what the cluster looks like when nothing seems wrong."},

    {.name = "port", .section = NETWORK, .kind = CONFIG_INT, FIELD(port), RANGE(0, 65535),
     .fallback = "5000", .help = "Port for clients; 0: none."},
    {.name = "bind", .section = NETWORK, .kind = CONFIG_LIST, FIELD(bind), .fallback = "",
     .check = config_check_bind, .allowed = "an IPv4 or IPv6 address, a host name, * or ::*, "
     "with - in front if it may be missing", .sample = "# bind 127.0.0.1 -::1\n",
     .help = "Addresses to listen on; none: all, IPv4 and IPv6. One with - in front is left out if "
             "this host does not have it."},
    {.name = "unixsocket", .section = NETWORK, .kind = CONFIG_STRING, FIELD(unixsocket),
     .fallback = "", .sample = "# unixsocket /run/slotway/slotway.sock\n",
     .help = "Path of a Unix socket for clients; empty: none."},
    {.name = "unixsocketperm", .section = NETWORK, .kind = CONFIG_MODE, FIELD(unixsocketperm),
     RANGE(0, 0777), .fallback = "0", .sample = "# unixsocketperm 770\n",
     .help = "Permissions of the Unix socket, in octal; 0: as the umask says."},
    {.name = "tcp-backlog", .section = NETWORK, .kind = CONFIG_INT, FIELD(tcp_backlog),
     RANGE(1, 65535), .fallback = "511",
     .help = "Connections that may wait to be accepted; the kernel's net.core.somaxconn "
             "bounds it."},
    {.name = "tcp-keepalive", .section = NETWORK, .kind = CONFIG_SECONDS, FIELD(tcp_keepalive),
     RANGE(0, DAY), .flags = CONFIG_RUNTIME, .fallback = "300",
     .help = "Idle time after which TCP asks whether the client is still there; 0: never."},
    {.name = "timeout", .section = NETWORK, .kind = CONFIG_SECONDS, FIELD(timeout),
     RANGE(0, INT32_MAX), .flags = CONFIG_RUNTIME, .fallback = "0",
     .help = "Close a client that has sent nothing for so long; 0: never."},
    {.name = "proxy-protocol", .section = NETWORK, .kind = CONFIG_BOOL, FIELD(proxy_protocol),
     .flags = CONFIG_UNUSED, .fallback = "no",
     .help = "Expect a PROXY protocol header (version 1 or 2) on every client connection."},

    {.name = "protected-mode", .section = ACCESS, .kind = CONFIG_BOOL, FIELD(protected_mode),
     .flags = CONFIG_RUNTIME, .fallback = "yes",
     .help = "Serve only clients on this host while there is neither a password nor a bind "
             "directive."},
    {.name = "requirepass", .section = ACCESS, .kind = CONFIG_STRING, FIELD(requirepass),
     .flags = CONFIG_RUNTIME | CONFIG_SECRET, .fallback = "",
     .help = "Password that clients must send with AUTH; empty: none."},
    {.name = "allow-admin", .section = ACCESS, .kind = CONFIG_BOOL, FIELD(allow_admin),
     .flags = CONFIG_RUNTIME, .fallback = "no",
     .help = "Pass commands that could hurt a node (SHUTDOWN, REPLICAOF, DEBUG …) to any one "
             "master instead of refusing them."},
    {.name = "aclfile", .section = ACCESS, .kind = CONFIG_STRING, FIELD(aclfile),
     .flags = CONFIG_UNUSED, .fallback = "", .sample = "# aclfile /etc/slotway/users.acl\n",
     .help = "File with the users who may log in, as redis-server has it."},
    {.name = "allow-from", .section = ACCESS, .kind = CONFIG_LIST, FIELD(allow_from),
     .flags = CONFIG_UNUSED, .fallback = "", .check = config_check_network,
     .allowed = "an IPv4 or IPv6 address, or ADDRESS/BITS",
     .sample = "# allow-from 10.0.0.0/8 fd00::/8\n",
     .help = "Networks whose clients are served; none: all."},
    {.name = "deny-commands", .section = ACCESS, .kind = CONFIG_LIST, FIELD(deny_commands),
     .flags = CONFIG_UNUSED, .fallback = "", .allowed = "names of commands",
     .sample = "# deny-commands flushall flushdb keys\n",
     .help = "Commands that are refused."},

    {.name = "tls-port", .section = TLS, .kind = CONFIG_INT, FIELD(tls_port), RANGE(0, 65535),
     .flags = CONFIG_UNUSED, .fallback = "0", .help = "Port for clients with TLS; 0: none."},
    {.name = "tls-cert-file", .section = TLS, .kind = CONFIG_STRING, FIELD(tls_cert_file),
     .flags = CONFIG_UNUSED, .fallback = "",
     .help = "Certificate that slotway shows, with its chain, in PEM."},
    {.name = "tls-key-file", .section = TLS, .kind = CONFIG_STRING, FIELD(tls_key_file),
     .flags = CONFIG_UNUSED, .fallback = "", .help = "Private key of the certificate, in PEM."},
    {.name = "tls-ca-cert-file", .section = TLS, .kind = CONFIG_STRING, FIELD(tls_ca_cert_file),
     .flags = CONFIG_UNUSED, .fallback = "",
     .help = "Authorities that certificates of clients and nodes must come from, in PEM."},
    {.name = "tls-auth-clients", .section = TLS, .kind = CONFIG_ENUM, FIELD(tls_auth_clients),
     .flags = CONFIG_UNUSED, .fallback = "yes", .choices = tls_auth_choices,
     .help = "Whether clients must show a certificate."},
    {.name = "tls-cluster", .section = TLS, .kind = CONFIG_BOOL, FIELD(tls_cluster),
     .flags = CONFIG_UNUSED, .fallback = "no", .help = "Talk TLS to the nodes."},

    {.name = "threads", .section = PROCESS, .kind = CONFIG_INT, FIELD(threads), RANGE(1, 256),
     .flags = CONFIG_CORES, .fallback = "auto",
     .help = "Worker threads; auto: one for each core that the process may use."},
    {.name = "loglevel", .section = PROCESS, .kind = CONFIG_ENUM, FIELD(loglevel),
     .flags = CONFIG_RUNTIME, .fallback = "notice", .choices = loglevel_choices,
     .help = "Least level that is logged."},
    {.name = "logfile", .section = PROCESS, .kind = CONFIG_STRING, FIELD(logfile),
     .flags = CONFIG_RUNTIME, .fallback = "", .sample = "# logfile /var/log/slotway/slotway.log\n",
     .help = "File to log to, opened again on SIGHUP and SIGUSR1; empty: standard output, or the "
             "journal under systemd."},
    {.name = "pidfile", .section = PROCESS, .kind = CONFIG_STRING, FIELD(pidfile),
     .fallback = "", .sample = "# pidfile /run/slotway/slotway.pid\n",
     .help = "File to write the process id to; empty: none."},
    {.name = "drain-timeout", .section = PROCESS, .kind = CONFIG_MILLIS, FIELD(drain_timeout),
     RANGE(0, HOUR * 1000LL), .flags = CONFIG_RUNTIME, .fallback = "10000",
     .help = "After SIGTERM, how long requests that are under way may take to finish."},

    {.name = "maxclients", .section = LIMITS, .kind = CONFIG_INT, FIELD(maxclients),
     RANGE(1, 1000000), .flags = CONFIG_RUNTIME, .fallback = "10000",
     .help = "Most clients at a time; further ones get an error."},
    {.name = "max-pipeline", .section = LIMITS, .kind = CONFIG_INT, FIELD(max_pipeline),
     RANGE(1, 1000000), .flags = CONFIG_RUNTIME, .fallback = "4096",
     .help = "Requests of one client that are under way at a time; further ones wait."},
    {.name = "max-keys-per-command", .section = LIMITS, .kind = CONFIG_INT,
     FIELD(max_keys_per_command), RANGE(1, 1048576), .flags = CONFIG_RUNTIME,
     .fallback = "1048576", .help = "Most keys in a command that is split over slots."},
    {.name = "proto-max-bulk-len", .section = LIMITS, .kind = CONFIG_SIZE,
     FIELD(proto_max_bulk_len), RANGE(1 * MB, 2 * GB), .flags = CONFIG_RUNTIME,
     .fallback = "512mb", .help = "Longest single argument of a request."},
    {.name = "client-query-buffer-limit", .section = LIMITS, .kind = CONFIG_SIZE,
     FIELD(client_query_buffer_limit), RANGE(1 * MB, MAX_REQUEST), .flags = CONFIG_RUNTIME,
     .fallback = "1gb", .help = "Longest whole request."},
    {.name = "client-input-limit", .section = LIMITS, .kind = CONFIG_SIZE,
     FIELD(client_input_limit), RANGE(64 * KB, 64 * GB), .flags = CONFIG_RUNTIME,
     .fallback = "32mb",
     .help = "Requests read ahead for a client that does not read its replies, or that waits in a "
             "blocking command; beyond it, slotway waits for the client."},
    {.name = "client-transaction-limit", .section = LIMITS, .kind = CONFIG_SIZE,
     FIELD(client_transaction_limit), RANGE(64 * KB, 64 * GB), .flags = CONFIG_RUNTIME,
     .fallback = "256mb",
     .help = "Commands queued behind one client's MULTI; one that would exceed it is refused, and "
             "EXEC with it."},
    {.name = "client-output-window", .section = LIMITS, .kind = CONFIG_SIZE,
     FIELD(client_output_window), RANGE(16 * KB, 64 * GB), .flags = CONFIG_RUNTIME,
     .fallback = "1mb",
     .help = "Replies expected or held for one client before its further requests wait: a client "
             "that reads slowly is served slowly."},
    {.name = "client-output-limit", .section = LIMITS, .kind = CONFIG_SIZE,
     FIELD(client_output_limit), RANGE(1 * MB, 1024 * GB), .flags = CONFIG_RUNTIME,
     .fallback = "1gb",
     .help = "Replies held for one client before it is closed; longer than the longest value that "
             "slow clients read."},
    {.name = "client-output-limit-pubsub", .section = LIMITS, .kind = CONFIG_SIZE,
     FIELD(client_output_limit_pubsub), RANGE(64 * KB, 1024 * GB), .flags = CONFIG_RUNTIME,
     .fallback = "32mb",
     .help = "Messages held for one subscriber before it is closed."},
    {.name = "max-waiting-requests", .section = LIMITS, .kind = CONFIG_INT,
     FIELD(max_waiting_requests), RANGE(0, 100000000), .flags = CONFIG_RUNTIME,
     .fallback = "100000",
     .help = "Requests that may wait at a time for a failover or a redirect, of all clients "
             "together; further ones get an error."},
    {.name = "max-waiting-memory", .section = LIMITS, .kind = CONFIG_SIZE,
     FIELD(max_waiting_memory), RANGE(0, 1024 * GB), .flags = CONFIG_RUNTIME,
     .fallback = "256mb", .help = "Memory that such waiting requests may take."},

    {.name = "slowlog-log-slower-than", .section = SLOW_LOG, .kind = CONFIG_INT,
     FIELD(slowlog_log_slower_than), RANGE(-1, INT64_MAX), .flags = CONFIG_RUNTIME,
     .fallback = "10000",
     .help = "Microseconds from request to reply from which SLOWLOG keeps a command; 0: keep every "
             "command, -1: none."},
    {.name = "slowlog-max-len", .section = SLOW_LOG, .kind = CONFIG_INT, FIELD(slowlog_max_len),
     RANGE(0, 100000), .flags = CONFIG_RUNTIME, .fallback = "128",
     .help = "Entries that SLOWLOG keeps."},

    {.name = "stats-port", .section = STATS, .kind = CONFIG_INT, FIELD(stats_port),
     RANGE(0, 65535), .fallback = "1947",
     .help = "Port of the statistics page (HTTP); 0: none."},
    {.name = "stats-bind", .section = STATS, .kind = CONFIG_LIST, FIELD(stats_bind),
     .fallback = "", .check = config_check_bind,
     .allowed = "an IPv4 or IPv6 address, a host name, * or ::*, with - in front if it may be "
     "missing", .sample = "# stats-bind 127.0.0.1 -::1\n",
     .help = "Addresses of the statistics page; none: all."},
    {.name = "stats-user", .section = STATS, .kind = CONFIG_STRING, FIELD(stats_user),
     .flags = CONFIG_RUNTIME, .fallback = "admin",
     .help = "User name for the statistics page."},
    {.name = "stats-password", .section = STATS, .kind = CONFIG_STRING, FIELD(stats_password),
     .flags = CONFIG_RUNTIME | CONFIG_SECRET, .fallback = "admin",
     .help = "Password for the statistics page, plain or as crypt(3) makes it. While it is admin, "
             "the page is served to this host only."},
    {.name = "stats-admin", .section = STATS, .kind = CONFIG_BOOL, FIELD(stats_admin),
     .flags = CONFIG_RUNTIME, .fallback = "no",
     .help = "Allow actions on the statistics page: refresh, drain, close a client."},
};
/* clang-format on */

const uint32_t config_directive_count = sizeof(config_directives) / sizeof(*config_directives);
