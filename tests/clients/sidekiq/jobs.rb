# The application: settings and jobs. Sidekiq's transactions touch several of its keys (the list of
# processes and what each does, a job in its set and in its queue), so a namespace with a hash tag
# puts all of them into one slot.
require "sidekiq"
require "redis-namespace"

Redis.silence_deprecations = true

PORT = Integer(ENV.fetch("SLOTWAY_PORT"))
SETTINGS = {url: "redis://127.0.0.1:#{PORT}/0", namespace: "{sidekiq}"}.freeze

Sidekiq.configure_client { |config| config.redis = SETTINGS }
Sidekiq.configure_server do |config|
  config.redis = SETTINGS
  config.options[:poll_interval_average] = 0.5
end

# Results go to keys of all slots.
RESULTS = ConnectionPool.new(size: 10) { Redis.new(port: PORT) }

class Square
  include Sidekiq::Job

  def perform(number)
    RESULTS.with do |redis|
      redis.incr("ran:#{number}")
      redis.set("square:#{number}", number * number)
      redis.sadd("workers", Process.pid)
    end
  end
end

class Flaky
  include Sidekiq::Job
  sidekiq_options retry: 5

  def perform(name, failures)
    attempt = RESULTS.with { |redis| redis.incr("attempts:#{name}") }
    raise "attempt #{attempt}" if attempt <= failures
  end
end

class Hopeless
  include Sidekiq::Job
  sidekiq_options retry: 0

  def perform
    raise "never"
  end
end

class Slow
  include Sidekiq::Job
  sidekiq_options queue: "low"

  def perform(number)
    RESULTS.with { |redis| redis.sadd("slow:started", number) }
    sleep 60 unless RESULTS.with { |redis| redis.get("slow:quick") }
    RESULTS.with { |redis| redis.incr("slow:#{number}") }
  end
end
