"""The small application, and all that its build asks mirrors for.

After a change of PACKAGES, make app/yarn.lock anew: serve them (`python -m tests.mirrors.server --start FOLDER`), and
in a copy of app run yarn install --mode=update-lockfile. It needs YARN_NPM_REGISTRY_SERVER, YARN_UNSAFE_HTTP_WHITELIST,
YARN_NPM_MINIMAL_AGE_GATE=0 and YARN_ENABLE_MIRROR=0.
"""

import os
import shutil
import subprocess
from pathlib import Path

from tests.mirrors import gems, npm

HERE = Path(__file__).parent
TAG = "v1.0.0"
# Fixed, so that the same content has the same commit on every machine
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "nobody"), ("EMAIL", "nobody@example.org"), ("DATE", "2026-01-01T00:00:00Z"))
}

COUNTING = r"""
#include <ruby.h>

static VALUE count(VALUE self, VALUE text) { return LONG2NUM(RSTRING_LEN(text)); }

void Init_counting(void) { rb_define_singleton_method(rb_define_module("Counting"), "count", count, 1); }
"""
BOOTSNAP = r"""
# Stands for the real one: a cache that knows the path of what it was made from
exit 1 unless ARGV.first == 'precompile'
require 'fileutils'
FileUtils.mkdir_p('tmp/cache/bootsnap')
File.write('tmp/cache/bootsnap/made-for', Dir.pwd)
"""
CURIOUS = """
require('node:http').get(process.env.YARN_NPM_REGISTRY_SERVER || 'http://registry.npmjs.org/', () => {
  require('node:fs').writeFileSync(`${process.env.INIT_CWD}/public/reached-the-network`, '');
}).on('error', () => {});
"""

GEMS = [
    gems.Gem("bootsnap", "1.0.0", {"exe/bootsnap": BOOTSNAP, "lib/bootsnap.rb": ""}, executables=("bootsnap",)),
    gems.Gem(
        "counting",
        "1.2.0",
        {
            "ext/counting/counting.c": COUNTING,
            "ext/counting/extconf.rb": "require 'mkmf'\ncreate_makefile('counting/counting')\n",
            "lib/counting.rb": "require 'counting/counting'\nrequire 'numbers'\n",
            "spec/counting_spec.rb": "raise 'never in production'\n",
            "LICENSE": "The licence of counting.\n",
        },
        extensions=("ext/counting/extconf.rb",),
        dependencies={"numbers": "0.9.0"},
    ),
    gems.Gem("numbers", "0.9.0", {"lib/numbers.rb": "", "README.md": "numbers\n"}),
]
PACKAGES = [
    npm.Package("small-shout", "1.0.0", {"index.js": "module.exports = (text) => text.toUpperCase();\n"}),
    npm.Package("small-event", "1.0.0", {"index.js": "module.exports = 'event';\n"}),
    npm.Package(
        "small-curious",
        "1.0.0",
        {"index.js": "", "look.js": CURIOUS},
        {"scripts": {"postinstall": "node look.js"}},
    ),
]


def git(repository: Path, *arguments: str) -> str:
    """Run git in a repository."""
    environment = {**os.environ, **IDENTITY, "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(
        ["git", *arguments], cwd=repository, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(repository: Path, tag: str = "") -> str:
    """Commit all files, name the commit by an annotated tag if one is given, and give its hash."""
    if not (repository / ".git").exists():
        git(repository, "init", "--quiet", "--initial-branch=main")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=Change")
    if tag:
        git(repository, "tag", "--force", "--annotate", "--message=Release", tag)
    return git(repository, "rev-parse", "HEAD")


def publish(repository: Path, place: Path) -> None:
    """Put a repository where the server finds it."""
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    git(repository, "clone", "--quiet", "--bare", str(repository), str(place))
    # As code hosts allow it: bundler asks for the commit that the lockfile names
    git(place, "config", "uploadpack.allowAnySHA1InWant", "true")


def make(root: Path) -> str:
    """Fill a server's folder; gives the commit of the application's tag."""
    gems.publish(root / "gems", GEMS)
    npm.publish(root / "npm", PACKAGES)
    greeting = root / "source/greeting"
    (greeting / "lib").mkdir(parents=True)
    (greeting / "lib/greeting.rb").write_text("module Greeting\n  def self.hello = 'hello'\nend\n")
    (greeting / "greeting.gemspec").write_text(
        "Gem::Specification.new do |spec|\n  spec.name = 'greeting'\n  spec.version = '0.1.0'\n"
        "  spec.summary = 'greets'\n  spec.authors = ['nobody']\n  spec.files = ['lib/greeting.rb']\nend\n"
    )
    revision = commit(greeting)
    publish(greeting, root / "git/example/greeting.git")
    app = root / "source/app"
    shutil.copytree(HERE / "app", app, symlinks=True)
    for name in ("Gemfile", "Gemfile.lock"):
        (app / name).write_text((app / name).read_text().replace("@GREETING@", revision))
    found = commit(app, TAG)
    publish(app, root / "git/example/small.git")
    return found
