# frozen_string_literal: true

require_relative 'fakes'
require 'meentwerk/batch'
require 'meentwerk/batch/roles'
require 'meentwerk/batch/rules'

class RolesTest < Minitest::Test
  SPOKESPERSON = { 'name' => 'Spokesperson', 'permissions' => %w[view_dashboard manage_announcements], 'position' => 20 }.freeze

  def setup
    UserRole.rows = []
    UserRole.new(id: -99, name: '', position: -1)
    @owner = UserRole.new(id: 1, name: 'Owner', position: 1000, permissions: 1)
    @moderator = UserRole.new(id: 2, name: 'Moderator', position: 10, permissions: 1024)
  end

  def run_batch(*items)
    Meentwerk::Batch::Roles.new.call(items)
  end

  def outcomes(*items) = run_batch(*items).map { |result| result['outcome'] }

  def test_a_role_is_made_then_left_alone_then_changed
    assert_equal ['created'], outcomes(SPOKESPERSON)
    assert_equal ['unchanged'], outcomes(SPOKESPERSON)
    assert_equal ['updated'], outcomes({ 'name' => 'Spokesperson', 'highlighted' => true })
    made = UserRole.rows.last
    assert_equal [8 | 8192, 20, true], [made.permissions, made.position, made.highlighted]
    assert_equal %w[Owner Moderator Spokesperson], UserRole.assignable.map(&:name)
  end

  {
    { 'name' => ' ' } => /blank/,
    { 'name' => '' } => /blank/,
    { 'name' => 'Owner', 'permissions' => ['manage_users'] } => /keeps the permission administrator/,
    { 'name' => 'Owner', 'position' => 5 } => /its position 1000/,
    { 'name' => 'Moderator', 'position' => 1000 } => /from 0 to 999/,
    { 'name' => 'New', 'position' => -1 } => /from 0 to 999/,
    { 'name' => 'Moderator', 'color' => 'red' } => /Color is invalid/,
    { 'name' => 'Moderator', 'permissions' => ['manage_everything'] } => /unknown permissions: manage_everything/,
  }.each_with_index do |(item, error), number|
    define_method("test_what_a_role_may_not_become_#{number}") do
      result = run_batch(item).first
      assert_equal 'failed', result['outcome']
      assert_match error, result['error']
      assert_equal 3, UserRole.rows.length
    end
  end

  def test_the_owner_may_be_dressed
    item = { 'name' => 'Owner', 'color' => '#154273', 'require_2fa' => true, 'permissions' => ['administrator'], 'position' => 1000 }
    assert_equal ['updated'], outcomes(item)
  end

  def test_a_version_without_require_2fa
    fields = UserRole.fields.except(:require_2fa)
    UserRole.stub(:fields, fields) do
      assert_match(/no require_2fa/, run_batch({ 'name' => 'Moderator', 'require_2fa' => true }).first['error'])
      assert_equal ['unchanged'], outcomes({ 'name' => 'Moderator', 'require_2fa' => false })
    end
  end

  def test_one_bad_item_does_not_stop_the_others
    assert_equal %w[failed created], outcomes({ 'name' => 'Moderator', 'color' => 'red' }, SPOKESPERSON)
  end
end

class RulesTest < Minitest::Test
  def setup
    Rule.rows = []
    RuleTranslation.rows = []
  end

  def translated(rule) = rule.translations.to_h { |it| [it.language, [it.text, it.hint]] }

  def test_translations_follow_the_list_and_stay_where_it_says_nothing
    dutch = { 'nl' => { 'text' => ' Wees aardig ', 'hint' => nil }, 'fy' => { 'text' => 'Wês aardich' } }
    assert_equal [['Be kind', 'created', nil]], run_batch({ 'text' => 'Be kind', 'translations' => dutch })
    assert_equal({ 'nl' => ['Wees aardig', ''], 'fy' => ['Wês aardich', ''] }, translated(Rule.rows.first))
    assert_equal [['Be kind', 'unchanged', nil]], run_batch({ 'text' => 'Be kind', 'translations' => dutch })
    assert_equal [['Be kind', 'unchanged', nil]], run_batch('Be kind')
    only = { 'nl' => { 'text' => 'Wees vriendelijk', 'hint' => 'Altijd' } }
    assert_equal [['Be kind', 'updated', nil]], run_batch({ 'text' => 'Be kind', 'translations' => only })
    assert_equal({ 'nl' => ['Wees vriendelijk', 'Altijd'] }, translated(Rule.rows.first))
  end

  {
    { 'nl' => { 'text' => ' ' } } => /translations.nl: Text can't be blank/,
    { 'nl' => { 'text' => 'x' * 301 } } => /too long/,
    { 'nl' => 'Wees aardig' } => /must hold text and hint/,
    { 'nl' => { 'text' => 'x', 'hint' => 1 } } => /hint must be text/,
  }.each_with_index do |(translations, error), number|
    define_method("test_a_bad_translation_#{number}") do
      assert_match error, run_batch({ 'text' => 'Be kind', 'translations' => translations }).first.last
      assert_empty Rule.rows
    end
  end

  def run_batch(*texts)
    items = texts.map { |text| text.is_a?(Hash) ? text : { 'text' => text } }
    Meentwerk::Batch::Rules.new.call(items).map { |result| result.values_at('key', 'outcome', 'error') }
  end

  def test_the_list_is_the_whole_truth
    assert_equal [['Be kind', 'created', nil], ['No adverts', 'created', nil]], run_batch(' Be kind ', 'No adverts')
    assert_equal [['Be kind', 'unchanged', nil], ['No adverts', 'unchanged', nil]], run_batch('Be kind', 'No adverts')
    expected = [['No adverts', 'updated', nil], ['New', 'created', nil], ['Be kind', 'deleted', nil]]
    assert_equal expected, run_batch({ 'text' => 'No adverts', 'hint' => 'None' }, 'New')
    assert_equal ['No adverts', 'New'], Rule.kept.order(:priority, :id).map(&:text)
  end

  def test_half_a_list_retires_nothing
    run_batch('Be kind')
    assert_equal [['', 'failed', "Text can't be blank"], ['New', 'created', nil]], run_batch('', 'New')
    assert_equal ['Text is too long (maximum is 300 characters)'], run_batch('x' * 301).map(&:last)
    assert_equal ['Be kind', 'New'], Rule.kept.map(&:text)
  end
end

class BatchTest < Minitest::Test
  Batch = Meentwerk::Batch

  def result(outcome, **more) = { 'key' => 'x', 'outcome' => outcome, 'error' => nil, **more.transform_keys(&:to_s) }

  def test_summary_counts
    found = Batch.summary([result('created'), result('deleted'), result('unchanged'), result('failed')], false)
    assert_equal({ 'contract' => 1, 'changed' => 2, 'failed' => 1 }, found.except('results'))
  end

  def test_a_dry_run_shows_no_token
    assert_equal [result('created')], Batch.summary([result('created', token: 's3cret')], true)['results']
    assert_equal 's3cret', Batch.summary([result('created', token: 's3cret')], false)['results'].first['token']
  end

  def test_an_error_shows_no_statement
    error = ActiveRecord::ActiveRecordError.new("INSERT INTO users VALUES ('s3cret')")
    refute_match(/s3cret/, Batch.explain(error))
    refute_match(/s3cret/, Batch.explain(ArgumentError.new('s3cret')))
  end

  def test_bad_input_ends_before_the_application_starts
    _, err = capture_io { assert_equal 2, Batch.main('rules', '{"contract": 1, "items": [{}]}', '/nonexistent') }
    assert_equal "bin/batch rules: items[0] lacks 'text'\n", err
  end
end
