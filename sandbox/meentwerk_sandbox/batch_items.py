"""What bin/batch does with each kind of item. Each item succeeds or fails for itself, inside a savepoint."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from . import accounts as account_rules
from . import limits, scopes, security, site_settings
from .clock import now
from .config import Config
from .kinds import Json
from .lookup import find
from .models import Account, Application, Role, Rule, RuleTranslation, User

NATIVE_REDIRECT = "urn:ietf:wg:oauth:2.0:oob"

# field -> (types, required)
_FIELDS: dict[str, dict[str, tuple[tuple[type, ...], bool]]] = {
    "accounts": {
        "username": ((str,), True),
        "email": ((str,), True),
        "role": ((str, type(None)), False),
        "password": ((str,), False),
        "confirmed": ((bool,), False),
        "approved": ((bool,), False),
        "locale": ((str, type(None)), False),
    },
    "settings": {"name": ((str,), True), "value": ((object,), True)},
    "rules": {
        "text": ((str,), True),
        "hint": ((str, type(None)), False),
        # language -> {text, hint}; without it, translations stay as they are
        "translations": ((dict, type(None)), False),
    },
    "tokens": {"username": ((str,), True), "application": ((str,), True), "scopes": ((str, list), True)},
    "roles": {
        "name": ((str,), True),
        "permissions": ((list,), False),
        "color": ((str,), False),
        "highlighted": ((bool,), False),
        "position": ((int,), False),
        "require_2fa": ((bool,), False),
    },
    "moderation": {
        "action": ((str,), True),
        "section": ((str,), True),
        "key": ((str, type(None)), False),
        "keys": ((list,), False),
        "fields": ((dict,), False),
        "by": ((str, type(None)), False),
    },
}
# Two items for one of these would undo each other at every run
_UNIQUE = ("settings", "roles")


class InputError(Exception):
    """Items that cannot be understood; nothing was done."""


class ItemError(Exception):
    """One item that cannot be done; the message says why."""


def check(name: str, items: list[dict[str, Any]]) -> None:
    """Refuse items with unknown, missing or mistyped fields, before anything is done."""
    fields = _FIELDS[name]
    for number, item in enumerate(items):
        if unknown := sorted(set(item) - set(fields)):
            raise InputError(f"items[{number}] has unknown fields: {', '.join(unknown)}")
        for field, (types, required) in fields.items():
            if field not in item:
                if required:
                    raise InputError(f"items[{number}] lacks {field!r}")
            elif not _is(item[field], types):
                raise InputError(f"items[{number}].{field} has the wrong type")
        if name in _UNIQUE and any(item["name"] == other["name"] for other in items[:number]):
            raise InputError(f"items[{number}] repeats {item['name']!r}")


def _is(value: Json, types: tuple[type, ...]) -> bool:
    if object in types:
        return True
    if isinstance(value, bool):  # in Python also a whole number
        return bool in types
    return isinstance(value, types) and (not isinstance(value, list) or all(isinstance(part, str) for part in value))


def result(key: str, outcome: str, error: str | None = None, **more: Json) -> dict[str, Any]:
    """One item's entry in the answer."""
    return {"key": key, "outcome": outcome, "error": error, **more}


def accounts(session: Session, config: Config, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Local accounts: made when missing, else e-mail, role, confirmation, approval and locale brought in line."""
    settings = site_settings.Settings(session)
    results = []
    for item in items:
        try:
            with session.begin_nested():
                outcome = _account(session, config, settings, item)
        except (ItemError, IntegrityError) as error:
            message = str(error) if isinstance(error, ItemError) else "name or e-mail address has already been taken"
            results.append(result(item["username"], "failed", message))
        else:
            results.append(result(item["username"], outcome))
    return results


def _account(session: Session, config: Config, settings: site_settings.Settings, item: dict[str, Any]) -> str:
    role = _role(session, item)
    found = find(session, item["username"])
    if found is None:
        wanted = account_rules.SignUp(
            username=item["username"],
            email=item["email"],
            password=item.get("password") or security.random_password(),
            locale=item.get("locale"),
            bypass_checks=True,
        )
        errors = account_rules.check(session, config, settings, wanted)
        if errors:
            raise ItemError(errors.message())
        user = account_rules.create(session, settings, wanted)
        _apply(user, item, role)
        return "created"
    if found.user is None:
        raise ItemError("the name belongs to a deleted account")
    user = found.user
    if user.email.lower() != item["email"].lower():
        other = session.scalars(select(User).where(func.lower(User.email) == item["email"].lower())).unique().first()
        if other is not None:
            raise ItemError("the e-mail address belongs to another account")
        if not account_rules.EMAIL.fullmatch(item["email"]):
            raise ItemError("E-mail address is invalid")
        user.email = item["email"]
    _apply(user, item, role)
    changed = session.is_modified(user)
    session.flush()
    return "updated" if changed else "unchanged"


def _role(session: Session, item: dict[str, Any]) -> Role | None:
    name = item.get("role")
    if name is None:
        return None
    role = account_rules.role_named(session, name)
    if role is None:
        known = session.scalars(select(Role.name).where(Role.id > 0).order_by(Role.position.desc()))
        raise ItemError(f"there is no role {name!r}; there are {', '.join(known)}")
    return role


def _apply(user: User, item: dict[str, Any], role: Role | None) -> None:
    """Only what the item names changes; a role of null takes the role away."""
    if "role" in item and user.role_id != (role.id if role else None):
        user.role_id = role.id if role else None
    if item.get("confirmed", False):
        account_rules.confirm(user)
    if "approved" in item and user.approved != item["approved"]:
        user.approved = item["approved"]
    if item.get("locale") is not None and user.locale != item["locale"]:
        user.locale = item["locale"]


def settings(session: Session, _config: Config, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Site settings by Mastodon's names."""
    results = []
    current = site_settings.Settings(session)
    for item in items:
        name, value = item["name"], item["value"]
        problem = site_settings.problem(name, value)
        if problem is not None:
            results.append(result(name, "failed", problem))
        elif current[name] == value:
            results.append(result(name, "unchanged"))
        else:
            site_settings.store(session, name, value)
            results.append(result(name, "updated"))
    return results


def rules(session: Session, _config: Config, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The whole list of server rules, in order; a rule that is not in it any more is retired, as Mastodon does."""
    kept = list(session.scalars(select(Rule).where(Rule.deleted_at.is_(None)).order_by(Rule.priority, Rule.id)))
    results = []
    for priority, item in enumerate(items):
        text, hint = item["text"].strip(), (item.get("hint") or "").strip()
        if not text:
            results.append(result(item["text"], "failed", "Text can't be blank"))
            continue
        if len(text) > limits.RULE:
            results.append(result(text, "failed", f"Text is too long (maximum is {limits.RULE} characters)"))
            continue
        if problem := _translations_problem(item.get("translations")):
            results.append(result(text, "failed", problem))
            continue
        same = next((rule for rule in kept if rule.text == text), None)
        if same is None:
            made = Rule(text=text, hint=hint, priority=priority)
            session.add(made)
            _translate(made, item.get("translations"))
            results.append(result(text, "created"))
            continue
        kept.remove(same)
        changed = (same.hint, same.priority) != (hint, priority)
        same.hint, same.priority = hint, priority
        changed |= _translate(same, item.get("translations"))
        results.append(result(text, "updated" if changed else "unchanged"))
    if any(result["outcome"] == "failed" for result in results):
        return results  # half a list of rules must not retire the other half
    for rule in kept:
        rule.deleted_at = now()
        results.append(result(rule.text, "deleted"))
    return results


def _translations_problem(translations: dict[str, Any] | None) -> str | None:
    """Why translations cannot be stored (RuleTranslation); None when they can."""
    for language, words in (translations or {}).items():
        if not isinstance(words, dict) or set(words) - {"text", "hint"}:
            return f"translations.{language} must hold text and hint"
        text, hint = words.get("text"), words.get("hint")
        if not isinstance(text, str) or not text.strip():
            return f"translations.{language}: Text can't be blank"
        if len(text.strip()) > limits.RULE:
            return f"translations.{language}: Text is too long (maximum is {limits.RULE} characters)"
        if not isinstance(hint, str | None):
            return f"translations.{language}.hint must be text"
    return None


def _translate(rule: Rule, translations: dict[str, Any] | None) -> bool:
    """Bring a rule's translations in line; whether anything changed. None leaves them alone."""
    if translations is None:
        return False
    wanted = {code: (it["text"].strip(), (it.get("hint") or "").strip()) for code, it in translations.items()}
    there = {it.language: (it.text, it.hint) for it in rule.translations}
    if wanted == there:
        return False
    for it in list(rule.translations):
        if it.language not in wanted:
            rule.translations.remove(it)
        else:
            it.text, it.hint = wanted[it.language]
    for code, (text, hint) in wanted.items():
        if code not in there:
            rule.translations.append(RuleTranslation(language=code, text=text, hint=hint))
    return True


def tokens(session: Session, _config: Config, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Access tokens for scripts: one per user, application and scopes; the text is told once, at its birth."""
    results = []
    for item in items:
        wanted = item["scopes"] if isinstance(item["scopes"], list) else item["scopes"].split()
        key = f"{item['username']}/{item['application']}"
        user = _user(session, item["username"])
        if user is None:
            results.append(result(key, "failed", f"there is no local account {item['username']!r}"))
        elif not wanted or not scopes.all_supported(wanted):
            unknown = ", ".join(scope for scope in wanted if scope not in scopes.SUPPORTED) or "none given"
            results.append(result(key, "failed", f"unknown scopes: {unknown}"))
        else:
            text = " ".join(wanted)
            application = _application(session, user, item["application"], text)
            token, created = account_rules.token_for(session, application, user, text)
            results.append(result(key, "created", token=token.token) if created else result(key, "unchanged"))
    return results


def _user(session: Session, username: str) -> User | None:
    query = select(User).join(Account).where(func.lower(Account.username) == username.lower())
    return session.scalars(query.where(Account.domain.is_(None))).unique().first()


def _application(session: Session, user: User, name: str, wanted: str) -> Application:
    query = select(Application).where(
        Application.name == name, Application.owner_id == user.id, Application.owner_type == "User"
    )
    found = session.scalars(query).first()
    if found is None:
        found = Application(
            name=name,
            uid=security.random_token(),
            secret=security.random_token(),
            redirect_uri=NATIVE_REDIRECT,
            scopes=wanted,
            owner_id=user.id,
            owner_type="User",
        )
        session.add(found)
        session.flush()
    elif missing := [scope for scope in wanted.split() if scope not in found.scopes.split()]:
        found.scopes = " ".join([*found.scopes.split(), *missing])
    return found
