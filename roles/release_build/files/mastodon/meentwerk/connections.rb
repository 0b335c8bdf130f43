# frozen_string_literal: true

module Meentwerk
  # Where database and cache are, from the environment, with the application's own names and defaults
  # (config/database.yml, lib/mastodon/redis_configuration.rb).
  module Connections
    TIMEOUT = 5

    module_function

    # Keywords of PG.connect.
    def database(env)
      given = {
        host: value(env, 'DB_HOST') || 'localhost',
        port: Integer(value(env, 'DB_PORT') || 5432),
        dbname: value(env, 'DB_NAME') || 'mastodon_production',
        user: value(env, 'DB_USER') || 'mastodon',
        sslmode: value(env, 'DB_SSLMODE') || 'prefer',
        connect_timeout: TIMEOUT,
      }
      given[:password] = env['DB_PASS'] if value(env, 'DB_PASS')
      given
    end

    # Keywords of RedisClient.config; queues may live elsewhere, under names that begin with SIDEKIQ_.
    def cache(env, prefix = '')
      url, host = value(env, "#{prefix}REDIS_URL"), value(env, "#{prefix}REDIS_HOST")
      return cache(env) if url.nil? && host.nil? && !prefix.empty?

      given = { timeout: TIMEOUT, reconnect_attempts: 0 }
      return given.merge(url: url) if url

      given.merge(
        host: host || 'localhost',
        port: Integer(value(env, "#{prefix}REDIS_PORT") || 6379),
        db: Integer(value(env, "#{prefix}REDIS_DB") || 0),
        username: value(env, "#{prefix}REDIS_USER"),
        password: value(env, "#{prefix}REDIS_PASSWORD")
      ).compact
    end

    def value(env, name)
      text = env[name].to_s.strip
      text.empty? ? nil : text
    end
  end
end
