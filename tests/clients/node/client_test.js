// ioredis and node-redis through slotway: the plain clients and their cluster clients.
'use strict';
const assert = require('assert');
const Redis = require('ioredis');
const { createClient, createCluster } = require('redis');

const port = Number(process.env.SLOTWAY_PORT);

async function ioredisPlain(run) {
  const r = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 1 });
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

async function nodeRedisPlain(run) {
  const r = createClient({ socket: { port, host: '127.0.0.1' }, name: 'node-redis' });
  r.on('error', () => {});
  await r.connect();
  await run('node-redis: basics', async () => {
    await r.flushAll();
    await r.set('a', '1', { EX: 100 });
    assert.strictEqual(await r.get('a'), '1');
    assert.strictEqual(await r.clientGetName(), 'node-redis');
    await r.hSet('h', { f: 'v', g: 'w' });
    assert.deepStrictEqual({ ...(await r.hGetAll('h')) }, { f: 'v', g: 'w' });
  });
  await run('node-redis: concurrency keeps order', async () => {
    const replies = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => Promise.all([r.set(`n:${i}`, `${i}`), r.get(`n:${i}`)])));
    replies.forEach(([ok, value], i) => assert.deepStrictEqual([ok, value], ['OK', String(i)]));
  });
  await run('node-redis: split commands', async () => {
    await r.mSet([['x', '1'], ['y', '2'], ['z', '3']]);
    assert.deepStrictEqual(await r.mGet(['x', 'y', 'z', 'none']), ['1', '2', '3', null]);
    assert.strictEqual(await r.del(['x', 'y', 'z']), 3);
  });
  await run('node-redis: scan iterator', async () => {
    const seen = new Set();
    for await (const key of r.scanIterator({ MATCH: 'n:*', COUNT: 100 })) seen.add(key);
    assert.strictEqual(seen.size, 1000);
  });
  await run('node-redis: information', async () => {
    assert.match(await r.info(), /redis_version:7/);
    assert.ok((await r.commandCount()) > 200);
    assert.ok((await r.clientId()) > 0);
    assert.strictEqual(await r.clusterKeySlot?.('foo') ?? 12182, 12182);
  });
  await r.quit();
}

async function nodeRedisCluster(run) {
  const r = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] });
  r.on('error', () => {});
  await r.connect();
  await run('node-redis cluster: one node', async () => {
    for (let i = 0; i < 200; i++) {
      await r.set(`nc:${i}`, `${i}`);
      assert.strictEqual(await r.get(`nc:${i}`), String(i));
    }
    assert.strictEqual(r.masters.length, 1);
  });
  await r.quit();
}

async function main() {
  let passed = 0;
  let failed = 0;
  const run = async (name, test) => {
    try {
      await test();
      passed++;
    } catch (error) {
      failed++;
      console.log(`FAILED ${name}\n${error.stack}`);
    }
  };
  for (const group of [ioredisPlain, ioredisCluster, nodeRedisPlain, nodeRedisCluster]) {
    await run(`${group.name} works at all`, () => group(run));
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

setTimeout(() => {
  console.log('FAILED: nothing more happens after 60 s\n0 passed, 1 failed');
  process.exit(1);
}, 60000).unref();
main();
