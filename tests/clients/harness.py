"""What the tests of Python clients and applications share: they run test_ functions, count them and
print the line "N passed, N failed" that tests/run looks for."""
import os
import signal
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

PORT = int(os.environ["SLOTWAY_PORT"])
WORK = tempfile.mkdtemp(prefix="slotway-client-test-")


def until(text, probe, seconds=15):
    """Waits until probe() is true; fails with the text after some seconds."""
    end = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain: {text}")
        time.sleep(0.01)


class Worker:
    """A worker process with its log in a file. main() ends what is left of them."""
    running = []

    def __init__(self, log, argv, **environment):
        self.log = log
        Worker.running.append(self)
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                argv, env=dict(os.environ, **environment), stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True)

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def end(self, number=signal.SIGTERM, seconds=10):
        """Exit status; negative if it had to be killed, or was meant to be. number 0: it ends by
        itself."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            print(f"a worker does not end; its log:\n{self.text()[-3000:]}")
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if self in Worker.running:
            Worker.running.remove(self)
        return self.process.wait()


def out_of_time(limit):
    def handler(*_):
        raise TimeoutError(f"not done after {limit} s")
    return handler


def main(names, limit=60):
    """Runs the functions test_… of a module in the order of their definition; ends the program.
    Arguments of the program choose tests by name."""
    signal.signal(signal.SIGALRM, out_of_time(limit))
    signal.alarm(limit)
    passed = failed = 0
    tests = [(name, test) for name, test in names.items() if name.startswith("test_")]
    for name, test in tests:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        start = time.monotonic()
        try:
            test()
            passed += 1
            print(f"ok     {time.monotonic() - start:5.1f} s  {name}")
        except Exception:  # whatever it is, the other tests go on
            failed += 1
            print(f"FAILED {name}")
            traceback.print_exc(file=sys.stdout)
    for worker in list(Worker.running):
        worker.end(signal.SIGKILL)
    shutil.rmtree(WORK, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    sys.stdout.flush()
    os._exit(1 if failed else 0)
