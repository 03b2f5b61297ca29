/* log: one line per event, to stdout, a file, or the journal.
 * See log.h for what each function promises. */
#define _GNU_SOURCE
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_TEXT_LEN 4096
#define LOG_LINE_LEN (LOG_TEXT_LEN + 128)

static const struct {
    char mark;     /* as Redis marks its lines */
    char priority; /* as sd-daemon(3) numbers them */
} log_levels[] = {
    [LOG_LEVEL_DEBUG] = {'.', '7'},
    [LOG_LEVEL_VERBOSE] = {'-', '6'},
    [LOG_LEVEL_NOTICE] = {'*', '5'},
    [LOG_LEVEL_WARNING] = {'#', '4'},
};

_Atomic int log_least = LOG_LEVEL_NOTICE;

static _Atomic int log_fd = STDOUT_FILENO;
static _Atomic bool log_journal;
static int log_file_fd = -1; /* never closed again, only replaced: a writer may be using it */
static char *log_path;

/* Is this descriptor the journal's stream that systemd names in JOURNAL_STREAM? */
static bool is_journal(int fd)
{
    unsigned long long device, inode;
    struct stat st;
    const char *stream = getenv("JOURNAL_STREAM");

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(fd, &st) == 0 &&
           st.st_dev == (dev_t)device && st.st_ino == (ino_t)inode;
}

static bool open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (fd < 0)
        return false;
    if (log_file_fd < 0) {
        log_file_fd = fd;
        return true;
    }
    /* dup3 swaps the file under writers in other threads in one step. */
    int swapped = dup3(fd, log_file_fd, O_CLOEXEC);
    int saved = errno;
    close(fd);
    errno = saved;
    return swapped >= 0;
}

bool log_open(const char *path)
{
    char *copy = strdup(path);

    if (!copy || (*path && !open_file(path))) {
        int saved = errno;
        free(copy);
        errno = saved;
        return false;
    }
    free(log_path);
    log_path = copy;
    bool journal = !*path && is_journal(STDERR_FILENO);
    atomic_store(&log_journal, journal);
    atomic_store(&log_fd, *path ? log_file_fd : journal ? STDERR_FILENO : STDOUT_FILENO);
    return true;
}

bool log_reopen(void)
{
    return !log_path || !*log_path || open_file(log_path);
}

void log_set_level(enum log_level level)
{
    atomic_store(&log_least, (int)level);
}

/* "pid:P 21 Nov 2026 10:11:26.123 * " for people, "<5>" for the journal, which knows the rest. */
static size_t write_head(char *line, size_t size, enum log_level level)
{
    if (atomic_load_explicit(&log_journal, memory_order_relaxed))
        return (size_t)snprintf(line, size, "<%c>", log_levels[level].priority);

    struct timespec now;
    struct tm tm;
    char date[32];
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof(date), "%d %b %Y %H:%M:%S", &tm);
    return (size_t)snprintf(line, size, "%d:P %s.%03d %c ", (int)getpid(), date,
                            (int)(now.tv_nsec / 1000000), log_levels[level].mark);
}

/* A line is one line whatever a client or a node put into it: no forged lines, no terminal codes.
 */
static void blank_controls(char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
            s[i] = s[i] == '\n' || s[i] == '\t' ? ' ' : '?';
    }
}

void log_write(enum log_level level, const char *format, ...)
{
    int saved = errno;
    char line[LOG_LINE_LEN];
    size_t head = write_head(line, sizeof(line), level);
    va_list args;

    va_start(args, format);
    int wanted = vsnprintf(line + head, LOG_TEXT_LEN, format, args);
    va_end(args);
    size_t len = wanted < 0 ? 0 : wanted >= LOG_TEXT_LEN ? LOG_TEXT_LEN - 1 : (size_t)wanted;
    blank_controls(line + head, len);
    line[head + len] = '\n';

    ssize_t written;
    do
        written = write(atomic_load_explicit(&log_fd, memory_order_relaxed), line, head + len + 1);
    while (written < 0 && errno == EINTR);
    errno = saved;
}

bool log_limit_pass(struct log_limit *limit, enum log_level level)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t second = atomic_load(&limit->second);
    if (second != now.tv_sec &&
        atomic_compare_exchange_strong(&limit->second, &second, (int64_t)now.tv_sec)) {
        uint32_t kept_back = atomic_exchange(&limit->kept_back, 0);
        atomic_store(&limit->lines, 0);
        if (kept_back > 0)
            log_write(level, "%u lines like the next one were kept back", kept_back);
    }
    if (atomic_fetch_add(&limit->lines, 1) < LOG_LIMIT_PER_SECOND)
        return true;
    atomic_fetch_add(&limit->kept_back, 1);
    return false;
}
