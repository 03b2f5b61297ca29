<?php
// phpredis through slotway: commands of all types, pipelines, transactions, pub/sub, blocking pops by
// several processes, sessions, and its cluster client.
declare(strict_types=1);
error_reporting(E_ALL & ~E_DEPRECATED);

const HOST = '127.0.0.1';
define('PORT', (int)getenv('SLOTWAY_PORT'));

function connect(): Redis
{
    $redis = new Redis();
    $redis->connect(HOST, PORT, 10, null, 0, 30);
    return $redis;
}

function check(string $what, $want, $got): void
{
    if ($want !== $got) {
        throw new Exception("$what: " . json_encode($got) . ' instead of ' . json_encode($want));
    }
}

function until(string $text, callable $probe): void
{
    for ($end = microtime(true) + 15; !$probe(); usleep(10000)) {
        if (microtime(true) > $end) {
            throw new Exception("waited 15 s in vain: $text");
        }
    }
}

/** Runs this program again as a helper (see the end of the file), whose lines collect() gives. */
function helper(string ...$arguments): array
{
    $process = proc_open([PHP_BINARY, __FILE__, '--', ...$arguments],
        [['file', '/dev/null', 'r'], ['pipe', 'w'], STDERR], $pipes);
    return [$process, $pipes[1]];
}

function collect(array $helper): array
{
    $text = stream_get_contents($helper[1]);
    check('status of a helper', 0, proc_close($helper[0]));
    return array_values(array_filter(explode("\n", $text), 'strlen'));
}

$tests = [];

$tests['strings and several keys'] = function () {
    $r = connect();
    $r->flushAll();
    check('set', true, $r->set('a', '1'));
    check('get', '1', $r->get('a'));
    check('none', false, $r->get('none'));
    check('nx', false, $r->set('a', '2', ['nx', 'ex' => 100]));
    check('incr', 5, $r->incrBy('n', 5));
    $keys = array_map(fn ($i) => "split:$i", range(0, 199));
    check('mset', true, $r->mSet(array_combine($keys, range(0, 199))));
    check('mget', [...array_map('strval', range(0, 199)), false], $r->mGet([...$keys, 'none']));
    check('exists', 200, $r->exists($keys));
    check('del', 200, $r->del($keys));
};

$tests['all types'] = function () {
    $r = connect();
    $r->del('h', 'l', 's', 'z', 'x');
    check('hash', true, $r->hMSet('h', ['f' => '1', 'g' => '2']));
    check('hash', ['f' => '1', 'g' => '2'], $r->hGetAll('h'));
    check('list', 3, $r->rPush('l', 'a', 'b', 'c'));
    check('list', ['a', 'b', 'c'], $r->lRange('l', 0, -1));
    check('set', 2, $r->sAdd('s', 'a', 'b'));
    check('sorted set', 2, $r->zAdd('z', 1.5, 'a', 2, 'b'));
    check('sorted set', ['a' => 1.5, 'b' => 2.0], $r->zRange('z', 0, -1, true));
    $id = $r->xAdd('x', '*', ['field' => 'value']);
    check('stream', ['x' => [$id => ['field' => 'value']]], $r->xRead(['x' => '0']));
};

$tests['serialized values and a prefix'] = function () {
    $r = connect();
    $r->setOption(Redis::OPT_SERIALIZER, Redis::SERIALIZER_IGBINARY);
    $r->setOption(Redis::OPT_PREFIX, 'app:');
    $value = ['list' => [1, 2.5, null], 'text' => "zero\0byte"];
    $r->set('object', $value);
    check('value', $value, $r->get('object'));
    check('key', 1, connect()->exists('app:object'));
};

$tests['pipeline'] = function () {
    $r = connect();
    $pipe = $r->pipeline();
    for ($i = 0; $i < 1000; $i++) {
        $pipe->set("pipe:$i", (string)$i)->get("pipe:$i");
    }
    foreach ($pipe->exec() as $i => $reply) {
        check("reply $i", $i % 2 ? (string)intdiv($i, 2) : true, $reply);
    }
};

$tests['transactions'] = function () {
    $r = connect();
    for ($i = 0; $i < 100; $i++) {
        check('exec', [true, $i + 1, (string)($i + 1)],
            $r->multi()->set("{t$i}a", 'x')->incrBy("{t$i}b", $i + 1)->get("{t$i}b")->exec());
    }
    check('in a pipeline', [true, 'y'], $r->multi(Redis::PIPELINE)->set('t', 'y')->get('t')->exec());
    $r->multi();
    $r->set('t', 'z');
    check('discard', true, $r->discard());
    check('nothing happened', 'y', $r->get('t'));
};

$tests['WATCH, with and without a conflict'] = function () {
    $r = connect();
    $r->watch('w');
    connect()->set('w', '1');
    check('conflict', false, $r->multi()->set('w', '2')->exec());
    $r->watch('w');
    check('none', [true], $r->multi()->set('w', '3')->exec());
    check('value', '3', $r->get('w'));
};

$tests['four processes count with WATCH'] = function () {
    $helpers = array_map(fn () => helper('count', '50'), range(1, 4));
    array_map('collect', $helpers);
    check('count', '200', connect()->get('counted'));
};

$tests['pub/sub'] = function () {
    $r = connect();
    $subscribers = [helper('subscribe', '100'), helper('psubscribe', '100'), helper('subscribe', '100')];
    until('three subscribers', fn () => ($r->pubSub('numsub', ['news'])['news'] ?? 0) == 2 && $r->pubSub('numpat') == 1);
    for ($i = 0; $i < 100; $i++) {
        $r->publish('news', "message $i");
    }
    $want = array_map(fn ($i) => "message $i", range(0, 99));
    foreach ($subscribers as $subscriber) {
        check('messages', $want, collect($subscriber));
    }
};

$tests['two processes pop what comes, each element once'] = function () {
    $r = connect();
    $workers = [helper('work'), helper('work')];
    for ($i = 0; $i < 500; $i++) {
        $r->lPush($i % 2 ? 'jobs' : 'more-jobs', (string)$i);
    }
    until('all are popped', fn () => $r->exists('jobs', 'more-jobs') === 0);
    $r->lPush('jobs', 'end', 'end');
    $done = array_merge(...array_map('collect', $workers));
    sort($done, SORT_NUMERIC);
    check('elements', array_map('strval', range(0, 499)), $done);
};

$tests['scripts'] = function () {
    $r = connect();
    $script = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    $sha = $r->script('load', $script);
    for ($i = 1; $i <= 50; $i++) {
        check('evalsha', $i, $r->evalSha($sha, ["script:$i", $i], 1));
    }
    check('eval', 7, $r->eval($script, ['script:x', 7], 1));
};

$tests['scan'] = function () {
    $r = connect();
    $r->flushAll();
    $r->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
    foreach (range(1, 1000) as $i) {
        $r->set("scan:$i", '');
    }
    $seen = [];
    for ($cursor = null; $keys = $r->scan($cursor, 'scan:*', 100);) {
        $seen += array_flip($keys);
    }
    check('keys', 1000, count($seen));
};

$tests['sessions, locked against each other'] = function () {
    $helpers = array_map(fn () => helper('session', '25'), range(1, 4));
    array_map('collect', $helpers);
    check('visits', ['100'], collect(helper('session', '0')));
};

$tests['cluster client'] = function () {
    $r = new RedisCluster(null, [HOST . ':' . PORT], 10, 30);
    check('masters', [[HOST, PORT]], $r->_masters());
    for ($i = 0; $i < 200; $i++) {
        check('set', true, $r->set("cluster:$i", (string)$i));
        check('get', (string)$i, $r->get("cluster:$i"));
    }
    check('mget', ['1', '2', '3'], $r->mGet(['cluster:1', 'cluster:2', 'cluster:3']));
    check('transaction', [true, 'x'], $r->multi()->set('{tag}1', 'x')->get('{tag}1')->exec());
    check('blocking', [], $r->blPop(['{tag}list'], 1));
};

// ---- helpers: processes of their own ------------------------------------------------------------

function help_count(int $times): void
{
    $r = connect();
    while ($times > 0) {
        $r->watch('counted');
        $value = (int)$r->get('counted') + 1;
        $times -= $r->multi()->set('counted', (string)$value)->exec() ? 1 : 0;
    }
}

/** A closed connection ends subscribe(), which has no other end than an exception. */
function listen(string $command, string $channel, int $count): void
{
    try {
        connect()->$command([$channel], function (Redis $redis, string ...$texts) use (&$count) {
            echo end($texts), "\n";
            if (--$count === 0) {
                $redis->close();
            }
        });
    } catch (RedisException $error) {
        if ($count > 0) {
            throw $error;
        }
    }
}

function help_subscribe(int $count): void
{
    listen('subscribe', 'news', $count);
}

function help_psubscribe(int $count): void
{
    listen('psubscribe', 'n?ws', $count);
}

function help_work(): void
{
    $r = connect();
    while (true) {
        [, $job] = $r->brPop(['more-jobs', 'jobs'], 15);
        if ($job === 'end') {
            return;
        }
        echo "$job\n";
    }
}

function help_session(int $visits): void
{
    ini_set('session.use_cookies', '0');
    ini_set('session.cache_limiter', '');
    ini_set('session.save_handler', 'redis');
    ini_set('session.save_path', 'tcp://' . HOST . ':' . PORT);
    ini_set('redis.session.locking_enabled', '1');
    ini_set('redis.session.lock_retries', '-1');
    ini_set('redis.session.lock_wait_time', '2000');
    do {
        session_id('one-visitor');
        session_start();
        $_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + ($visits > 0 ? 1 : 0);
        $seen = $_SESSION['visits'];
        session_write_close();
    } while (--$visits > 0);
    echo "$seen\n";
}

if (($argv[1] ?? '') === '--') {
    call_user_func("help_{$argv[2]}", ...array_map('intval', array_slice($argv, 3)));
    exit(0);
}

$passed = $failed = 0;
foreach ($tests as $name => $test) {
    try {
        $began = microtime(true);
        $test();
        $passed++;
        printf("ok     %5.1f s  %s\n", microtime(true) - $began, $name);
    } catch (Throwable $error) {
        $failed++;
        echo "FAILED $name\n$error\n";
    }
}
echo "$passed passed, $failed failed\n";
exit($failed ? 1 : 0);
