# frozen_string_literal: true

require 'json'
require_relative 'application'
require_relative 'connections'
require_relative 'gems'
require_relative 'migrations'

module Meentwerk
  # bin/migrate pre|post|status.
  module Migrate
    PENDING = 3

    module_function

    def main(verb, env, root = ROOT)
      verb == 'status' ? status(env, root) : migrate(verb, env, root)
    rescue Interrupt
      130
    rescue StandardError, LoadError => e
      warn("bin/migrate #{verb}: #{Application.line(e)}")
      1
    end

    # Asked at every deployment: by the files' names, without starting the application.
    def status(env, root)
      answer = ask(env, root)
      $stdout.puts(JSON.generate(answer))
      answer['pending'].values.all?(&:empty?) ? 0 : PENDING
    end

    def ask(env, root)
      Gems.add('pg', root: root) unless defined?(Bundler)
      require 'pg'
      connection = PG.connect(**Connections.database(env))
      Migrations.status(Migrations.known(root), Migrations.applied(connection))
    ensure
      connection&.close
    end

    # The application takes seconds to start: only where there is something to do.
    def migrate(phase, env, root)
      stdout = Application.take_stdout
      done = []
      unless ask(env, root)['pending'][phase].empty?
        require_relative 'schema'
        done = Schema.new(phase, root).run
      end
      stdout.puts(JSON.generate('applied' => done))
      0
    end
  end
end

exit(Meentwerk::Migrate.main(ARGV.first, ENV)) if $PROGRAM_NAME == __FILE__
