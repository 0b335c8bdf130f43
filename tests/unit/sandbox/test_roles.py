import re

from meentwerk_sandbox import roles, schema_base
from meentwerk_sandbox.roles import Permission


def _seeded(name: str) -> int:
    found = re.search(rf"\('{name}', \d+, (\d+), true\)", " ".join(schema_base.SEEDS))
    assert found is not None
    return int(found.group(1))


def test_an_administrator_may_do_everything() -> None:
    assert roles.computed(_seeded("Owner"), int(roles.DEFAULT)) == 8388607


def test_the_seeded_moderator_may_judge_people_but_not_servers() -> None:
    permissions = roles.computed(_seeded("Moderator"), int(roles.DEFAULT))
    assert roles.can(permissions, Permission.MANAGE_USERS)
    assert roles.can(permissions, Permission.MANAGE_REPORTS)
    assert not roles.can(permissions, Permission.MANAGE_FEDERATION, Permission.MANAGE_BLOCKS)
    assert permissions == sum(
        (
            Permission.VIEW_DASHBOARD,
            Permission.VIEW_AUDIT_LOG,
            Permission.VIEW_FEEDS,
            Permission.MANAGE_USERS,
            Permission.MANAGE_REPORTS,
            Permission.MANAGE_TAXONOMIES,
            Permission.INVITE_USERS,
        )
    )


def test_the_seeded_admin_has_everything_but_these() -> None:
    lacking = roles.ALL & ~_seeded("Admin")
    assert lacking == (
        Permission.ADMINISTRATOR
        | Permission.VIEW_DEVOPS
        | Permission.INVITE_USERS
        | Permission.INVITE_BYPASS_APPROVAL
        | Permission.MANAGE_EMAIL_SUBSCRIPTIONS
    )
