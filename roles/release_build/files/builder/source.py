"""Stage `source`: exactly the pinned commit, proven before anything of it runs."""

import json
import re
import shutil
from pathlib import Path

from .bench import Bench
from .errors import BuildError


def folder_of(bench: Bench) -> Path:
    """Give the folder of downloads that keeps the source: its pack, and what the tag is."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", bench.plan.repository.partition("://")[2]).strip("-")
    return bench.downloads / "git" / f"{name}-{bench.plan.tag}"


def fetch(bench: Bench) -> None:
    """Bring the tag, compare its commit with the pinned one, and lay out its files."""
    plan = bench.plan
    repository = bench.folder(bench.work / "source.git", empty=True)
    git: list[str | Path] = ["git", "--git-dir", repository]
    bench.run([*git, "init", "--quiet", "--bare", repository], "make a repository", cwd=bench.work)
    kept = folder_of(bench)
    record = kept / "tag.json"
    if record.is_file():
        restore(bench, git, repository, kept)
        if not plan.offline:
            check_remote(bench, git)
    elif plan.offline:
        raise BuildError(
            f"The folder of downloads lacks the source: {kept.relative_to(bench.downloads)}.",
            "Fill release_build_downloads by a build with network of this version.",
        )
    else:
        download(bench, git)
    check_commit(bench, git)
    if plan.keep and not record.is_file():
        keep(bench, git, repository, kept)
    # Tools that write a date into what they make take this one
    moment = bench.run(
        [*git, "show", "--no-patch", "--format=%ct", plan.commit], "read the commit", cwd=bench.work
    ).strip()
    (bench.work / "epoch").write_text(moment, encoding="utf-8")
    bench.folder(bench.app, empty=True)
    lay_out: list[str | Path] = ["--work-tree", bench.app, "checkout", "--quiet", "--force", plan.commit, "--", "."]
    bench.run([*git, *lay_out], "lay out the source", extra={"GIT_INDEX_FILE": str(repository / "layout-index")})


def download(bench: Bench, git: list[str | Path]) -> None:
    """Fetch the tag alone, without history where the server can do that."""
    plan = bench.plan
    reference = f"refs/tags/{plan.tag}:refs/tags/{plan.tag}"
    options = ["-c", "fetch.unpackLimit=1", "fetch", "--quiet", "--no-tags"]
    what = f"fetch {plan.tag} of {plan.repository}"
    try:
        bench.run([*git, *options, "--depth=1", plan.repository, reference], what, cwd=bench.work, network=True)
    except BuildError as error:
        if "couldn't find remote ref" in error.message:
            raise unknown_tag(bench) from None
        if "does not support shallow" not in error.message:
            raise
        bench.run([*git, *options, plan.repository, reference], what, cwd=bench.work, network=True)


def unknown_tag(bench: Bench) -> BuildError:
    """Say that the repository lacks the tag."""
    plan = bench.plan
    return BuildError(
        f"{plan.repository} has no tag {plan.tag}.",
        "Correct tag or repository in the catalogue, or let the mirror (release_build_git_mirror) catch up.",
    )


def moved(bench: Bench, found: str) -> BuildError:
    """Say that the tag names another commit than the catalogue."""
    plan = bench.plan
    return BuildError(
        f"The tag {plan.tag} of {plan.repository} was moved: the catalogue pins commit {plan.commit}, "
        f"the tag is {found}.",
        "Nothing of it was run. Ask upstream why. If the new commit is right, have it reviewed and change the "
        "catalogue's row; if a mirror is at fault, choose another.",
    )


def check_remote(bench: Bench, git: list[str | Path]) -> None:
    """Look whether the tag still is what was kept of it: a moved tag is news even when the source is at hand."""
    plan = bench.plan
    names = (f"refs/tags/{plan.tag}", f"refs/tags/{plan.tag}^{{}}")
    shown = bench.run([*git, "ls-remote", plan.repository, *names], f"look at {plan.tag} of {plan.repository}",
                      cwd=bench.work, network=True)  # fmt: skip
    found = {name: commit for commit, name in (line.split("\t") for line in shown.splitlines())}
    if not found:
        raise unknown_tag(bench)
    commit = found.get(names[1], found.get(names[0], ""))
    if commit != plan.commit:
        raise moved(bench, commit)


def check_commit(bench: Bench, git: list[str | Path]) -> None:
    """Compare what the tag is with what the catalogue says."""
    found = bench.run(
        [*git, "rev-parse", f"refs/tags/{bench.plan.tag}^{{commit}}"], "read the tag", cwd=bench.work
    ).strip()
    if found != bench.plan.commit:
        raise moved(bench, found)


def keep(bench: Bench, git: list[str | Path], repository: Path, kept: Path) -> None:
    """Keep the source as one pack: no configuration and no hook of a repository can hide in it."""
    tag = bench.run([*git, "rev-parse", f"refs/tags/{bench.plan.tag}"], "read the tag", cwd=bench.work).strip()
    bench.run([*git, "repack", "-q", "-a", "-d"], "pack the source", cwd=bench.work)
    packs = list((repository / "objects/pack").glob("*.pack"))
    bench.folder(kept)
    shutil.copyfile(packs[0], kept / "source.pack")
    shallow = (repository / "shallow").is_file()
    document = {"tag": bench.plan.tag, "object": tag, "shallow": shallow}
    (kept / "tag.json").write_text(json.dumps(document) + "\n", encoding="utf-8")
    bench.own(kept)


def restore(bench: Bench, git: list[str | Path], repository: Path, kept: Path) -> None:
    """Make the repository again; git computes the name of every object anew while it indexes the pack."""
    document = json.loads((kept / "tag.json").read_text(encoding="utf-8"))
    shutil.copyfile(kept / "source.pack", repository / "objects/pack/kept.pack")
    bench.own(repository)
    bench.run([*git, "index-pack", repository / "objects/pack/kept.pack"], "check the source", cwd=bench.work)
    name = repository / "objects/pack/kept.idx"
    if not name.is_file():
        raise BuildError(f"The source in {kept} cannot be read.", "Remove that folder and build with network again.")
    if document["shallow"]:
        (repository / "shallow").write_text(f"{bench.plan.commit}\n", encoding="utf-8")
    bench.run(
        [*git, "update-ref", f"refs/tags/{bench.plan.tag}", str(document["object"])], "name the tag", cwd=bench.work
    )
