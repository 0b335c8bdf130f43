# frozen_string_literal: true

# As much of Rails and of Mastodon's models as the batches touch; the real ones are in a release only.

module ActiveRecord
  class ActiveRecordError < StandardError; end
  class RecordNotUnique < ActiveRecordError; end
  class RecordInvalid < ActiveRecordError; end
  class Rollback < ActiveRecordError; end
  class AssociationNotFoundError < ActiveRecordError; end

  class Base
    def self.transaction(**) = yield
  end
end

# A table in memory.
class FakeRecord
  class << self
    attr_accessor :rows

    def fields = self::FIELDS
  end

  attr_reader :id

  def initialize(id: nil, **values)
    @values = self.class.fields.merge(values.transform_keys(&:to_sym))
    @stored = nil
    keep(id) if id
  end

  def self.inherited(child)
    super
    child.rows = []
  end

  def [](field) = @values.fetch(field.to_sym)

  def []=(field, value)
    @values[field.to_sym] = value
  end

  def method_missing(name, *given)
    field = name.to_s.delete_suffix('=').delete_suffix('_changed?').to_sym
    return super unless self.class.fields.key?(field)
    return self[field] = given.first if name.end_with?('=')

    name.end_with?('_changed?') ? @stored.nil? || @stored[field] != self[field] : self[field]
  end

  def respond_to_missing?(name, *) = self.class.fields.key?(name.to_s.delete_suffix('=').delete_suffix('_changed?').to_sym)

  def assign_attributes(values) = values.each { |field, value| self[field] = value }
  def has_attribute?(field) = self.class.fields.key?(field.to_sym)
  def new_record? = @stored.nil?
  def persisted? = !new_record?
  def has_changes_to_save? = @stored != @values

  def problems = []

  def save
    problems.empty? && keep(@id || (self.class.rows.length + 1))
  end

  def save!
    save or raise ActiveRecord::RecordInvalid, "Validation failed: #{problems.join(', ')}"
  end

  # What Active Record keeps apart, and a rolled back transaction restores.
  def restore = @values = @stored.dup

  def errors = Struct.new(:full_messages).new(problems)

  private

  def keep(id)
    @id = id
    @stored = @values.dup
    self.class.rows |= [self]
    true
  end
end

# The rows of a table, narrowed and ordered.
class FakeScope
  include Enumerable

  def initialize(rows) = @rows = rows
  def each(&) = @rows.each(&)
  def where(**values) = FakeScope.new(@rows.select { |row| values.all? { |field, value| Array(value).include?(row[field]) } })
  def reorder(position:, **) = FakeScope.new(@rows.sort_by { |row| position == :desc ? -row.position : row.position })
  def order(*fields) = FakeScope.new(@rows.sort_by { |row| fields.map { |field| field == :id ? row.id : row[field] } })
  def pluck(*fields) = map { |row| fields.map { |field| row[field] } }
  def destroy_all = each(&:destroy!)
end

class UserRole < FakeRecord
  FIELDS = { name: '', permissions: 0, color: '', highlighted: false, position: 0, require_2fa: false }.freeze
  FLAGS = { administrator: 1, view_dashboard: 8, manage_users: 1024, manage_announcements: 8192 }.freeze

  def self.assignable = FakeScope.new(rows.reject { |role| role.id == -99 })
  def problems = color.match?(/\A(#?\h{3}|#?\h{6})?\z/) ? [] : ['Color is invalid']
end

class RuleTranslation < FakeRecord
  FIELDS = { rule: nil, language: '', text: '', hint: '' }.freeze

  def update!(**values)
    assign_attributes(values)
    save!
  end

  def destroy! = RuleTranslation.rows.delete(self)
end

class Rule < FakeRecord
  FIELDS = { text: '', hint: '', priority: 0, deleted: false }.freeze
  TEXT_SIZE_LIMIT = 300

  # The rows that belong to a rule, and a way to begin one more.
  class Translations < FakeScope
    def initialize(rule)
      @rule = rule
      super(RuleTranslation.rows.select { |it| it.rule == rule })
    end

    def build(language:) = RuleTranslation.new(rule: @rule, language: language)
  end

  def translations = Translations.new(self)

  def self.kept = FakeScope.new(rows.reject(&:deleted))

  def problems
    [("Text can't be blank" if text.empty?), ('Text is too long (maximum is 300 characters)' if text.length > 300)].compact
  end

  def discard! = self.deleted = true
end

# What moderation touches: five lists, the server's audit log, and what follows from a block.
module FakeList
  def find_by(values) = rows.find { |row| values.all? { |field, value| row[field] == value } }
  def order(*) = FakeScope.new(rows.sort_by { |row| -row.id })
end

class FakeListed < FakeRecord
  extend FakeList

  def destroy! = self.class.rows.delete(self)
end

class DomainBlock < FakeListed
  FIELDS = {
    domain: nil, severity: 'silence', reject_media: false, reject_reports: false, obfuscate: false,
    private_comment: nil, public_comment: nil,
  }.freeze

  def problems = %w[noop silence suspend].include?(severity) ? [] : ['Severity is not included in the list']
  def severity_previously_changed? = true
end

class DomainAllow < FakeListed
  FIELDS = { domain: nil }.freeze
end

class EmailDomainBlock < FakeListed
  FIELDS = { domain: nil, allow_with_approval: false }.freeze
end

class IpBlock < FakeListed
  FIELDS = { ip: nil, severity: nil, comment: '', expires_at: nil }.freeze

  def problems = severity.nil? ? ["Severity can't be blank"] : []
end

class CanonicalEmailBlock < FakeListed
  FIELDS = { canonical_email_hash: nil }.freeze
end

# Remembers what it was called with.
module Called
  def calls = @calls ||= []
end

class DomainBlockWorker
  extend Called
  def self.perform_async(*given) = calls << given
end

class UnblockDomainService
  extend Called

  def call(block)
    self.class.calls << block.domain
    block.destroy!
  end
end

class UnallowDomainService < UnblockDomainService; end

class Account
  INSTANCE_ACTOR_ID = -99
  Named = Struct.new(:username)

  class << self
    attr_accessor :rows

    def representative = Named.new('the server')
    def find_local(name) = name == 'beheer' ? Named.new(name) : rows.to_a.find { |row| row.username.casecmp?(name) }
    def local = FakeAccounts.new(rows.to_a)
  end
end

# Local accounts; what can be loaded along is what the models of 4.6.5 have.
class FakeAccounts < FakeScope
  ASSOCIATIONS = {
    account_stat: [],
    user: %i[
      account invite created_by_application role applications backups invites login_activities markers
      webauthn_credentials ips invite_request session_activations
    ],
  }.freeze

  def where(condition = nil, names = nil)
    condition ? FakeAccounts.new(@rows.select { |row| names.include?(row.username.downcase) }) : self
  end

  def not(id:) = FakeAccounts.new(@rows.reject { |row| row.id == id })
  def reorder(_field) = self

  def preload(*plain, **nested)
    unknown = [*plain, *nested.keys] - ASSOCIATIONS.keys
    unknown += nested.flat_map { |name, names| names - ASSOCIATIONS.fetch(name, names) }
    raise ActiveRecord::AssociationNotFoundError, unknown.join(', ') unless unknown.empty?

    self
  end
end

# Who signs in elsewhere. A user has no association to these.
class Identity < FakeListed
  FIELDS = { user_id: nil, provider: '', uid: '' }.freeze

  def self.where(**values) = FakeScope.new(rows).where(**values)
  def self.create!(user:, **values) = new(user_id: user.id, **values).save!
end

module Admin
  class ActionLog
    extend Called
    def self.create!(account:, action:, target:) = calls << [account.username, action, target.class.name]
  end
end

class TagManager
  def self.instance = new

  def normalize_domain(domain)
    raise Addressable::URI::InvalidURIError, domain if domain.include?(' ')

    domain.strip.downcase
  end
end

module Addressable
  class URI
    class InvalidURIError < StandardError; end
  end
end
