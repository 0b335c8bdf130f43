"""What bin/batch does with each kind of item. Each item succeeds or fails for itself, inside a savepoint."""

from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from . import accounts as account_rules
from . import scopes, security, site_settings
from .clock import now
from .config import Config
from .kinds import Json
from .lookup import find
from .models import Account, Application, Identity, Role, Token, User

NATIVE_REDIRECT = "urn:ietf:wg:oauth:2.0:oob"


class _Identity(dict[str, str]):
    """A type for the table below: provider and uid, and nothing else."""


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
        "disabled": ((bool,), False),
        "identity": ((_Identity,), False),
        "created_by": ((str,), False),
        "reset_mail": ((bool,), False),
        "take_over": ((bool,), False),
    },
    "states": {"username": ((str,), True)},
    "settings": {"name": ((str,), True), "value": ((object,), True)},
    "rules": {
        "text": ((str,), True),
        "hint": ((str, type(None)), False),
        # language -> {text, hint}; without it, translations stay as they are
        "translations": ((dict, type(None)), False),
    },
    "tokens": {
        "username": ((str,), True),
        "application": ((str,), True),
        "scopes": ((str, list), True),
        "renew": ((bool,), False),
        "revoked": ((bool,), False),
    },
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
    "several": {"batch": ((str,), True), "items": ((list,), True)},
}
SEVERAL = "several"
IDENTITY = {"provider", "uid"}
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
            elif not _is(item[field], types) and not (name == SEVERAL and _dicts(item[field])):
                raise InputError(f"items[{number}].{field} has the wrong type")
        if name == SEVERAL:
            _check_list(item, f"items[{number}]")
        if name in _UNIQUE and any(item["name"] == other["name"] for other in items[:number]):
            raise InputError(f"items[{number}] repeats {item['name']!r}")


def _check_list(item: dict[str, Any], place: str) -> None:
    """One of several lists."""
    if item["batch"] not in _FIELDS or item["batch"] == SEVERAL:
        raise InputError(f"{place} names no batch: {item['batch']!r}")
    if not _dicts(item["items"]):
        raise InputError(f"{place}.items has the wrong type")
    try:
        check(item["batch"], item["items"])
    except InputError as error:
        raise InputError(f"{place}.{error}") from error


def _dicts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


def _is(value: Json, types: tuple[type, ...]) -> bool:
    if object in types:
        return True
    if isinstance(value, dict):
        identity = set(value) == IDENTITY and all(isinstance(part, str) for part in value.values())
        return dict in types or (_Identity in types and identity)
    if isinstance(value, bool):  # in Python also a whole number
        return bool in types
    return isinstance(value, types) and (not isinstance(value, list) or all(isinstance(part, str) for part in value))


def result(key: str, outcome: str, error: str | None = None, **more: Json) -> dict[str, Any]:
    """One item's entry in the answer."""
    return {"key": key, "outcome": outcome, "error": error, **more}


def accounts(session: Session, config: Config, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Local accounts: made when missing, else brought in line with what an item names."""
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
        user.created_by_application_id = _maker(session, item.get("created_by"))
        _apply(user, item, role)
        _link(session, user, item.get("identity"))
        if item.get("reset_mail"):  # the sandbox sends none, and remembers that it would have
            user.reset_password_sent_at = now()
        return "created"
    if found.user is None:
        raise ItemError("the name belongs to a deleted account")
    user = found.user
    if user.email.lower() != item["email"].lower():
        if item.get("take_over") is False:
            raise ItemError("the name belongs to an account with another e-mail address")
        other = session.scalars(select(User).where(func.lower(User.email) == item["email"].lower())).unique().first()
        if other is not None:
            raise ItemError("the e-mail address belongs to another account")
        if not account_rules.EMAIL.fullmatch(item["email"]):
            raise ItemError("E-mail address is invalid")
        user.email = item["email"]
    _apply(user, item, role)
    changed = session.is_modified(user)
    session.flush()
    changed |= _link(session, user, item.get("identity"))
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
    if "disabled" in item and user.disabled != item["disabled"]:
        user.disabled = item["disabled"]


def _link(session: Session, user: User, wanted: dict[str, str] | None) -> bool:
    """Who signs in with this identity elsewhere is this user; says whether that is new."""
    if wanted is None:
        return False
    same = select(Identity).where(Identity.provider == wanted["provider"], Identity.uid == wanted["uid"])
    taken = session.scalars(same).first()
    if taken is not None and taken.user_id == user.id:
        return False
    if taken is not None:
        raise ItemError("the identity belongs to another account")
    session.execute(delete(Identity).where(Identity.user_id == user.id, Identity.provider == wanted["provider"]))
    session.add(Identity(user_id=user.id, **wanted))
    session.flush()
    return True


def _maker(session: Session, name: str | None) -> int | None:
    """The application, without owner, that says who made an account."""
    if name is None:
        return None
    query = select(Application).where(Application.name == name, Application.owner_id.is_(None))
    found = session.scalars(query).first()
    if found is None:
        found = _new_application(name, "read")
        session.add(found)
        session.flush()
    return found.id


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


def tokens(session: Session, _config: Config, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Access tokens for scripts: one per user, application and scopes; the text is told once, at its birth."""
    results = []
    for item in items:
        wanted = item["scopes"] if isinstance(item["scopes"], list) else item["scopes"].split()
        key = f"{item['username']}/{item['application']}"
        user = _user(session, item["username"])
        if user is None:
            results.append(result(key, "failed", f"there is no local account {item['username']!r}"))
        elif item.get("revoked"):
            results.append(result(key, _revoke(session, user, item["application"])))
        elif not wanted or not scopes.all_supported(wanted):
            unknown = ", ".join(scope for scope in wanted if scope not in scopes.SUPPORTED) or "none given"
            results.append(result(key, "failed", f"unknown scopes: {unknown}"))
        else:
            text = " ".join(wanted)
            application = _application(session, user, item["application"], text)
            if item.get("renew"):
                _end(session, application)
            token, created = account_rules.token_for(session, application, user, text)
            results.append(result(key, "created", token=token.token) if created else result(key, "unchanged"))
    return results


def _user(session: Session, username: str) -> User | None:
    query = select(User).join(Account).where(func.lower(Account.username) == username.lower())
    return session.scalars(query.where(Account.domain.is_(None))).unique().first()


def _new_application(name: str, wanted: str) -> Application:
    return Application(
        name=name,
        uid=security.random_token(),
        secret=security.random_token(),
        redirect_uri=NATIVE_REDIRECT,
        scopes=wanted,
    )


def _end(session: Session, application: Application) -> None:
    """No token of the application works any more."""
    session.execute(delete(Token).where(Token.application_id == application.id))


def _revoke(session: Session, user: User, name: str) -> str:
    found = session.scalars(_owned(user, name)).all()
    for application in found:
        _end(session, application)
        session.delete(application)
    session.flush()
    return "deleted" if found else "unchanged"


def _owned(user: User, name: str) -> Select[tuple[Application]]:
    owned = Application.owner_id == user.id, Application.owner_type == "User"
    return select(Application).where(Application.name == name, *owned)


def _application(session: Session, user: User, name: str, wanted: str) -> Application:
    found = session.scalars(_owned(user, name)).first()
    if found is None:
        found = _new_application(name, wanted)
        found.owner_id, found.owner_type = user.id, "User"
        session.add(found)
        session.flush()
    elif missing := [scope for scope in wanted.split() if scope not in found.scopes.split()]:
        found.scopes = " ".join([*found.scopes.split(), *missing])
    return found
