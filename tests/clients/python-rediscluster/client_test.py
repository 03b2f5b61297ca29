"""redis-py-cluster through slotway, which it takes for a cluster of one node.

Debian 12 ships a redis-py that this library is too old for; the few names that it misses are put in
place first. They have nothing to do with how it talks to a server.
"""
import sys
import types

import redis
import redis.client
import redis.commands.helpers


def dict_merge(*dicts):
    merged = {}
    for one in dicts:
        merged.update(one)
    return merged


def mend():
    compat = types.ModuleType("redis._compat")
    compat.unicode = compat.basestring = str
    compat.long = int
    compat.iteritems = lambda d: iter(d.items())
    compat.imap, compat.izip = map, zip
    compat.nativestr = lambda x: x if isinstance(x, str) else x.decode("utf-8", "replace")
    sys.modules["redis._compat"] = compat
    redis.client.dict_merge = getattr(redis.client, "dict_merge", dict_merge)
    redis.client.list_or_args = redis.commands.helpers.list_or_args


mend()
import rediscluster  # noqa: E402  (needs what mend() did)

from harness import PORT, main, until  # noqa: E402

def client(**options):
    return rediscluster.RedisCluster(
        startup_nodes=[{"host": "127.0.0.1", "port": str(PORT)}], **options)


def test_it_sees_one_node_with_all_slots():
    r = client()
    nodes = r.connection_pool.nodes
    assert len(nodes.nodes) == 1, nodes.nodes
    assert len(nodes.slots) == 16384
    assert {slot[0]["port"] for slot in nodes.slots.values()} == {PORT}


def test_keys_of_all_slots():
    r = client(decode_responses=True)
    for i in range(300):
        assert r.set(f"key:{i}", i)
        assert r.get(f"key:{i}") == str(i)
        assert r.rpush(f"list:{i}", 1, 2) == 2
        assert r.delete(f"list:{i}") == 1


def test_several_keys():
    r = client(decode_responses=True)
    assert r.mset({f"key:{i}": i for i in range(100)})
    assert r.mget([f"key:{i}" for i in range(100)] + ["none"]) == [
        str(i) for i in range(100)] + [None]


def test_pipeline():
    r = client(decode_responses=True)
    pipe = r.pipeline()
    for i in range(500):
        pipe.set(f"pipe:{i}", i)
        pipe.get(f"pipe:{i}")
    replies = pipe.execute()
    assert replies[1::2] == [str(i) for i in range(500)]


def test_types_and_scripts():
    r = client(decode_responses=True)
    r.delete("h")
    assert r.hset("h", "f", "v") == 1
    assert r.hgetall("h") == {"f": "v"}
    assert r.eval("return ARGV[1]", 1, "h", "x") == "x"
    assert r.incr("counter", 3) >= 3


def test_pub_sub():
    r = client()
    subscriber = r.pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe("news")
    until("it is subscribed", lambda: dict(plain().pubsub_numsub("news"))[b"news"] == 1)
    for i in range(50):
        r.publish("news", i)
    seen = []
    until("all messages", lambda: seen.append(
        (subscriber.get_message(timeout=1) or {}).get("data")) or len(seen) >= 50 and seen[-1] == b"49")
    assert [data for data in seen if data] == [str(i).encode() for i in range(50)]


def test_blocking():
    r = client()
    r.rpush("list", "x")
    assert r.blpop("list", timeout=5) == (b"list", b"x")
    assert r.blpop("list", timeout=1) is None


def plain():
    return redis.Redis(port=PORT)


main(globals())
