/* load_figures: latencies, and the CPU time that processes used. */
#include "bench/load.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t histogram[HIST_SIZE];

static double hist_us(int index)
{
    if (index < HIST_SUB)
        return index / 1e3;
    int top = index / HIST_SUB + 5;
    uint64_t low = (uint64_t)(HIST_SUB + index % HIST_SUB) << (top - 6);
    return (double)(low + (1ull << (top - 6)) / 2) / 1e3;
}

double hist_quantile(double q)
{
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < HIST_SIZE; i++)
        total += histogram[i];
    for (int i = 0; i < HIST_SIZE; i++) {
        seen += histogram[i];
        if (total && (double)seen >= q * (double)total)
            return hist_us(i);
    }
    return 0;
}

/* ---- CPU time of watched processes ---- */

enum { MAX_WATCH = 16, MAX_PIDS = 64 };

struct watch {
    const char *name;
    int pids[MAX_PIDS];
    int count;
    uint64_t at_start;
};

static struct watch watches[MAX_WATCH];
static int watch_count;

static uint64_t thread_cpu_ns(int pid, const char *tid)
{
    char path[128];
    unsigned long long ns = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", pid, tid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%llu", &ns) != 1)
        ns = 0;
    fclose(f);
    return ns;
}

uint64_t process_cpu_ns(int pid)
{
    char path[64];
    uint64_t sum = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *d = opendir(path);
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            sum += thread_cpu_ns(pid, e->d_name);
    closedir(d);
    return sum;
}

static uint64_t watch_ns(const struct watch *w)
{
    uint64_t sum = 0;
    for (int i = 0; i < w->count; i++)
        sum += process_cpu_ns(w->pids[i]);
    return sum;
}

void watch_add(char *arg)
{
    char *list = strchr(arg, '=');
    if (!list || watch_count == MAX_WATCH)
        broken("--cpu NAME=PID,PID…");
    *list++ = '\0';
    struct watch *w = &watches[watch_count++];
    w->name = arg;
    for (char *p = strtok(list, ","); p && w->count < MAX_PIDS; p = strtok(NULL, ","))
        w->pids[w->count++] = atoi(p);
}

void watches_begin(void)
{
    for (int i = 0; i < watch_count; i++)
        watches[i].at_start = watch_ns(&watches[i]);
}

void watches_print(void)
{
    for (int i = 0; i < watch_count; i++)
        printf(" cpu_%s_us=%.1f", watches[i].name,
               (double)(watch_ns(&watches[i]) - watches[i].at_start) / 1e3);
}
