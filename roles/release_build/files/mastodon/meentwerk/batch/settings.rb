# frozen_string_literal: true

require_relative 'worker'

module Meentwerk
  module Batch
    # Site settings by Mastodon's names (config/settings.yml, Form::AdminSettings); its own form judges the values.
    class Settings < Worker
      def call(items)
        @digests = []
        problems = judge(items)
        items.map { |item| attempt(item['name']) { store(item['name'], item['value'], problems[item['name']]) } }
      end

      # Pages name some settings by a digest, which the form keeps in the cache.
      def after_commit
        @digests.each { |name, value| Form::AdminSettings.new(name => value).send(:cache_digest_value, name) }
      end

      private

      def store(name, value, problem)
        raise ItemError, problem if problem
        return 'unchanged' if current(name) == value

        Setting.find_or_initialize_by(var: name).update!(value: value)
        @digests << [name.to_sym, value] if constant(:DIGEST_KEYS).include?(name.to_sym)
        'updated'
      end

      # Straight from the database: a cache would keep what is not committed.
      def current(name)
        stored = Setting.find_by(var: name)
        stored ? stored.value : Setting.default_settings[name]
      end

      # name => what is wrong with its value. The form sees all values at once, as an administrator's page does.
      def judge(items)
        problems = items.to_h { |item| [item['name'], problem(item['name'], item['value'])] }
        sound = items.reject { |item| problems[item['name']] }.to_h { |item| item.values_at('name', 'value') }
        form = Form::AdminSettings.new(sound.slice(*form_keys).to_h { |name, value| [name, typed(name, value)] })
        form.validate
        sound.each_key { |name| problems[name] = form.errors.full_messages_for(name).join(', ').presence }
        problems
      end

      # The form takes what a browser sends.
      def typed(name, value)
        return value ? '1' : '0' if constant(:BOOLEAN_KEYS).include?(name.to_sym)

        value
      end

      def problem(name, value)
        return "unknown setting '#{name}'" unless known.include?(name)

        choices = choices(name)
        return choices.include?(value) ? nil : "#{name} must be one of #{choices.join(', ')}" if choices
        return whole?(value) ? nil : "#{name} must be a whole number or null" if constant(:INTEGER_KEYS).include?(name.to_sym)
        return [true, false].include?(value) ? nil : "#{name} must be true or false" if boolean?(name)

        value.is_a?(String) ? nil : "#{name} must be text"
      end

      def whole?(value)
        value.nil? || (value.is_a?(Integer) && !value.negative?)
      end

      def boolean?(name)
        constant(:BOOLEAN_KEYS).include?(name.to_sym) || [true, false].include?(Setting.default_settings[name])
      end

      def choices(name)
        validator = Form::AdminSettings.validators_on(name).find { |it| it.kind == :inclusion }
        validator && Array(validator.options[:in])
      end

      # Pictures are uploaded, not set.
      def known
        @known ||= (Setting.default_settings.keys | Form::AdminSettings::KEYS.map(&:to_s)) - constant(:UPLOAD_KEYS).map(&:to_s)
      end

      def form_keys
        @form_keys ||= Form::AdminSettings::KEYS.map(&:to_s)
      end

      def constant(name)
        Form::AdminSettings.const_defined?(name) ? Form::AdminSettings.const_get(name) : []
      end
    end
  end
end
