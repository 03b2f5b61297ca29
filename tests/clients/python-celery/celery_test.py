"""Celery through slotway: tasks by the hundred, each once, by two workers; results, retries, later
tasks, chords, remote control, and workers that stop with messages in their hands."""
import os
import time

import celery
from celery.result import ResultSet

from harness import WORK, Worker, main, until

import tasks
from tasks import add, app, client, fail, flaky, square, total

WORKERS = []


def worker(name, *arguments, **environment):
    argv = ["/usr/bin/python3", "-m", "celery", "-A", "tasks", "worker", "-n", f"{name}@localhost",
            "-c", "2", "-l", "INFO", *arguments]
    started = Worker(os.path.join(WORK, name), argv,
                     PYTHONPATH=f"{os.environ['PYTHONPATH']}:{os.path.dirname(tasks.__file__)}",
                     **environment)
    WORKERS.append(started)
    return started


def ready(*workers):
    for one in workers:
        until("a worker is ready", lambda one=one: " ready." in one.text(), 30)


def end_workers():
    assert [one.end() for one in WORKERS] == [0] * len(WORKERS)
    WORKERS.clear()


def test_workers_start():
    client.flushall()
    ready(worker("first"), worker("second"))


def test_each_task_once():
    results = ResultSet([square.delay(i) for i in range(500)])
    assert results.join_native(timeout=30) == [i * i for i in range(500)]
    assert client.mget([f"ran:{i}" for i in range(500)]) == [b"1"] * 500
    assert all(one.text().count("succeeded") > 20 for one in WORKERS)


def test_retries_and_failures():
    results = ResultSet([flaky.delay(f"flaky{i}", 2) for i in range(20)])
    assert results.join_native(timeout=30) == [3] * 20
    result = fail.delay()
    try:
        result.get(timeout=30)
    except ValueError as error:
        assert str(error) == "as it should"
    assert result.status == "FAILURE"


def test_a_task_for_later_and_one_revoked():
    start = time.monotonic()
    later = square.apply_async((1000,), countdown=0.5)
    revoked = square.apply_async((1001,), countdown=1)
    app.control.revoke(revoked.id)
    assert later.get(timeout=30) == 1000000
    assert time.monotonic() - start >= 0.5
    try:
        revoked.get(timeout=30)
        raise AssertionError("it ran")
    except celery.exceptions.TaskRevokedError:
        assert client.get("ran:1001") is None


def test_chains_groups_chords():
    assert celery.chain(add.s(1, 2), add.s(3), square.s())().get(timeout=30) == 36
    assert celery.group(square.s(i) for i in range(2000, 2020))().get(timeout=30) == [
        i * i for i in range(2000, 2020)]
    chords = [celery.chord((add.s(n, i) for i in range(10)), total.s())() for n in range(5)]
    assert ResultSet(chords).join_native(timeout=30) == [10 * n + 45 for n in range(5)]


def test_remote_control_and_events():
    replies = app.control.ping(timeout=2, limit=2)
    assert sorted(name for reply in replies for name in reply) == [
        "first@localhost", "second@localhost"]
    assert set(app.control.inspect(timeout=5, limit=2).registered()) == {
        "first@localhost", "second@localhost"}
    seen = []
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={
            "task-succeeded": lambda event: seen.append(event["uuid"])})
        with receiver.consumer_context():
            result = square.delay(3000)
            until("its event", lambda: list(receiver.itercapture(limit=1, timeout=1, wakeup=False))
                  or result.id in seen)
        assert result.get(timeout=30) == 9000000


def test_workers_that_stop_give_back_what_they_have():
    held = [square.apply_async((4000 + i,), countdown=3) for i in range(20)]
    until("the workers have all", lambda: client.hlen("{celery}{celery}unacked") == 20)
    end_workers()
    assert client.llen("{celery}celery") == 20
    ready(worker("third"))
    assert ResultSet(held).join_native(timeout=30) == [(4000 + i) ** 2 for i in range(20)]
    assert client.mget([f"ran:{4000 + i}" for i in range(20)]) == [b"1"] * 20
    end_workers()


def test_queues_in_several_slots():
    """One BRPOP waits for three queues that belong to three masters."""
    queues = ["alpha", "beta", "gamma", "delta"]
    worker("fourth", "-Q", ",".join(queues), QUEUES="many")
    worker("fifth", "-Q", ",".join(reversed(queues)), QUEUES="many")
    ready(*WORKERS)
    app.conf.broker_transport_options = tasks.MANY_SLOTS
    with app.connection_for_write() as connection:
        results = [square.apply_async((5000 + i,), queue=queues[i % 4], connection=connection)
                   for i in range(400)]
        assert ResultSet(results).join_native(timeout=30) == [
            (5000 + i) ** 2 for i in range(400)]
    assert client.mget([f"ran:{5000 + i}" for i in range(400)]) == [b"1"] * 400
    assert all(one.text().count("succeeded") > 20 for one in WORKERS)
    end_workers()


main(globals())
