"""Everything that is wrong with a list, all at once: each cell, each row, and rows against one another."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meentwerk.accounts import between, limits, pictures, reading, values
from meentwerk.accounts.account import Account
from meentwerk.accounts.columns import BY_NAME, Column
from meentwerk.accounts.findings import Finding
from meentwerk.accounts.limits import Limits
from meentwerk.accounts.policy import Department, Policy
from meentwerk.accounts.reading import Row
from meentwerk.entries.problem import Wrong, listed, nearest, quoted

WEBSITE = "Website"
_SEEN_AS_FORMULA = ("=", "+", "-", "@")


@dataclass
class Checked:
    """A list after all checks: accounts of the rows that are right, findings of all."""

    file: Path
    accounts: list[Account] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def problems(self) -> list[Finding]:
        """What must be put right before anything is sent."""
        return [finding for finding in self.findings if not finding.warning]


def check(file: Path, policy: Policy, allowed: Limits) -> Checked:
    """Read and check a list. `allowed` is what the instance takes."""
    found = reading.read(file)
    checked = Checked(file, findings=list(found.findings))
    for row in found.rows:
        judge = _Row(row, file.parent, policy, allowed)
        account = judge.account()
        checked.findings += judge.findings
        if account is not None:
            checked.accounts.append(account)
    checked.findings += between.check(found.rows)
    checked.findings.sort()
    return checked


class _Row:
    """Judges one row."""

    def __init__(self, row: Row, folder: Path, policy: Policy, allowed: Limits) -> None:
        self.row, self.folder, self.policy, self.allowed = row, folder, policy, allowed
        self.findings: list[Finding] = []
        self.wrong = set(row.unread)
        """Columns with which something is wrong: nothing more is said about them."""

    def complain(self, column: str, wrong: str, cure: str, *, warning: bool = False) -> None:
        self.findings.append(Finding(self.row.number, column, wrong, cure, warning))

    def account(self) -> Account | None:
        """Return the account, or none when something is wrong with it."""
        found: dict[str, Any] = {}
        for name, cell in self.row.cells.items():
            if name in self.wrong:
                continue
            try:
                found[name] = self._cell(BY_NAME[name], cell)
            except Wrong as error:
                self.complain(name, error.wrong, error.cure)
                self.wrong.add(name)
        for column in BY_NAME.values():
            if column.required and column.name not in self.row.cells and column.name not in self.wrong:
                self.complain(column.name, "It is missing.", f"Write for example {column.example}")
        self._picture_texts()
        self._naming()
        self._mailbox()
        self._role(found)
        fields = self._fields()
        if self.row.unread or any(not finding.warning for finding in self.findings):
            return None
        return Account(row=self.row.number, fields=fields, **found)

    def _cell(self, column: Column, cell: str) -> Any:  # noqa: ANN401  # as the column says
        if column.kind == "flag":
            return values.flag(cell)
        if column.choices and cell not in column.choices:
            near = nearest(cell, column.choices)
            cure = f"Did you mean {near}?" if near else f"Write {listed(column.choices)}."
            raise Wrong(f"{quoted(cell)} is no {column.name}.", cure)
        if column.kind == "file":
            return pictures.read(self.folder, cell, self.allowed)
        if column.kind == "words":
            return self._words(column, cell)
        value = column.check(cell)
        self._length(column, cell)
        if column.name in {"display_name", "note"} and cell.startswith(_SEEN_AS_FORMULA):
            wrong = f"The text begins with {cell[0]}: a spreadsheet program takes it for a formula."
            self.complain(column.name, wrong, "Is it meant so? The text is sent as it is.", warning=True)
        return value

    def _words(self, column: Column, cell: str) -> tuple[str, ...]:
        words = tuple(dict.fromkeys(cell.replace(",", " ").replace(";", " ").split()))
        for word in words:
            column.check(word)
        if len(words) > (most := self.allowed.attribution_domains):
            raise Wrong(f"There are {len(words)} domains.", f"{most} are allowed.")
        return words

    def _length(self, column: Column, cell: str) -> None:
        most = getattr(self.allowed, column.limit) if column.limit else None
        if most is not None and (size := limits.length(column.limit, cell)) > most:
            raise Wrong(f"The text has {size} characters, as Mastodon counts.", f"{most} are allowed: shorten it.")

    def _picture_texts(self) -> None:
        for name in ("avatar", "header"):
            given, described = name in self.row.cells, f"{name}_description" in self.row.cells
            if given and not described:
                wrong = "The picture has no description: who cannot see it learns nothing."
                self.complain(f"{name}_description", wrong, "Say in a sentence what it shows.")

    def _fields(self) -> tuple[tuple[str, str], ...] | None:
        website = self.row.cells.get("website")
        if self.row.fields is None and website is None:
            return None
        found = ([(WEBSITE, website)] if website else []) + [
            pair for pair in self.row.fields or [] if pair[1] != website
        ]
        if len(found) > self.allowed.fields:
            wrong = f"The profile has {len(found)} fields, the website counted."
            self.complain("fields", wrong, f"{self.allowed.fields} are allowed.")
        for name, value in found:
            for part, most in ((name, self.allowed.field_name), (value, self.allowed.field_value)):
                if len(part) > most:
                    cure = f"{most} characters are allowed; Mastodon would cut the rest off without a word."
                    self.complain("fields", f"{quoted(part)} has {len(part)} characters.", cure)
        return tuple(found)

    def _department(self) -> Department:
        name, known = self.row.cells.get("department", ""), self.policy.departments
        if name and known and name not in known:
            near = nearest(name, list(known))
            cure = f"Did you mean {near}?" if near else f"The policy knows {listed(sorted(known))}."
            self.complain("department", f"{quoted(name)} is no department of the policy.", cure)
        return known.get(name, Department.model_validate({}))

    def _naming(self) -> None:
        department, name = self._department(), self.row.cells.get("username", "")
        if not name or "username" in self.wrong:
            return
        for wrong, cure in naming(name, department, self.policy):
            self.complain("username", wrong, cure)

    def _mailbox(self) -> None:
        email = self.row.cells.get("email", "").lower()
        domain = email.partition("@")[2]
        department = self.policy.departments.get(self.row.cells.get("department", ""))
        allowed = [*self.policy.domains, *(department.domains if department else [])]
        reason = self.row.cells.get("exception_reason")
        personal = bool(domain) and (domain in self.policy.personal_domains or values.is_personal(email))
        inside = not allowed or any(domain == one or domain.endswith(f".{one}") for one in allowed)
        if "email" in self.wrong:
            return
        if domain and not inside and not (personal and reason):
            wrong = f"The mailbox is outside the department's domains ({listed(allowed)})."
            self.complain(
                "email", wrong, "Give a mailbox of the department, or the exception_reason of a personal one."
            )
        elif personal and not reason:
            wrong = "The mailbox looks like a person's own, and an organisation's account outlives people."
            cure = "Give the team's mailbox, or say in exception_reason why not (BIO2 5.16.02)."
            self.complain("email", wrong, cure, warning=True)

    def _role(self, found: dict[str, Any]) -> None:
        role, policy = found.get("role"), self.policy
        known = [*policy.roles, *([policy.two_factor_role.name] if policy.two_factor_role else [])]
        if role is not None and role not in known:
            cure = f"It allows {listed(known)}." if known else "Name it under roles in the policy, if that is meant."
            self.complain("role", f"The policy does not let a list give the role {quoted(role)}.", cure)
        if policy.single_sign_on and "sso_id" not in self.row.cells and self.row.cells.get("state") != "absent":
            wrong = "The policy says single sign-on, and without an identifier nobody could ever sign in."
            self.complain(
                "sso_id", wrong, "Give the identifier that the organisation's provider has for the holder (sub)."
            )
        if "sso_id" in found and policy.single_sign_on is None:
            cure = "Add single_sign_on to the policy, or take sso_id out."
            self.complain("sso_id", "The policy names no provider of single sign-on.", cure)


def naming(name: str, department: Department, policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield what the policy has against a name, and what would be right."""

    shown = quoted(name)
    if department.pattern and not re.fullmatch(department.pattern, name):
        yield f"{shown} does not fit the department's pattern {quoted(department.pattern)}.", "Choose a name that does."
    if department.prefixes and not name.startswith(tuple(department.prefixes)):
        yield f"{shown} does not begin as the department's names do.", f"Begin it with {listed(department.prefixes)}."
    plain = values.skeleton(name)
    for word in policy.forbidden_words:
        if values.skeleton(word) in plain:
            yield f"{shown} holds the word {quoted(word)}, which the policy forbids.", "Choose another name."
    own = {word.lower() for word in department.office_holders}
    for word in policy.office_holders:
        if word.lower() in name.split("_") and word.lower() not in own:
            cure = "Name the word under the department's office_holders in the policy, if it is its own."
            yield f"{shown} sounds like an office-holder's account ({word}).", cure
