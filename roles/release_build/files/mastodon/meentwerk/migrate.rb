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
      verb == 'status' ? status(env, root) : migrate(verb, root)
    rescue Interrupt
      130
    rescue StandardError, LoadError => e
      warn("bin/migrate #{verb}: #{Application.line(e)}")
      1
    end

    # Asked at every deployment: by the files' names, without starting the application.
    def status(env, root)
      Gems.add('pg', root: root)
      require 'pg'
      connection = PG.connect(**Connections.database(env))
      answer = Migrations.status(Migrations.known(root), Migrations.applied(connection))
      connection.close
      $stdout.puts(JSON.generate(answer))
      answer['pending'].values.all?(&:empty?) ? 0 : PENDING
    end

    def migrate(phase, root)
      require_relative 'schema'
      stdout = Application.take_stdout
      stdout.puts(JSON.generate('applied' => Schema.new(phase, root).run))
      0
    end
  end
end

exit(Meentwerk::Migrate.main(ARGV.first, ENV)) if $PROGRAM_NAME == __FILE__
