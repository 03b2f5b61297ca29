# Sidekiq through slotway: jobs by the hundred, each once, by two processes; jobs for later, retries,
# dead jobs, what the processes tell about themselves, and one that is stopped with jobs in its hands.
require "sidekiq/api"
require "tmpdir"
require_relative "jobs"

WORK = Dir.mktmpdir("slotway-sidekiq-")
PROCESSES = {}

def redis(&block)
  RESULTS.with(&block)
end

def wait_until(text, seconds = 20)
  finish = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
  until yield
    raise "waited #{seconds} s in vain: #{text}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > finish
    sleep 0.02
  end
end

def check(what, want, got)
  raise "#{what}: #{got.inspect} instead of #{want.inspect}" unless want == got
end

def start(name, *queues)
  arguments = queues.flat_map { |queue| ["-q", queue] }
  PROCESSES[name] = spawn("sidekiq", "-r", File.join(__dir__, "jobs.rb"), "-c", "4", "-t", "1",
                          "-e", "production", "-g", name, *arguments, in: File::NULL,
                          out: File.join(WORK, name), err: [:child, :out])
end

# Ends one and gives its exit status.
def stop(name, signal = "TERM")
  pid = PROCESSES.delete(name)
  Process.kill(signal, pid)
  Process.wait2(pid)[1]
end

TESTS = {}

TESTS["processes start and are seen"] = lambda do
  redis(&:flushall)
  start("first", "default", "low")
  start("second", "default", "low")
  wait_until("two processes") { Sidekiq::ProcessSet.new.size == 2 }
  check("tags", %w[first second], Sidekiq::ProcessSet.new.map { |process| process["tag"] }.sort)
end

TESTS["each job once"] = lambda do
  250.times { |i| Square.perform_async(i) }
  Sidekiq::Client.push_bulk("class" => Square, "args" => (250...500).map { |i| [i] })
  ran = (0...500).map { |i| "ran:#{i}" }
  wait_until("all jobs") { redis { |r| r.mget(ran) }.none?(nil) }
  check("runs", ["1"] * 500, redis { |r| r.mget(ran) })
  check("squares", (0...500).map { |i| (i * i).to_s }, redis { |r| r.mget((0...500).map { |i| "square:#{i}" }) })
  check("processes at work", 2, redis { |r| r.scard("workers") })
  check("in the queue", 0, Sidekiq::Queue.new.size)
end

TESTS["a job for later"] = lambda do
  Square.perform_in(1, 1000)
  check("scheduled", 1, Sidekiq::ScheduledSet.new.size)
  wait_until("it ran") { redis { |r| r.get("ran:1000") } }
  check("scheduled", 0, Sidekiq::ScheduledSet.new.size)
end

TESTS["retries and dead jobs"] = lambda do
  10.times { |i| Flaky.perform_async("flaky#{i}", 1) }
  Hopeless.perform_async
  wait_until("it is dead") { Sidekiq::DeadSet.new.size == 1 }
  wait_until("all failed once") { Sidekiq::RetrySet.new.size == 10 }
  Sidekiq::RetrySet.new.retry_all
  wait_until("all ran again") do
    redis { |r| r.mget((0...10).map { |i| "attempts:flaky#{i}" }) } == ["2"] * 10
  end
  check("to retry", 0, Sidekiq::RetrySet.new.size)
end

TESTS["dead jobs, found, retried and removed"] = lambda do
  dead = Sidekiq::DeadSet.new
  dead.kill(Sidekiq.dump_json("class" => "Square", "args" => [2000], "jid" => "dead1", "retry" => true))
  check("dead", 2, dead.size)
  dead.find_job("dead1").retry
  wait_until("it ran") { redis { |r| r.get("ran:2000") } }
  dead.clear
  check("dead", 0, dead.size)
end

TESTS["queues can be looked at and emptied"] = lambda do
  Square.set(queue: "idle").perform_async(3000)
  3.times { |i| Square.set(queue: "idle").perform_async(3001 + i) }
  queue = Sidekiq::Queue.new("idle")
  check("size", 4, queue.size)
  check("arguments", [3000, 3001, 3002, 3003], queue.map { |job| job.args[0] }.sort)
  queue.find { |job| job.args == [3001] }.delete
  check("size", 3, queue.size)
  queue.clear
  check("size", 0, queue.size)
  check("queues", false, Sidekiq::Queue.all.map(&:name).include?("idle"))
end

TESTS["a process that is stopped gives its jobs back"] = lambda do
  check("status", true, stop("second").success?)
  wait_until("one process") { Sidekiq::ProcessSet.new.size == 1 }
  6.times { |i| Slow.perform_async(i) }
  wait_until("four are under way") { redis { |r| r.scard("slow:started") } == 4 }
  check("status", true, stop("first").success?)
  check("given back", 6, Sidekiq::Queue.new("low").size)
  check("processes", 0, Sidekiq::ProcessSet.new.size)
  redis { |r| r.set("slow:quick", 1) }
  start("third", "low")
  wait_until("all ran") { redis { |r| r.mget((0...6).map { |i| "slow:#{i}" }) } == ["1"] * 6 }
  check("status", true, stop("third").success?)
end

TESTS["what was counted"] = lambda do
  stats = Sidekiq::Stats.new
  check("processed", 500 + 1 + (20 + 1) + 1 + (4 + 6), stats.processed)
  check("failed", 11 + 4, stats.failed)
  check("by day", stats.processed, Sidekiq::Stats::History.new(2).processed.values.sum)
end

passed = failed = 0
Thread.new { sleep 60; puts "FAILED: not done after 60 s\n#{passed} passed, #{failed + 1} failed"; exit!(1) }
begin
  TESTS.each do |name, test|
    began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    test.call
    passed += 1
    puts format("ok     %5.1f s  %s", Process.clock_gettime(Process::CLOCK_MONOTONIC) - began, name)
  rescue StandardError => error
    failed += 1
    puts "FAILED #{name}\n#{error.full_message(highlight: false)}"
    PROCESSES.each_key { |process| puts "#{process}: #{File.read(File.join(WORK, process))[-2000..]}" }
  end
ensure
  PROCESSES.keys.each { |name| stop(name, "KILL") }
  FileUtils.rm_rf(WORK)
end
puts "#{passed} passed, #{failed} failed"
exit(failed.zero?)
