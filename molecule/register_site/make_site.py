"""Makes a register page for the scenario, in the folder of the first argument: 300 accounts, one hostile."""

import sys
from dataclasses import replace
from pathlib import Path

from meentwerk.identities import history, publish
from meentwerk.identities.config import Config
from meentwerk.identities.model import REQUIRED, Account, Check, Result, Source, Verdict

HOSTILE = "<script>document.title='owned'</script>\u202egnp<img src=x onerror=\"document.title='owned'\">"
VERDICTS = (Verdict.PASS, Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN)
EXTRA = ("server_verified", "webfinger_web", "host_meta", "attribution", "listed")
SETTINGS = Config.model_validate(
    {
        "contact": "https://example.org",
        "site": "https://register.example.test",
        "publisher": {"name": "Register of tides", "contact": "mailto:register@example.test"},
        "registers": [{"name": "roo", "kind": "roo", "source": "roo.xml"}],
    }
)


def results(at: str) -> list[Result]:
    source = Source("roo", "https://register.example.org/roo.xml", "2026-11-01", "0123456789abcdef" * 4)
    made = []
    for number in range(300):
        verdict = VERDICTS[number % len(VERDICTS)]
        name = f"news{number}"
        organisation = f"https://register.example.org/organisations/{number // 2}"
        checks = [
            Check(n, verdict, f"{n} says {verdict}", "", (f"200 https://d{number}.example.test/",)) for n in REQUIRED
        ]
        checks += [Check(n, Verdict.PASS, f"{n} is right") for n in EXTRA]
        title = HOSTILE if number == 7 else f"Coöperatie {number}"
        domain = f"d{number // 2}.example.test"
        account = Account(name, domain, organisation)
        made.append(
            Result(
                account,
                at,
                tuple(checks),
                f"https://{domain}/@{name}",
                title,
                "",
                (f"Ministry {number // 2}",),
                (source,),
            )
        )
    return made


def main(folder: Path) -> None:
    past, _ = history.advance(history.History({}, []), results("2026-11-01T10:00:00+00:00"))
    second = [replace(r, checked_at="2026-11-02T10:00:00+00:00") for r in results("2026-11-02T10:00:00+00:00")]
    lost = tuple(replace(c, verdict=Verdict.FAIL) if c.name == "link_back" else c for c in second[0].checks)
    second[0] = replace(second[0], checks=lost)
    past, _ = history.advance(past, second)
    folder.parent.mkdir(parents=True, exist_ok=True)
    publish.publish(folder, second, past, SETTINGS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
