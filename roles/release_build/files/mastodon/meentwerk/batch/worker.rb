# frozen_string_literal: true

module Meentwerk
  module Batch
    # One item that cannot be done; the message says why.
    class ItemError < StandardError; end

    # What the workers share.
    class Worker
      def after_commit; end

      private

      # Do one item; a block that raises leaves nothing behind.
      def attempt(key)
        outcome = ActiveRecord::Base.transaction(requires_new: true) { yield }
        more = outcome.is_a?(Array) ? outcome.last : {}
        result(key, Array(outcome).first, **more)
      rescue ItemError, ActiveRecord::RecordInvalid => e
        result(key, 'failed', e.message)
      rescue ActiveRecord::RecordNotUnique
        result(key, 'failed', 'name or e-mail address has already been taken')
      end

      def result(key, outcome, error = nil, **more)
        { 'key' => key, 'outcome' => outcome, 'error' => error, **more.transform_keys(&:to_s) }
      end

      # "updated" or "unchanged" of a record whose new values are assigned.
      def save(record)
        return 'unchanged' unless record.has_changes_to_save?

        record.save!
        'updated'
      end
    end
  end
end
