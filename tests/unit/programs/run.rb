# frozen_string_literal: true

# Tests of the programs of a Mastodon release, as far as they go without Mastodon: ruby tests/unit/programs/run.rb
# Needs Debian's ruby and ruby-minitest.

overlay = ENV.fetch('MEENTWERK_OVERLAY', File.expand_path('../../../roles/release_build/files/mastodon', __dir__))
$LOAD_PATH.unshift(overlay)

require 'minitest/autorun'
require 'minitest/mock'

Dir.glob(File.join(__dir__, '*_test.rb')).sort.each { |file| require file }
