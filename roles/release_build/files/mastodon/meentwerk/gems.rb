# frozen_string_literal: true

module Meentwerk
  ROOT = File.expand_path('..', __dir__)

  # Finds gems of this release without Bundler, whose start takes longer than all that the small programs do.
  module Gems
    class MissingError < StandardError; end

    module_function

    # Put the locked versions of gems on the load path.
    def add(*names, root: ROOT)
      lock = File.read(File.join(root, 'Gemfile.lock'))
      names.each { |name| $LOAD_PATH.concat(paths(name, version(lock, name), root)) }
    end

    # The version of a gem in the text of a Gemfile.lock.
    def version(lock, name)
      lock[/^ {4}#{Regexp.escape(name)} \((\d[^)\s-]*)/, 1] or raise MissingError, "Gemfile.lock has no gem #{name}"
    end

    # Where a gem's code lies: its lib, and its extension where Rubygems keeps that apart.
    def paths(name, version, root)
      bundle = File.join(root, 'vendor/bundle/ruby/*')
      # A gem that came compiled has its platform in the folder's name
      found = Dir.glob(%W[#{bundle}/gems/#{name}-#{version}/lib #{bundle}/gems/#{name}-#{version}-*/lib])
      raise MissingError, "#{name} #{version} is not in vendor/bundle: this release was not built whole" if found.empty?

      found.first(1) + Dir.glob("#{bundle}/extensions/*/*/#{name}-#{version}")
    end
  end
end
