/* log: one line per event, to stdout, a file, or the journal.
 * Any thread may log: a line is one write(2), so lines never mix. */
#ifndef SLOTWAY_BASE_LOG_H
#define SLOTWAY_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_VERBOSE, LOG_LEVEL_NOTICE, LOG_LEVEL_WARNING };

/* Open the destination: path "" is stdout, or stderr with priority prefixes when systemd's journal
 * reads it. False with errno set if the file cannot be opened; then the old destination stays. */
bool log_open(const char *path);

/* Open the same path again (after logrotate moved the file). */
bool log_reopen(void);

/* Log nothing below this level from now on. Any thread. */
void log_set_level(enum log_level level);

extern _Atomic int log_least; /* private to the macros */

static inline bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&log_least, memory_order_relaxed);
}

/* One line; control characters in it become blanks or '?', and a text of more than 4 KiB is cut. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The arguments are evaluated only if the level is logged. */
#define log_at(level, ...)                                                                         \
    do {                                                                                           \
        if (log_enabled(level))                                                                    \
            log_write(level, __VA_ARGS__);                                                         \
    } while (0)

#define log_debug(...)   log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_verbose(...) log_at(LOG_LEVEL_VERBOSE, __VA_ARGS__)
#define log_notice(...)  log_at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)

/* One per call site of log_limited: how many lines this second, how many were kept back. */
struct log_limit {
    _Atomic int64_t second; /* CLOCK_MONOTONIC */
    _Atomic uint32_t lines;
    _Atomic uint32_t kept_back;
};

#define LOG_LIMIT_PER_SECOND 5

/* May one more line be written now? The first one after a silence says how many were kept back. */
bool log_limit_pass(struct log_limit *limit, enum log_level level);

/* As log_at, but at most LOG_LIMIT_PER_SECOND lines a second from this place in the source. */
#define log_limited(level, ...)                                                                    \
    do {                                                                                           \
        static struct log_limit log_limit_here_;                                                   \
        if (log_enabled(level) && log_limit_pass(&log_limit_here_, level))                         \
            log_write(level, __VA_ARGS__);                                                         \
    } while (0)

#endif
