# frozen_string_literal: true

module Meentwerk
  module Batch
    # What the application does beside the database while a batch runs: mails, jobs, numbers in the cache.
    module Quiet
      # The confirmation mail goes to people whose address nobody vouched for, the reset mail to whom an item names; any
      # other would be a surprise.
      MAILS = %i[confirmation_instructions reset_password_instructions].freeze

      # Jobs are kept until the transaction is committed: before, no worker could see what they are about.
      class KeepJobs
        class << self
          attr_accessor :kept
        end

        def call(_worker, job, _queue, _pool)
          return yield if self.class.kept.nil?

          self.class.kept << job
          nil
        end
      end

      # Mastodon's way to send mail later, for wanted mails only.
      module FewMails
        %i[deliver_later deliver_later! deliver_now deliver_now!].each do |name|
          define_method(name) { |*given, **options| super(*given, **options) if MAILS.include?(@action.to_sym) }
        end
      end

      # An operator decides: no lookup of the e-mail's domain, no list of refused providers.
      module NoLookup
        def skip_mx_check? = true
      end

      module NoVerdict
        def validate(_user) = nil
      end

      # Numbers for statistics, counted at once and beside the database.
      module NoCount
        def increment(...) = nil
        def record(...) = nil
      end

      module_function

      # Run the block; afterwards queue the jobs that it made, or forget them after a dry run.
      def during(dry_run:, &)
        reachable
        prepare
        pretend if dry_run
        KeepJobs.kept = []
        Chewy.strategy(dry_run ? :bypass : :mastodon, &)
        jobs, KeepJobs.kept = KeepJobs.kept, nil
        queue(jobs) unless dry_run
      end

      # Before anything is changed, so that no job is missing afterwards.
      def reachable
        Sidekiq.redis { |connection| connection.call('PING') }
      rescue StandardError => e
        raise Run::Error, "the queues cannot be reached (#{Application.line(e)}); nothing was changed"
      end

      def prepare
        Sidekiq.default_configuration.client_middleware.prepend(KeepJobs)
        ActionMailer::MessageDelivery.prepend(FewMails)
        User.singleton_class.prepend(NoLookup)
        UserEmailValidator.prepend(NoVerdict)
      end

      def pretend
        Rails.cache = ActiveSupport::Cache::MemoryStore.new
        ActivityTracker.singleton_class.prepend(NoCount)
      end

      def queue(jobs)
        jobs.each { |job| Sidekiq::Client.push(job) }
      rescue StandardError => e
        raise Run::Error, "everything was stored, but what follows from it could not be queued: #{Application.line(e)}"
      end
    end
  end
end
