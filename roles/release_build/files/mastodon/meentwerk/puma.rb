# frozen_string_literal: true

require File.expand_path('puma_stop', __dir__)

# Upstream's configuration of puma, and beside the socket that releases share one of this release's own: there it is
# asked whether it is well before the old one stops.
upstream = File.expand_path('../config/puma.rb', __dir__)
instance_eval(File.read(upstream), upstream)

probe = ENV['PROBE_SOCKET'].to_s
bind "unix://#{probe}" unless probe.empty?
