# frozen_string_literal: true

require_relative 'worker'

module Meentwerk
  module Batch
    # Reads what many local accounts are like; changes nothing. The name * stands for every local account.
    class States < Worker
      EVERY = '*'
      PLAIN = %w[display_name note locked discoverable indexable attribution_domains avatar_description header_description].freeze

      def call(items)
        names = items.map { |item| item['username'] }
        found = accounts(names).to_h { |account| [account.username.downcase, account] }
        @identities = identities(found.values)
        wanted = names - [EVERY]
        wanted |= found.values.map(&:username) if names.include?(EVERY)
        wanted.map do |name|
          account = found[name.downcase]
          account ? result(name, 'found', state: state(account)) : result(name, 'absent')
        end
      end

      private

      def accounts(names)
        scope = Account.local.where.not(id: Account::INSTANCE_ACTOR_ID)
        scope = scope.where('lower(username) IN (?)', names.map(&:downcase)) unless names.include?(EVERY)
        scope.preload(:account_stat, user: %i[role webauthn_credentials created_by_application]).reorder(:id)
      end

      # A user of Mastodon's has no association to them
      def identities(accounts)
        Identity.where(user_id: accounts.filter_map { |account| account.user&.id }).order(:id).group_by(&:user_id)
      end

      def state(account)
        profile(account).merge(user(account.user))
      end

      # A version without one of the columns does not tell it
      def profile(account)
        plain = PLAIN.select { |name| account.has_attribute?(name) }.to_h { |name| [name, account[name]] }
        {
          'username' => account.username,
          **plain,
          'bot' => account.bot?,
          'fields' => account.fields.map { |field| field(field) },
          'avatar' => account.avatar_file_name,
          'header' => account.header_file_name,
          'suspended' => account.suspended?,
          'statuses_count' => account.statuses_count,
          'last_status_at' => moment(account.last_status_at),
          'created_at' => moment(account.created_at),
        }
      end

      def field(field)
        { 'name' => field.name, 'value' => field.value, 'verified_at' => moment(field.verified_at) }
      end

      # A deleted account keeps its name and has no user
      def user(user)
        return { 'email' => nil } if user.nil?

        {
          'email' => user.email,
          'confirmed' => user.confirmed?,
          'approved' => user.approved?,
          'disabled' => user.disabled?,
          'locale' => user.locale,
          'role' => user.role_id && user.role.name,
          'role_requires_2fa' => user.role.try(:require_2fa) || false,
          'two_factor' => user.two_factor_enabled?,
          'signed_in' => user.sign_in_count.positive?,
          'reset_sent_at' => moment(user.reset_password_sent_at),
          'created_by' => user.created_by_application&.name,
          'identities' => @identities.fetch(user.id, []).map { |identity| { 'provider' => identity.provider, 'uid' => identity.uid } },
        }
      end

      def moment(time)
        return time if time.nil? || time.is_a?(String)

        time.utc.iso8601
      end
    end
  end
end
