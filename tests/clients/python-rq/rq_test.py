"""rq through slotway: jobs by the hundred, each once, by two workers; results, retries, jobs for
later, dependencies, and commands to workers."""
import datetime
import os

import one_slot  # noqa: F401  (names keys)
from rq import Queue, Retry, Worker as RqWorker
from rq.command import send_shutdown_command, send_stop_job_command
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry
from rq.suspension import resume, suspend

from harness import WORK, Worker, main, until
import jobs
from jobs import client

HERE = os.path.dirname(os.path.abspath(__file__))
WORKERS = {}
high, low = (Queue(name, connection=client) for name in ("high", "low"))


def start(name, kind, *queues):
    argv = ["/usr/bin/python3", os.path.join(HERE, "worker.py"), name, kind, *queues]
    WORKERS[name] = Worker(os.path.join(WORK, name), argv)


def finished(*all_jobs):
    def probe():
        states = [job.get_status() for job in all_jobs]
        return all(state == "finished" for state in states)
    until("jobs are finished", probe, 30)
    return [job.result for job in Job.fetch_many([job.id for job in all_jobs], client)]


def test_workers_start():
    client.flushall()
    start("first", "SimpleWorker", "high", "low")
    start("second", "SimpleWorker", "high", "low")
    until("both are there", lambda: RqWorker.count(client) == 2)
    assert {worker.name for worker in RqWorker.all(client)} == {"first", "second"}
    assert RqWorker.count(queue=high) == 2


def test_each_job_once():
    made = [(high, low)[i % 2].enqueue(jobs.square, i, result_ttl=100) for i in range(250)]
    data = [Queue.prepare_data(jobs.square, (i,), result_ttl=100) for i in range(250, 500)]
    made += low.enqueue_many(data)
    assert finished(*made) == [i * i for i in range(500)]
    assert client.mget([f"ran:{i}" for i in range(500)]) == [b"1"] * 500
    assert len(high) == len(low) == 0
    count = [len(FinishedJobRegistry(queue=queue)) for queue in (high, low)]
    assert count == [125, 375]
    done = [worker.successful_job_count for worker in RqWorker.all(client)]
    assert sum(done) == 500 and all(done), done


def test_retries_and_failures():
    at_once = [high.enqueue(jobs.flaky, f"now{i}", 2, retry=Retry(max=3)) for i in range(20)]
    later = low.enqueue(jobs.flaky, "later", 1, retry=Retry(max=2, interval=1))
    hopeless = high.enqueue(jobs.flaky, "hopeless", 1000, retry=Retry(max=1))
    assert finished(*at_once, later) == [3] * 20 + [2]
    until("it failed", lambda: hopeless.get_status() == "failed")
    failed = FailedJobRegistry(queue=high)
    assert failed.get_job_ids() == [hopeless.id]
    assert "attempt 2" in hopeless.latest_result().exc_string
    client.set("attempts:hopeless", 1000)
    failed.requeue(hopeless.id)
    assert finished(hopeless) == [1001]


def test_a_job_for_later():
    job = high.enqueue_in(datetime.timedelta(seconds=1), jobs.square, 1000)
    assert ScheduledJobRegistry(queue=high).get_job_ids() == [job.id]
    assert job.get_status() == "scheduled"
    assert finished(job) == [1000000]


def test_dependencies():
    parts = [high.enqueue(jobs.square, 2000 + i) for i in range(10)]
    whole = low.enqueue(jobs.total, depends_on=parts)
    assert finished(whole) == [sum((2000 + i) ** 2 for i in range(10))]
    chain = [high.enqueue(jobs.square, 3000)]
    for _ in range(10):
        chain.append(high.enqueue(jobs.total, depends_on=chain[-1]))
    assert finished(*chain) == [9000000] * 11


def test_suspended_workers_take_nothing():
    """A worker that waits already takes one job more before it looks."""
    suspend(client)
    made = [high.enqueue(jobs.square, 4000 + i) for i in range(10)]
    until("both have seen it", lambda: all(
        worker.get_state() == "suspended" for worker in RqWorker.all(client)), 20)
    assert len(high) >= 8
    resume(client)
    assert finished(*made) == [(4000 + i) ** 2 for i in range(10)]


def test_commands_to_workers():
    start("third", "Worker", "forked")
    until("it is there", lambda: RqWorker.count(client) == 3)
    forked = Queue("forked", connection=client)
    assert finished(*[forked.enqueue(jobs.square, 5000 + i) for i in range(20)]) == [
        (5000 + i) ** 2 for i in range(20)]
    job = forked.enqueue(jobs.sleep, "x")
    until("it sleeps", lambda: client.get("sleeps:x"))
    send_stop_job_command(client, job.id)
    until("it is stopped", lambda: job.get_status() == "stopped")
    for name in WORKERS:
        send_shutdown_command(client, name)
    until("nobody is left", lambda: RqWorker.count(client) == 0)
    assert [worker.end(0) for worker in WORKERS.values()] == [0, 0, 0]
    assert client.exists("rq:queues", "rq:workers") == 0


main(globals())
