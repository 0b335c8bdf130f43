# frozen_string_literal: true

require 'meentwerk/connections'

class ConnectionsTest < Minitest::Test
  Connections = Meentwerk::Connections

  def test_database_defaults_are_the_applications
    expected = { host: 'localhost', port: 5432, dbname: 'mastodon_production', user: 'mastodon', sslmode: 'prefer', connect_timeout: 5 }
    assert_equal expected, Connections.database({})
  end

  def test_database_by_its_socket
    env = { 'DB_HOST' => '/run/postgresql', 'DB_PORT' => '5433', 'DB_NAME' => 'one', 'DB_USER' => 'two', 'DB_PASS' => '' }
    found = Connections.database(env)
    assert_equal ['/run/postgresql', 5433, 'one', 'two'], found.values_at(:host, :port, :dbname, :user)
    refute_includes found, :password
  end

  def test_cache_by_address_or_parts
    assert_equal 'unix:///run/valkey.sock', Connections.cache({ 'REDIS_URL' => 'unix:///run/valkey.sock' })[:url]
    parts = Connections.cache({ 'REDIS_HOST' => 'cache.example', 'REDIS_PASSWORD' => 'x', 'REDIS_DB' => '2' })
    assert_equal ['cache.example', 6379, 2, 'x'], parts.values_at(:host, :port, :db, :password)
    assert_equal 'localhost', Connections.cache({})[:host]
  end

  def test_queues_may_live_elsewhere
    env = { 'REDIS_URL' => 'redis://one.example', 'SIDEKIQ_REDIS_URL' => 'redis://two.example' }
    assert_equal 'redis://two.example', Connections.cache(env, 'SIDEKIQ_')[:url]
    assert_equal 'redis://one.example', Connections.cache(env.slice('REDIS_URL'), 'SIDEKIQ_')[:url]
  end
end
