"""The naming policy, `accounts-policy.yml`: which names, mailboxes and roles a department's accounts may have."""

import re
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from meentwerk.errors import UsageError

FILE_NAME = "accounts-policy.yml"
MOST_BYTES = 1024 * 1024


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no pattern: {error}") from None
    return text


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Department(_Part):
    """What holds for one department."""

    domains: list[str] = Field([], description="Domains of its mailboxes, beside those of all departments.")
    pattern: Annotated[str, AfterValidator(_pattern)] = Field("", description="Pattern that each name fits as a whole.")
    prefixes: list[str] = Field([], description="Names begin with one of these.")
    office_holders: list[str] = Field([], description="Words for office-holders that it may use in names: minister.")


class RequireTwoFactor(_Part):
    """A role that asks for a second factor, given to each account that the list gives none."""

    name: str = Field(description="Name of the role; it is made when it is missing.")


class SingleSignOn(_Part):
    """Accounts sign in at the organisation's provider and have no password."""

    provider: str = Field("openid_connect", description="Mastodon's name of the provider.")


class Policy(_Part):
    """The naming policy of an instance."""

    domains: list[str] = Field([], description="Domains of mailboxes of every department; none means any.")
    personal_domains: list[str] = Field(
        ["gmail.com", "hotmail.com", "outlook.com", "icloud.com", "live.nl", "ziggo.nl", "kpnmail.nl"],
        description="Domains where mailboxes are people's own.",
    )
    forbidden_words: list[str] = Field([], description="Words that no name holds.")
    office_holders: list[str] = Field(
        [], description="Words for office-holders: only a department that has them uses them."
    )
    roles: list[str] = Field([], description="Roles that a list may give. None means none.")
    two_factor_role: RequireTwoFactor | None = Field(None, description="Role with a mandatory second factor.")
    single_sign_on: SingleSignOn | None = Field(None, description="Set when accounts have no password of their own.")
    departments: dict[str, Department] = Field({}, description="By name. None means that any department may be named.")


def load(file: Path | None, beside: Path) -> Policy:
    """Read the policy, by default the one beside the list; without a file, the one that allows most."""
    chosen = file or beside.parent / FILE_NAME
    if file is None and not chosen.exists():
        return Policy.model_validate({})
    try:
        if chosen.stat().st_size > MOST_BYTES:
            raise UsageError(f"{chosen} is far too long for a policy", "is it the right file?")
        data = yaml.safe_load(chosen.read_text(encoding="utf-8-sig"))
        return Policy.model_validate(data or {})
    except FileNotFoundError:
        raise UsageError(
            f"there is no policy {chosen}", "docs/accounts.md, «The naming policy», has an example"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{chosen} cannot be read: {error}", "check its owner, mode and encoding") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise UsageError(
            f"{chosen}{place} is no YAML", "docs/accounts.md, «The naming policy», has an example"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(
            f"{chosen}: {key}: {first['msg']}", "docs/accounts.md, «The naming policy», has every key"
        ) from None
