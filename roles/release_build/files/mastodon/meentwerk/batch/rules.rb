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
          translations = wanted_translations(item['translations'])
          same = kept.find { |rule| rule.text == text }
          next create(text, hint, priority, translations) if same.nil?

          kept.delete(same)
          same.assign_attributes(hint: hint, priority: priority)
          [save(same), translate(same, translations)].include?('updated') ? 'updated' : 'unchanged'
        end
      end

      def create(text, hint, priority, translations)
        rule = Rule.new(text: text, hint: hint, priority: priority)
        raise ItemError, rule.errors.full_messages.join(', ') unless rule.save

        translate(rule, translations)
        'created'
      end

      # language => [text, hint]; none where they shall stay as they are
      def wanted_translations(given)
        return nil if given.nil?

        given.to_h do |language, words|
          unless words.is_a?(Hash) && (words.keys - %w[text hint]).empty?
            raise ItemError, "translations.#{language} must hold text and hint"
          end

          text, hint = words.values_at('text', 'hint')
          raise ItemError, "translations.#{language}: Text can't be blank" unless text.is_a?(String) && !text.strip.empty?
          if text.strip.length > Rule::TEXT_SIZE_LIMIT
            raise ItemError, "translations.#{language}: Text is too long (maximum is #{Rule::TEXT_SIZE_LIMIT} characters)"
          end
          raise ItemError, "translations.#{language}.hint must be text" unless hint.nil? || hint.is_a?(String)

          [language, [text.strip, hint.to_s.strip]]
        end
      end

      def translate(rule, wanted)
        return 'unchanged' if wanted.nil?

        unless Rule.method_defined?(:translations)
          return 'unchanged' if wanted.empty?

          raise ItemError, 'this version of Mastodon has no translations of rules'
        end
        there = rule.translations.to_h { |it| [it.language, it] }
        return 'unchanged' if wanted == there.transform_values { |it| [it.text, it.hint] }

        there.each { |language, it| it.destroy! unless wanted.key?(language) }
        wanted.each do |language, (text, hint)|
          it = there[language] || rule.translations.build(language: language)
          it.update!(text: text, hint: hint)
        end
        'updated'
      end
    end
  end
end
