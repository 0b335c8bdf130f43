# frozen_string_literal: true

require_relative 'worker'

module Meentwerk
  module Batch
    # Limits on servers, providers, addresses and people: read, put or delete, many in one start. `expires_at` is a moment,
    # and the section `follows` tells how many follows a suspension would cut. A put goes through the models: the API's
    # refusal of a block that is milder than a parent's does not hold here, everything else does.
    class Moderation < Worker
      ACTIONS = %w[read put delete].freeze
      # section => [model, its key, fields that can be put]
      LISTS = {
        'domain_blocks' => ['DomainBlock', 'domain', %w[severity reject_media reject_reports obfuscate private_comment public_comment]],
        'domain_allows' => ['DomainAllow', 'domain', []],
        'email_domain_blocks' => ['EmailDomainBlock', 'domain', %w[allow_with_approval]],
        'ip_blocks' => ['IpBlock', 'ip', %w[severity comment expires_at]],
        'canonical_email_blocks' => ['CanonicalEmailBlock', 'canonical_email_hash', []],
      }.freeze
      FLAGS = %w[reject_media reject_reports obfuscate allow_with_approval].freeze
      TEXTS = %w[private_comment public_comment comment].freeze

      def call(items)
        items.map do |item|
          key = item['key'].to_s
          attempt(key.empty? ? item['section'] : "#{item['section']}/#{key}") { act(item, key) }
        end
      end

      private

      def act(item, key)
        action, section = item.values_at('action', 'section')
        raise ItemError, "unknown action '#{action}'; there are #{ACTIONS.join(', ')}" unless ACTIONS.include?(action)
        return ['unchanged', { records: read(section, key, item['keys'] || []) }] if action == 'read'

        known(section)
        raise ItemError, "Key can't be blank" if key.strip.empty?

        action == 'put' ? put(section, key, item['fields'] || {}, item['by']) : delete(section, key, item['by'])
      end

      def known(section)
        raise ItemError, "unknown section '#{section}'; there are #{LISTS.keys.join(', ')}" unless LISTS.key?(section)
      end

      def model(section) = Object.const_get(LISTS.fetch(section).first)

      # --- reading

      def read(section, key, keys)
        case section
        when 'follows' then follows(keys)
        when 'rules' then Rule.kept.order(:priority, :id).map { |rule| shown_rule(rule) }
        when 'settings' then keys.filter_map { |name| shown_setting(name) }
        when 'instance' then [shown_instance]
        else
          known(section)
          rows = key.empty? ? model(section).order(id: :desc).to_a : [find(section, key)].compact
          rows.map { |row| shown(section, row) }
        end
      end

      # One question for all domains: those that people here follow or are followed from, with the number of follows.
      def follows(keys)
        wanted = keys.to_h { |key| [key, 0] }
        counts = [:target_account, :account].map do |side|
          Follow.joins(side).where.not(accounts: { domain: nil }).group('accounts.domain').count
        end
        counts.each do |count|
          count.each do |domain, number|
            parts = domain.split('.')
            parts.each_index { |index| wanted[parts[index..].join('.')] += number if wanted.key?(parts[index..].join('.')) }
          end
        end
        wanted.map { |domain, number| { domain: domain, follows: number } }
      end

      def shown_rule(rule)
        translations = translatable? ? rule.translations.to_h { |it| [it.language, { text: it.text, hint: it.hint }] } : {}
        { id: rule.id.to_s, text: rule.text, hint: rule.hint, translations: translations }
      end

      def translatable? = Rule.method_defined?(:translations)

      # Straight from the database: a cache would keep what is not committed.
      def shown_setting(name)
        return nil unless Setting.default_settings.key?(name)

        stored = Setting.find_by(var: name)
        { name: name, value: stored ? stored.value : Setting.default_settings[name] }
      end

      def shown_instance
        configuration = Rails.configuration.x
        {
          domain: configuration.local_domain,
          web_domain: configuration.web_domain,
          limited_federation: configuration.mastodon.limited_federation_mode ? true : false,
        }
      end

      # As the API shows it
      def shown(section, row)
        _, key, fields = LISTS.fetch(section)
        values = fields.to_h { |field| [field.to_sym, row[field]] }
        values[:expires_at] = values[:expires_at]&.iso8601(3) if values.key?(:expires_at)
        { id: row.id.to_s, key.to_sym => section == 'ip_blocks' ? "#{row.ip}/#{row.ip.prefix}" : row[key], **values }
      end

      # --- changing

      def find(section, key)
        model(section).find_by(LISTS.fetch(section)[1] => spelt(section, key))
      end

      def spelt(section, key)
        case section
        when 'ip_blocks' then IPAddr.new(key.strip)
        when 'canonical_email_blocks' then key
        else TagManager.instance.normalize_domain(key)
        end
      rescue IPAddr::Error
        raise ItemError, "Validation failed: Ip can't be blank"
      rescue StandardError => e
        # What Addressable and idn raise for a name that cannot be one
        raise ItemError, 'Validation failed: Domain is not a valid domain name' if e.class.name.match?(/Invalid|Idna/)

        raise
      end

      def put(section, key, fields, by)
        unknown = fields.keys - LISTS.fetch(section)[2]
        raise ItemError, "unknown fields: #{unknown.sort.join(', ')}" unless unknown.empty?

        row = find(section, key) || model(section).new(LISTS.fetch(section)[1] => spelt(section, key))
        fields.each { |name, value| row[name] = typed(name, value) }
        fresh = row.new_record?
        return ['unchanged', { record: shown(section, row) }] unless fresh || row.has_changes_to_save?

        row.save!
        log(fresh ? :create : :update, row, by)
        DomainBlockWorker.perform_async(row.id, !fresh && row.severity_previously_changed?) if section == 'domain_blocks'
        [fresh ? 'created' : 'updated', { record: shown(section, row) }]
      end

      def delete(section, key, by)
        row = find(section, key)
        return 'unchanged' if row.nil?

        log(:destroy, row, by)
        case section
        when 'domain_blocks' then UnblockDomainService.new.call(row)
        when 'domain_allows' then UnallowDomainService.new.call(row)
        else row.destroy!
        end
        'deleted'
      end

      def typed(name, value)
        raise ItemError, "#{name} must be true or false" if FLAGS.include?(name) && ![true, false].include?(value)
        raise ItemError, "#{name} must be text" if TEXTS.include?(name) && !value.is_a?(String)
        return value unless name == 'expires_at' && value

        Time.iso8601(value).utc
      rescue ArgumentError, TypeError
        raise ItemError, 'expires_at is no moment'
      end

      # The server's own audit log names the account that asked, or the server itself.
      def log(action, row, by)
        account = by ? Account.find_local(by) : Account.representative
        raise ItemError, "there is no local account '#{by}'" if account.nil?

        Admin::ActionLog.create!(account: account, action: action, target: row)
      end
    end
  end
end
