"""What a bench run measures: the cluster that it starts, slotway, and other proxies beside it.
Each is started here, or was started by someone else and is only named; what we started we end."""

import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOCAL_CLUSTER = os.path.join(ROOT, "deploy", "local-cluster")
READY_KEYS = 30  # so many random keys meet every master of a small cluster


class BenchError(Exception):
    """The run cannot go on; the text says why."""


def free_port():
    """A port that nobody listens on, below the range from which the kernel takes its own."""
    while True:
        port = random.randrange(20000, 22000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def ask(host, port, *words, timeout=2):
    """Sends one command and returns the first line of its reply and the text that follows."""
    request = "*%d\r\n" % len(words) + "".join("$%d\r\n%s\r\n" % (len(w), w) for w in words)
    with socket.create_connection((host, port), timeout) as s:
        s.sendall(request.encode())
        data = s.recv(65536)
    line, _, rest = data.decode(errors="replace").partition("\r\n")
    return line, rest


class Cluster:
    """Three masters without replicas, or with BENCH_NODES="host:port …" one that runs already."""

    def __init__(self):
        self.dir = None
        given = os.environ.get("BENCH_NODES")
        self.nodes = given.split() if given else self._start()
        self.pids = [self._pid(node) for node in self.nodes]

    def _start(self):
        self.dir = tempfile.mkdtemp(prefix="slotway-bench.")
        done = subprocess.run(
            [LOCAL_CLUSTER, "start", "--masters", "3", "--replicas", "0", "--port", "auto",
             "--dir", os.path.join(self.dir, "cluster")], stdout=subprocess.PIPE, text=True)
        words = done.stdout.split()
        if done.returncode or words[:1] != ["nodes"]:
            raise BenchError("deploy/local-cluster could not start a cluster")
        return words[1:]

    @staticmethod
    def _pid(node):
        host, _, port = node.rpartition(":")
        _, text = ask(host, int(port), "INFO", "server")
        for line in text.splitlines():
            if line.startswith("process_id:"):
                return int(line.split(":")[1])
        raise BenchError("the node %s does not tell its process id" % node)

    def close(self):
        if self.dir:
            subprocess.run([LOCAL_CLUSTER, "clean", "--dir", os.path.join(self.dir, "cluster")],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            shutil.rmtree(self.dir, ignore_errors=True)


class Target:
    """Something that requests are sent to: a proxy, or with `direct` the cluster's own nodes.

    `command` (a function of the port that gives argv) is None for what others started.
    `only` names the workloads it takes part in; None: all. `servers` are the process ids behind
    it when they are not the cluster's."""

    def __init__(self, name, host="127.0.0.1", port=0, pid=0, command=None, direct=False,
                 only=None, servers=None):
        self.name, self.host, self.port, self.pid = name, host, port, pid
        self.command, self.direct, self.only = command, direct, only
        self.servers = servers
        self.process = None

    def start(self, log_dir, wrap=(), timeout=20):
        """Starts the program on a free port, under `wrap` (as valgrind) if given."""
        if not self.command:
            return
        self.port = free_port()
        path = os.path.join(log_dir, "%s.log" % self.name)
        with open(path, "ab") as log:
            try:
                self.process = subprocess.Popen(
                    [*wrap, *self.command(self.port)], stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, cwd=log_dir, start_new_session=True)
            except OSError as error:
                raise BenchError("%s does not start: %s" % (self.name, error)) from error
        self.pid = self.process.pid
        self._wait_ready(path, timeout)

    def _wait_ready(self, log_path, timeout):
        deadline = time.monotonic() + timeout
        answer = "nothing"
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                for _ in range(READY_KEYS):
                    answer, _ = ask(self.host, self.port, "GET", "key:%012d" %
                                    random.randrange(1000000))
                    if not answer.startswith("$"):
                        break
                else:
                    return
            except OSError as error:
                answer = str(error)
            time.sleep(0.05)
        with open(log_path, errors="replace") as log:
            tail = log.read()[-1500:]
        self.stop()
        raise BenchError("%s does not serve (%s)\n%s" % (self.name, answer, tail))

    def stop(self):
        if not self.process:
            return
        for sig in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sig)
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                pass
            break
        self.process.wait()
        self.process = None


def slotway_command(binary, nodes, threads, stats_port=0):
    """argv of a slotway that serves clients on a port, and the statistics page if it has one."""
    flags = shlex.split(os.environ.get("SLOTWAY_FLAGS", ""))
    return lambda port: [binary, "--port", str(port), "--bind", "127.0.0.1", "--stats-port",
                         str(stats_port), "--maxclients", "15000", "--threads", str(threads), *flags, *nodes]


class PlainServer(Target):
    """One redis-server without a cluster, for the floor."""

    def __init__(self):
        super().__init__("plain", command=lambda port: [
            "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no"])


def peers_named(text):
    """PEERS="name=host:port:pid …": proxies that others started before the same cluster."""
    peers = []
    for word in text.split():
        try:
            name, _, address = word.partition("=")
            host, port, pid = address.rsplit(":", 2)
            peers.append(Target(name, host, int(port), int(pid)))
        except ValueError as error:
            raise BenchError("PEERS: '%s' is not name=host:port:pid" % word) from error
    return peers


def peers_started(text, nodes):
    """PEER_CMD, one per line: name=command, with {port} and {nodes} (as separate words) put in.

    The command must become the proxy (exec), as its process id is what is measured."""
    peers = []
    for line in filter(None, (part.strip() for part in text.splitlines())):
        name, equals, command = line.partition("=")
        words = shlex.split(command)
        if not equals or not words:
            raise BenchError("PEER_CMD: '%s' is not name=command" % line)

        def argv(port, words=words):
            out = []
            for word in words:
                if word == "{nodes}":
                    out.extend(nodes)
                else:
                    out.append(word.replace("{nodes}", ",".join(nodes))
                               .replace("{port}", str(port)))
            return out

        peers.append(Target(name.strip(), command=argv))
    return peers
