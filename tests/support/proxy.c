/* proxy: starts slotway for a test, waits for it, watches its log and its end. */
#include "proxy.h"

#include "client.h"
#include "testing.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_FLAGS 64

static int descriptor_limit;
static const char *bind_addresses = "127.0.0.1"; /* NULL: no bind directive */

static const char *program(void)
{
    static char path[PATH_MAX];
    const char *env = getenv("SLOTWAY_BIN");
    if (env && env[0] == '/')
        return env;
    snprintf(path, sizeof path, "%s/%s", project_root(), env ? env : "build/slotway");
    return path;
}

/* Split flags at spaces into argv from n on; returns the new count. The copy lives on. */
static int split_flags(char **argv, int n, const char *flags)
{
    char *copy = strdup(flags ? flags : ""), *save;
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        ck_assert_int_lt(n, MAX_FLAGS - 1);
        argv[n++] = w;
    }
    argv[n] = NULL;
    return n;
}

static bool answers(void *arg)
{
    struct proxy *p = arg;
    int status;
    if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
        print_tail(p->log, 60);
        spawn_forget(p->pid);
        ck_abort_msg("slotway ended at its start, status %x", status);
    }
    const char *text = ask_port(p->port, "PING");
    return strcmp(text, "PONG") == 0 || strncmp(text, "-NOAUTH", 7) == 0;
}

struct proxy *proxy_start_unready(struct cluster *c, const char *flags)
{
    struct proxy *p = calloc(1, sizeof *p);
    p->port = free_ports(2, false);
    p->stats_port = p->port + 1;
    p->owner = getpid();
    snprintf(p->dir, sizeof p->dir, "%s", temp_dir("proxy"));
    snprintf(p->log, sizeof p->log, "%.*s/log", PATH_MAX - 8, p->dir);
    char port[16], stats[16], seeds[3][32], *argv[MAX_FLAGS];
    snprintf(port, sizeof port, "%d", p->port);
    snprintf(stats, sizeof stats, "%d", p->stats_port);
    int n = 0;
    char limit[32];
    snprintf(limit, sizeof limit, "--nofile=%d", descriptor_limit);
    if (descriptor_limit) {
        argv[n++] = "prlimit";
        argv[n++] = limit;
        descriptor_limit = 0;
    }
    argv[n++] = (char *)program();
    if (bind_addresses) {
        argv[n++] = "--bind";
        n = split_flags(argv, n, bind_addresses);
    }
    bind_addresses = "127.0.0.1";
    char *fixed[] = {"--port", port, "--stats-port", stats};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        argv[n++] = fixed[i];
    n = split_flags(argv, n, flags);
    for (int i = 0; c && i < 3; i++) {
        snprintf(seeds[i], sizeof seeds[i], "127.0.0.1:%d", c->port + i);
        argv[n++] = seeds[i];
    }
    argv[n] = NULL;
    p->pid = spawn(p->log, argv);
    if (!wait_until(answers, p, 10000)) {
        print_tail(p->log, 60);
        ck_abort_msg("slotway does not answer on port %d", p->port);
    }
    return p;
}

bool proxy_serves_all(struct proxy *p)
{
    redisContext *r = client_try(p->port);
    if (!r)
        return false;
    bool seen[16] = {false};
    int found = 0;
    bool ok = true;
    for (int i = 0; found < 16 && ok; i++) {
        char key[32];
        int len = snprintf(key, sizeof key, "ready:%d", i);
        int part = cluster_slot(key, (size_t)len) / 1024;
        if (seen[part])
            continue;
        seen[part] = true;
        found++;
        const char *text = ask(r, "GET %s", key);
        ok = text[0] != '-' && strncmp(text, "closed", 6) != 0;
    }
    redisFree(r);
    return ok;
}

static bool serves_all(void *arg)
{
    return proxy_serves_all(arg);
}

bool proxy_wait_serves_all(struct proxy *p, int timeout_ms)
{
    return wait_until(serves_all, p, timeout_ms);
}

struct proxy *proxy_start(struct cluster *c, const char *flags)
{
    struct proxy *p = proxy_start_unready(c, flags);
    if (!proxy_wait_serves_all(p, 15000)) {
        print_tail(p->log, 60);
        ck_abort_msg("slotway does not serve all slots");
    }
    return p;
}

int proxy_run(const char *flags, char *out, size_t cap)
{
    char log[PATH_MAX], *argv[MAX_FLAGS];
    snprintf(log, sizeof log, "%s/out", temp_dir("run"));
    argv[0] = (char *)program();
    split_flags(argv, 1, flags);
    pid_t pid = spawn(log, argv);
    int status = 0, result = -1;
    for (int64_t end = now_ms() + 5000; now_ms() < end; poll_pause(5))
        if (waitpid(pid, &status, WNOHANG) == pid) {
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            break;
        }
    if (result < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    spawn_forget(pid);
    int fd = open(log, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, out, cap - 1) : 0;
    out[n > 0 ? n : 0] = 0;
    close(fd);
    return result;
}

bool proxy_logged(struct proxy *p, const char *text)
{
    FILE *f = fopen(p->log, "r");
    if (!f)
        return false;
    char *line = NULL;
    size_t cap = 0;
    bool found = false;
    while (!found && getline(&line, &cap, f) > 0)
        found = strstr(line, text) != NULL;
    free(line);
    fclose(f);
    return found;
}

struct log_wait {
    struct proxy *p;
    const char *text;
};

static bool logged(void *arg)
{
    struct log_wait *w = arg;
    return proxy_logged(w->p, w->text);
}

bool proxy_wait_log(struct proxy *p, const char *text, int timeout_ms)
{
    struct log_wait w = {p, text};
    return wait_until(logged, &w, timeout_ms);
}

bool proxy_alive(struct proxy *p)
{
    if (getpid() == p->owner)
        return waitpid(p->pid, NULL, WNOHANG) == 0;
    /* Not our child: a dead one is a zombie until its parent looks. */
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)p->pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    int n = fscanf(f, "%*d (%*[^)]) %c", &state);
    fclose(f);
    return n == 1 && state != 'Z' && state != 'X';
}

void proxy_signal(struct proxy *p, int signal)
{
    p->terminated |= signal == SIGTERM;
    kill(p->pid, signal);
}

static const char *sanitizer_texts[] = {"ERROR: AddressSanitizer",
                                        "runtime error:", "WARNING: ThreadSanitizer",
                                        "ERROR: LeakSanitizer"};

void proxy_stop(struct proxy *p)
{
    if (!p)
        return;
    int status = 0;
    bool ended = waitpid(p->pid, &status, WNOHANG) == p->pid;
    bool early = ended && !p->terminated;
    /* A second one would mean: at once. */
    if (!ended && !p->terminated)
        kill(p->pid, SIGTERM);
    int64_t end = now_ms() + (int64_t)(15000 * test_slack());
    while (!ended && now_ms() < end) {
        ended = waitpid(p->pid, &status, WNOHANG) == p->pid;
        if (!ended)
            poll_pause(5);
    }
    if (!ended) {
        kill(p->pid, SIGABRT);
        waitpid(p->pid, &status, 0);
    }
    spawn_forget(p->pid);
    bool bad = early || !ended || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (bad)
        fixture_failed("slotway %s (status 0x%x)",
                       early    ? "ended by itself"
                       : !ended ? "did not end within 15 s of SIGTERM"
                                : "did not end well",
                       status);
    for (size_t i = 0; i < sizeof sanitizer_texts / sizeof *sanitizer_texts; i++)
        if (proxy_logged(p, sanitizer_texts[i])) {
            fixture_failed("its log says: %s", sanitizer_texts[i]);
            bad = true;
        }
    if (bad)
        print_tail(p->log, 80);
    free(p);
}

int64_t proxy_memory(struct proxy *p)
{
    return process_memory(p->pid);
}

int64_t proxy_peak_memory(struct proxy *p)
{
    return process_peak_memory(p->pid);
}

void proxy_reset_peak(struct proxy *p)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)p->pid);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_msg(fd >= 0 && write(fd, "5", 1) == 1, "cannot reset the peak of memory");
    close(fd);
}

void proxy_bind(const char *addresses)
{
    bind_addresses = addresses;
}

void proxy_no_bind(void)
{
    bind_addresses = NULL;
}

void proxy_limit_descriptors(int limit)
{
    descriptor_limit = limit;
}
