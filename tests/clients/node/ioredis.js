// ioredis through slotway: commands, pipelines, transactions, pub/sub, blocking, its cluster client.
'use strict';
const assert = require('assert');
const Redis = require('ioredis');
const { port, until } = require('../harness');

const open = (options = {}) => new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 1, ...options });

async function ioredisPlain(run) {
  const r = open();
  await run('ioredis: ready check', () => r.ping().then((v) => assert.strictEqual(v, 'PONG')));
  await run('ioredis: keys of all slots', async () => {
    await r.flushall();
    for (let i = 0; i < 200; i++) {
      assert.strictEqual(await r.set(`io:${i}`, `v${i}`), 'OK');
      assert.strictEqual(await r.get(`io:${i}`), `v${i}`);
    }
  });
  await run('ioredis: split commands', async () => {
    const keys = Array.from({ length: 200 }, (_, i) => `io:${i}`);
    assert.deepStrictEqual(await r.mget(...keys, 'none'), [...keys.map((_, i) => `v${i}`), null]);
    assert.strictEqual(await r.exists(...keys), 200);
    assert.strictEqual(await r.del(...keys), 200);
  });
  await run('ioredis: pipeline', async () => {
    const pipe = r.pipeline();
    for (let i = 0; i < 1000; i++) pipe.set(`pipe:${i}`, i).get(`pipe:${i}`);
    const replies = await pipe.exec();
    replies.forEach(([error, value], i) => {
      assert.strictEqual(error, null);
      assert.strictEqual(value, i % 2 ? String((i - 1) / 2) : 'OK');
    });
  });
  await run('ioredis: automatic pipelining by concurrency', async () => {
    const values = await Promise.all(
      Array.from({ length: 2000 }, (_, i) => r.incrby('concurrent', 1).then(() => i)));
    assert.strictEqual(values.length, 2000);
    assert.strictEqual(await r.get('concurrent'), '2000');
  });
  await run('ioredis: scripts by defineCommand (EVALSHA)', async () => {
    r.defineCommand('add', { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])" });
    for (let i = 0; i < 50; i++) assert.strictEqual(await r.add(`script:${i}`, i), i);
  });
  await run('ioredis: scan stream', async () => {
    await r.flushall();
    const pipe = r.pipeline();
    for (let i = 0; i < 1500; i++) pipe.set(`scan:${i}`, i);
    await pipe.exec();
    const seen = new Set();
    for await (const keys of r.scanStream({ match: 'scan:*', count: 200 })) {
      keys.forEach((key) => seen.add(key));
    }
    assert.strictEqual(seen.size, 1500);
  });
  await run('ioredis: errors', async () => {
    await r.set('str', 'x');
    await assert.rejects(r.lpush('str', 1), /WRONGTYPE/);
    await assert.rejects(r.rename('a', 'b'), /CROSSSLOT/);
    await assert.rejects(r.call('NOSUCH'), /unknown command/);
  });
  await run('ioredis: binary and large values', async () => {
    const value = Buffer.alloc(4 << 20, 0xfe);
    await r.set('large', value);
    assert.ok(value.equals(await r.getBuffer('large')));
  });
  r.disconnect();
}

async function ioredisCluster(run) {
  const r = new Redis.Cluster([{ port, host: '127.0.0.1' }], { slotsRefreshTimeout: 5000 });
  await run('ioredis cluster: one node', async () => {
    assert.strictEqual(await r.set('cluster', 'x'), 'OK');
    assert.strictEqual(r.nodes('master').length, 1);
    for (let i = 0; i < 200; i++) await r.set(`c:${i}`, i);
    for (let i = 0; i < 200; i++) assert.strictEqual(await r.get(`c:${i}`), String(i));
  });
  await run('ioredis cluster: pipeline', async () => {
    const pipe = r.pipeline();
    for (let i = 0; i < 200; i++) pipe.get('c:7');
    (await pipe.exec()).forEach(([error, value]) => assert.strictEqual(error || value, '7'));
  });
  r.disconnect();
}

async function ioredisTransactions(run) {
  const r = open();
  await run('ioredis: MULTI', async () => {
    await r.flushall();
    for (let i = 0; i < 100; i++) {
      const replies = await r.multi().set(`{t${i}}a`, i).incr(`{t${i}}n`).mget(`{t${i}}a`, `{t${i}}n`).exec();
      assert.deepStrictEqual(replies, [[null, 'OK'], [null, 1], [null, [String(i), '1']]]);
    }
  });
  await run('ioredis: many at once on one connection', async () => {
    const all = await Promise.all(Array.from({ length: 500 }, (_, i) =>
      r.multi().incr(`many${i % 50}`).incr(`many${i % 50}`).exec()));
    all.forEach(([[, first], [, second]]) => assert.strictEqual(second, first + 1));
    for (let i = 0; i < 50; i++) assert.strictEqual(await r.get(`many${i}`), '20');
  });
  await run('ioredis: a transaction sent command by command', async () => {
    await r.multi({ pipeline: false });
    assert.strictEqual(await r.set('step', '1'), 'QUEUED');
    assert.strictEqual(await r.incr('step'), 'QUEUED');
    assert.deepStrictEqual(await r.exec(), [[null, 'OK'], [null, 2]]);
  });
  await run('ioredis: an error of one command, and one when it is queued', async () => {
    const [, [error], [, last]] = await r.multi().set('text', 'x').lpush('text', 1).get('text').exec();
    assert.match(error.message, /WRONGTYPE/);
    assert.strictEqual(last, 'x');
    await assert.rejects(r.multi().set('text', 'y').set('text').exec(), /EXECABORT/);
    assert.strictEqual(await r.get('text'), 'x');
  });
  await run('ioredis: WATCH, with and without a conflict', async () => {
    const other = open();
    await r.watch('watched');
    await other.set('watched', '1');
    assert.strictEqual(await r.multi().set('watched', '2').exec(), null);
    await r.watch('watched');
    assert.deepStrictEqual(await r.multi().set('watched', '3').exec(), [[null, 'OK']]);
    other.disconnect();
  });
  await run('ioredis: counting with WATCH, eight clients', async () => {
    const clients = Array.from({ length: 8 }, () => open());
    await Promise.all(clients.map(async (client) => {
      for (let done = 0; done < 20;) {
        await client.watch('counted');
        const value = Number(await client.get('counted'));
        if (await client.multi().set('counted', value + 1).exec()) done++;
      }
    }));
    assert.strictEqual(await r.get('counted'), '160');
    clients.forEach((client) => client.disconnect());
  });
  r.disconnect();
}

async function ioredisPubSub(run) {
  const publisher = open();
  await run('ioredis: channels and patterns, one subscriber of each kind', async () => {
    const sub = open();
    const seen = [];
    sub.on('message', (channel, message) => seen.push(`${channel} ${message}`));
    sub.on('pmessage', (pattern, channel, message) => seen.push(`${pattern} ${channel} ${message}`));
    assert.strictEqual(await sub.subscribe('news', 'weather'), 2);
    assert.strictEqual(await sub.psubscribe('n*'), 3);
    await publisher.publish('weather', 'rain');
    await publisher.publish('news', 'none');
    await until('three messages', () => seen.length === 3);
    assert.deepStrictEqual(seen.sort(), ['n* news none', 'news none', 'weather rain']);
    assert.strictEqual(await sub.unsubscribe('news', 'weather'), 1);
    assert.deepStrictEqual(await sub.ping(), ['pong', '']);
    sub.disconnect();
  });
  await run('ioredis: 500 messages to 20 subscribers, in order', async () => {
    const subs = Array.from({ length: 20 }, () => open());
    const seen = subs.map(() => []);
    subs.forEach((sub, i) => sub.on('message', (_, message) => seen[i].push(message)));
    await Promise.all(subs.map((sub) => sub.subscribe('flood')));
    const pipe = publisher.pipeline();
    for (let i = 0; i < 500; i++) pipe.publish('flood', i);
    (await pipe.exec()).forEach(([error]) => assert.strictEqual(error, null));
    await until('all messages', () => seen.every((list) => list.length >= 500));
    seen.forEach((list) => assert.deepStrictEqual(list, Array.from({ length: 500 }, (_, i) => String(i))));
    subs.forEach((sub) => sub.disconnect());
  });
  await run('ioredis: sharded channels', async () => {
    const sub = open();
    const seen = [];
    sub.on('smessage', (channel, message) => seen.push(`${channel} ${message}`));
    await sub.ssubscribe('shard');
    await publisher.spublish('shard', 'x');
    await until('one message', () => seen.length === 1);
    assert.deepStrictEqual(seen, ['shard x']);
    sub.disconnect();
  });
  await run('ioredis: who is subscribed', async () => {
    const sub = open();
    await sub.subscribe('somebody');
    assert.ok((await publisher.pubsub('CHANNELS', 'some*')).includes('somebody'));
    assert.deepStrictEqual(await publisher.pubsub('NUMSUB', 'somebody', 'nobody'), ['somebody', 1, 'nobody', 0]);
    sub.disconnect();
  });
  publisher.disconnect();
}

async function ioredisBlocking(run) {
  const r = open();
  await run('ioredis: BLPOP takes what comes', async () => {
    const waiting = open();
    const popped = waiting.blpop('queue', 10);
    await r.rpush('queue', 'x');
    assert.deepStrictEqual(await popped, ['queue', 'x']);
    assert.strictEqual(await waiting.blpop('queue', 0.1), null);
    waiting.disconnect();
  });
  await run('ioredis: 300 elements to ten waiting clients, each once', async () => {
    const workers = Array.from({ length: 10 }, () => open());
    const got = [];
    const all = Promise.all(workers.map(async (worker) => {
      for (;;) {
        const [, value] = await worker.blpop('work', 10);
        if (value === 'end') return;
        got.push(Number(value));
      }
    }));
    for (let i = 0; i < 300; i++) await r.rpush('work', i);
    await r.rpush('work', ...workers.map(() => 'end'));
    await all;
    assert.deepStrictEqual(got.sort((a, b) => a - b), Array.from({ length: 300 }, (_, i) => i));
    workers.forEach((worker) => worker.disconnect());
  });
  await run('ioredis: a consumer group of a stream', async () => {
    await r.xgroup('CREATE', 'stream', 'group', '$', 'MKSTREAM');
    const consumer = open();
    const read = consumer.xreadgroup('GROUP', 'group', 'me', 'BLOCK', 10000, 'STREAMS', 'stream', '>');
    const id = await r.xadd('stream', '*', 'field', 'value');
    assert.deepStrictEqual(await read, [['stream', [[id, ['field', 'value']]]]]);
    assert.strictEqual(await r.xack('stream', 'group', id), 1);
    consumer.disconnect();
  });
  await run('ioredis: BZPOPMIN and BLMOVE', async () => {
    const waiting = [open(), open()];
    const popped = waiting[0].bzpopmin('scores', 10);
    const moved = waiting[1].blmove('{m}from', '{m}to', 'LEFT', 'RIGHT', 10);
    await r.zadd('scores', 2, 'two');
    await r.rpush('{m}from', 'element');
    assert.deepStrictEqual(await popped, ['scores', 'two', '2']);
    assert.strictEqual(await moved, 'element');
    assert.deepStrictEqual(await r.lrange('{m}to', 0, -1), ['element']);
    waiting.forEach((client) => client.disconnect());
  });
  r.disconnect();
}

async function ioredisMonitor(run) {
  const r = open();
  await run('ioredis: MONITOR', async () => {
    const monitor = await r.monitor();
    const seen = [];
    monitor.on('monitor', (_, args) => seen.push(args.join(' ')));
    await r.set('monitored', 'by ioredis');
    await until('it is shown', () => seen.some((line) => /^set monitored by ioredis$/i.test(line)));
    monitor.disconnect();
  });
  r.disconnect();
}

async function ioredisClusterState(run) {
  const r = new Redis.Cluster([{ port, host: '127.0.0.1' }], { slotsRefreshTimeout: 5000 });
  await run('ioredis cluster: transaction', async () => {
    const replies = await r.multi().set('{tag}1', 'x').get('{tag}1').exec();
    assert.deepStrictEqual(replies, [[null, 'OK'], [null, 'x']]);
  });
  await run('ioredis cluster: pub/sub', async () => {
    const sub = new Redis.Cluster([{ port, host: '127.0.0.1' }], { slotsRefreshTimeout: 5000 });
    const seen = [];
    sub.on('message', (_, message) => seen.push(message));
    await sub.subscribe('of-cluster');
    await r.publish('of-cluster', 'hello');
    await until('the message', () => seen.length === 1);
    sub.disconnect();
  });
  r.disconnect();
}

module.exports = [ioredisPlain, ioredisCluster, ioredisTransactions, ioredisPubSub, ioredisBlocking,
  ioredisMonitor, ioredisClusterState];
