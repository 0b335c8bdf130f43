# frozen_string_literal: true

require_relative 'application'
require_relative 'migrations'

module Meentwerk
  # Does the schema steps of a phase through the application's own tasks.
  class Schema
    class Error < StandardError; end

    LOCK_WAIT_SECONDS = 300
    # What a database user's own settings would otherwise stop half-way
    PATIENCE = %w[statement_timeout lock_timeout idle_in_transaction_session_timeout].map { |name| "-c #{name}=0" }.freeze
    EXISTS = /(?:Index name '|relation ")(?<index>[^'"]+)['"].* already exists/

    def initialize(phase, root)
      @phase = phase
      @root = root
      @files = Migrations.files(root)
    end

    # Returns the versions done now.
    def run
      start
      before = applied
      return [] if Migrations.status(@files.transform_values(&:keys), before)['pending'][@phase].empty?

      before.empty? ? first_deployment : upgrade(before)
      (applied - before).sort
    end

    private

    def start
      if @phase == 'pre'
        ENV['SKIP_POST_DEPLOYMENT_MIGRATIONS'] = 'true'
      else
        ENV.delete('SKIP_POST_DEPLOYMENT_MIGRATIONS')
      end
      ENV['VERBOSE'] = $stderr.tty?.to_s
      ENV['PGOPTIONS'] = [ENV.fetch('PGOPTIONS', nil), *PATIENCE].compact.join(' ')
      Application.start(@root)
      # It would advise a limit at every start; upstream sets none, and a limit leaves half-built indexes behind
      StrongMigrations.lock_timeout_limit = nil if defined?(StrongMigrations)
    end

    def connection
      ActiveRecord::Base.lease_connection
    end

    def applied
      return [] if connection.select_value("SELECT to_regclass('schema_migrations')::text").nil?

      connection.select_values('SELECT version FROM schema_migrations')
    end

    # An empty database gets the whole schema and the first rows in one transaction: it is empty, or it is complete.
    # The schema holds the steps of both phases, as no old code is there that could need the time between.
    def first_deployment
      raise Error, 'the database is empty: run `bin/migrate pre` first' unless @phase == 'pre'

      with_lock do
        next unless applied.empty? # another host was faster

        refuse_foreign_tables
        Mastodon::Database.add_post_migrate_path_to_rails(force: true)
        ActiveRecord::Migration.verbose = false
        ActiveRecord::Base.transaction do
          Mastodon::Snowflake.define_timestamp_id
          load File.join(@root, 'db/schema.rb')
          Mastodon::Snowflake.ensure_id_sequences_exist
          forget_columns
          Rails.application.load_seed
        end
      end
    end

    # Tables without a record of their schema are what an interrupted `db:schema:load` left, and go, as long as nobody
    # has an account; anything else is not ours to remove.
    def refuse_foreign_tables
      tables = connection.tables - %w[schema_migrations ar_internal_metadata]
      ours = File.read(File.join(@root, 'db/schema.rb')).scan(/create_table "(\w+)"/).flatten
      foreign = tables - ours
      unless foreign.empty?
        raise Error, "the database holds tables of something else (#{foreign.sort.first(3).join(', ')}): give the instance " \
                     'a database of its own'
      end
      return unless tables.include?('users') && connection.select_value('SELECT 1 FROM users LIMIT 1')

      raise Error, 'the database holds accounts but no record of its schema (table schema_migrations): restore a complete backup'
    end

    # The application asked for settings before there was a table
    def forget_columns
      connection.schema_cache.clear!
      ActiveRecord::Base.descendants.each { |model| model.reset_column_information unless model.abstract_class? }
    end

    def upgrade(before)
      todo = Migrations.status(@files.transform_values(&:keys), before)['pending']
      if @phase == 'post' && !todo['pre'].empty?
        raise Error, "#{todo['pre'].length} step(s) of `pre` are pending: run `bin/migrate pre` first"
      end

      Rails.application.load_tasks
      deadline = now + LOCK_WAIT_SECONDS
      repaired = []
      begin
        Rake::Task['db:migrate'].tap(&:reenable).invoke
      rescue ActiveRecord::ConcurrentMigrationError
        wait(deadline)
        retry
      rescue SystemExit => e
        raise Error, e.message
      rescue StandardError => e
        retry if repair(e, repaired)
        raise Error, explain(e)
      end
    end

    # Building an index beside the running application is no transaction: an interruption leaves an invalid one behind,
    # which the next run must build anew.
    def repair(error, repaired)
      index = [error, error.cause].compact.filter_map { |it| it.message[EXISTS, :index] }.first
      return false if index.nil? || repaired.include?(index) || !left_over?(index)

      repaired << index
      connection.execute("DROP INDEX CONCURRENTLY #{connection.quote_table_name(index)}")
      warn("bin/migrate #{@phase}: removed the unfinished index #{index} of an interrupted run")
      true
    end

    def left_over?(index)
      connection.select_value(<<~SQL.squish)
        SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE relname = #{connection.quote(index)} AND NOT indisvalid
        AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index WHERE index_relid = indexrelid)
      SQL
    end

    # The step that failed is the first one that is not recorded.
    def explain(error)
      pending = @files[@phase].reject { |version, _| applied.include?(version) }
      "#{pending.values.first}: #{Application.line(error.cause || error)}"
    rescue ActiveRecord::ActiveRecordError
      Application.line(error.cause || error)
    end

    # The lock that the application's own migrations take.
    def with_lock
      id = ActiveRecord::Migrator::MIGRATOR_SALT * Zlib.crc32(connection.current_database)
      deadline = now + LOCK_WAIT_SECONDS
      wait(deadline) until connection.get_advisory_lock(id)
      yield
    ensure
      connection.release_advisory_lock(id) if id
    end

    def wait(deadline)
      if now > deadline
        raise Error, "another host has been migrating for #{LOCK_WAIT_SECONDS} s: wait, then run this again"
      end

      sleep(1)
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end
  end
end
