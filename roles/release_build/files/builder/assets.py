"""Stage `assets`: what browsers load, compiled and compressed; the step that needs the most memory."""

from pathlib import Path

from .bench import Bench
from .host import check_disk, check_room
from .modules import settings

# A dummy is enough to start Rails; nothing of it enters the assets
ENVIRONMENT = {
    "RAILS_ENV": "production",
    "NODE_ENV": "production",
    "SECRET_KEY_BASE_DUMMY": "1",
    "BUNDLE_VERSION": "system",
}
# nginx sends these instead of compressing at each request (gzip_static, and brotli where it is loaded)
COMPRESS = r"""
const fs = require('node:fs');
const path = require('node:path');
const zlib = require('node:zlib');

const WORTH = /\.(css|html|js|json|mjs|svg|txt|wasm|webmanifest|xml)$/;
function visit(folder) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) visit(file);
    else if (entry.isFile() && WORTH.test(entry.name)) {
      const content = fs.readFileSync(file);
      if (content.length < 1024) continue;
      const write = (suffix, packed) => {
        if (packed.length < content.length * 0.9) fs.writeFileSync(file + suffix, packed);
        else fs.rmSync(file + suffix, { force: true });
      };
      write('.gz', zlib.gzipSync(content, { level: 9 }));
      write('.br', zlib.brotliCompressSync(content, {
        params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: content.length },
      }));
    }
  }
}
for (const folder of process.argv.slice(1)) if (fs.existsSync(folder)) visit(folder);
"""
# As upstream makes its page for 500 (lib/tasks/assets.rake): in a task Rails needs no database, in a runner it does
NOT_FOUND = """
load 'Rakefile'
task meentwerk_not_found: :environment do
  File.write('public/404.html', ApplicationController.render('errors/404', layout: 'error'))
end
"""


def compile_all(bench: Bench) -> None:
    """Compile the assets, make the page that nginx shows for what is not there, and compress what is worth it."""
    check_room(bench)
    environment = {**settings(bench, network=False), **ENVIRONMENT}
    cold = {**environment, "DISABLE_BOOTSNAP": "1"}
    bench.run(["bin/rails", "assets:precompile"], "compile the assets", extra=cold)
    if not (bench.app / "public/404.html").exists():
        tasks = bench.tools / "Rakefile"
        tasks.write_text(NOT_FOUND, encoding="utf-8")
        command: list[str | Path] = ["bundle", "exec", "rake", "--rakefile", tasks, "--nosearch", "meentwerk_not_found"]
        bench.run(command, "make the page for what is not there", extra=cold)
    check_disk(bench)
    folders: list[str | Path] = ["public/packs", "public/assets"]
    bench.run([bench.node, "-e", COMPRESS, "--", *folders], "compress the assets")
