# frozen_string_literal: true

# As much of puma's server as its end needs; the real one is in a release only.
module Puma
  class Server
    attr_reader :check, :notify

    def initialize
      @check, @notify = IO.pipe
      @drained = false
    end

    def drained? = @drained

    # As puma 7 and 8 end: Puma::Server#handle_servers
    def finish
      graceful_shutdown
    ensure
      [@check, @notify].each { |io| io.close unless io.closed? }
      @check = @notify = nil
    end

    # As puma's signal handler
    def stop = @notify << '!'

    def graceful_shutdown
      @drained = true
    end
  end
end
$LOADED_FEATURES << 'puma/server.rb'

require 'meentwerk/puma_stop'

class PumaStopTest < Minitest::Test
  def setup
    @server = Puma::Server.new
    @pipe = [@server.check, @server.notify]
  end

  def teardown
    @pipe.each(&:close)
  end

  def test_a_server_that_ends_leaves_its_pipe_open
    @server.finish
    assert_predicate @server, :drained?
    refute(@pipe.any?(&:closed?))
    GC.start
    refute(@pipe.any?(&:closed?))
  end

  def test_a_signal_that_comes_meanwhile_writes_nothing_and_fails_nothing
    @server.send(:graceful_shutdown)
    @server.stop
    assert_equal :wait_readable, @pipe.first.read_nonblock(1, exception: false)
  end
end
