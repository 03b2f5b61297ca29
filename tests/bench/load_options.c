/* load_options: the command line. */
#include "bench/load.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct shape shapes[] = {
    {"get", true, false, false, 0},   {"set", false, false, false, 0},
    {"mget", true, true, false, 0},   {"mset", false, true, false, 0},
    {"ping", false, false, false, 0}, {"churn", true, false, true, 0},
    {"idle", true, false, false, 0},  {"transaction", true, false, false, TRANSACTION_PARTS},
};

struct options opt = {.host = "127.0.0.1",
                      .port = 5000,
                      .clients = 50,
                      .pipeline = 1,
                      .keys = 10,
                      .keyspace = 1000000,
                      .size = 64,
                      .prefix = "key:",
                      .shape = &shapes[0]};

static const char usage[] =
    "usage: load [options] HOST PORT\n"
    "  -w get|set|mget|mset|transaction|ping|churn|idle\n"
    "         what to send (get); churn: connect, GET, close\n"
    "  -c N   clients (50)          -P N   pipeline depth (1)     -k N  keys of mget, mset (10)\n"
    "  -r N   key space (1000000)   -d N   bytes of a value (64)  -K S  prefix of keys (key:)\n"
    "  -t S   seconds               -n N   requests, instead      -W S  seconds of warm-up (0.3)\n"
    "  --direct       talk to the cluster's nodes, each client with a connection to each\n"
    "  --sequential   keys in order, to fill the key space\n"
    "  --cpu NAME=PID,PID   report the CPU time of these processes as cpu_NAME_us\n";

static const struct shape *shape_find(const char *name)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (!strcmp(name, shapes[i].name))
            return &shapes[i];
    fputs(usage, stderr);
    exit(2);
}

void options_read(int argc, char **argv)
{
    static const struct option longs[] = {{"direct", no_argument, NULL, 'D'},
                                          {"sequential", no_argument, NULL, 'S'},
                                          {"cpu", required_argument, NULL, 'C'},
                                          {NULL, 0, NULL, 0}};
    opt.warmup = 0.3;
    for (int o; (o = getopt_long(argc, argv, "w:c:P:k:r:d:K:t:n:W:", longs, NULL)) != -1;) {
        switch (o) {
        case 'w':
            opt.shape = shape_find(optarg);
            break;
        case 'c':
            opt.clients = atoi(optarg);
            break;
        case 'P':
            opt.pipeline = atoi(optarg);
            break;
        case 'k':
            opt.keys = atoi(optarg);
            break;
        case 'r':
            opt.keyspace = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'd':
            opt.size = strtoul(optarg, NULL, 10);
            break;
        case 'K':
            opt.prefix = optarg;
            break;
        case 't':
            opt.seconds = atof(optarg);
            break;
        case 'n':
            opt.requests = strtoull(optarg, NULL, 10);
            break;
        case 'W':
            opt.warmup = atof(optarg);
            break;
        case 'D':
            opt.direct = true;
            break;
        case 'S':
            opt.sequential = true;
            break;
        case 'C':
            watch_add(optarg);
            break;
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (argc - optind != 2 || opt.clients < 1 || opt.pipeline < 1 || opt.keys < 1 ||
        !opt.keyspace || opt.keyspace > 999999999 || strlen(opt.prefix) > 200 ||
        (opt.direct && (opt.shape->multi || opt.shape->churn))) {
        fputs(usage, stderr);
        exit(2);
    }
    opt.host = argv[optind];
    opt.port = atoi(argv[optind + 1]);
    if (!opt.requests && opt.seconds <= 0)
        opt.seconds = 3;
}
