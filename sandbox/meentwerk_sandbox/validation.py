"""Rails' validation errors: messages, codes and the way they are put together."""

from .errors import ApiError

BLANK = ("blank", "can't be blank")
TAKEN = ("taken", "has already been taken")
INVALID = ("invalid", "is invalid")
ACCEPTED = ("accepted", "must be accepted")
NOT_IN_LIST = ("inclusion", "is not included in the list")
INVALID_DOMAIN = ("invalid", "is not a valid domain name")
BLOCKED_EMAIL = ("blocked", "uses a disallowed e-mail provider")
RESERVED = ("reserved", "is reserved")
INVALID_USERNAME = ("invalid", "must contain only letters, numbers and underscores")


def too_long(maximum: int) -> tuple[str, str]:
    """Longer than `maximum` characters."""
    return ("too_long", f"is too long (maximum is {maximum} characters)")


def too_short(minimum: int) -> tuple[str, str]:
    """Shorter than `minimum` characters."""
    return ("too_short", f"is too short (minimum is {minimum} characters)")


class Errors:
    """Collects what is wrong with a record, in the order Rails would find it."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str, str, str]] = []

    def add(self, attribute: str, error: tuple[str, str], human: str | None = None) -> None:
        """Note that `attribute` has `error` (code, message); `human` is its name in the message."""
        code, message = error
        name = attribute.replace("_", " ").capitalize() if human is None else human
        self._found.append((attribute, code, message, f"{name} {message}".strip()))

    def __bool__(self) -> bool:
        return bool(self._found)

    def has(self, attribute: str) -> bool:
        """Whether something is wrong with `attribute`."""
        return any(found[0] == attribute for found in self._found)

    def message(self) -> str:
        """`Validation failed: Domain can't be blank, ...`."""
        return "Validation failed: " + ", ".join(full for _, _, _, full in self._found)

    def raise_if_any(self, *, details: bool = False) -> None:
        """Answer 422 when something is wrong; with `details` per attribute where Mastodon gives them."""
        if not self._found:
            return
        body: dict[str, object] = {"error": self.message()}
        if details:
            listed: dict[str, list[dict[str, str]]] = {}
            for attribute, code, message, _ in self._found:
                listed.setdefault(attribute, []).append({"error": f"ERR_{code.upper()}", "description": message})
            body["details"] = listed
        raise ApiError(422, body)
