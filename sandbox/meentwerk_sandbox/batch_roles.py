"""bin/batch roles: roles by name, made when missing, else what an item names is brought in line.

A role that no item names stays. The nameless role of everybody cannot be reached, and the highest administrator keeps
rights and place: nobody else could give them back.
"""

import re
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from .batch_items import ItemError, result
from .config import Config
from .models import Role
from .roles import Permission

# UserRole::CSS_COLORS
_COLOR = re.compile(r"#?(?:[A-F0-9]{3}){1,2}", re.IGNORECASE)
_PLAIN_FIELDS = ("color", "highlighted", "position", "require_2fa")


def roles(session: Session, _config: Config, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Bring roles in line, one by one."""
    results = []
    for item in items:
        try:
            with session.begin_nested():
                outcome = _role(session, item)
        except ItemError as error:
            results.append(result(item["name"], "failed", str(error)))
        else:
            results.append(result(item["name"], outcome))
    return results


def _role(session: Session, item: dict[str, Any]) -> str:
    name = item["name"]
    if not name.strip():
        raise ItemError("Name can't be blank")
    found = list(session.scalars(select(Role).where(Role.name == name, Role.id > 0)))
    if len(found) > 1:
        raise ItemError(f"there are {len(found)} roles {name!r}")
    wanted = _wanted(item)
    protect(session, found[0] if found else None, wanted)
    if not found:
        session.add(Role(name=name, **wanted))
        session.flush()
        return "created"
    for field, value in wanted.items():
        if getattr(found[0], field) != value:
            setattr(found[0], field, value)
    changed = session.is_modified(found[0])
    session.flush()
    return "updated" if changed else "unchanged"


def _wanted(item: dict[str, Any]) -> dict[str, Any]:
    wanted = {field: item[field] for field in _PLAIN_FIELDS if field in item}
    if "permissions" in item:
        wanted["permissions"] = bits(item["permissions"])
    if wanted.get("color") and not _COLOR.fullmatch(wanted["color"]):
        raise ItemError("Validation failed: Color is invalid")
    return wanted


def bits(names: list[str]) -> int:
    """The stored number of permissions by their names in UserRole::FLAGS."""
    known = {permission.name.lower(): permission for permission in Permission if permission.name}
    if unknown := [name for name in names if name not in known]:
        raise ItemError(f"unknown permissions: {', '.join(unknown)}; there are {', '.join(known)}")
    return sum(known[name] for name in set(names))


def protect(session: Session, role: Role | None, wanted: dict[str, Any]) -> None:
    """Refuse what would take the highest administrator's rights or place, or set another role beside or above it."""
    every = session.scalars(select(Role).where(Role.id > 0).order_by(Role.position.desc(), Role.id))
    owner = next((it for it in every if it.permissions & Permission.ADMINISTRATOR), None)
    if owner is None:
        return
    position = wanted.get("position", role.position if role else 0)
    if role is not None and role.id == owner.id:
        if position != owner.position or not wanted.get("permissions", owner.permissions) & Permission.ADMINISTRATOR:
            raise ItemError(
                f"the role {owner.name!r} keeps the permission administrator and its position {owner.position}"
            )
    elif not 0 <= position < owner.position and (role is None or position != role.position):
        raise ItemError(f"position must be from 0 to {owner.position - 1}, below the role {owner.name!r}")
