# frozen_string_literal: true

require 'json'
require_relative 'application'
require_relative 'batch/input'

module Meentwerk
  # bin/batch NAME: many items in one start; JSON in, JSON out.
  module Batch
    OK, FAILED, BAD_INPUT, SOME_FAILED = 0, 1, 2, 4
    CHANGES = %w[created updated deleted].freeze

    module_function

    def main(name, text, root = ROOT)
      items, dry_run = Input.read(text)
      Input.check(name, items)
      stdout = Application.take_stdout
      Application.start(root)
      require_relative 'batch/run'
      results = name == Input::SEVERAL ? several(items, dry_run) : Run.new(dry_run).call(name, items)
      stdout.puts(JSON.generate(summary(results, dry_run)))
      results.any? { |result| result['outcome'] == 'failed' } ? SOME_FAILED : OK
    rescue Input::Error => e
      warn("bin/batch #{name}: #{e.message}")
      BAD_INPUT
    rescue Interrupt
      warn("bin/batch #{name}: interrupted")
      130
    rescue StandardError, LoadError => e
      warn("bin/batch #{name}: #{explain(e)}")
      FAILED
    end

    # Each list is stored for itself, one after the other; the first that cannot be stored ends it.
    def several(lists, dry_run)
      lists.each_with_index.map do |list, number|
        results = one_of_several(list, number, dry_run)
        told = summary(results, dry_run)
        outcome = told['failed'].positive? ? 'failed' : told['changed'].positive? ? 'updated' : 'unchanged'
        { 'key' => list['batch'], 'outcome' => outcome, 'error' => nil, 'results' => results }
      end
    end

    def one_of_several(list, number, dry_run)
      Run.new(dry_run).call(list['batch'], list['items'])
    rescue StandardError => e
      raise if number.zero?

      raise Run::Error, "#{explain(e)} by items[#{number}]; the lists before it are stored"
    end

    def summary(results, dry_run)
      results.each { |result| result.delete('token') } if dry_run
      {
        'contract' => Input::CONTRACT,
        'changed' => results.count { |result| CHANGES.include?(result['outcome']) },
        'failed' => results.count { |result| result['outcome'] == 'failed' },
        'results' => results,
      }
    end

    # A statement in an error's text could hold what an item held: only the kind of the error is told.
    def explain(error)
      return error.message if defined?(Run::Error) && error.is_a?(Run::Error)
      return "#{Application.line(error)}: this release was not built whole" if error.is_a?(LoadError)

      database = defined?(ActiveRecord::ActiveRecordError) && error.is_a?(ActiveRecord::ActiveRecordError)
      return "the database refused: #{error.class}; nothing was changed" if database

      place = error.backtrace&.first.to_s.delete_prefix("#{ROOT}/")
      "unexpected #{error.class} (#{place}); nothing was changed"
    end
  end
end

exit(Meentwerk::Batch.main(ARGV.first, $stdin.read)) if $PROGRAM_NAME == __FILE__
