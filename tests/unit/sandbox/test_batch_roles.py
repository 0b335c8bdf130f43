from collections.abc import Iterator
from typing import Any

import pytest
from meentwerk_sandbox import batch_items, batch_roles
from meentwerk_sandbox.batch_items import InputError
from meentwerk_sandbox.models import Base, Role
from meentwerk_sandbox.roles import ALL, Permission
from sqlalchemy import BigInteger, create_engine, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session

SPOKESPERSON = {"name": "Spokesperson", "permissions": ["view_dashboard", "manage_announcements"], "position": 20}


@compiles(BigInteger, "sqlite")
def _numbered_by_itself(*_args: object, **_options: object) -> str:
    return "INTEGER"  # the only type that SQLite counts up, as PostgreSQL's bigserial does


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine, tables=[Base.metadata.tables[Role.__tablename__]])
    with Session(engine) as session:
        session.add(Role(id=-99, name="", position=-1, permissions=int(Permission.INVITE_USERS)))
        session.add(Role(id=1, name="Owner", position=1000, permissions=int(Permission.ADMINISTRATOR)))
        session.add(Role(id=2, name="Moderator", position=10, permissions=int(Permission.MANAGE_USERS)))
        session.commit()
        yield session


def _do(session: Session, *items: dict[str, Any]) -> list[dict[str, Any]]:
    listed = list(items)
    batch_items.check("roles", listed)
    return batch_roles.roles(session, None, listed)  # type: ignore[arg-type]  # roles need no configuration


def test_a_role_is_made_then_left_alone_then_changed(session: Session) -> None:
    assert [result["outcome"] for result in _do(session, SPOKESPERSON)] == ["created"]
    assert [result["outcome"] for result in _do(session, SPOKESPERSON)] == ["unchanged"]
    found = session.scalars(select(Role).where(Role.name == "Spokesperson")).one()
    assert found.permissions == Permission.VIEW_DASHBOARD | Permission.MANAGE_ANNOUNCEMENTS
    assert [result["outcome"] for result in _do(session, {"name": "Spokesperson", "highlighted": True})] == ["updated"]
    assert (found.position, found.highlighted) == (20, True)


def test_roles_that_are_not_named_stay(session: Session) -> None:
    _do(session, SPOKESPERSON)
    assert set(session.scalars(select(Role.name))) == {"", "Owner", "Moderator", "Spokesperson"}


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"name": " "}, "blank"),
        ({"name": ""}, "blank"),
        ({"name": "Owner", "permissions": ["manage_users"]}, "keeps the permission administrator"),
        ({"name": "Owner", "position": 5}, "its position 1000"),
        ({"name": "Moderator", "position": 1000}, "from 0 to 999"),
        ({"name": "New", "position": -1}, "from 0 to 999"),
        ({"name": "Moderator", "color": "red"}, "Color is invalid"),
        ({"name": "Moderator", "permissions": ["manage_everything"]}, "unknown permissions: manage_everything"),
    ],
)
def test_what_a_role_may_not_become(session: Session, item: dict[str, Any], error: str) -> None:
    before = [
        (role.id, role.name, role.position, role.permissions, role.color) for role in session.scalars(select(Role))
    ]
    [result] = _do(session, item)
    session.expire_all()
    after = [
        (role.id, role.name, role.position, role.permissions, role.color) for role in session.scalars(select(Role))
    ]
    assert result["outcome"] == "failed"
    assert error in result["error"]
    assert after == before


def test_the_owner_may_be_dressed(session: Session) -> None:
    item = {
        "name": "Owner",
        "color": "#154273",
        "require_2fa": True,
        "permissions": ["administrator"],
        "position": 1000,
    }
    assert [result["outcome"] for result in _do(session, item)] == ["updated"]


def test_one_bad_item_does_not_stop_the_others(session: Session) -> None:
    results = _do(session, {"name": "Moderator", "color": "red"}, SPOKESPERSON)
    assert [result["outcome"] for result in results] == ["failed", "created"]


@pytest.mark.parametrize(
    "items",
    [
        [{"name": "a", "permissions": "manage_users"}],
        [{"name": "a", "permissions": [1]}],
        [{"name": "a", "position": True}],
        [{"name": "a", "highlighted": 1}],
        [{"name": "a", "deleted": True}],
        [{"name": "a"}, {"name": "a"}],
    ],
)
def test_bad_items_are_refused(items: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match="items"):
        batch_items.check("roles", items)


def test_permissions_have_upstreams_names() -> None:
    names = [permission.name.lower() for permission in Permission if permission.name]
    assert batch_roles.bits(names) == int(ALL)
