# frozen_string_literal: true

require 'json'

module Meentwerk
  module Batch
    # What stdin may hold. Everything is checked before the application starts: nothing is done on bad input.
    module Input
      class Error < StandardError; end

      CONTRACT = 1
      ANY = Object.new.tap { |any| def any.===(_value) = true }
      TEXT = ->(value) { value.is_a?(String) }
      BOOLEAN = ->(value) { [true, false].include?(value) }
      WHOLE = ->(value) { value.is_a?(Integer) }
      TEXTS = ->(value) { value.is_a?(Array) && value.all?(String) }
      OBJECT = ->(value) { value.is_a?(Hash) }
      def self.nullable(type) = ->(value) { value.nil? || type === value }

      # name => {field => [type, required]}
      FIELDS = {
        'accounts' => {
          'username' => [TEXT, true],
          'email' => [TEXT, true],
          'role' => [nullable(TEXT), false],
          'password' => [TEXT, false],
          'confirmed' => [BOOLEAN, false],
          'approved' => [BOOLEAN, false],
          'locale' => [nullable(TEXT), false],
          'disabled' => [BOOLEAN, false],
          'identity' => [->(value) { value.is_a?(Hash) && value.keys.sort == %w[provider uid] && value.values.all?(String) }, false],
          'created_by' => [TEXT, false],
          'reset_mail' => [BOOLEAN, false],
          'take_over' => [BOOLEAN, false],
        },
        'states' => { 'username' => [TEXT, true] },
        'settings' => { 'name' => [TEXT, true], 'value' => [ANY, true] },
        'rules' => {
          'text' => [TEXT, true],
          'hint' => [nullable(TEXT), false],
          # language => {text, hint}; without it, translations stay as they are
          'translations' => [nullable(OBJECT), false],
        },
        'tokens' => {
          'username' => [TEXT, true],
          'application' => [TEXT, true],
          'scopes' => [->(value) { TEXT === value || TEXTS === value }, true],
          'renew' => [BOOLEAN, false],
          'revoked' => [BOOLEAN, false],
        },
        'roles' => {
          'name' => [TEXT, true],
          'permissions' => [TEXTS, false],
          'color' => [TEXT, false],
          'highlighted' => [BOOLEAN, false],
          'position' => [WHOLE, false],
          'require_2fa' => [BOOLEAN, false],
        },
        'moderation' => {
          'action' => [TEXT, true],
          'section' => [TEXT, true],
          'key' => [nullable(TEXT), false],
          'keys' => [TEXTS, false],
          'fields' => [OBJECT, false],
          'by' => [nullable(TEXT), false],
        },
        'several' => { 'batch' => [TEXT, true], 'items' => [->(value) { value.is_a?(Array) && value.all?(Hash) }, true] },
      }.freeze
      SEVERAL = 'several'

      module_function

      # Returns items and whether it is a dry run.
      def read(text)
        request = parse(text)
        raise Error, "\"contract\" must be #{CONTRACT}" unless request.is_a?(Hash) && request['contract'] == CONTRACT

        items, dry_run = request['items'], request.fetch('dry_run', false)
        raise Error, '"items" must be a list of objects' unless items.is_a?(Array) && items.all?(Hash)
        raise Error, '"dry_run" must be true or false' unless BOOLEAN === dry_run

        [items, dry_run]
      end

      def parse(text)
        JSON.parse(text)
      rescue JSON::ParserError
        # The parser's message quotes the text, and the text may hold a password
        raise Error, 'stdin is not JSON'
      end

      # Refuse items with unknown, missing or mistyped fields.
      def check(name, items)
        fields = FIELDS.fetch(name)
        items.each_with_index { |item, number| check_item(fields, item, "items[#{number}]") }
        return items.each_with_index { |list, number| check_list(list, "items[#{number}]") } if name == SEVERAL

        repeated(items.map { |item| item['name'] }) if %w[roles settings].include?(name)
      end

      # One of several lists.
      def check_list(list, place)
        name = list['batch']
        raise Error, "#{place} names no batch: '#{name}'" unless FIELDS.key?(name) && name != SEVERAL

        begin
          check(name, list['items'])
        rescue Error => e
          raise Error, "#{place}.#{e.message}"
        end
      end

      def check_item(fields, item, place)
        unknown = (item.keys - fields.keys).sort
        raise Error, "#{place} has unknown fields: #{unknown.join(', ')}" unless unknown.empty?

        fields.each do |field, (type, required)|
          if item.key?(field)
            raise Error, "#{place}.#{field} has the wrong type" unless type === item[field]
          elsif required
            raise Error, "#{place} lacks '#{field}'"
          end
        end
      end

      # Two items for one thing would undo each other at every run.
      def repeated(names)
        names.each_with_index do |name, number|
          raise Error, "items[#{number}] repeats '#{name}'" if names.index(name) < number
        end
      end
    end
  end
end
