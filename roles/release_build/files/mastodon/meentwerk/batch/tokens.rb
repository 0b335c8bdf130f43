# frozen_string_literal: true

require_relative 'worker'

module Meentwerk
  module Batch
    # Access tokens for scripts: one per user, application and scopes; the text is told once, at its birth. With "renew"
    # a text that was lost is replaced; with "revoked" the user's application goes, and its tokens with it.
    class Tokens < Worker
      def call(items)
        items.map { |item| attempt("#{item['username']}/#{item['application']}") { token(item) } }
      end

      private

      def token(item)
        user = Account.find_local(item['username'])&.user
        raise ItemError, "there is no local account '#{item['username']}'" if user.nil?

        return revoke(user, item['application']) if item['revoked']

        scopes = scopes(item['scopes'])
        application = application(user, item['application'], scopes)
        old = existing(application, user, scopes)
        return 'unchanged' if old.any? && !item['renew']

        old.each(&:revoke)

        token = Doorkeeper::AccessToken.create!(
          application: application,
          resource_owner_id: user.id,
          scopes: scopes.join(' '),
          expires_in: Doorkeeper.configuration.access_token_expires_in,
          use_refresh_token: false
        )
        ['created', { token: token.token }]
      end

      def revoke(user, name)
        applications = Doorkeeper::Application.where(name: name, owner: user).to_a
        # Revoked first, which ends what is streaming with them
        Doorkeeper::AccessToken.where(application_id: applications.map(&:id), revoked_at: nil).each(&:revoke)
        applications.each(&:destroy!)
        applications.empty? ? 'unchanged' : 'deleted'
      end

      def scopes(given)
        wanted = given.is_a?(String) ? given.split : given
        unknown = wanted.reject { |scope| Doorkeeper.configuration.scopes.exists?(scope) }
        unknown = ['none given'] if wanted.empty?
        raise ItemError, "unknown scopes: #{unknown.join(', ')}" unless unknown.empty?

        wanted
      end

      def application(user, name, scopes)
        found = Doorkeeper::Application.find_by(name: name, owner: user)
        if found.nil?
          redirect = Doorkeeper.configuration.native_redirect_uri
          return Doorkeeper::Application.create!(name: name, redirect_uri: redirect, scopes: scopes.join(' '), owner: user)
        end
        missing = scopes - found.scopes.to_a
        found.update!(scopes: [*found.scopes.to_a, *missing].join(' ')) unless missing.empty?
        found
      end

      def existing(application, user, scopes)
        tokens = Doorkeeper::AccessToken.where(application_id: application.id, resource_owner_id: user.id, revoked_at: nil)
        tokens.select { |token| !token.expired? && token.scopes.to_a.sort == scopes.uniq.sort }
      end
    end
  end
end
