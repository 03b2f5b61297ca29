/* testing: time, waiting, ports, temporary folders, and a guardian process that cleans up whatever
 * a test started, also when the test is killed. */
#include "testing.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fixture_failures;

int64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t now_ms(void)
{
    return now_us() / 1000;
}

void poll_pause(int ms)
{
    poll(NULL, 0, ms);
}

bool wait_until(bool (*condition)(void *arg), void *arg, int timeout_ms)
{
    int64_t end = now_ms() + (int64_t)(timeout_ms * test_slack());
    while (!condition(arg)) {
        if (now_ms() >= end)
            return condition(arg);
        poll_pause(5);
    }
    return true;
}

bool test_full(void)
{
    const char *v = getenv("SLOTWAY_TEST_FULL");
    return v && *v && strcmp(v, "0") != 0;
}

double test_slack(void)
{
    const char *v = getenv("SLOTWAY_TEST_SLACK");
    double slack = v ? strtod(v, NULL) : 1;
    return slack >= 1 ? slack : 1;
}

void report_figure(const char *what, double value, double promise, const char *unit)
{
    /* Sanitizers keep freed memory for a while: their builds say nothing about it. */
    bool memory_is_told = strcmp(unit, "MiB") != 0 || test_slack() == 1;
    if (promise < 0 || !memory_is_told) {
        printf("  %s: %.1f %s\n", what, value, unit);
        fflush(stdout);
        return;
    }
    double bound = (test_full() ? promise : promise * 10) * test_slack();
    printf("  %s: %.1f %s (promised %.1f%s)\n", what, value, unit, promise,
           value > promise && test_slack() == 1 ? ", EXCEEDED" : "");
    fflush(stdout);
    ck_assert_msg(value <= bound, "%s: %.1f %s, more than %.1f", what, value, unit, bound);
}

static bool port_is_free(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    sa.sin_addr.s_addr = htonl(INADDR_ANY);
    bool ok = bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(fd, 1) == 0;
    close(fd);
    return ok;
}

int free_ports(int count, bool bus)
{
    static uint64_t state;
    if (state == 0)
        state = (uint64_t)now_us() * 2654435761u + (uint64_t)getpid();
    for (int attempt = 0; attempt < 1000; attempt++) {
        int port = 10100 + (int)(random_next(&state) % 11000);
        bool ok = true;
        for (int i = 0; ok && i < count; i++)
            ok = port_is_free(port + i) && (!bus || port_is_free(port + 10000 + i));
        if (ok)
            return port;
    }
    ck_abort_msg("no free ports");
    return -1;
}

/* ---- the guardian ----
 * A child that reads commands from a pipe and acts when the pipe ends, that is, when this process
 * and all of its forks are gone: it kills what was started and runs what at_end() said. */

static int guard_pipe = -1;
static pid_t guard_pid, guard_owner;

#define GUARD_ENTRIES 256

static void guard_finish(pid_t *pids, char **commands)
{
    for (int i = 0; i < GUARD_ENTRIES; i++)
        if (pids[i] > 0) {
            kill(pids[i], SIGCONT);
            kill(pids[i], SIGKILL);
        }
    for (int i = GUARD_ENTRIES - 1; i >= 0; i--)
        if (commands[i] && system(commands[i]) != 0)
            fprintf(stderr, "cleaning up failed: %s\n", commands[i]);
}

static void guard_loop(int fd)
{
    static pid_t pids[GUARD_ENTRIES];
    static char *commands[GUARD_ENTRIES];
    FILE *in = fdopen(fd, "r");
    char line[4096];
    while (in && fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        pid_t pid = atoi(line + 1);
        for (int i = 0; i < GUARD_ENTRIES; i++) {
            if (line[0] == '+' && pids[i] == 0) {
                pids[i] = pid;
                break;
            }
            if (line[0] == '-' && pids[i] == pid)
                pids[i] = 0;
            if (line[0] == '!' && !commands[i]) {
                commands[i] = strdup(line + 1);
                break;
            }
        }
    }
    guard_finish(pids, commands);
}

static void guard_close(void)
{
    if (getpid() != guard_owner || guard_pipe < 0)
        return;
    close(guard_pipe);
    guard_pipe = -1;
    waitpid(guard_pid, NULL, 0);
}

static void guard_start(void)
{
    if (guard_pipe >= 0)
        return;
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    fflush(NULL);
    guard_pid = fork();
    if (guard_pid == 0) {
        setsid(); /* a Ctrl-C meant for the tests must not reach it */
        signal(SIGPIPE, SIG_IGN);
        close(fds[1]);
        guard_loop(fds[0]);
        _exit(0);
    }
    close(fds[0]);
    guard_pipe = fds[1];
    guard_owner = getpid();
    atexit(guard_close);
}

/* One line is one write, shorter than PIPE_BUF: lines of several processes never mix. */
static void guard_tell(const char *fmt, ...)
{
    guard_start();
    char line[PIPE_BUF];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line - 1, fmt, ap);
    va_end(ap);
    line[n++] = '\n';
    if (write(guard_pipe, line, (size_t)n) != n)
        perror("guardian");
}

void at_end(const char *fmt, ...)
{
    char line[PIPE_BUF - 2];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    guard_tell("!%s", line);
}

pid_t spawn(const char *log_file, char *const argv[])
{
    guard_start();
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        int fd = open(log_file, O_WRONLY | O_CREAT | O_APPEND, 0644);
        int null = open("/dev/null", O_RDONLY);
        dup2(null, 0);
        dup2(fd, 1);
        dup2(fd, 2);
        for (int i = 3; i < 1024; i++)
            close(i);
        setpgid(0, 0);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    guard_tell("+%d", (int)pid);
    return pid;
}

void spawn_forget(pid_t pid)
{
    guard_tell("-%d", (int)pid);
}

int run(const char *fmt, ...)
{
    char line[PIPE_BUF];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    fflush(NULL);
    int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

const char *temp_dir(const char *name)
{
    static char ring[8][PATH_MAX];
    static int next;
    char *path = ring[next++ % 8];
    const char *base = getenv("TMPDIR");
    snprintf(path, PATH_MAX, "%s/slotway-%s-XXXXXX", base && *base ? base : "/tmp", name);
    ck_assert_msg(mkdtemp(path) != NULL, "mkdtemp %s", path);
    at_end("rm -rf '%s'", path);
    return path;
}

const char *project_root(void)
{
    static char root[PATH_MAX];
    if (root[0])
        return root;
    const char *env = getenv("SLOTWAY_ROOT");
    if (env) {
        snprintf(root, sizeof root, "%s", env);
        return root;
    }
    ck_assert(getcwd(root, sizeof root) != NULL);
    char probe[PATH_MAX + 32];
    while (root[0]) {
        snprintf(probe, sizeof probe, "%s/proxy/resp/resp.h", root);
        if (access(probe, F_OK) == 0)
            return root;
        *strrchr(root, '/') = 0;
    }
    ck_abort_msg("run the tests inside the project or set SLOTWAY_ROOT");
    return NULL;
}

static int64_t status_bytes(pid_t pid, const char *field)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    long long kb = -1;
    while (f && kb < 0 && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            kb = atoll(line + strlen(field));
    if (f)
        fclose(f);
    return kb < 0 ? -1 : kb * 1024;
}

int64_t process_memory(pid_t pid)
{
    return status_bytes(pid, "VmRSS:");
}

int64_t process_peak_memory(pid_t pid)
{
    return status_bytes(pid, "VmHWM:");
}

int process_descriptors(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    if (!d)
        return -1;
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

int64_t process_cpu_ms(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return -1;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    const char *after = strrchr(text, ')');
    unsigned long user, sys;
    if (!after ||
        sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
        return -1;
    return (int64_t)(user + sys) * 1000 / sysconf(_SC_CLK_TCK);
}

void print_tail(const char *file, int lines)
{
    run("echo '--- last lines of %s'; tail -n %d '%s'; echo '---'", file, lines, file);
}

void fixture_failed(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("fixture: ");
    vprintf(fmt, ap);
    printf("\n");
    fflush(stdout);
    va_end(ap);
    fixture_failures++;
}

int fixture_failure_count(void)
{
    return fixture_failures;
}

uint64_t random_next(uint64_t *state)
{
    /* splitmix64 (public domain algorithm) */
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t test_seed(void)
{
    static uint64_t seed;
    if (seed)
        return seed;
    const char *v = getenv("SLOTWAY_TEST_SEED");
    seed = v ? strtoull(v, NULL, 10) : ((uint64_t)time(NULL) << 8 | (getpid() & 0xff));
    printf("  SLOTWAY_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

static char shown_on_failure[PATH_MAX];

void show_on_failure(const char *file)
{
    snprintf(shown_on_failure, sizeof shown_on_failure, "%s", file);
}

/* What a test program leaves behind when it ends is nobody's loss; slotway itself is watched. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

int integration_main(Suite *suite)
{
    signal(SIGPIPE, SIG_IGN);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (failed > 0 && shown_on_failure[0])
        print_tail(shown_on_failure, 40);
    /* In the form of check's own summary, so that whoever adds up summaries counts it. */
    if (fixture_failures)
        printf("0%%: Checks: %d, Failures: %d, Errors: 0\n", fixture_failures, fixture_failures);
    return failed > 0 || fixture_failures > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
