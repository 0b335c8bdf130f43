# frozen_string_literal: true

module Meentwerk
  # The schema steps of this release, by their files' names, and what a database records of them.
  module Migrations
    FOLDERS = { 'pre' => 'db/migrate', 'post' => 'db/post_migrate' }.freeze
    NAME = /\A(\d{14})_(\w+)\.rb\z/

    class MissingError < StandardError; end

    module_function

    # {"pre" => {version => name of the file without .rb}, "post" => {...}}, in order.
    def files(root)
      found = FOLDERS.transform_values do |folder|
        Dir.children(File.join(root, folder)).sort.filter_map do |file|
          [file[NAME, 1], file.delete_suffix('.rb')] if NAME.match?(file)
        end.to_h
      end
      raise MissingError, 'db/migrate holds no migration: this release was not built whole' if found['pre'].empty?

      found
    rescue Errno::ENOENT => e
      raise MissingError, "#{e.message}: this release was not built whole"
    end

    # Every version that this release has, by phase, in order.
    def known(root)
      files(root).transform_values(&:keys)
    end

    # What `bin/migrate status` tells. `applied` may hold versions that this release does not know.
    def status(known, applied)
      applied = applied.sort
      recorded = applied.to_h { |version| [version, true] }
      {
        'pending' => known.transform_values { |versions| versions.reject { |version| recorded[version] } },
        'current' => applied.last || '',
        'known' => known,
        'applied' => applied,
      }
    end

    # Versions that the database records; none on an empty one. `connection` is a PG::Connection.
    def applied(connection)
      return [] if connection.exec("SELECT to_regclass('schema_migrations')::text").getvalue(0, 0).nil?

      connection.exec('SELECT version FROM schema_migrations').column_values(0)
    end
  end
end
