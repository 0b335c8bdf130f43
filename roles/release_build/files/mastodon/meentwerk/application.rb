# frozen_string_literal: true

require_relative 'gems'

module Meentwerk
  # Starts the application for a program that does one thing and ends.
  module Application
    module_function

    # Keep stdout for the answer alone: whatever the application or a library prints goes to stderr. Returns the stdout
    # that was.
    def take_stdout
      answer = $stdout.dup
      answer.sync = true
      $stdout.reopen($stderr)
      answer
    end

    # Load Rails without loading every class first, as Rails' own tasks do.
    def start(root = ROOT)
      # Statements, with what they contain, are logged at debug: never here
      ENV['RAILS_LOG_LEVEL'] = 'warn'
      require File.join(root, 'config/boot')
      require File.join(root, 'config/application')
      ActiveSupport.on_load(:before_initialize) { Rails.application.config.eager_load = false }
      require File.join(root, 'config/environment')
    end

    # One line that says what happened, for stderr.
    def line(error)
      text = error.message.to_s.split.join(' ')
      text.empty? ? error.class.name : text
    end
  end
end
