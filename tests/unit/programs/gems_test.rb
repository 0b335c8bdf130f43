# frozen_string_literal: true

require 'fileutils'
require 'tmpdir'
require 'meentwerk/gems'

class GemsTest < Minitest::Test
  Gems = Meentwerk::Gems
  LOCK = <<~TEXT
    GEM
      remote: https://gems.example/
      specs:
        pg (1.6.3)
        pghero (3.7.0)
          activerecord (>= 7.1)
        redis-client (0.29.0)
          connection_pool
        nokogiri (1.18.8-x86_64-linux-gnu)

    DEPENDENCIES
      pg (~> 1.5)
  TEXT

  def test_versions_come_from_the_lockfile
    assert_equal '1.6.3', Gems.version(LOCK, 'pg')
    assert_equal '0.29.0', Gems.version(LOCK, 'redis-client')
    assert_equal '1.18.8', Gems.version(LOCK, 'nokogiri')
  end

  def test_an_unknown_gem_is_an_error
    assert_match(/no gem connection_pool/, assert_raises(Gems::MissingError) { Gems.version(LOCK, 'connection_pool') }.message)
  end

  def test_paths_of_plain_and_compiled_gems
    Dir.mktmpdir do |root|
      bundle = File.join(root, 'vendor/bundle/ruby/3.3.0')
      made = %w[gems/pg-1.6.3/lib extensions/x86_64-linux/3.3.0/pg-1.6.3 gems/pg-1.6.30/lib gems/nokogiri-1.18.8-x86_64-linux-gnu/lib]
      FileUtils.mkdir_p(made.map { |folder| File.join(bundle, folder) })
      assert_equal made.first(2).map { |folder| File.join(bundle, folder) }, Gems.paths('pg', '1.6.3', root)
      assert_equal [File.join(bundle, made.last)], Gems.paths('nokogiri', '1.18.8', root)
      assert_match(/not built whole/, assert_raises(Gems::MissingError) { Gems.paths('pg', '1.6.2', root) }.message)
    end
  end
end
