# frozen_string_literal: true

require_relative 'worker'

module Meentwerk
  module Batch
    # The whole list of server rules, in order; a rule that is not in it any more is retired, as Mastodon does.
    class Rules < Worker
      def call(items)
        kept = Rule.kept.order(:priority, :id).to_a
        results = items.each_with_index.map { |item, priority| rule(kept, item, priority) }
        # Half a list of rules must not retire the other half
        return results if results.any? { |result| result['outcome'] == 'failed' }

        kept.each(&:discard!)
        results + kept.map { |rule| result(rule.text, 'deleted') }
      end

      private

      def rule(kept, item, priority)
        text, hint = item['text'].strip, item['hint'].to_s.strip
        attempt(text.empty? ? item['text'] : text) do
          same = kept.find { |rule| rule.text == text }
          next create(text, hint, priority) if same.nil?

          kept.delete(same)
          same.assign_attributes(hint: hint, priority: priority)
          save(same)
        end
      end

      def create(text, hint, priority)
        rule = Rule.new(text: text, hint: hint, priority: priority)
        raise ItemError, rule.errors.full_messages.join(', ') unless rule.save

        'created'
      end
    end
  end
end
