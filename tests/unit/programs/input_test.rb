# frozen_string_literal: true

require 'json'
require 'meentwerk/batch/input'

# The same cases hold for the sandbox: test_same_input.py.
class InputTest < Minitest::Test
  Input = Meentwerk::Batch::Input

  JSON.parse(File.read(File.join(__dir__, 'input_cases.json'))).each_with_index do |given, number|
    define_method("test_case_#{number}_#{given['batch']}") do
      if given['error']
        error = assert_raises(Input::Error) { Input.check(given['batch'], given['items']) }
        assert_equal given['error'], error.message
      else
        Input.check(given['batch'], given['items'])
      end
    end
  end

  def test_a_request_is_items_and_whether_it_is_a_dry_run
    assert_equal [[{ 'a' => 1 }], true], Input.read('{"contract": 1, "dry_run": true, "items": [{"a": 1}]}')
    assert_equal [[], false], Input.read('{"contract": 1, "items": []}')
  end

  {
    'not json' => /not JSON/,
    '[]' => /"contract" must be 1/,
    '{"contract": 2, "items": []}' => /"contract" must be 1/,
    '{"contract": 1}' => /"items" must be a list/,
    '{"contract": 1, "items": [1]}' => /"items" must be a list of objects/,
    '{"contract": 1, "items": [], "dry_run": "no"}' => /"dry_run" must be true or false/,
  }.each_with_index do |(text, message), number|
    define_method("test_bad_request_#{number}") do
      assert_match message, assert_raises(Input::Error) { Input.read(text) }.message
    end
  end

  def test_an_error_never_quotes_what_may_be_a_password
    error = assert_raises(Input::Error) { Input.read('{"contract": 1, "items": [{"password": "s3cret-text"') }
    refute_match(/s3cret/, error.message)
  end
end
