// node-redis through slotway: version 4 with RESP2; version 5 with RESP3, client-side caching,
// transactions and pub/sub.
'use strict';
const assert = require('assert');
const four = require('redis4');
const five = require('redis');
const { port, until } = require('../harness');

async function nodeRedisPlain(run) {
  const r = four.createClient({ socket: { port, host: '127.0.0.1' }, name: 'node-redis' });
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
  const r = four.createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] });
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

async function open3(options = {}) {
  const r = five.createClient({ RESP: 3, socket: { port, host: '127.0.0.1' }, ...options });
  r.on('error', () => {});
  return r.connect();
}

async function nodeRedisResp3(run) {
  const r = await open3({ name: 'resp3' });
  await run('node-redis RESP3: types', async () => {
    await r.flushAll();
    assert.strictEqual(await r.clientGetName(), 'resp3');
    await r.hSet('h', { f: 'v', g: 'w' });
    assert.deepStrictEqual({ ...(await r.hGetAll('h')) }, { f: 'v', g: 'w' });
    await r.sAdd('s', ['a', 'b']);
    assert.deepStrictEqual((await r.sMembers('s')).sort(), ['a', 'b']);
    await r.zAdd('z', [{ score: 1.5, value: 'a' }, { score: Infinity, value: 'b' }]);
    assert.deepStrictEqual(await r.zRangeWithScores('z', 0, -1),
      [{ value: 'a', score: 1.5 }, { value: 'b', score: Infinity }]);
    assert.strictEqual(await r.zScore('z', 'a'), 1.5);
    assert.strictEqual(await r.get('none'), null);
    assert.deepStrictEqual((await r.sendCommand(['HELLO'])).proto, 3);
  });
  await run('node-redis RESP3: raw replies have the shapes of RESP3', async () => {
    assert.strictEqual(await r.sendCommand(['EVAL', 'redis.setresp(3); return true', '0']), true);
    assert.deepStrictEqual({ ...(await r.sendCommand(['HGETALL', 'h'])) }, { f: 'v', g: 'w' });
    assert.deepStrictEqual({ ...(await r.sendCommand(['CONFIG', 'GET', 'maxmemory'])) }, { maxmemory: '0' });
  });
  await run('node-redis RESP3: split commands', async () => {
    const keys = Array.from({ length: 200 }, (_, i) => `split:${i}`);
    await r.mSet(keys.map((key, i) => [key, String(i)]));
    assert.deepStrictEqual(await r.mGet([...keys, 'none']), [...keys.map((_, i) => String(i)), null]);
    assert.strictEqual(await r.del(keys), 200);
  });
  await run('node-redis RESP3: transactions', async () => {
    const replies = await r.multi().set('t', '1').incr('t').hGetAll('{t}none').exec();
    assert.deepStrictEqual([replies[0], replies[1], { ...replies[2] }], ['OK', 2, {}]);
    const other = await open3();
    await r.watch('t');
    await other.set('t', 'changed');
    await assert.rejects(r.multi().set('t', 'mine').exec(), five.WatchError);
    other.destroy();
  });
  await run('node-redis RESP3: messages and commands on one connection', async () => {
    const seen = [];
    await r.subscribe('channel', (message) => seen.push(message));
    await r.pSubscribe('chan*', (message, channel) => seen.push(`${channel} ${message}`));
    for (let i = 0; i < 100; i++) {
      await r.publish('channel', String(i));
      assert.strictEqual(await r.set(`between:${i}`, 'x'), 'OK');
    }
    await until('all messages', () => seen.length === 200);
    assert.deepStrictEqual(seen.filter((text) => !text.startsWith('channel')),
      Array.from({ length: 100 }, (_, i) => String(i)));
    await r.unsubscribe('channel');
    await r.pUnsubscribe('chan*');
    assert.strictEqual(await r.get('between:7'), 'x');
  });
  await run('node-redis RESP3: sharded channels', async () => {
    const seen = [];
    await r.sSubscribe('shard', (message) => seen.push(message));
    await r.sPublish('shard', 'x');
    await until('the message', () => seen.length === 1);
    await r.sUnsubscribe('shard');
  });
  await run('node-redis RESP3: blocking in a pool', async () => {
    const pool = five.createClientPool({ RESP: 3, socket: { port, host: '127.0.0.1' } }, { maximum: 5 });
    pool.on('error', () => {});
    await pool.connect();
    const popped = Promise.all(Array.from({ length: 4 }, () => pool.blPop('queue', 10)));
    for (let i = 0; i < 4; i++) await r.rPush('queue', String(i));
    assert.deepStrictEqual((await popped).map(({ element }) => element).sort(), ['0', '1', '2', '3']);
    await pool.close();
  });
  r.destroy();
}

async function nodeRedisCache(run) {
  const writer = await open3();
  const cache = new five.BasicClientSideCache({ ttl: 0, maxEntries: 0 });
  const r = await open3({ clientSideCache: cache });
  await run('node-redis cache: what was read once is read here', async () => {
    for (let i = 0; i < 100; i++) await writer.set(`cached:${i}`, 'old');
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 100; i++) assert.strictEqual(await r.get(`cached:${i}`), 'old');
    }
    const { hitCount, missCount } = cache.stats();
    assert.deepStrictEqual([hitCount, missCount], [200, 100]);
  });
  await run('node-redis cache: writes of others are seen, whatever their slot', async () => {
    for (let i = 0; i < 100; i++) await writer.set(`cached:${i}`, `new ${i}`);
    for (let i = 0; i < 100; i++) {
      await until(`key ${i} is invalidated`, async () => (await r.get(`cached:${i}`)) === `new ${i}`);
    }
  });
  await run('node-redis cache: its own writes too', async () => {
    assert.strictEqual(await r.get('cached:1'), 'new 1');
    await r.set('cached:1', 'mine');
    await until('its own value', async () => (await r.get('cached:1')) === 'mine');
  });
  await run('node-redis cache: FLUSHALL empties it', async () => {
    await writer.flushAll();
    await until('it is gone', async () => (await r.get('cached:2')) === null);
  });
  r.destroy();
  writer.destroy();
}

module.exports = [nodeRedisPlain, nodeRedisCluster, nodeRedisResp3, nodeRedisCache];
