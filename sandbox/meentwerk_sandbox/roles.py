"""Permission bits and roles as app/models/user_role.rb defines them."""

from enum import IntFlag

EVERYONE_ID = -99


class Permission(IntFlag):
    """One bit per privilege; the numbers are stored and shown in the API."""

    ADMINISTRATOR = 1 << 0
    VIEW_DEVOPS = 1 << 1
    VIEW_AUDIT_LOG = 1 << 2
    VIEW_DASHBOARD = 1 << 3
    MANAGE_REPORTS = 1 << 4
    MANAGE_FEDERATION = 1 << 5
    MANAGE_SETTINGS = 1 << 6
    MANAGE_BLOCKS = 1 << 7
    MANAGE_TAXONOMIES = 1 << 8
    MANAGE_APPEALS = 1 << 9
    MANAGE_USERS = 1 << 10
    MANAGE_INVITES = 1 << 11
    MANAGE_RULES = 1 << 12
    MANAGE_ANNOUNCEMENTS = 1 << 13
    MANAGE_CUSTOM_EMOJIS = 1 << 14
    MANAGE_WEBHOOKS = 1 << 15
    INVITE_USERS = 1 << 16
    MANAGE_ROLES = 1 << 17
    MANAGE_USER_ACCESS = 1 << 18
    DELETE_USER_DATA = 1 << 19
    VIEW_FEEDS = 1 << 20
    INVITE_BYPASS_APPROVAL = 1 << 21
    MANAGE_EMAIL_SUBSCRIPTIONS = 1 << 22


ALL = Permission((1 << 23) - 1)
DEFAULT = Permission.INVITE_USERS


def computed(own: int, everyone: int) -> int:
    """What a role may do: its own bits and everyone's; an administrator may do everything."""
    if own & Permission.ADMINISTRATOR:
        return int(ALL)
    return own | everyone


def can(permissions: int, *any_of: Permission) -> bool:
    """Whether computed `permissions` hold at least one of `any_of`."""
    return any(permissions & privilege for privilege in any_of)
