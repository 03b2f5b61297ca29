// BullMQ through slotway: jobs by the hundred, each done once, delayed, retried, prioritised, in
// flows, by schedule, with their events; and a worker that vanishes with jobs in its hands.
'use strict';
const assert = require('assert');
const { FlowProducer, Job, Queue, QueueEvents, Worker } = require('bullmq');
const Redis = require('ioredis');
const { main, until, port } = require('../harness');

const connection = { port, host: '127.0.0.1', maxRetriesPerRequest: null };
// Scripts and transactions of BullMQ touch several keys of a queue: they must be in one slot.
const options = { connection, prefix: '{bull}' };
const JOBS = 500;

const closing = [];
function open(thing) {
  thing.on('error', () => {});
  closing.push(thing);
  return thing;
}
const newQueue = (name, more = {}) => open(new Queue(name, { ...options, ...more }));
const newWorker = (name, work, more = {}) => open(new Worker(name, work, { ...options, ...more }));
async function newEvents(name) {
  const events = open(new QueueEvents(name, options));
  await events.waitUntilReady();
  return events;
}

async function closeAll() {
  await Promise.all(closing.splice(0).map((thing) => thing.close()));
}

async function eachJobOnce(run) {
  const queue = newQueue('once');
  const done = new Map();
  const results = new Map();
  const events = await newEvents('once');
  events.on('completed', ({ jobId, returnvalue }) => results.set(jobId, Number(returnvalue)));
  const byWorker = [0, 0];
  const work = (number) => async (job) => {
    byWorker[number]++;
    done.set(job.data.i, (done.get(job.data.i) || 0) + 1);
    await new Promise((resolve) => setTimeout(resolve, 1));
    return job.data.i * 2;
  };
  const workers = [0, 1].map((number) => newWorker('once', work(number), { concurrency: 5 }));
  await Promise.all(workers.map((worker) => worker.waitUntilReady()));
  const ids = new Map();
  await run('bullmq: jobs one by one and in bulk', async () => {
    for (let i = 0; i < JOBS / 2; i++) ids.set((await queue.add('double', { i })).id, i);
    const bulk = Array.from({ length: JOBS / 2 }, (_, i) => ({ name: 'double', data: { i: i + JOBS / 2 } }));
    (await queue.addBulk(bulk)).forEach((job) => ids.set(job.id, job.data.i));
    assert.strictEqual(ids.size, JOBS);
  });
  await run('bullmq: every job is done once, by two workers', async () => {
    await until('all jobs completed', async () => (await queue.getCompletedCount()) === JOBS);
    assert.strictEqual(done.size, JOBS);
    done.forEach((times, i) => assert.strictEqual(times, 1, `job ${i} ran ${times} times`));
    byWorker.forEach((count) => assert.ok(count > 0));
  });
  await run('bullmq: results are read back', async () => {
    for (const [id, i] of ids) {
      assert.strictEqual((await Job.fromId(queue, id)).returnvalue, i * 2);
    }
  });
  await run('bullmq: one event for each job', async () => {
    await until('events of all jobs', () => results.size === JOBS);
    for (const [id, i] of ids) assert.strictEqual(results.get(id), i * 2);
  });
  await run('bullmq: counts', async () => {
    const { waiting, active, completed, failed, delayed } = await queue.getJobCounts();
    assert.deepStrictEqual([waiting, active, completed, failed, delayed], [0, 0, JOBS, 0, 0]);
  });
  await closeAll();
}

async function delayedAndRetried(run) {
  const queue = newQueue('later');
  const events = await newEvents('later');
  const attempts = new Map();
  newWorker('later', async (job) => {
    attempts.set(job.id, (attempts.get(job.id) || 0) + 1);
    if (job.name === 'flaky' && job.attemptsMade < 2) throw new Error('not yet');
    if (job.name === 'hopeless') throw new Error('never');
    return Date.now() - job.timestamp;
  }, { concurrency: 10 });
  await run('bullmq: delayed jobs wait for their time', async () => {
    const jobs = await Promise.all([100, 300, 500].map((delay) => queue.add('delayed', {}, { delay })));
    const waited = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 15000)));
    waited.forEach((ms, i) => assert.ok(ms >= [100, 300, 500][i] - 5, `${ms} ms`));
  });
  await run('bullmq: failed jobs are retried, with backoff', async () => {
    const retry = { attempts: 3, backoff: { type: 'exponential', delay: 50 } };
    const jobs = await Promise.all(Array.from({ length: 20 }, () => queue.add('flaky', {}, retry)));
    await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 15000)));
    jobs.forEach((job) => assert.strictEqual(attempts.get(job.id), 3));
  });
  await run('bullmq: a job that never works ends as failed', async () => {
    const job = await queue.add('hopeless', {}, { attempts: 2, backoff: 10 });
    await assert.rejects(job.waitUntilFinished(events, 15000), /never/);
    assert.strictEqual(attempts.get(job.id), 2);
    assert.deepStrictEqual((await queue.getFailed()).map((failed) => failed.failedReason), ['never']);
    await job.retry();
    await until('it fails again', async () => attempts.get(job.id) === 3 && (await job.isFailed()));
  });
  await closeAll();
}

async function orderAndPause(run) {
  const queue = newQueue('order');
  const seen = [];
  await run('bullmq: a paused queue hands out nothing, then by priority', async () => {
    await queue.pause();
    newWorker('order', async (job) => seen.push(job.data));
    await queue.addBulk([3, 1, 2].map((priority) => ({ name: 'p', data: priority, opts: { priority } })));
    assert.strictEqual(await queue.isPaused(), true);
    assert.strictEqual(seen.length, 0);
    await queue.resume();
    await until('three jobs', () => seen.length === 3);
    assert.deepStrictEqual(seen, [1, 2, 3]);
  });
  await run('bullmq: rate limit', async () => {
    const limited = newQueue('limited');
    const times = [];
    await limited.addBulk(Array.from({ length: 9 }, () => ({ name: 'x', data: {} })));
    newWorker('limited', async () => times.push(Date.now()), { limiter: { max: 3, duration: 300 } });
    await until('nine jobs', () => times.length === 9);
    assert.ok(times[8] - times[0] >= 500, `${times[8] - times[0]} ms`);
  });
  await run('bullmq: deduplication by job id', async () => {
    const job = { name: 'same', data: 7, opts: { jobId: 'the-one' } };
    await Promise.all(Array.from({ length: 20 }, () => queue.add(job.name, job.data, job.opts)));
    const done = async () => (await queue.getCompleted()).filter(({ id }) => id === 'the-one').length;
    await until('it is done', async () => await done() === 1);
    assert.strictEqual(seen.length, 4);
  });
  await closeAll();
}

async function flowsAndSchedules(run) {
  await run('bullmq: a flow: the parent runs after its children, with their results', async () => {
    const events = await newEvents('parents');
    newWorker('children', async (job) => job.data.n, { concurrency: 5 });
    newWorker('parents', async (job) =>
      Object.values(await job.getChildrenValues()).reduce((sum, n) => sum + n, 0));
    const flow = open(new FlowProducer(options));
    const children = Array.from({ length: 20 }, (_, n) => ({ name: 'n', data: { n }, queueName: 'children' }));
    const { job } = await flow.add({ name: 'sum', queueName: 'parents', children });
    assert.strictEqual(await job.waitUntilFinished(events, 15000), 190);
  });
  await run('bullmq: a job by schedule', async () => {
    const queue = newQueue('schedule');
    let runs = 0;
    newWorker('schedule', async () => runs++);
    await queue.upsertJobScheduler('often', { every: 200 }, { name: 'tick' });
    await until('three runs', () => runs >= 3);
    assert.strictEqual((await queue.getJobSchedulers()).length, 1);
    assert.strictEqual(await queue.removeJobScheduler('often'), true);
  });
  await closeAll();
}

async function aWorkerVanishes(run) {
  await run('bullmq: jobs of a worker that vanished are done by another', async () => {
    const queue = newQueue('stalled');
    await queue.addBulk(Array.from({ length: 3 }, (_, i) => ({ name: 'x', data: i })));
    let taken = 0;
    const lost = newWorker('stalled', () => { taken++; return new Promise(() => {}); },
      { concurrency: 3, lockDuration: 500, lockRenewTime: 100000, skipStalledCheck: true });
    await until('it has all jobs', () => taken === 3);
    closing.splice(closing.indexOf(lost), 1);
    await lost.close(true);
    const done = [];
    newWorker('stalled', async (job) => done.push(job.data), { stalledInterval: 300, lockDuration: 5000 });
    await until('the other did them', () => done.length === 3);
    assert.deepStrictEqual(done.sort(), [0, 1, 2]);
  });
  await run('bullmq: obliterate leaves nothing', async () => {
    const r = new Redis(connection);
    const names = ['once', 'later', 'order', 'limited', 'parents', 'children', 'schedule', 'stalled'];
    await closeAll();
    for (const name of names) await newQueue(name).obliterate({ force: true });
    assert.deepStrictEqual((await r.keys('{bull}:*:[0-9]*')), []);
    r.disconnect();
  });
  await closeAll();
}

main([eachJobOnce, delayedAndRetried, orderAndPause, flowsAndSchedules, aWorkerVanishes]);
