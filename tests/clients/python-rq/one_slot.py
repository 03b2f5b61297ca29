"""Puts all keys of rq into one slot: `rq:` becomes `{rq}:`. It has no setting for this, and its
transactions touch queue, job, worker and registries together. Import it before rq is used, in
workers (`rq worker --import`… or a worker script) as in programs that enqueue."""
import inspect

import rq.command
import rq.job
import rq.queue
import rq.registry
import rq.results
import rq.scheduler
import rq.suspension
import rq.worker
import rq.worker_registration


def tag(owner):
    for name, value in list(vars(owner).items()):
        if isinstance(value, str) and value.startswith("rq:"):
            setattr(owner, name, "{rq}" + value[2:])


for module in (rq.command, rq.job, rq.queue, rq.registry, rq.results, rq.scheduler, rq.suspension,
               rq.worker_registration, rq.worker):
    tag(module)
    for _, found in inspect.getmembers(module, inspect.isclass):
        tag(found)
rq.results.get_key = "{{rq}}:results:{}".format
rq.results.Result.get_key = classmethod(lambda _, job_id: rq.results.get_key(job_id))
