"""The tables of schema_base as classes, with what can be known of a row without asking the database again."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, FetchedValue, ForeignKey, String, Text
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates

from . import roles
from .clock import now
from .kinds import Json

PUBLIC, UNLISTED, PRIVATE, DIRECT, LIMITED = range(5)
VISIBILITIES = ("public", "unlisted", "private", "direct", "limited")
MEDIA_TYPES = ("image", "gifv", "video", "unknown", "audio")
LOCAL_ORIGIN = 0


class Base(DeclarativeBase):
    """Base of all tables; every id is a bigint."""

    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy reads it from the class)
        int: BigInteger,
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
        list[str]: ARRAY(String),
        list[int]: ARRAY(BigInteger),
    }


class Stamped:
    """Rows that know when they were made and changed."""

    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class Role(Stamped, Base):
    """A role: Owner, Admin, Moderator, everyone (id -99)."""

    __tablename__ = "user_roles"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")
    color: Mapped[str] = mapped_column(default="")
    position: Mapped[int] = mapped_column(default=0)
    permissions: Mapped[int] = mapped_column(default=0)
    highlighted: Mapped[bool] = mapped_column(default=False)
    require_2fa: Mapped[bool] = mapped_column(default=False)
    collection_limit: Mapped[int] = mapped_column(default=10)

    def overrides(self, other: "Role") -> bool:
        """Whether this role stands above `other`."""
        return self.position > other.position


class Account(Stamped, Base):
    """Somebody who posts, here (`domain` is None) or elsewhere."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True, server_default=FetchedValue())
    username: Mapped[str]
    domain: Mapped[str | None]
    display_name: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(Text, default="")
    uri: Mapped[str] = mapped_column(default="")
    url: Mapped[str | None]
    locked: Mapped[bool] = mapped_column(default=False)
    actor_type: Mapped[str | None]
    discoverable: Mapped[bool | None]
    indexable: Mapped[bool] = mapped_column(default=False)
    hide_collections: Mapped[bool | None]
    memorial: Mapped[bool] = mapped_column(default=False)
    fields: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    attribution_domains: Mapped[list[str]] = mapped_column(default=list)
    avatar_file_name: Mapped[str | None]
    avatar_content_type: Mapped[str | None]
    avatar_description: Mapped[str] = mapped_column(default="")
    header_file_name: Mapped[str | None]
    header_content_type: Mapped[str | None]
    header_description: Mapped[str] = mapped_column(default="")
    private_key: Mapped[str | None] = mapped_column(Text)
    public_key: Mapped[str] = mapped_column(Text, default="")
    suspended_at: Mapped[datetime | None]
    suspension_origin: Mapped[int | None]
    silenced_at: Mapped[datetime | None]
    sensitized_at: Mapped[datetime | None]
    requested_deletion_at: Mapped[datetime | None]

    user: Mapped["User | None"] = relationship(back_populates="account", lazy="joined", uselist=False)
    stat: Mapped["AccountStat | None"] = relationship(lazy="joined", uselist=False)

    @property
    def local(self) -> bool:
        """Whether the account lives here."""
        return self.domain is None

    @property
    def acct(self) -> str:
        """`name` here, `name@domain` elsewhere."""
        return self.username if self.domain is None else f"{self.username}@{self.domain}"

    @property
    def bot(self) -> bool:
        """Whether the account says it is automated."""
        return self.actor_type in {"Application", "Service"}

    @property
    def unavailable(self) -> bool:
        """Suspended or being deleted: shown without its content."""
        return self.suspended_at is not None or self.requested_deletion_at is not None

    @property
    def suspended_locally(self) -> bool:
        """Suspended by this server's moderators, so they may lift it."""
        return self.suspended_at is not None and self.suspension_origin == LOCAL_ORIGIN


class AccountStat(Stamped, Base):
    """Counters of an account."""

    __tablename__ = "account_stats"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    statuses_count: Mapped[int] = mapped_column(default=0)
    following_count: Mapped[int] = mapped_column(default=0)
    followers_count: Mapped[int] = mapped_column(default=0)
    last_status_at: Mapped[datetime | None]


class User(Stamped, Base):
    """The login behind a local account."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    email: Mapped[str]
    encrypted_password: Mapped[str] = mapped_column(default="")
    locale: Mapped[str | None]
    time_zone: Mapped[str | None]
    confirmed_at: Mapped[datetime | None]
    confirmation_sent_at: Mapped[datetime | None]
    approved: Mapped[bool] = mapped_column(default=True)
    disabled: Mapped[bool] = mapped_column(default=False)
    role_id: Mapped[int | None] = mapped_column(ForeignKey("user_roles.id"))
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    sign_up_ip: Mapped[str | None] = mapped_column(INET)
    created_by_application_id: Mapped[int | None]
    invite_id: Mapped[int | None]
    sign_in_count: Mapped[int] = mapped_column(default=0)
    current_sign_in_at: Mapped[datetime | None]
    last_sign_in_at: Mapped[datetime | None]
    otp_required_for_login: Mapped[bool] = mapped_column(default=False)
    reset_password_sent_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship(back_populates="user", lazy="joined")
    own_role: Mapped[Role | None] = relationship(lazy="joined")
    invite_request: Mapped["InviteRequest | None"] = relationship(lazy="select", uselist=False)

    @validates("email")
    def _plain_email(self, _name: str, email: str) -> str:
        """Lower case, without spaces around it (Devise: case_insensitive_keys, strip_whitespace_keys)."""
        return email.strip().lower()

    @property
    def confirmed(self) -> bool:
        """Whether the e-mail address was confirmed."""
        return self.confirmed_at is not None

    def setting(self, name: str, default: Json = None) -> Json:
        """One of the user's preferences."""
        return self.settings.get(name, default)

    @property
    def default_privacy(self) -> str:
        """Visibility of a post that names none (User#setting_default_privacy)."""
        return str(self.setting("default_privacy") or ("private" if self.account.locked else "public"))


class Identity(Stamped, Base):
    """Who a user is at a provider of single sign-on."""

    __tablename__ = "identities"

    id: Mapped[int] = mapped_column(primary_key=True)
    provider: Mapped[str]
    uid: Mapped[str]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))


class InviteRequest(Stamped, Base):
    """Why somebody wants an account."""

    __tablename__ = "user_invite_requests"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str | None] = mapped_column(Text)


class Invite(Stamped, Base):
    """A code that opens the door while registrations are closed."""

    __tablename__ = "invites"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    code: Mapped[str]
    expires_at: Mapped[datetime | None]
    max_uses: Mapped[int | None]
    uses: Mapped[int] = mapped_column(default=0)


class UsernameBlock(Stamped, Base):
    """A name that nobody may register."""

    __tablename__ = "username_blocks"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str]
    normalized_username: Mapped[str]
    exact: Mapped[bool] = mapped_column(default=False)
    allow_with_approval: Mapped[bool] = mapped_column(default=False)


class Application(Stamped, Base):
    """An OAuth client."""

    __tablename__ = "oauth_applications"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    uid: Mapped[str]
    secret: Mapped[str]
    redirect_uri: Mapped[str] = mapped_column(Text)
    scopes: Mapped[str] = mapped_column(default="")
    website: Mapped[str | None]
    owner_id: Mapped[int | None]
    owner_type: Mapped[str | None]


class Grant(Base):
    """An authorization code."""

    __tablename__ = "oauth_access_grants"

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str]
    expires_in: Mapped[int]
    redirect_uri: Mapped[str] = mapped_column(Text)
    scopes: Mapped[str | None]
    revoked_at: Mapped[datetime | None]
    resource_owner_id: Mapped[int]
    application_id: Mapped[int]
    code_challenge: Mapped[str | None]
    code_challenge_method: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Token(Base):
    """An access token, of a user or of an application alone."""

    __tablename__ = "oauth_access_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str]
    expires_in: Mapped[int | None]
    revoked_at: Mapped[datetime | None]
    scopes: Mapped[str | None]
    application_id: Mapped[int | None] = mapped_column(ForeignKey("oauth_applications.id"))
    resource_owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    last_used_at: Mapped[datetime | None]
    last_used_ip: Mapped[str | None] = mapped_column(INET)
    created_at: Mapped[datetime] = mapped_column(default=now)

    application: Mapped[Application | None] = relationship(lazy="joined")
    user: Mapped[User | None] = relationship(lazy="joined")


class Status(Stamped, Base):
    """A post."""

    __tablename__ = "statuses"

    id: Mapped[int] = mapped_column(primary_key=True, server_default=FetchedValue())
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    text: Mapped[str] = mapped_column(Text, default="")
    spoiler_text: Mapped[str] = mapped_column(Text, default="")
    sensitive: Mapped[bool] = mapped_column(default=False)
    visibility: Mapped[int] = mapped_column(default=PUBLIC)
    language: Mapped[str | None]
    in_reply_to_id: Mapped[int | None]
    in_reply_to_account_id: Mapped[int | None]
    reply: Mapped[bool] = mapped_column(default=False)
    reblog_of_id: Mapped[int | None] = mapped_column(ForeignKey("statuses.id"))
    application_id: Mapped[int | None] = mapped_column(ForeignKey("oauth_applications.id"))
    ordered_media_attachment_ids: Mapped[list[int] | None]
    quote_approval_policy: Mapped[int] = mapped_column(default=0)
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship(lazy="joined")
    application: Mapped[Application | None] = relationship(lazy="joined")
    reblog: Mapped["Status | None"] = relationship(remote_side="Status.id", lazy="select")
    media: Mapped[list["Media"]] = relationship(lazy="select", order_by="Media.id", viewonly=True)
    mentions: Mapped[list["Mention"]] = relationship(lazy="select", order_by="Mention.id", viewonly=True)
    tags: Mapped[list["Tag"]] = relationship(secondary="statuses_tags", lazy="select", order_by="Tag.id")

    @property
    def ordered_media(self) -> list["Media"]:
        """Attachments in the order the author gave them."""
        order = self.ordered_media_attachment_ids
        if order is None:
            return list(self.media)
        return sorted((item for item in self.media if item.id in order), key=lambda item: order.index(item.id))


class Mention(Stamped, Base):
    """An account named in a post."""

    __tablename__ = "mentions"

    id: Mapped[int] = mapped_column(primary_key=True)
    status_id: Mapped[int] = mapped_column(ForeignKey("statuses.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))

    account: Mapped[Account] = relationship(lazy="joined")


class Tag(Stamped, Base):
    """A hashtag, lower case."""

    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class StatusTag(Base):
    """Which post has which hashtag."""

    __tablename__ = "statuses_tags"

    status_id: Mapped[int] = mapped_column(ForeignKey("statuses.id"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id"), primary_key=True)


class Favourite(Stamped, Base):
    """An account that likes a post."""

    __tablename__ = "favourites"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    status_id: Mapped[int] = mapped_column(ForeignKey("statuses.id"))


class Bookmark(Stamped, Base):
    """A post somebody keeps for later."""

    __tablename__ = "bookmarks"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    status_id: Mapped[int] = mapped_column(ForeignKey("statuses.id"))


class Pin(Stamped, Base):
    """A post kept at the top of its author's profile."""

    __tablename__ = "status_pins"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    status_id: Mapped[int] = mapped_column(ForeignKey("statuses.id"))


class Media(Stamped, Base):
    """An uploaded file, attached to a post or waiting for one."""

    __tablename__ = "media_attachments"

    id: Mapped[int] = mapped_column(primary_key=True, server_default=FetchedValue())
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    status_id: Mapped[int | None] = mapped_column(ForeignKey("statuses.id"))
    type: Mapped[int] = mapped_column(default=0)
    file_file_name: Mapped[str | None]
    file_content_type: Mapped[str | None]
    file_file_size: Mapped[int | None]
    file_meta: Mapped[dict[str, Any] | None]
    description: Mapped[str | None] = mapped_column(Text)
    blurhash: Mapped[str | None]


class Follow(Stamped, Base):
    """Who follows whom."""

    __tablename__ = "follows"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    target_account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    show_reblogs: Mapped[bool] = mapped_column(default=True)
    notify: Mapped[bool] = mapped_column(default=False)
    languages: Mapped[list[str] | None]


class FollowRequest(Stamped, Base):
    """Who would like to follow a locked account."""

    __tablename__ = "follow_requests"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    target_account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    show_reblogs: Mapped[bool] = mapped_column(default=True)
    notify: Mapped[bool] = mapped_column(default=False)
    languages: Mapped[list[str] | None]


class Notification(Stamped, Base):
    """Something that happened to an account."""

    __tablename__ = "notifications"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    from_account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    type: Mapped[str]
    status_id: Mapped[int | None] = mapped_column(ForeignKey("statuses.id"))

    from_account: Mapped[Account] = relationship(foreign_keys=[from_account_id], lazy="joined")
    status: Mapped[Status | None] = relationship(lazy="select")


class Marker(Stamped, Base):
    """How far somebody has read."""

    __tablename__ = "markers"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    timeline: Mapped[str]
    last_read_id: Mapped[int]
    lock_version: Mapped[int] = mapped_column(default=0)


class DomainBlock(Stamped, Base):
    """A limit on another server; severity 0 silence, 1 suspend, 2 noop."""

    __tablename__ = "domain_blocks"

    id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str]
    severity: Mapped[int] = mapped_column(default=0)
    reject_media: Mapped[bool] = mapped_column(default=False)
    reject_reports: Mapped[bool] = mapped_column(default=False)
    private_comment: Mapped[str | None] = mapped_column(Text)
    public_comment: Mapped[str | None] = mapped_column(Text)
    obfuscate: Mapped[bool] = mapped_column(default=False)


class DomainAllow(Stamped, Base):
    """A server this one speaks with in limited federation mode."""

    __tablename__ = "domain_allows"

    id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str]


class EmailDomainBlock(Stamped, Base):
    """An e-mail provider nobody may sign up with."""

    __tablename__ = "email_domain_blocks"

    id: Mapped[int] = mapped_column(primary_key=True)
    domain: Mapped[str]
    allow_with_approval: Mapped[bool] = mapped_column(default=False)


class IpBlock(Stamped, Base):
    """Addresses with fewer rights."""

    __tablename__ = "ip_blocks"

    id: Mapped[int] = mapped_column(primary_key=True)
    ip: Mapped[Any] = mapped_column(INET)
    severity: Mapped[int]
    comment: Mapped[str] = mapped_column(Text, default="")
    expires_at: Mapped[datetime | None]


class CanonicalEmailBlock(Stamped, Base):
    """The hash of an e-mail address that may not sign up again."""

    __tablename__ = "canonical_email_blocks"

    id: Mapped[int] = mapped_column(primary_key=True)
    canonical_email_hash: Mapped[str]
    reference_account_id: Mapped[int | None]


class Strike(Stamped, Base):
    """A moderator's decision about an account."""

    __tablename__ = "account_warnings"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int | None]
    target_account_id: Mapped[int]
    action: Mapped[str]
    text: Mapped[str] = mapped_column(Text, default="")


class ActionLog(Stamped, Base):
    """The audit log: who did what to whom."""

    __tablename__ = "admin_action_logs"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int]
    action: Mapped[str]
    target_type: Mapped[str]
    target_id: Mapped[int | None]
    human_identifier: Mapped[str | None]


class Rule(Stamped, Base):
    """A server rule; a deleted one stays for old reports."""

    __tablename__ = "rules"

    id: Mapped[int] = mapped_column(primary_key=True)
    priority: Mapped[int] = mapped_column(default=0)
    text: Mapped[str] = mapped_column(Text, default="")
    hint: Mapped[str] = mapped_column(Text, default="")
    deleted_at: Mapped[datetime | None]

    translations: Mapped[list["RuleTranslation"]] = relationship(
        lazy="selectin", order_by="RuleTranslation.language", cascade="all, delete-orphan"
    )


class RuleTranslation(Stamped, Base):
    """A rule in another language."""

    __tablename__ = "rule_translations"

    id: Mapped[int] = mapped_column(primary_key=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("rules.id"))
    language: Mapped[str]
    text: Mapped[str] = mapped_column(Text, default="")
    hint: Mapped[str] = mapped_column(Text, default="")


class Setting(Stamped, Base):
    """One site setting that differs from its default."""

    __tablename__ = "settings"

    id: Mapped[int] = mapped_column(primary_key=True)
    var: Mapped[str]
    value: Mapped[Any] = mapped_column(JSONB)


def role_permissions(role: Role, everyone: Role) -> int:
    """Computed permissions of a role (UserRole#computed_permissions)."""
    return everyone.permissions if role.id == everyone.id else roles.computed(role.permissions, everyone.permissions)
