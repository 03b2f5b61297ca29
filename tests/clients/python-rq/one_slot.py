"""Puts all keys of rq into one slot: `rq:…` becomes `{rq}:…`. rq has no setting for this, and its
transactions touch a queue, jobs, workers and registries together. To be imported before rq is used,
in workers as in programs that enqueue."""
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
            brackets = "{{rq}}" if "{0}" in value else "{rq}"
            setattr(owner, name, brackets + value[2:])


for module in (rq.command, rq.job, rq.queue, rq.registry, rq.results, rq.scheduler, rq.suspension,
               rq.worker_registration, rq.worker):
    tag(module)
    for _, found in inspect.getmembers(module, inspect.isclass):
        tag(found)
rq.results.get_key = "{{rq}}:results:{}".format
rq.results.Result.get_key = classmethod(lambda _, job_id: rq.results.get_key(job_id))
