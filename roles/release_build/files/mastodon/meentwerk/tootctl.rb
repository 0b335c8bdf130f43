# frozen_string_literal: true

# What upstream's bin/tootctl does; that file is replaced by a program that needs no prepared shell.
require_relative '../config/boot'
require_relative '../lib/mastodon/cli/main'

begin
  Chewy.strategy(:mastodon) { Mastodon::CLI::Main.start(ARGV, debug: true) }
rescue Thor::Error => e
  Thor::Shell::Color.new.say_error(e.message, :red)
  exit(1)
rescue Interrupt
  exit(130)
end
