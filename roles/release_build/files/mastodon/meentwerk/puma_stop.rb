# frozen_string_literal: true

require 'puma/server'

module Meentwerk
  # Lets a worker of puma end as soon as its requests are done. Puma's signal handler stops the server through a pipe, which
  # the server closes when it is done; when the handler has not come back from its write by then, which is common on a busy
  # machine, Ruby 3.3 never returns from that close, and the worker is killed after worker_shutdown_timeout, 30 seconds
  # (puma's issue 3677; its cure, to write with syswrite, does not help here). The pipe goes with the process anyway.
  module PumaStop
    # Stands where the pipe was.
    module Closed
      def self.closed? = true
      def self.<<(_message) = self
      def self.syswrite(message) = message.bytesize
    end

    private

    def graceful_shutdown
      super
      # Kept, because an IO that nothing names is closed
      @meentwerk_pipe = [@check, @notify]
      @check = @notify = Closed
    end
  end
end

Puma::Server.prepend(Meentwerk::PumaStop)
