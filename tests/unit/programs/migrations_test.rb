# frozen_string_literal: true

require 'fileutils'
require 'tmpdir'
require 'meentwerk/migrations'

class MigrationsTest < Minitest::Test
  Migrations = Meentwerk::Migrations

  def tree(*files)
    Dir.mktmpdir do |root|
      FileUtils.mkdir_p(%w[db/migrate db/post_migrate].map { |folder| File.join(root, folder) })
      files.each { |file| File.write(File.join(root, file), '') }
      yield root
    end
  end

  def test_steps_are_known_by_their_files
    tree('db/migrate/20260101000000_second.rb', 'db/migrate/20250101000000_first.rb', 'db/migrate/README',
         'db/post_migrate/20250601000000_third.rb') do |root|
      expected = { 'pre' => %w[20250101000000 20260101000000], 'post' => %w[20250601000000] }
      assert_equal expected, Migrations.known(root)
      assert_equal '20250101000000_first', Migrations.files(root)['pre']['20250101000000']
    end
  end

  def test_a_tree_without_steps_is_not_up_to_date
    tree { |root| assert_match(/not built whole/, assert_raises(Migrations::MissingError) { Migrations.known(root) }.message) }
    assert_raises(Migrations::MissingError) { Migrations.known('/nonexistent') }
  end

  def test_status
    known = { 'pre' => %w[1 3], 'post' => %w[2] }
    assert_equal(
      { 'pending' => { 'pre' => %w[3], 'post' => %w[2] }, 'current' => '9', 'known' => known, 'applied' => %w[1 9] },
      Migrations.status(known, %w[9 1])
    )
    assert_equal '', Migrations.status(known, [])['current']
  end

  # An empty database has no table to ask.
  Answer = Struct.new(:rows) do
    def getvalue(row, column) = rows[row][column]
    def column_values(column) = rows.map { |row| row[column] }
  end

  def test_an_empty_database_has_nothing_applied
    empty = Object.new
    def empty.exec(statement)
      raise "asked #{statement}" unless statement.include?('to_regclass')

      Answer.new([[nil]])
    end
    assert_equal [], Migrations.applied(empty)
  end

  def test_what_is_recorded_is_applied
    database = Object.new
    def database.exec(statement)
      Answer.new(statement.include?('to_regclass') ? [['schema_migrations']] : [['1'], ['2']])
    end
    assert_equal %w[1 2], Migrations.applied(database)
  end
end
