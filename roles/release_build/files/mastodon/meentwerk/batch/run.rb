# frozen_string_literal: true

require_relative 'accounts'
require_relative 'moderation'
require_relative 'quiet'
require_relative 'roles'
require_relative 'rules'
require_relative 'settings'
require_relative 'states'
require_relative 'tokens'

module Meentwerk
  module Batch
    # Works through a list in one transaction, each item in a savepoint of its own.
    class Run
      class Error < StandardError; end

      WORKERS = {
        'accounts' => Accounts, 'settings' => Settings, 'rules' => Rules, 'tokens' => Tokens, 'roles' => Roles,
        'states' => States, 'moderation' => Moderation
      }.freeze

      def initialize(dry_run)
        @dry_run = dry_run
      end

      # Returns the results, one for each item, and for rules also one for each that is retired.
      def call(name, items)
        worker = WORKERS.fetch(name).new
        results = nil
        Quiet.during(dry_run: @dry_run) do
          ActiveRecord::Base.transaction do
            # Errors are read by operators of any country, and compared by programs; mails keep their own language
            results = I18n.with_locale(:en) { worker.call(items) }
            raise ActiveRecord::Rollback if @dry_run
          end
          worker.after_commit unless @dry_run
        end
        results
      end
    end
  end
end
