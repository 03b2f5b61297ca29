"""How a bench run measures: requests and CPU time, system calls, instructions, memory.
Each function drives one target with the load generator and returns plain numbers."""

import base64
import contextlib
import glob
import os
import re
import resource
import selectors
import shutil
import signal
import socket
import subprocess
import threading
import time

from bench_targets import ROOT, BenchError, ask

CLIENTS = 50
SUBSCRIBERS = 100
PUBSUB_MESSAGES = {1: 5000, 16: 32000}
SYSCALL_REQUESTS = {1: 100000, 16: 1000000}
# Under callgrind two runs of different length are made in one process: what they share (opening
# connections, timers) falls out of the difference.
CALLGRIND_REQUESTS = (4000, 24000)


def tool(name):
    """Path of a program of tests/bench, as `make bench-tools` built it."""
    build = os.environ.get("BUILD") or "build"
    found = os.path.join(ROOT, build, "release", "tests", "bench", name)
    if not os.path.exists(found):
        raise BenchError("%s is not there: build it with make bench-tools" % found)
    return found


def parse(line):
    """key=value … → {key: number}"""
    return {key: float(value) for key, value in
            (word.split("=") for word in line.split() if "=" in word)}


def _place(pid, cpus):
    """All threads of a process; those of somebody else's stay where they are."""
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            os.sched_setaffinity(int(task), cpus)
        except OSError:
            pass


@contextlib.contextmanager
def placed(target, servers):
    """The nodes on one processor, the proxy and the generator on another: with one request under way
    the scheduler has all of them on one or not, as it happens, and that alone changes a round trip
    from 20 to 60 us."""
    allowed = os.sched_getaffinity(0)
    pids = [target.pid] if target.pid else []
    if len(allowed) > 1:
        first, second = sorted(allowed)[:2]
        for pid in servers:
            _place(pid, {first})
        for pid in [*pids, os.getpid()]:
            _place(pid, {second})
    try:
        yield
    finally:
        for pid in [*pids, *servers, os.getpid()]:
            _place(pid, allowed)


class Load:
    """Runs the generator and keeps a list of what was wrong with replies."""

    def __init__(self, cluster):
        self.binary = tool("load")
        self.cluster = cluster
        self.problems = []

    def argv(self, target, *options):
        where = self.cluster.nodes[0].rpartition(":")[::2] if target.direct else \
            (target.host, str(target.port))
        return [self.binary, *options, *(["--direct"] if target.direct else []), *where]

    def run(self, target, *options, prefix=()):
        done = subprocess.run([*prefix, *self.argv(target, *options)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        result = parse(done.stdout)
        if "requests" not in result:
            raise BenchError("load over %s: %s" % (target.name, done.stderr.strip()))
        wrong = ["%d %s" % (result[key], key) for key in ("errors", "mismatches", "nils")
                 if result.get(key)]
        if wrong:
            self.problems.append("%s, %s: %s %s" % (target.name, " ".join(options),
                                                    ", ".join(wrong), done.stderr.strip()))
        return result

    def cpu(self, target, options, seconds):
        """One measured run: adds CPU µs per request of the proxy and of the nodes."""
        if os.environ.get("BENCH_GENERATOR") == "redis-benchmark":
            words = redis_benchmark_words(options, target.direct)
            if words:
                return self._cpu_redis_benchmark(target, words, seconds)
        servers = target.servers or self.cluster.pids
        watch = ["--cpu", "nodes=" + ",".join(map(str, servers))]
        if target.pid:
            watch += ["--cpu", "proxy=%d" % target.pid]
        result = self.run(target, *options, "-t", str(seconds), *watch)
        requests = result["requests"]
        if not requests:
            raise BenchError("%s answered nothing within %s s" % (target.name, seconds))
        result["cpu"] = result["cpu_proxy_us"] / requests if target.pid else None
        result["nodes"] = result["cpu_nodes_us"] / requests
        return result

    def latency(self, target, options, seconds):
        """The same with each part in its place."""
        with placed(target, target.servers or self.cluster.pids):
            return self.cpu(target, options, seconds)

    def _cpu_redis_benchmark(self, target, words, seconds):
        """The same with redis-benchmark, which wants a number of requests: a short run tells it."""
        host, port = self.argv(target)[-2:]
        command = ["redis-benchmark", "-h", host, "-p", port, "--csv"]
        short = 20000 * min(16, int(_option(words, "-P", "1")))
        rate = _benchmark_run([*command, "-n", str(short), *words])["rps"]
        requests = max(short, int(rate * seconds))
        servers = target.servers or self.cluster.pids
        nodes, proxy = process_cpu_us(*servers), process_cpu_us(target.pid)
        result = _benchmark_run([*command, "-n", str(requests), *words])
        result["nodes"] = (process_cpu_us(*servers) - nodes) / requests
        result["cpu"] = (process_cpu_us(target.pid) - proxy) / requests if target.pid else None
        return result


def thread_cpu_us(pid, name):
    """The same of the threads whose names begin so."""
    total = 0
    for task in glob.glob("/proc/%d/task/*" % pid):
        with open(task + "/comm") as comm, open(task + "/schedstat") as stat:
            if comm.read().startswith(name):
                total += int(stat.read().split()[0])
    return total / 1000


class PageReaders:
    """Open statistics pages: each reads /events, a snapshot a second, as a browser does."""

    def __init__(self, port, count):
        request = ("GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %s\r\n\r\n" %
                   base64.b64encode(b"admin:admin").decode()).encode()
        self.sockets = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(count)]
        self.received = 0
        self.ending = threading.Event()
        for reader in self.sockets:
            reader.sendall(request)
            reader.setblocking(False)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while not self.ending.wait(0.2):
            for reader in self.sockets:
                try:
                    self.received += len(reader.recv(1 << 20))
                except BlockingIOError:
                    pass

    def close(self):
        self.ending.set()
        self.thread.join()
        for reader in self.sockets:
            reader.close()
        if not self.received:
            raise BenchError("the statistics page was silent")


def page_cost(load, target, pipeline, seconds):
    """(CPU time in µs of the workers per GET, CPU time in ms a second of the page's own thread)"""
    workers, http = thread_cpu_us(target.pid, "worker"), thread_cpu_us(target.pid, "http")
    began = time.monotonic()
    result = load.run(target, "-w", "get", "-P", str(pipeline), "-t", str(seconds))
    took = time.monotonic() - began
    return ((thread_cpu_us(target.pid, "worker") - workers) / result["requests"],
            (thread_cpu_us(target.pid, "http") - http) / 1000 / took)


def process_cpu_us(*pids):
    """User and system time of processes so far: the scheduler's run time of each thread."""
    total = 0
    for path in (p for pid in pids for p in glob.glob("/proc/%d/task/*/schedstat" % pid)):
        with open(path) as stat:
            total += int(stat.read().split()[0])
    return total / 1000


def _option(words, name, fallback):
    return words[words.index(name) + 1] if name in words else fallback


def redis_benchmark_words(options, direct):
    """What redis-benchmark is to be called with for these options of load; None: it cannot."""
    kind = _option(options, "-w", "get")
    size, prefix = _option(options, "-d", "64"), _option(options, "-K", "key:")
    words = []
    for name, fallback in (("-c", str(CLIENTS)), ("-P", "1"), ("-r", "1000000")):
        words += [name, _option(options, name, fallback)]
    if direct:  # each of its clients talks to one node only
        return [*words, "--cluster", "-d", size, "-t", kind] if prefix == "key:" else None
    if kind not in ("get", "set", "mget", "mset"):
        return None
    # What it stores does not begin with the key's digits, so it must not be read by load.
    pair = [prefix + "__rand_int__"] if "get" in kind else ["rb:__rand_int__", "x" * int(size)]
    return [*words, kind.upper(), *(pair * (10 if kind[0] == "m" else 1))]


def redis_benchmark_fill(node):
    """Stores most of the keys that redis-benchmark --cluster reads: it puts a tag into each."""
    host, _, port = node.rpartition(":")
    return ["redis-benchmark", "--cluster", "-h", host, "-p", port, "-t", "set", "-d", "64",
            "-r", "1000000", "-n", "3000000", "-P", "100", "-q"]


def _benchmark_run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    fields = [f.strip('"') for f in done.stdout.strip().rpartition("\n")[2].rsplit(",", 7)]
    if done.returncode or len(fields) != 8:
        raise BenchError("redis-benchmark: %s" % (done.stderr or done.stdout).strip())
    return {"rps": float(fields[1]), "p50_us": 1000 * float(fields[4]),
            "p99_us": 1000 * float(fields[6]), "p999_us": None}


def _status_kib(pid, field):
    with open("/proc/%d/status" % pid) as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def idle_memory(load, target, wanted=10000):
    """KiB of resident memory per connection that had one GET answered and then waits."""
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500
    count = min(wanted, room)
    load.run(target, "-c", str(CLIENTS), "-n", "20000")
    before = _status_kib(target.pid, "VmRSS")
    with subprocess.Popen(load.argv(target, "-w", "idle", "-c", str(count)),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as holder:
        result = parse(holder.stdout.readline())
        if result.get("open") != count or result["errors"] or result["mismatches"]:
            raise BenchError("%s: %d idle connections could not be opened: %s" %
                             (target.name, count, holder.stderr.read().strip()))
        after = _status_kib(target.pid, "VmRSS")
        holder.stdin.close()
    return (after - before) / count


def _subscribe(target, confirmation):
    client = socket.create_connection((target.host, target.port), 10)
    client.sendall(b"SUBSCRIBE bench\r\n")
    got = b""
    while len(got) < len(confirmation):
        more = client.recv(4096)
        got += more
        if not more or not confirmation.startswith(got):
            client.close()
            return None
    client.setblocking(False)
    return client


def _receive(selector, clients, wanted):
    """Reads that many bytes from each of the clients. False: nothing comes any more."""
    left = dict.fromkeys(clients, wanted)
    while left:
        ready = selector.select(10)
        if not ready:
            return False
        for key, _ in ready:
            data = key.fileobj.recv(1 << 20)
            if not data:
                raise BenchError("a subscriber was closed")
            left[key.fileobj] -= len(data)
            if left[key.fileobj] == 0:
                del left[key.fileobj]
    return True


def pubsub(load, target, pipeline):
    """CPU time in µs per message that 100 subscribers get, published `pipeline` at a time, the
    PUBLISH included. None where it is not supported."""
    del load
    payload = b"x" * 64
    message = b"*3\r\n$7\r\nmessage\r\n$5\r\nbench\r\n$64\r\n%s\r\n" % payload
    clients = [_subscribe(target, b"*3\r\n$9\r\nsubscribe\r\n$5\r\nbench\r\n:1\r\n")
               for _ in range(SUBSCRIBERS)]
    if None in clients:
        return None
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client, selectors.EVENT_READ)
    publisher = socket.create_connection((target.host, target.port), 10)
    messages, before = 0, 0
    for turn in range(PUBSUB_MESSAGES[pipeline] // pipeline):
        if turn == 100:  # warm
            messages, before = 0, process_cpu_us(target.pid)
        publisher.sendall(b"*3\r\n$7\r\nPUBLISH\r\n$5\r\nbench\r\n$64\r\n%s\r\n" % payload *
                          pipeline)
        if not _receive(selector, clients, len(message) * pipeline):
            return None  # who passes SUBSCRIBE on as any command (the floor)
        messages += pipeline
    cost = (process_cpu_us(target.pid) - before) / messages
    for client in [*clients, publisher]:
        client.close()
    return cost


def syscalls(load, target, pipeline):
    """System calls per GET as they are in service, counted by the kernel's tracepoint.

    How many requests a turn of the proxy's loop finds depends on who else uses the processors,
    so this varies by 5 %. None where the tracepoint may not be used."""
    requests = SYSCALL_REQUESTS[pipeline]
    out = os.path.join(load.work_dir, "perf.csv")
    prefix = ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", str(target.pid),
              "-o", out, "--"]
    if not shutil.which("perf"):
        return None
    try:
        load.run(target, "-c", str(CLIENTS), "-P", str(pipeline), "-n", str(requests),
                 prefix=prefix)
        with open(out) as lines:
            for line in lines:
                if "raw_syscalls:sys_enter" in line:
                    return float(line.split(",")[0]) / requests
    except (BenchError, ValueError, OSError):
        pass
    return None


def syscalls_full(load, target, pipeline):
    """System calls per GET under strace. None without strace.

    It stops the proxy at each call, so each turn finds all clients waiting and the count is the
    same within 1 % whatever the machine does besides: fit to be compared with a recorded one."""
    if not shutil.which("strace"):
        return None
    requests = SYSCALL_REQUESTS[pipeline] // 10
    out = os.path.join(load.work_dir, "strace.txt")
    with subprocess.Popen(["strace", "-c", "-f", "-o", out, "-p", str(target.pid)],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as strace:
        attached = strace.stderr.readline()
        try:
            load.run(target, "-c", str(CLIENTS), "-P", str(pipeline), "-n", str(requests))
        finally:
            strace.send_signal(signal.SIGINT)
        strace.wait()
    with open(out) as text:
        total = re.search(r"^100\.00\s+\S+\s+\d*\s+(\d+)\s.*total$", text.read(), re.M)
    if not total:
        raise BenchError("strace counted nothing: %s" % attached.strip())
    return float(total.group(1)) / requests


def instructions(load, target, pipeline):
    """User instructions per GET under callgrind, of the thread that has most of them: the others
    do what they do by the clock, which runs fast under callgrind. None without valgrind or for a
    running peer."""
    if not target.command or not shutil.which("valgrind"):
        return None
    out = os.path.join(load.work_dir, "callgrind.%s.%d" % (target.name, pipeline))
    wrap = ["valgrind", "-q", "--tool=callgrind", "--trace-children=yes",
            "--separate-threads=yes", "--callgrind-out-file=" + out + ".%p"]
    options = ["-c", str(CLIENTS), "-P", str(pipeline)]
    target.start(load.work_dir, wrap, timeout=90)
    try:
        totals = []
        # Under callgrind all requests are slow. Whoever does not know the setting does not note them.
        ask(target.host, target.port, "CONFIG", "SET", "slowlog-log-slower-than", "-1")
        load.run(target, *options, "-n", "2000")
        _callgrind_dump(target, out)
        for requests in CALLGRIND_REQUESTS:
            load.run(target, *options, "-n", str(requests))
            totals.append(_callgrind_dump(target, out))
    finally:
        target.stop()
    short, long = CALLGRIND_REQUESTS
    return max(totals[1][thread] - totals[0].get(thread, 0) for thread in totals[1]) / \
        (long - short)


def _callgrind_dump(target, out):
    """Has the counts written and set to 0; returns each thread's instructions since the last time."""
    before = set(glob.glob(out + ".*"))
    subprocess.run(["callgrind_control", "-d", str(target.pid)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    counts = {}
    for path in set(glob.glob(out + ".*")) - before:
        with open(path, errors="replace") as dump:
            found = re.findall(r"^(?:totals|summary): (\d+)", dump.read(), re.M)
        if found:
            counts[path.rpartition("-")[2]] = int(found[-1])
    if not counts:
        raise BenchError("callgrind wrote no counts for %s" % target.name)
    return counts
