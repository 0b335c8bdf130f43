"""What production does not need, as shell patterns of names."""


def names(text: str) -> list[str]:
    """Give the words of a text."""
    return text.split()


# At the top of the source: what developers, packagers and other platforms need. Licences stay, and app/javascript too:
# Ruby reads icons and the table of emoji from there.
TOP = names("""
.git* .devcontainer .husky .rubocop* .storybook .vscode .yarn .env* .foreman .buildpacks .dockerignore .editorconfig
.annotaterb.yml .haml-lint* .oxfmtrc* .prettier* .rspec* .simplecov .slugignore .watchmanconfig .ruby-gemset
.browserslistrc .i18n* .nvmrc .yarnrc.yml
Aptfile Dockerfile Procfile* Vagrantfile app.json chart config/deploy* crowdin.yml dist docker-compose*.yml docs
eslint.config.* jsconfig.json lint-staged.config.* log priv-config scalingo.json spec streaming/Dockerfile
streaming/eslint.config.* streaming/tsconfig.json stylelint.config.* tmp tsconfig*.json vite.config.* vitest.*
""")

# At the top of each gem
GEM = names("""
spec specs test tests features doc docs example examples sample samples benchmark benchmarks sig rbi gemfiles
Rakefile Gemfile* Guardfile Appraisals *.gemspec .* CHANGELOG* CHANGES* History* HISTORY* README* CONTRIBUTING*
CODE_OF_CONDUCT* UPGRADING* SECURITY*
""")
LICENCES = ["licen[cs]e*", "copying*", "notice*", "authors*"]

# Below a gem's ext: what was compiled, and what from; the libraries themselves lie in lib and in extensions
COMPILED = names("*.o *.a *.so *.c *.cc *.cpp *.h *.hpp *.rl *.y *.time *.in *.m4 Makefile mkmf.log")

# Logs of a build: they hold times and temporary names
LOGS = names("mkmf.log gem_make.out .yarn-state.yml .yarn-integrity")
MODULES = [*names("*.d.ts *.d.mts *.d.cts *.map *.tsbuildinfo *.musl.node"), *LOGS]
MAPS = names("*.map *.map.gz *.map.br")

# Folder of the release -> names that go, however deep they lie
DEEP = {"vendor": LOGS, "node_modules": MODULES, "streaming": LOGS, "public": MAPS}
