# frozen_string_literal: true

require 'json'
require 'socket'
require_relative 'connections'
require_relative 'gems'
require_relative 'migrations'

module Meentwerk
  # Health behind the instance: six checks, each {"ok" => bool, "detail" => text}. Asked several times a second while
  # a release is put into service, so it neither starts Rails nor waits for one check before it begins the next.
  module Check
    BEAT_SECONDS = 30
    LATENCY_SECONDS = 300
    DISK_FREE = 0.05
    STREAMING_SOCKET = '/run/mastodon/streaming.sock'
    HEALTH = "GET /api/v1/streaming/health HTTP/1.0\r\nHost: localhost\r\n\r\n"
    MILLISECONDS = 100_000_000_000 # seconds of now have ten digits, milliseconds thirteen

    class BadError < StandardError; end

    module_function

    # Run all checks side by side; a block of the hash that raises is a check that failed.
    def run(checks)
      checks.map { |name, check| [name, Thread.new { result(&check) }] }.to_h { |name, thread| [name, thread.value] }
    end

    def result
      { 'ok' => true, 'detail' => yield }
    rescue StandardError, LoadError => e
      text = e.message.split.join(' ')
      { 'ok' => false, 'detail' => text.empty? ? e.class.name : text }
    end

    # A transactional message needs a writable primary and changes nothing.
    def database(connection)
      started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      connection.exec("SELECT pg_logical_emit_message(true, 'check', 'x')")
      format('writable, %.0f ms', (Process.clock_gettime(Process::CLOCK_MONOTONIC) - started) * 1000)
    end

    def cache(redis)
      redis.call('SET', "meentwerk:check:#{Process.pid}", 'x', 'EX', 10)
      info = redis.call('INFO', 'persistence').scan(/^(\w+):(\w+)/).to_h
      problems = %w[rdb_last_bgsave_status aof_last_write_status].select { |name| info[name] == 'err' }
      raise BadError, "writable, but not kept on disk: #{problems.join(', ')}" unless problems.empty?

      'writable'
    end

    # Processes that were told to take no more work are alive but of no use: a release that is being replaced has them.
    def queues(redis, now: Time.now.to_f)
      processes = redis.call('SMEMBERS', 'processes').map { |identity| redis.call('HMGET', identity, 'beat', 'quiet') }
      alive = processes.select { |beat, _| now - beat.to_f < BEAT_SECONDS }
      working = alive.count { |_, quiet| quiet != 'true' }
      raise BadError, 'the workers alive take no more work' if working.zero? && !alive.empty?
      raise BadError, "no worker gave a sign of life in #{BEAT_SECONDS} s" if working.zero?

      waiting, latency = backlog(redis, now)
      raise BadError, format('%d jobs wait, the oldest for %.0f s', waiting, latency) if latency > LATENCY_SECONDS

      "#{working} process(es), #{waiting} jobs wait, #{redis.call('ZCARD', 'retry')} to retry"
    end

    # Number of waiting jobs, and the seconds that the oldest has waited.
    def backlog(redis, now)
      oldest = [0.0]
      waiting = redis.call('SMEMBERS', 'queues').sum do |queue|
        job = redis.call('LINDEX', "queue:#{queue}", -1)
        oldest << now - seconds(JSON.parse(job)['enqueued_at']) if job
        redis.call('LLEN', "queue:#{queue}")
      end
      [waiting, oldest.max]
    end

    # Sidekiq 8 counts in milliseconds, earlier ones in seconds.
    def seconds(moment)
      moment = moment.to_f
      moment > MILLISECONDS ? moment / 1000 : moment
    end

    def streaming(env)
      path = Connections.value(env, 'STREAMING_SOCKET') || STREAMING_SOCKET
      port = Integer(Connections.value(env, 'STREAMING_PORT') || 4000)
      place = File.exist?(path) ? path : "port #{port}"
      socket = File.exist?(path) ? UNIXSocket.new(path) : TCPSocket.new('127.0.0.1', port, connect_timeout: Connections::TIMEOUT)
      socket.timeout = Connections::TIMEOUT
      health(socket, place)
    rescue SystemCallError, IOError => e
      raise BadError, "#{place}: #{e.message}"
    ensure
      socket&.close
    end

    def health(socket, place)
      socket.write(HEALTH)
      head, body = socket.read.split("\r\n\r\n", 2)
      status = head.to_s[%r{\AHTTP/1\.\d (\d+)}, 1]
      raise BadError, "#{place} answered #{status || 'nothing'}" unless status == '200' && body == 'OK'

      "#{place} answers"
    end

    # `stat` is the answer of `stat -f`: blocks free for users, blocks in all.
    def disk(path, stat, writable)
      free, total = stat.split.map(&:to_f)
      share = free / total
      raise BadError, format('%s: only %.1f%% free', path, share * 100) if share < DISK_FREE
      raise BadError, "#{path} is not writable for this user" unless writable

      format('%s: %.0f%% free', path, share * 100)
    end

    # The nearest folder that exists; media appear with the first upload.
    def folder(path)
      path = File.dirname(path) until File.exist?(path)
      path
    end

    def migrations(status)
      pre, post = status['pending'].values_at('pre', 'post')
      raise BadError, "pending: #{some(pre)}" unless pre.empty?

      post.empty? ? 'none pending' : "pending after the switch: #{some(post)}"
    end

    # On an empty database there are hundreds.
    def some(versions)
      shown = versions.first(3).join(', ')
      versions.length > 3 ? "#{shown} and #{versions.length - 3} more" : shown
    end

    def checks(env, root)
      media = folder(Connections.value(env, 'PAPERCLIP_ROOT_PATH') || File.join(root, 'public/system'))
      {
        'database' => -> { with_database(env) { |connection| database(connection) } },
        'cache' => -> { with_cache(env, '') { |redis| cache(redis) } },
        'queues' => -> { with_cache(env, 'SIDEKIQ_') { |redis| queues(redis) } },
        'streaming' => -> { streaming(env) },
        'disk' => -> { disk(media, IO.popen(['/usr/bin/stat', '-f', '-c', '%a %b', media], &:read), File.writable?(media)) },
        'migrations' => lambda {
          with_database(env) { |connection| migrations(Migrations.status(Migrations.known(root), Migrations.applied(connection))) }
        },
      }
    end

    def with_database(env)
      connection = PG.connect(**Connections.database(env))
      yield connection
    ensure
      connection&.close
    end

    def with_cache(env, prefix)
      redis = RedisClient.config(**Connections.cache(env, prefix)).new_client
      yield redis
    ensure
      redis&.close
    end

    # Mastodon's own version, as the release says it.
    def version(root)
      JSON.parse(File.read(File.join(root, 'release.json')))['mastodon_version'].to_s
    rescue SystemCallError, JSON::ParserError
      ''
    end

    def main(env, root = ROOT)
      Gems.add('pg', 'redis-client', 'connection_pool', root: root)
      require 'pg'
      require 'redis_client'
      found = run(checks(env, root))
      healthy = found.values.all? { |check| check['ok'] }
      $stdout.puts(JSON.generate('healthy' => healthy, 'version' => version(root), 'checks' => found))
      healthy ? 0 : 3
    rescue Gems::MissingError, LoadError => e
      warn("bin/check: #{e.message}")
      1
    end
  end
end

exit(Meentwerk::Check.main(ENV)) if $PROGRAM_NAME == __FILE__
