# frozen_string_literal: true

require_relative 'worker'

module Meentwerk
  module Batch
    # Roles by name: made when missing, else what an item names is brought in line. A role that no item names stays.
    # The nameless role of everybody cannot be reached, and the highest administrator keeps rights and place: nobody else
    # could give them back.
    class Roles < Worker
      # As it is in the database
      Highest = Struct.new(:id, :name, :position)

      def call(items)
        items.map { |item| attempt(item['name']) { role(item) } }
      end

      private

      def role(item)
        raise ItemError, "Name can't be blank" if item['name'].strip.empty?

        found = UserRole.assignable.where(name: item['name']).to_a
        raise ItemError, "there are #{found.length} roles '#{item['name']}'" if found.length > 1

        role = found.first || UserRole.new(name: item['name'])
        highest = highest_administrator
        assign(role, item)
        protect(role, highest) if highest
        return save(role) if role.persisted?

        role.save!
        'created'
      end

      def assign(role, item)
        role.permissions = bits(item['permissions']) if item.key?('permissions')
        %w[color highlighted position].each { |field| role[field] = item[field] if item.key?(field) }
        return unless item.key?('require_2fa')

        if role.has_attribute?('require_2fa')
          role.require_2fa = item['require_2fa']
        elsif item['require_2fa']
          raise ItemError, 'this version of Mastodon has no require_2fa'
        end
      end

      def bits(names)
        unknown = names - UserRole::FLAGS.keys.map(&:to_s)
        unless unknown.empty?
          raise ItemError, "unknown permissions: #{unknown.join(', ')}; there are #{UserRole::FLAGS.keys.join(', ')}"
        end

        names.uniq.sum { |name| UserRole::FLAGS[name.to_sym] }
      end

      def highest_administrator
        found = UserRole.assignable.reorder(position: :desc, id: :asc).find { |role| administrator?(role.permissions) }
        found && Highest.new(found.id, found.name, found.position)
      end

      def protect(role, highest)
        if role.id == highest.id
          return if role.position == highest.position && administrator?(role.permissions)

          raise ItemError, "the role '#{highest.name}' keeps the permission administrator and its position #{highest.position}"
        elsif !role.position.between?(0, highest.position - 1) && (role.new_record? || role.position_changed?)
          raise ItemError, "position must be from 0 to #{highest.position - 1}, below the role '#{highest.name}'"
        end
      end

      def administrator?(permissions)
        permissions.anybits?(UserRole::FLAGS[:administrator])
      end
    end
  end
end
