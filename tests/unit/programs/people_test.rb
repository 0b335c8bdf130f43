# frozen_string_literal: true

require_relative 'fakes'
require 'meentwerk/batch'
require 'meentwerk/batch/accounts'
require 'meentwerk/batch/states'

# Accounts, their users and who signs in as them: what bin/batch accounts and states ask of the models of 4.6.5.
class PeopleTest < Minitest::Test
  Everyone = Struct.new(:name, :require_2fa) do
    alias_method :try, :public_send
  end
  FakeUser = Struct.new(:id, :email, :locale, :role_id, :sign_in_count, :reset_password_sent_at, :created_by_application) do
    def confirmed? = true
    def approved? = true
    def disabled? = false
    def two_factor_enabled? = false
    def has_changes_to_save? = false
    def role = Everyone.new('', false)
  end
  FakeAccount = Struct.new(:id, :username, :user) do
    def has_attribute?(name) = name == 'note'
    def [](name) = name == 'note' ? 'News' : nil
    def bot? = false
    def suspended? = false
    def fields = []
    def avatar_file_name = nil
    def header_file_name = nil
    def statuses_count = 0
    def last_status_at = nil
    def created_at = nil
  end

  def setup
    Identity.rows = []
    users = %w[anna bert].each_with_index.map { |name, number| FakeUser.new(number + 10, "#{name}@example.org", nil, nil, 0) }
    Account.rows = [
      FakeAccount.new(-99, 'real1.example.test', nil),
      FakeAccount.new(1, 'Anna', users.first),
      FakeAccount.new(2, 'bert', users.last),
      FakeAccount.new(3, 'gone', nil),
    ]
  end

  def teardown
    Account.rows = []
  end

  def states(*names)
    Meentwerk::Batch::States.new.call(names.map { |name| { 'username' => name } }).to_h { |it| [it['key'], it['state']] }
  end

  def identify(name, uid)
    item = { 'username' => name, 'email' => "#{name.downcase}@example.org", 'identity' => { 'provider' => 'openid_connect', 'uid' => uid } }
    Meentwerk::Batch::Accounts.new.call([item]).first.values_at('outcome', 'error')
  end

  def test_every_account_with_its_own_identities
    Identity.new(id: 1, user_id: 11, provider: 'openid_connect', uid: 'b')
    Identity.new(id: 2, user_id: 11, provider: 'saml', uid: 'b')
    found = states('*')
    assert_equal %w[Anna bert gone], found.keys
    assert_equal [], found['Anna']['identities']
    assert_equal [%w[openid_connect b], %w[saml b]], found['bert']['identities'].map(&:values)
    assert_nil found['gone']['email']
  end

  def test_accounts_by_name
    assert_equal [['anna', 'anna@example.org'], ['nobody', nil]], states('anna', 'nobody').map { |name, state| [name, state && state['email']] }
  end

  def test_an_identity_is_set_once_and_replaced
    assert_equal ['updated', nil], identify('Anna', 'a')
    assert_equal ['unchanged', nil], identify('Anna', 'a')
    assert_equal ['updated', nil], identify('Anna', 'a2')
    assert_equal [[10, 'a2']], Identity.rows.map { |it| [it.user_id, it.uid] }
  end

  def test_an_identity_of_somebody_else_is_not_taken
    identify('bert', 'b')
    outcome, error = identify('Anna', 'b')
    assert_equal 'failed', outcome
    assert_match(/another account/, error)
    assert_equal [[11, 'b']], Identity.rows.map { |it| [it.user_id, it.uid] }
  end
end
