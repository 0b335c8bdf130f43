# frozen_string_literal: true

require 'ipaddr'
require 'time'
require_relative 'fakes'
require 'meentwerk/batch/moderation'

class ModerationTest < Minitest::Test
  LISTS = [DomainBlock, DomainAllow, EmailDomainBlock, IpBlock, CanonicalEmailBlock].freeze

  def setup
    (LISTS + [Rule]).each { |model| model.rows = [] }
    [DomainBlockWorker, UnblockDomainService, UnallowDomainService, Admin::ActionLog].each { |it| it.calls.clear }
  end

  def run_batch(*items) = Meentwerk::Batch::Moderation.new.call(items)
  def one(action, section, key = nil, **more) = run_batch({ 'action' => action, 'section' => section, 'key' => key, **more.transform_keys(&:to_s) }).first
  def outcome(...) = one(...)['outcome']

  def test_a_domain_block_is_made_left_alone_changed_and_removed
    fields = { 'severity' => 'suspend', 'private_comment' => 'why', 'reject_media' => true }
    made = one('put', 'domain_blocks', 'Spam.Example', fields: fields, by: 'beheer')
    assert_equal ['created', 'spam.example', 'suspend'], [made['outcome'], made['record'][:domain], made['record'][:severity]]
    assert_equal 'unchanged', outcome('put', 'domain_blocks', 'spam.example', fields: fields)
    assert_equal 'updated', outcome('put', 'domain_blocks', 'spam.example', fields: { 'severity' => 'silence' })
    assert_equal [[1, false], [1, true]], DomainBlockWorker.calls
    assert_equal 'deleted', outcome('delete', 'domain_blocks', 'spam.example')
    assert_equal 'unchanged', outcome('delete', 'domain_blocks', 'spam.example')
    assert_equal ['spam.example'], UnblockDomainService.calls
    assert_equal [['beheer', :create, 'DomainBlock'], ['the server', :update, 'DomainBlock'], ['the server', :destroy, 'DomainBlock']], Admin::ActionLog.calls
  end

  def test_the_other_lists
    assert_equal 'created', outcome('put', 'domain_allows', 'city.example')
    assert_equal 'created', outcome('put', 'email_domain_blocks', 'mail.example', fields: { 'allow_with_approval' => true })
    assert_equal 'created', outcome('put', 'canonical_email_blocks', 'a' * 64)
    fields = { 'severity' => 'no_access', 'expires_at' => '2099-01-01T00:00:00+00:00' }
    record = one('put', 'ip_blocks', '192.0.2.0/24', fields: fields)['record']
    assert_equal ['192.0.2.0/24', '2099-01-01T00:00:00.000Z'], record.values_at(:ip, :expires_at)
    assert_equal 'unchanged', outcome('put', 'ip_blocks', '192.0.2.0/24', fields: fields)
    { 'domain_allows' => 'city.example', 'email_domain_blocks' => 'mail.example', 'canonical_email_blocks' => 'a' * 64, 'ip_blocks' => '192.0.2.0/24' }.each do |section, key|
      assert_equal 1, one('read', section)['records'].length
      assert_equal 'deleted', outcome('delete', section, key)
      assert_empty one('read', section)['records']
    end
    assert_equal ['city.example'], UnallowDomainService.calls
  end

  {
    { 'action' => 'burn', 'section' => 'domain_blocks' } => /unknown action/,
    { 'action' => 'put', 'section' => 'bridges', 'key' => 'x' } => /unknown section/,
    { 'action' => 'read', 'section' => 'bridges' } => /unknown section/,
    { 'action' => 'put', 'section' => 'domain_blocks', 'key' => ' ' } => /blank/,
    { 'action' => 'put', 'section' => 'domain_blocks', 'key' => 'no domain' } => /not a valid domain/,
    { 'action' => 'put', 'section' => 'domain_blocks', 'key' => 'x.example', 'fields' => { 'colour' => 1 } } => /unknown fields: colour/,
    { 'action' => 'put', 'section' => 'domain_blocks', 'key' => 'x.example', 'fields' => { 'severity' => 'bad' } } => /Severity/,
    { 'action' => 'put', 'section' => 'domain_blocks', 'key' => 'x.example', 'fields' => { 'obfuscate' => 'yes' } } => /true or false/,
    { 'action' => 'put', 'section' => 'domain_blocks', 'key' => 'x.example', 'fields' => { 'public_comment' => nil } } => /must be text/,
    { 'action' => 'put', 'section' => 'domain_allows', 'key' => 'x.example', 'by' => 'nobody' } => /no local account/,
    { 'action' => 'put', 'section' => 'ip_blocks', 'key' => 'nonsense' } => /Ip can't be blank/,
    { 'action' => 'put', 'section' => 'ip_blocks', 'key' => '192.0.2.1' } => /Severity can't be blank/,
    { 'action' => 'put', 'section' => 'ip_blocks', 'key' => '192.0.2.1', 'fields' => { 'expires_at' => 'soon' } } => /no moment/,
  }.each_with_index do |(item, error), number|
    define_method("test_what_is_refused_#{number}") do
      result = run_batch(item).first
      assert_equal 'failed', result['outcome'], result
      assert_match error, result['error']
    end
  end

  def test_one_bad_item_does_not_stop_the_others
    bad = { 'action' => 'put', 'section' => 'domain_blocks', 'key' => 'no domain' }
    good = { 'action' => 'put', 'section' => 'domain_blocks', 'key' => 'spam.example' }
    assert_equal %w[failed created], run_batch(bad, good).map { |result| result['outcome'] }
  end
end
