# frozen_string_literal: true

require 'json'
require 'socket'
require 'tmpdir'
require 'meentwerk/check'

class CheckTest < Minitest::Test
  Check = Meentwerk::Check
  NOW = 1_790_000_000.5

  # Answers as Valkey would, from a hash of keys.
  class Cache
    def initialize(keys = {}, info: {}, refuse: nil)
      @keys = keys
      @info = info
      @refuse = refuse
    end

    def call(command, *given)
      raise @refuse if @refuse

      key = given.first
      case command
      when 'SET' then 'OK'
      when 'INFO' then (['# Persistence'] + @info.map { |name, value| "#{name}:#{value}" }).join("\r\n")
      when 'SMEMBERS' then @keys.fetch(key, [])
      when 'HMGET' then given.drop(1).map { |field| @keys.fetch(key, {})[field] }
      when 'LINDEX' then @keys.fetch(key, []).last
      when 'LLEN', 'ZCARD' then @keys.fetch(key, []).length
      else raise "unexpected #{command}"
      end
    end
  end

  def workers(**processes)
    { 'processes' => processes.keys.map(&:to_s) }.merge(processes.transform_keys(&:to_s))
  end

  def beat(ago, quiet = 'false')
    { 'beat' => (NOW - ago).to_s, 'quiet' => quiet }
  end

  def bad(message, &)
    assert_match message, assert_raises(Check::BadError, &).message
  end

  def test_checks_run_side_by_side_and_none_stops_another
    started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    found = Check.run('slow' => -> { sleep(0.2).to_s }, 'slower' => -> { sleep(0.2).to_s }, 'bad' => -> { raise "two\nlines" })
    assert_operator Process.clock_gettime(Process::CLOCK_MONOTONIC) - started, :<, 0.35
    assert_equal({ 'ok' => false, 'detail' => 'two lines' }, found['bad'])
    assert_equal([true, true], found.values_at('slow', 'slower').map { |check| check['ok'] })
  end

  def test_cache
    assert_equal 'writable', Check.cache(Cache.new(info: { 'rdb_last_bgsave_status' => 'ok', 'aof_last_write_status' => 'ok' }))
    bad(/not kept on disk: aof_last_write_status/) { Check.cache(Cache.new(info: { 'aof_last_write_status' => 'err' })) }
  end

  def test_queues_with_a_worker
    keys = workers(one: beat(2)).merge('queues' => ['default'], 'queue:default' => [job(NOW - 3), job(NOW - 10)], 'retry' => [1])
    assert_equal '1 process(es), 2 jobs wait, 1 to retry', Check.queues(Cache.new(keys), now: NOW)
  end

  def job(moment)
    JSON.generate('class' => 'Worker', 'enqueued_at' => (moment * 1000).to_i)
  end

  def test_a_worker_that_fell_silent_is_dead
    bad(/sign of life/) { Check.queues(Cache.new(workers(one: beat(31))), now: NOW) }
    bad(/sign of life/) { Check.queues(Cache.new, now: NOW) }
    bad(/sign of life/) { Check.queues(Cache.new({ 'processes' => ['gone'] }), now: NOW) }
  end

  def test_a_worker_on_its_way_out_does_not_count
    bad(/take no more work/) { Check.queues(Cache.new(workers(old: beat(1, 'true'))), now: NOW) }
    assert_match(/\A1 process/, Check.queues(Cache.new(workers(old: beat(1, 'true'), new: beat(1))), now: NOW))
  end

  def test_a_job_that_waits_too_long
    keys = workers(one: beat(2)).merge('queues' => %w[default push], 'queue:push' => [job(NOW - 301)])
    bad(/1 jobs wait, the oldest for 301 s/) { Check.queues(Cache.new(keys), now: NOW) }
  end

  def test_seconds_and_milliseconds
    assert_in_delta NOW, Check.seconds((NOW * 1000).to_i), 0.01
    assert_in_delta NOW, Check.seconds(NOW), 0.01
  end

  def test_disk
    assert_equal '/: 40% free', Check.disk('/', "40 100\n", true)
    bad(/only 4.0% free/) { Check.disk('/', "4 100\n", true) }
    bad(/not writable/) { Check.disk('/', "40 100\n", false) }
  end

  def test_the_nearest_folder_that_exists
    Dir.mktmpdir { |folder| assert_equal folder, Check.folder("#{folder}/not/yet") }
  end

  def test_migrations
    assert_equal 'none pending', Check.migrations('pending' => { 'pre' => [], 'post' => [] })
    assert_equal 'pending after the switch: 2', Check.migrations('pending' => { 'pre' => [], 'post' => ['2'] })
    assert_equal '1, 2, 3 and 2 more', Check.some(%w[1 2 3 4 5])
    bad(/pending: 1/) { Check.migrations('pending' => { 'pre' => ['1'], 'post' => ['2'] }) }
  end

  def streaming(answer)
    Dir.mktmpdir do |folder|
      path = File.join(folder, 'streaming.sock')
      server = UNIXServer.new(path)
      thread = Thread.new do
        client = server.accept
        client.gets("\r\n\r\n")
        client.write(answer)
        client.close
      end
      yield({ 'STREAMING_SOCKET' => path })
    ensure
      thread&.kill
      server&.close
    end
  end

  def test_streaming_answers
    streaming("HTTP/1.1 200 OK\r\nX: y\r\n\r\nOK") { |env| assert_match(/streaming.sock answers\z/, Check.streaming(env)) }
  end

  def test_streaming_that_is_not_well
    streaming("HTTP/1.1 503 Service Unavailable\r\n\r\n") { |env| bad(/answered 503/) { Check.streaming(env) } }
    streaming('') { |env| bad(/answered nothing/) { Check.streaming(env) } }
    bad(/port 1: /) { Check.streaming({ 'STREAMING_SOCKET' => '/nonexistent', 'STREAMING_PORT' => '1' }) }
  end

  def test_version
    Dir.mktmpdir do |root|
      assert_equal '', Check.version(root)
      File.write(File.join(root, 'release.json'), '{"mastodon_version": "4.6.5"}')
      assert_equal '4.6.5', Check.version(root)
    end
  end
end
