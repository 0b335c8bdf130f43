"""One model of a department's entry. Validation, JSON Schema, argument_specs and docs/entry.md are made from it.

Each field says what it is (`description`), why it is asked (`why`) and shows a value (`examples`). `default_text` is
the default as a person reads it, `ansible_default` as roles/instance/defaults/main.yml has it, where it is calculated.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from meentwerk.entries import names, values
from meentwerk.entries.problem import Wrong

SCHEMA_ADDRESS = "docs/department.schema.json"


def _checked(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Turn a check that raises `Wrong` into one that pydantic collects."""

    def validate(value: Any) -> Any:  # noqa: ANN401  # pydantic hands over whatever stands in the file
        try:
            return check(value)
        except Wrong as error:
            raise PydanticCustomError("wrong", "{wrong}", {"wrong": error.wrong, "cure": error.cure}) from None

    return validate


def _texts_only(check: Callable[[str], str]) -> Callable[[Any], Any]:
    """Leave what is no text to pydantic's own message."""
    return _checked(lambda value: check(value) if isinstance(value, str) else value)


def _field(
    default: Any = ...,  # noqa: ANN401  # pydantic's own signature, here and below
    *,
    what: str,
    why: str,
    example: Any,  # noqa: ANN401
    default_text: str = "",
    ansible_default: object = None,
    ansible_type: str = "",
    operator: bool = False,
    min_length: int | None = None,
    max_length: int | None = None,
) -> Any:  # noqa: ANN401
    extra: dict[str, Any] = {"x-why": why}
    if default_text:
        extra["x-default-text"] = default_text
    if ansible_default is not None:
        extra["x-ansible-default"] = ansible_default
    if ansible_type:
        extra["x-ansible-type"] = ansible_type
    if operator:
        extra["x-set-by"] = "operator"
    return Field(
        default,
        description=what,
        examples=[example],
        json_schema_extra=extra,
        min_length=min_length,
        max_length=max_length,
    )


# The patterns say in the schema what the checks, which come first and explain, enforce. They stand before the checks:
# behind one, pydantic leaves them out of the schema
Domain = Annotated[
    str,
    Field(pattern=names.DOMAIN_PATTERN, max_length=names.DOMAIN_LENGTH),
    BeforeValidator(_texts_only(names.domain)),
]
Email = Annotated[str, Field(pattern=values.EMAIL_PATTERN), BeforeValidator(_texts_only(values.email))]
Text = Annotated[str, Field(min_length=1), BeforeValidator(_texts_only(values.plain_text))]
Line = Annotated[str, Field(min_length=1), BeforeValidator(_texts_only(values.one_line))]
Hint = Annotated[str, BeforeValidator(_texts_only(values.visible))]
Username = Annotated[str, Field(pattern=values.USERNAME_PATTERN), BeforeValidator(_texts_only(values.username))]
RegisterId = Annotated[str, Field(pattern=values.URI_PATTERN), BeforeValidator(_texts_only(values.register_id))]
Language = Annotated[str, Field(pattern=values.LANGUAGE_PATTERN), BeforeValidator(_checked(values.language))]
ListPath = Annotated[str, Field(pattern=values.LIST_PATTERN), BeforeValidator(_texts_only(values.list_path))]
Ip6 = Annotated[str, Field(min_length=1), BeforeValidator(_texts_only(names.ip6))]
HostAddress = Annotated[str, Field(min_length=1), BeforeValidator(_texts_only(names.host_address))]
Release = Annotated[
    str, Field(pattern=rf"{values.VERSION_PATTERN}|^sandbox$"), BeforeValidator(_checked(values.release))
]


def _unique(items: list[str]) -> list[str]:
    twice = next((number for number, item in enumerate(items) if item in items[:number]), None)
    if twice is not None:
        context = {"wrong": f"{items[twice]} stands in the list twice.", "cure": "Keep one of them.", "item": twice}
        raise PydanticCustomError("wrong", "{wrong}", context)
    return items


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Organisation(_Part):
    """The organisation that speaks on the server."""

    name: Line = _field(
        what="Official name, as its register has it.",
        why="Visitors read it on the server's pages, and the proof of identity compares it with the register.",
        example="Ministry of Tides",
        max_length=200,
    )
    register_id: RegisterId = _field(
        what="Its identifier in an official register, as an https address.",
        why="A name can be copied, an identifier leads to one organisation.",
        example="https://identifier.overheid.nl/tooi/id/ministerie/mnre1034",
    )


class Contact(_Part):
    """Whom to ask: a function and its mailbox, not a person."""

    name: Line | None = _field(
        None,
        what="Name of the function or team.",
        why="People change, a team stays; no personal data belongs in the inventory.",
        example="Webcare team",
        max_length=100,
    )
    email: Email = _field(
        what="Mailbox of the team.",
        why="It stands on the server's pages and in security.txt, and the certificate authority may write to it.",
        example="webcare@tides.example.org",
    )


class Rule(_Part):
    """One of the server's rules."""

    text: Text = _field(
        what="The rule, 300 characters at most.",
        why="Who signs up agrees to it, and reports refer to it.",
        example="Be kind to people who disagree.",
        max_length=300,
    )
    hint: Hint = _field(
        "",
        what="What it means.",
        why="A short rule with an explanation is read; a long one is not.",
        example="Attack the idea as much as you like.",
    )


class Owner(_Part):
    """The first account, with the role Owner."""

    username: Username = _field(
        what="Its name on the server; lower-case letters, digits and underscores, 30 at most.",
        why="It administers the server, so it is no public voice; names that Mastodon reserves are refused.",
        example="beheer",
    )
    email: Email = _field(
        what="Its mailbox.",
        why="Reports and password changes arrive there.",
        example="beheer@tides.example.org",
    )


class Entry(_Part):
    """A department's entry: one host of the group mastodon_instances, with these keys."""

    ansible_host: HostAddress = _field(
        what="Address of the server: IPv4, IPv6 or a name.",
        why="The playbooks connect there. The operator gives it out; each server carries one instance.",
        example="192.0.2.11",
    )
    instance_domain: Domain = _field(
        what="The domain in every handle (@someone@domain). It can never change once the server has spoken to others.",
        why="Other servers know every account by it for good. Choose a domain of the organisation's own.",
        example="tides.example.org",
    )
    instance_web_domain: Domain | None = _field(
        None,
        what="Where the web site is, when it is not the domain itself. Equal to the domain or below it, or another one "
        "if the domain leads there: it stands in instance_delegated_domains, or instance_domain_elsewhere is true.",
        why="Handles can be short (@news@tides.example.org) while the site is at social.tides.example.org.",
        example="social.tides.example.org",
        default_text="the domain",
        ansible_default="{{ instance_domain | default('') }}",
    )
    instance_domain_elsewhere: bool = _field(
        False,
        what="Whether the domain has a web server of its own, which redirects WebFinger, host-meta and NodeInfo to the "
        "web domain.",
        why="A ministry's site stays where it is: this server then needs no certificate for the domain.",
        example=True,
    )
    instance_alternate_domains: Annotated[list[Domain], AfterValidator(_unique)] = _field(
        [],
        what="Further names under which the server answers WebFinger.",
        why="For people who try an older name; they are led to the right handle.",
        example=["old.tides.example.org"],
        max_length=20,
    )
    instance_delegated_domains: Annotated[list[Domain], AfterValidator(_unique)] = _field(
        [],
        what="Domains whose WebFinger, host-meta and NodeInfo requests this host redirects to the web domain.",
        why="A domain without a web server of its own can point at this host and still be found.",
        example=["tides.example.org"],
        max_length=20,
    )
    instance_organisation: Organisation = _field(
        what="The organisation that speaks here.",
        why="It answers the question that every visitor has: is this really them?",
        example={
            "name": "Ministry of Tides",
            "register_id": "https://identifier.overheid.nl/tooi/id/ministerie/mnre1034",
        },
    )
    instance_contact: Contact = _field(
        what="Whom to ask. A function and its mailbox, not a person.",
        why="Mastodon shows a contact on every server: whom citizens and other servers' operators ask.",
        example={"name": "Webcare team", "email": "webcare@tides.example.org"},
    )
    instance_size: Literal["small", "medium", "large"] = _field(
        "small",
        what="Size of the server. It sets the numbers of puma, Sidekiq, PostgreSQL and Valkey together.",
        why="A server of 4, 8 or 16 GB of memory. Begin small: a larger one is a change of one word.",
        example="medium",
    )
    instance_languages: Annotated[list[Language], AfterValidator(_unique)] = _field(
        ["nl", "en"],
        what="Languages of the server, the default one first (ISO 639).",
        why="The first is what visitors see who have not chosen; all of them stand in security.txt.",
        example=["fy", "nl"],
        min_length=1,
        max_length=10,
    )
    instance_release: Release = _field(
        "4.6.5",
        what="Release to run; a version of Mastodon, or C(sandbox) for the rehearsal server.",
        why="Only what was built, signed and tried is run. Usually the operator's choice for the whole fleet.",
        example="4.6.5",
    )
    instance_release_directory: Text = _field(
        "",
        what="Folder on the controller with the built releases. The operator's to set, for the whole fleet.",
        why="Built once, deployed to many.",
        example="/srv/releases",
        default_text="releases/ of this clone",
        ansible_default="{{ playbook_dir | dirname }}/releases",
        ansible_type="path",
        operator=True,
    )
    instance_release_signers: list[Text] = _field(
        [],
        what="Whose signature on a release is trusted, as lines of an OpenSSH allowed_signers file. The operator's to "
        "set; without a choice, the keys that this controller built with.",
        why="A host refuses a release that nobody of these has signed.",
        example=['release namespaces="meentwerk-release" ssh-ed25519 AAAA...'],
        default_text="the keys this controller built with",
        # A fleet can be validated before anything is built; the role mastodon refuses to deploy without a signer
        ansible_default="{{ (query('ansible.builtin.file', instance_release_directory ~ '/allowed_signers', "
        "errors='ignore') | first | default('')).splitlines() }}",
        operator=True,
    )
    instance_title: Line | None = _field(
        None,
        what="Name of the server on its pages.",
        why="The organisation's name is right for most.",
        example="Tides Social",
        default_text="the organisation's name",
        ansible_default="{{ instance_organisation.name | default('') }}",
        max_length=100,
    )
    instance_description: Text | None = _field(
        None,
        what="One sentence about the server, 200 characters at most.",
        why="It is what search engines and other servers show.",
        example="News of the water levels.",
        default_text="one sentence with the organisation's name",
        ansible_default="The social media server of {{ instance_organisation.name | default('') }}.",
        max_length=200,
    )
    instance_registrations: Literal["closed", "approval"] = _field(
        "closed",
        what="Who may make an account. C(closed) means the operator's onboarding only.",
        why="An account on a government's server speaks for the government.",
        example="approval",
    )
    instance_rules: list[Rule] = _field(
        [],
        what="The server's rules, in order.",
        why="They are shown at the door and used in reports.",
        example=[{"text": "Be kind to people who disagree."}],
        max_length=50,
    )
    instance_owner: Owner | None = _field(
        None,
        what="The first account, with the role Owner.",
        why="Someone has to administer the server; its first password is made with the other secrets.",
        example={"username": "beheer", "email": "beheer@tides.example.org"},
        default_text="beheer, with the contact's mailbox",
        ansible_default={"username": "beheer", "email": "{{ instance_contact.email | default('') }}"},
    )
    instance_accounts: ListPath = _field(
        "",
        what="List of its accounts: a .csv or .yml file, as seen from the inventory's folder.",
        why="playbooks/accounts.yml makes the accounts and keeps them as the list says (docs/accounts.md).",
        example="accounts/tides.csv",
    )
    embedded_host_ip6: Ip6 | None = _field(
        None,
        what="IPv6 address of an embedded host; demo only.",
        why="The demo boots its own hosts (docs/embedded-hosts.md).",
        example="fd87:6d65:656e::11",
    )
    embedded_host_aliases: list[Domain] = _field(
        [],
        what="Names of an embedded host; demo only.",
        why="Hosts of one machine find each other by them.",
        example=["tides.example.test"],
    )
    embedded_host_image: str = _field(
        "base",
        what="Image of an embedded host; demo only.",
        why="A layer with packages boots faster.",
        example="base",
    )


class _Hosts(BaseModel):
    model_config = ConfigDict(extra="forbid")

    hosts: dict[Annotated[str, Field(pattern=names.HOST_NAME_PATTERN)], Entry] = Field(
        min_length=1, description="The instances, each by the short name that operators use for it."
    )


class DepartmentFile(BaseModel):
    """A file in departments/: one department's instances."""

    model_config = ConfigDict(extra="forbid")

    mastodon_instances: _Hosts


FIELDS = Entry.model_fields
DEMO_ONLY = "embedded_host_"


def set_by_operator(name: str) -> bool:
    """Say whether a key is the operator's to set, for the whole fleet."""
    extra = FIELDS[name].json_schema_extra
    return isinstance(extra, dict) and extra.get("x-set-by") == "operator"
