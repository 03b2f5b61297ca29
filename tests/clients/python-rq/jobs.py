"""What the workers of the test run."""
import os
import time

import redis

client = redis.Redis(port=int(os.environ["SLOTWAY_PORT"]))


def square(i):
    client.incr(f"ran:{i}")
    return i * i


def flaky(name, failures):
    attempt = client.incr(f"attempts:{name}")
    if attempt <= failures:
        raise ValueError(f"attempt {attempt}")
    return attempt


def total(*_):
    from rq import get_current_job
    job = get_current_job()
    return sum(dependency.result for dependency in job.fetch_dependencies())


def sleep(name):
    client.set(f"sleeps:{name}", 1)
    time.sleep(60)
