# frozen_string_literal: true

# Starts an executable of a gem of this release in this very process, as `bundle exec` would: launch.rb NAME ARGUMENTS...
name = ARGV.shift
$PROGRAM_NAME = Gem.bin_path(name, name)
load $PROGRAM_NAME
