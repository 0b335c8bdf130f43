"""What the forge does with a department's request: it shows one form, and checks with no rights at all."""

from .conftest import ROOT, load

FORM = ROOT / ".github/PULL_REQUEST_TEMPLATE.md"
CHECK = ROOT / ".github/workflows/departments.yml"


def test_the_form_is_the_only_one() -> None:
    """GitHub, Gitea and Forgejo read this place; a second copy elsewhere would differ one day."""
    forms = [
        path for path in ROOT.glob(".*/**/*") if "template" in path.name.lower() and "request" in path.name.lower()
    ]
    assert [path for path in forms if ".venv" not in path.parts] == [FORM]


def test_the_check_of_a_request_has_no_rights() -> None:
    """A request brings its own scripts along: they may read the repository, and there is no secret to find."""
    workflow = load(CHECK)
    assert workflow["permissions"] == {"contents": "read"}
    # YAML 1.1 reads the bare word on as true
    assert workflow[True].keys() == {"pull_request"}, "pull_request_target would run a stranger's code with rights"
    assert "secrets." not in CHECK.read_text()


def test_the_check_is_the_one_that_a_department_runs() -> None:
    steps = "".join(step.get("run", "") for step in load(CHECK)["jobs"]["validate"]["steps"])
    assert "scripts/validate-inventory" in steps
    assert "scripts/validate-inventory" in FORM.read_text()
