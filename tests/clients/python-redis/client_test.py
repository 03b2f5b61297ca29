"""redis-py through slotway: the plain client, its pool, pipelines, scripts, and its cluster client."""
import os
import sys
import threading
import traceback

import redis
from redis.cluster import ClusterNode, RedisCluster

PORT = int(os.environ["SLOTWAY_PORT"])


def plain(**options):
    return redis.Redis(host="127.0.0.1", port=PORT, socket_timeout=10, **options)


def fails(function, *arguments):
    try:
        function(*arguments)
    except redis.ResponseError as error:
        return str(error)
    raise AssertionError(f"{function} did not fail")


def test_strings_and_counters():
    r = plain()
    r.flushall()
    assert r.set("a", "1") is True
    assert r.get("a") == b"1"
    assert r.get("none") is None
    assert r.incr("n", 5) == 5
    assert r.set("a", "2", nx=True) is None
    assert r.setex("t", 100, "x")
    assert 0 < r.ttl("t") <= 100
    assert plain(decode_responses=True).get("a") == "1"


def test_split_commands():
    r = plain()
    keys = [f"split:{i}" for i in range(500)]
    assert r.mset({key: i for i, key in enumerate(keys)})
    assert r.mget(keys + ["none"]) == [str(i).encode() for i in range(500)] + [None]
    assert r.exists(*keys) == 500
    assert r.delete(*keys) == 500


def test_all_types():
    r = plain()
    r.delete("h", "l", "s", "z", "x")
    assert r.hset("h", mapping={"f": 1, "g": 2}) == 2
    assert r.hgetall("h") == {b"f": b"1", b"g": b"2"}
    assert r.rpush("l", 1, 2, 3) == 3
    assert r.lrange("l", 0, -1) == [b"1", b"2", b"3"]
    assert r.sadd("s", 1, 2) == 2
    assert r.smembers("s") == {b"1", b"2"}
    assert r.zadd("z", {"a": 1, "b": 2}) == 2
    assert r.zrange("z", 0, -1, withscores=True) == [(b"a", 1.0), (b"b", 2.0)]
    entry = r.xadd("x", {"f": "v"})
    assert r.xread({"x": 0}) == [[b"x", [(entry, {b"f": b"v"})]]]
    assert r.xgroup_create("x", "group", 0)
    assert r.xreadgroup("group", "me", {"x": ">"})[0][1][0][0] == entry


def test_pipeline_without_transaction():
    r = plain()
    pipe = r.pipeline(transaction=False)
    for i in range(1000):
        pipe.set(f"pipe:{i}", i)
        pipe.get(f"pipe:{i}")
    replies = pipe.execute()
    assert replies[::2] == [True] * 1000
    assert replies[1::2] == [str(i).encode() for i in range(1000)]


def test_errors_are_redis_errors():
    r = plain()
    r.set("str", "x")
    assert "wrong kind of value" in fails(r.lpush, "str", 1)
    assert "hash to the same slot" in fails(r.rename, "a", "b")
    assert "unknown command" in fails(r.execute_command, "NOSUCH")


def test_scan_iter_and_keyspace():
    r = plain()
    r.flushall()
    with r.pipeline(transaction=False) as pipe:
        for i in range(2000):
            pipe.set(f"scan:{i}", i)
        pipe.execute()
    assert len(set(r.scan_iter(match="scan:*", count=100))) == 2000
    assert r.dbsize() == 2000
    assert len(r.keys("scan:1??")) == 100
    assert r.randomkey().startswith(b"scan:")


def test_scripts():
    r = plain()
    script = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    for i in range(50):
        assert script(keys=[f"script:{i}"], args=[i]) == i
    r.script_flush()
    assert script(keys=["script:1"], args=[1]) == 2


def test_server_information():
    r = plain()
    info = r.info()
    assert info["redis_version"].startswith("7.")
    assert info["tcp_port"] == PORT
    assert r.ping()
    assert len(r.time()) == 2
    assert r.client_setname("python")
    assert r.client_getname() == "python"
    assert any(c["name"] == "python" for c in r.client_list())
    assert r.client_id() > 0
    assert r.config_get("maxmemory")
    assert r.command_count() > 200
    assert "get" in r.command()
    assert r.echo("x") == b"x"


def test_pool_used_by_threads():
    r = plain(max_connections=20)
    wrong = []

    def work(number):
        for i in range(200):
            key = f"thread:{number}:{i % 7}"
            r.set(key, f"{number}-{i}")
            if r.get(key) != f"{number}-{i}".encode():
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_health_check_and_client_name():
    r = plain(health_check_interval=1, client_name="named")
    assert r.client_getname() == "named"
    assert r.set("health", 1)


def test_large_value():
    r = plain()
    value = os.urandom(8 << 20)
    assert r.set("large", value)
    assert r.get("large") == value
    r.delete("large")


def test_lock():
    r = plain()
    with r.lock("a-lock", timeout=10, blocking_timeout=5):
        assert r.exists("a-lock") == 1
    assert r.exists("a-lock") == 0


def test_cluster_client():
    r = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", PORT)])
    assert len(r.get_nodes()) == 1
    for i in range(300):
        assert r.set(f"cluster:{i}", i)
        assert r.get(f"cluster:{i}") == str(i).encode()
    assert r.mset_nonatomic({f"cluster:{i}": i for i in range(50)})
    assert r.mget_nonatomic([f"cluster:{i}" for i in range(50)]) == [
        str(i).encode() for i in range(50)]
    pipe = r.pipeline()
    for i in range(100):
        pipe.get(f"cluster:{i}")
    assert pipe.execute() == [str(i).encode() for i in range(100)]
    assert r.dbsize() >= 300
    assert len(set(r.scan_iter(match="cluster:*", count=500))) == 300
    r.flushall()


def main():
    passed = failed = 0
    for name, test in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            test()
            passed += 1
        except Exception:  # whatever it is, the other tests go on
            failed += 1
            print(f"FAILED {name}")
            traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
