"""A worker: worker.py NAME CLASS QUEUE..., CLASS being SimpleWorker (no fork) or Worker."""
import sys

import one_slot  # noqa: F401  (names keys)
import rq

from jobs import client

name, kind, *queues = sys.argv[1:]
getattr(rq, kind)(queues, connection=client, name=name, default_worker_ttl=5).work(
    with_scheduler=kind == "SimpleWorker")
