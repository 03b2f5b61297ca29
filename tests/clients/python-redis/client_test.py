"""redis-py through slotway: the plain client, its pool, pipelines, transactions, scripts, pub/sub,
blocking commands, MONITOR, and its cluster client."""
import os
import threading

import redis
from redis.cluster import ClusterNode, RedisCluster

from harness import PORT, main, until


def plain(**options):
    return redis.Redis(host="127.0.0.1", port=PORT, socket_timeout=30, **options)


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


def in_threads(count, function):
    """Runs function(0) … function(count - 1) side by side; what they return, in order."""
    results = [None] * count
    errors = []

    def work(number):
        try:
            results[number] = function(number)
        except Exception as error:  # it fails in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def test_transactions():
    r = plain()
    for i in range(200):
        pipe = r.pipeline()
        pipe.set(f"{{t{i}}}a", i).incr(f"{{t{i}}}n").mget(f"{{t{i}}}a", f"{{t{i}}}n").ping()
        assert pipe.execute() == [True, 1, [str(i).encode(), b"1"], True]
    first, wrong, last = r.pipeline().set("e", "x").lpush("e", 1).get("e").execute(False)
    assert first is True and "wrong kind" in str(wrong) and last == b"x"


def test_a_refused_transaction_has_no_effect():
    r = plain()
    r.delete("a", "b")
    assert "same slot" in fails(r.pipeline().set("a", 1).set("b", 1).execute)
    assert "number of arguments" in fails(r.pipeline().set("a", 1).execute_command("SET", "a").execute)
    assert r.exists("a", "b") == 0


def test_watch_decides_between_threads():
    r = plain()
    r.set("watched", 0)

    def work(_):
        mine = plain()
        for _ in range(25):
            mine.transaction(
                lambda pipe: (value := int(pipe.get("watched")), pipe.multi(),
                              pipe.set("watched", value + 1)), "watched")

    in_threads(8, work)
    assert r.get("watched") == b"200"


def append(seen, message):
    """Keeps what a message says, if there is one."""
    if message:
        seen.append(message["data"])
    return message


def test_pub_sub():
    r = plain()
    subscribers = [r.pubsub(ignore_subscribe_messages=True) for _ in range(10)]
    for i, subscriber in enumerate(subscribers):
        subscriber.psubscribe("new*") if i % 2 else subscriber.subscribe("news", "other")
    until("all are subscribed", lambda: r.pubsub_numsub("news") == [(b"news", 5)]
          and r.pubsub_numpat() == 1)

    def work(number):
        seen = []
        for i in range(200):
            if number == 10:
                r.publish("news", i)
            else:
                until("a message", lambda: append(seen, subscribers[number].get_message(timeout=1)))
        return seen

    for seen in in_threads(11, work)[:10]:
        assert seen == [str(i).encode() for i in range(200)]
    assert b"news" in r.pubsub_channels("n*")
    for subscriber in subscribers:
        subscriber.unsubscribe()
        subscriber.punsubscribe()
        subscriber.close()
    until("nobody is left", lambda: r.pubsub_numpat() == 0
          and r.pubsub_numsub("news", "other") == [(b"news", 0), (b"other", 0)])


def test_keyspace_events_of_all_masters():
    r = plain()
    before = r.config_get("notify-keyspace-events")["notify-keyspace-events"]
    r.config_set("notify-keyspace-events", "K$")
    subscriber = r.pubsub(ignore_subscribe_messages=True)
    subscriber.psubscribe("__keyspace@0__:event:*")
    until("it is subscribed", lambda: r.pubsub_numpat() == 1)
    for i in range(100):
        r.set(f"event:{i}", i)
    seen = []
    for i in range(100):
        until("an event of each key", lambda: append(seen, subscriber.get_message(timeout=1)))
    assert seen == [b"set"] * 100
    subscriber.close()
    r.config_set("notify-keyspace-events", before)


def test_blocking_pops_share_the_work():
    r = plain()
    r.delete("jobs", "more-jobs", "{x}from", "{x}to")

    def work(number):
        mine = plain()
        if number == 10:
            for i in range(500):
                mine.rpush("jobs", i)
            mine.rpush("jobs", *["end"] * 10)
            return []
        taken = []
        while True:
            _, value = mine.blpop("jobs", timeout=20)
            if value == b"end":
                return taken
            taken.append(int(value))

    taken = in_threads(11, work)
    assert sorted(sum(taken, [])) == list(range(500))
    assert all(part == sorted(part) for part in taken)
    assert r.blpop("jobs", timeout=1) is None
    r.rpush("{x}from", "element")
    assert r.blmove("{x}from", "{x}to", 1) == b"element"


def test_blocking_pops_of_lists_in_several_slots():
    """In the order of the keys, each element once."""
    r = plain()
    lists = [f"several:{i}" for i in range(8)]
    r.delete(*lists)
    r.rpush(lists[5], "five")
    r.rpush(lists[2], "two")
    assert r.blpop(lists, timeout=5) == (lists[2].encode(), b"two")
    assert r.brpop(lists, timeout=5) == (lists[5].encode(), b"five")

    def work(number):
        mine = plain()
        if number == 6:
            for i in range(300):
                mine.rpush(lists[i % 8], i)
            until("all are taken", lambda: mine.exists(*lists) == 0)
            mine.rpush(lists[0], *["end"] * 6)
            return []
        taken = []
        while True:
            _, value = mine.brpop(lists[number:] + lists[:number], timeout=20)
            if value == b"end":
                return taken
            taken.append(int(value))

    assert sorted(sum(in_threads(7, work), [])) == list(range(300))


def test_streams_and_groups():
    r = plain()
    r.delete("stream")
    r.xgroup_create("stream", "group", "$", mkstream=True)

    def work(number):
        mine = plain()
        if number == 3:
            for i in range(200):
                mine.xadd("stream", {"n": i})
            return []
        taken = []
        while True:
            reply = mine.xreadgroup("group", f"consumer{number}", {"stream": ">"}, 10, block=1000)
            if not reply:
                return taken
            for entry, fields in reply[0][1]:
                taken.append(int(fields[b"n"]))
                assert mine.xack("stream", "group", entry) == 1

    assert sorted(sum(in_threads(4, work), [])) == list(range(200))
    assert r.xpending("stream", "group")["pending"] == 0


def test_wait_for_replicas():
    r = plain()
    r.set("replicated", 1)
    assert r.wait(1, 5000) >= 1


def test_monitor():
    r = plain()
    with r.monitor() as monitor:
        r.set("monitored", "yes")
        until("it is shown", lambda: monitor.next_command()["command"].upper() == "SET MONITORED YES")


def test_client_kill_and_unblock():
    r = plain()
    victim = plain()
    number = victim.client_id()
    assert r.client_kill_filter(_id=number) == 1
    assert victim.client_id() != number
    waiting = plain(single_connection_client=True)
    number = waiting.client_id()

    def work(which):
        if which == 0:
            return waiting.blpop("never", timeout=20)
        until("it waits", lambda: r.client_unblock(number))
        return None

    assert in_threads(2, work) == [None, None]


main(globals())
