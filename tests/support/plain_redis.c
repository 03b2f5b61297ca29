/* plain_redis: starts a redis-server without cluster and waits until it answers. */
#include "support/plain_redis.h"

#include "support/client.h"
#include "support/testing.h"
#include <limits.h>
#include <string.h>

static bool pongs(void *arg)
{
    return strcmp(ask_port(*(int *)arg, "PING"), "PONG") == 0;
}

int plain_redis_start(const char *further)
{
    int port = free_ports(1, false);
    char log[PATH_MAX], text[16], dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", temp_dir("redis"));
    snprintf(log, sizeof log, "%.*s/log", PATH_MAX - 8, dir);
    snprintf(text, sizeof text, "%d", port);
    char *argv[32] = {"redis-server", "--port", text,    "--bind", "127.0.0.1",
                      "--save",       "",       "--dir", dir,      "--enable-debug-command",
                      "yes"};
    int n = 11;
    char *copy = strdup(further ? further : ""), *save;
    for (char *w = strtok_r(copy, " ", &save); w && n < 31; w = strtok_r(NULL, " ", &save))
        argv[n++] = w;
    spawn(log, argv);
    free(copy);
    ck_assert_msg(wait_until(pongs, &port, 10000), "redis-server does not start");
    return port;
}
