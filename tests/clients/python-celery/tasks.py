"""The Celery application of the test: the settings that a cluster needs, and the tasks."""
import os

import redis
from celery import Celery
from celery.backends.redis import RedisBackend

PORT = os.environ["SLOTWAY_PORT"]

# Celery moves a message between its queue and the hash of what is not acknowledged in one
# transaction: all keys of the broker must be in one slot. (WATCH is not prefixed by kombu before
# version 5.3, so the name of that hash has the tag itself.)
ONE_SLOT = {"global_keyprefix": "{celery}", "unacked_key": "{celery}unacked"}
# Without acknowledgements every queue may be in a slot of its own.
MANY_SLOTS = {"ack_emulation": False, "priority_steps": [0]}


class Backend(RedisBackend):
    """The keys that count a chord's parts are in one slot, each chord in its own. (From Celery 5.3 on
    `result_backend_transport_options = {"global_keyprefix": "{celery}"}` does it too.)"""

    def get_key_for_group(self, group_id, key=""):
        return super().get_key_for_group("{%s}" % group_id, key)


app = Celery("tasks", broker=f"redis://127.0.0.1:{PORT}/0",
             backend=f"tasks:Backend+redis://127.0.0.1:{PORT}/0")
app.conf.update(
    broker_transport_options=MANY_SLOTS if os.environ.get("QUEUES") else ONE_SLOT,
    task_default_queue="celery", worker_send_task_events=True, result_expires=600,
    broker_connection_retry_on_startup=True)
client = redis.Redis(port=int(PORT))


@app.task
def square(i):
    client.incr(f"ran:{i}")
    return i * i


@app.task(bind=True, max_retries=5)
def flaky(self, name, failures):
    attempt = client.incr(f"attempts:{name}")
    if attempt <= failures:
        raise self.retry(countdown=0.05)
    return attempt


@app.task
def fail():
    raise ValueError("as it should")


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def add(a, b):
    return a + b
