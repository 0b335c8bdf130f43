"""OAuth scopes (config/initializers/doorkeeper.rb) and when one covers another."""

DEFAULT = "read"

_WRITE = (
    *("accounts", "blocks", "bookmarks", "collections", "conversations", "favourites", "filters", "follows", "lists"),
    *("media", "mutes", "notifications", "reports", "statuses"),
)
_READ = (
    *("accounts", "blocks", "bookmarks", "collections", "favourites", "filters", "follows", "lists", "mutes"),
    *("notifications", "search", "statuses"),
)
_ADMIN = (
    *("accounts", "reports", "domain_allows", "domain_blocks", "ip_blocks", "email_domain_blocks"),
    "canonical_email_blocks",
)

SUPPORTED: tuple[str, ...] = (
    "read",
    "profile",
    "write",
    *(f"write:{name}" for name in _WRITE),
    *(f"read:{name}" for name in _READ),
    "follow",
    "push",
    "admin:read",
    *(f"admin:read:{name}" for name in _ADMIN),
    "admin:write",
    *(f"admin:write:{name}" for name in _ADMIN),
)


def split(text: str | None) -> list[str]:
    """Scopes of a space-separated list, in order, each once."""
    return list(dict.fromkeys((text or "").split()))


def all_supported(scopes: list[str]) -> bool:
    """Whether Mastodon knows every one of them."""
    return all(scope in SUPPORTED for scope in scopes)


def covers(granted: list[str], wanted: list[str]) -> bool:
    """Whether a client with `granted` may ask for all of `wanted`: exact names only, as Doorkeeper checks."""
    return set(wanted) <= set(granted)


def allows(granted: list[str], any_of: tuple[str, ...]) -> bool:
    """Whether a token with `granted` may do what any scope of `any_of` allows."""
    return not any_of or any(scope in granted for scope in any_of)
