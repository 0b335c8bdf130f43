# frozen_string_literal: true

require_relative 'worker'

module Meentwerk
  module Batch
    # Local accounts: made when missing, else e-mail, role, confirmation, approval, locale, identity and whether it may
    # be used brought in line. Nothing that an item does not name is touched. At birth only: a password, the mail with
    # which one sets one's own, and who made the account. With "take_over": false another e-mail address is a failure.
    class Accounts < Worker
      def call(items)
        items.map { |item| attempt(item['username']) { account(item) } }
      end

      private

      def account(item)
        role = role(item)
        check_locale(item['locale'])
        found = Account.find_local(item['username'])
        return create(item, role) if found.nil?
        raise ItemError, 'the name belongs to a deleted account' if found.user.nil?
        if item['take_over'] == false && !found.user.email.casecmp?(item['email'].strip)
          raise ItemError, 'the name belongs to an account with another e-mail address'
        end

        update(found.user, item, role)
      end

      def create(item, role)
        user = User.new(
          email: item['email'],
          password: item.fetch('password', '').empty? ? SecureRandom.hex : item['password'],
          agreement: true,
          locale: item['locale'],
          role_id: role&.id,
          bypass_registration_checks: true,
          created_by_application: maker(item['created_by']),
          account: Account.new(username: item['username'])
        )
        user.skip_confirmation_notification! if item['confirmed']
        user.save!
        settle(user, item)
        user.send_reset_password_instructions if item['reset_mail']
        'created'
      end

      def update(user, item, role)
        before = state(user)
        user.role_id = role&.id if item.key?('role')
        user.locale = item['locale'] if item['locale']
        email(user, item['email'])
        user.save! if user.has_changes_to_save?
        settle(user, item)
        state(user) == before ? 'unchanged' : 'updated'
      end

      def state(user)
        [user.email, user.role_id, user.confirmed?, user.approved?, user.locale, user.disabled?, identities(user)]
      end

      def email(user, wanted)
        return if user.email.casecmp?(wanted.strip)
        raise ItemError, 'the e-mail address belongs to another account' if User.exists?(['lower(email) = ?', wanted.strip.downcase])

        # Decided by an operator: valid at once, instead of after a click in a mail
        user.skip_reconfirmation!
        user.skip_email_changed_notification!
        user.email = wanted
      end

      # Approval comes first: who confirms an unapproved account has its moderators asked to approve it.
      def settle(user, item)
        user.approve! if item['approved'] && !user.approved?
        user.mark_email_as_confirmed! if item['confirmed'] && !user.confirmed?
        # Only now: open registrations approve whoever confirms
        user.update!(approved: false) if item['approved'] == false && user.approved?
        use(user, item['disabled']) unless item['disabled'].nil? || item['disabled'] == user.disabled?
        link(user, item['identity']) if item['identity']
      end

      def use(user, disabled)
        disabled ? user.disable! : user.enable!
      end

      # Who signs in there is this user: Mastodon never takes that from an e-mail address alone.
      def link(user, identity)
        wanted = identity.slice('provider', 'uid')
        taken = Identity.find_by(wanted)
        return if taken && taken.user_id == user.id
        raise ItemError, 'the identity belongs to another account' if taken&.user_id

        taken&.destroy! # left by a deleted account

        Identity.where(user_id: user.id, provider: wanted['provider']).destroy_all
        Identity.create!(user: user, **wanted.transform_keys(&:to_sym))
      end

      def identities(user)
        Identity.where(user_id: user.id).pluck(:provider, :uid).sort
      end

      # Without owner, and kept by Mastodon as long as it has made accounts (Vacuum::ApplicationsVacuum).
      def maker(name)
        return if name.nil?

        redirect = Doorkeeper.configuration.native_redirect_uri
        Doorkeeper::Application.find_by(name: name, owner_id: nil) ||
          Doorkeeper::Application.create!(name: name, redirect_uri: redirect, scopes: 'read')
      end

      def role(item)
        return if item['role'].nil?

        UserRole.assignable.find_by(name: item['role']) or
          raise ItemError, "there is no role '#{item['role']}'; there are #{names.join(', ')}"
      end

      def names
        UserRole.assignable.reorder(position: :desc).pluck(:name)
      end

      # An unknown one would be dropped silently.
      def check_locale(locale)
        return if locale.nil? || I18n.available_locales.map(&:to_s).include?(locale)

        raise ItemError, "there is no locale '#{locale}'"
      end
    end
  end
end
