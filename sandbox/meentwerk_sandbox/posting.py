"""Writing, changing and deleting posts (PostStatusService, UpdateStatusService)."""

import re
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from . import errors, limits, lookup, policy, text
from .clock import now
from .context import Context
from .kinds import Json
from .models import (
    DIRECT,
    PRIVATE,
    PUBLIC,
    UNLISTED,
    VISIBILITIES,
    Account,
    AccountStat,
    Media,
    Mention,
    Status,
    StatusTag,
    Tag,
    User,
)
from .params import Params, boolean, to_i
from .serializers.statuses import QUOTE_POLICIES
from .validation import BLANK, NOT_IN_LIST, Errors

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")


def create(context: Context, user: User) -> Status:
    """Store a new post with its mentions, hashtags and files."""
    params = context.params
    _refuse_what_is_missing(params)
    thread = _thread(context)
    media = _media(context, user.account, None)
    spoiler = params.text("spoiler_text")
    content = params.text("status")
    if not content.strip() and spoiler.strip():
        content = "\N{FRAME WITH PICTURE}" if media else "."
    visibility = params.optional("visibility") or user.default_privacy
    if visibility == "public" and user.account.silenced_at is not None:
        visibility = "unlisted"
    found = Errors()
    _check(content, spoiler, media, found)
    if visibility not in VISIBILITIES[: DIRECT + 1]:
        found.add("visibility", NOT_IN_LIST)
    policy_name = params.optional("quote_approval_policy") or user.setting("default_quote_policy") or "public"
    if policy_name not in QUOTE_POLICIES:
        raise errors.said(422, "Record invalid")
    found.raise_if_any()
    level = VISIBILITIES.index(visibility)
    status = Status(
        account_id=user.account_id,
        text=content,
        spoiler_text=spoiler,
        sensitive=_sensitive(params, spoiler, default=bool(user.setting("default_sensitive", default=False))),
        visibility=level,
        language=_language(params.text("language"), user.setting("default_language"), user.locale, context),
        in_reply_to_id=thread.id if thread else None,
        in_reply_to_account_id=thread.account_id if thread else None,
        reply=thread is not None,
        application_id=context.token_application_id,
        ordered_media_attachment_ids=[item.id for item in media],
        quote_approval_policy=QUOTE_POLICIES[policy_name] if level in {PUBLIC, UNLISTED} else 0,
    )
    context.session.add(status)
    context.session.flush()
    _attach(context, status, media)
    link(context, status)
    if level != DIRECT:
        count(context, user.account_id, 1, posted=True)
    context.session.flush()
    context.session.refresh(status)
    context.enqueue("DistributionWorker", status.id)
    return status


def change(context: Context, status: Status) -> None:
    """Change a post. As in Mastodon, a text that is not given is an empty text."""
    params = context.params
    _refuse_what_is_missing(params)
    media = _media(context, status.account, status.id)
    spoiler = params.text("spoiler_text")
    content = params.text("status")
    if not content.strip():
        content, spoiler = spoiler, ""
    found = Errors()
    _check(content, spoiler, media, found)
    found.raise_if_any()
    before = (status.text, status.spoiler_text, status.sensitive, status.ordered_media_attachment_ids, status.language)
    status.text, status.spoiler_text = content, spoiler
    status.sensitive = _sensitive(params, spoiler, default=False)
    language = params.optional("language")
    if language is not None and _LANGUAGE.fullmatch(language):
        status.language = language
    if params.optional("quote_approval_policy") in QUOTE_POLICIES and status.visibility in {PUBLIC, UNLISTED}:
        status.quote_approval_policy = QUOTE_POLICIES[params.text("quote_approval_policy")]
    status.ordered_media_attachment_ids = [item.id for item in media]
    described = _describe(params, media)
    after = (status.text, status.spoiler_text, status.sensitive, status.ordered_media_attachment_ids, status.language)
    if before == after and not described and not context.session.is_modified(status):
        return
    status.edited_at = now()
    _attach(context, status, media)
    link(context, status)
    context.session.flush()
    context.session.expire(status)
    context.enqueue("DistributionWorker", status.id, {"update": True})


def _refuse_what_is_missing(params: Params) -> None:
    for name, what in (("poll", "Polls"), ("scheduled_at", "Scheduled posts"), ("quoted_status_id", "Quotes")):
        if params.get(name) not in (None, "", {}):
            raise errors.said(422, f"{what} are not part of this rehearsal server")


def _thread(context: Context) -> Status | None:
    if not context.params.present("in_reply_to_id"):
        return None
    number = context.params.integer("in_reply_to_id")
    found = context.session.get(Status, number) if 0 < number < 1 << 63 else None
    if found is None or not policy.may_see(context, found):
        raise errors.said(404, "The post you are trying to reply to does not appear to exist.")
    return found


def _media(context: Context, account: Account, status: int | None) -> list[Media]:
    numbers = [to_i(str(item)) for item in context.params.items_of("media_ids")]
    if len(numbers) > limits.ATTACHMENTS:
        raise errors.said(422, "Cannot attach more than 4 files")
    if not numbers:
        return []
    free = Media.status_id.is_(None) if status is None else Media.status_id.is_(None) | (Media.status_id == status)
    query = select(Media).where(Media.id.in_(numbers), Media.account_id == account.id, free)
    by_id = {item.id: item for item in context.session.scalars(query.with_for_update())}
    missing = [str(number) for number in numbers if number not in by_id]
    if missing:
        raise errors.said(422, f"Media {', '.join(missing)} not found or already attached to another post")
    return [by_id[number] for number in dict.fromkeys(numbers)]


def _check(content: str, spoiler: str, media: list[Media], found: Errors) -> None:
    if not content.strip() and not media:
        found.add("text", BLANK)
    if text.countable_length(content, spoiler) > text.MAX_STATUS:
        found.add("text", ("too_long", f"character limit of {text.MAX_STATUS} exceeded"))


def _sensitive(params: Params, spoiler: str, *, default: bool) -> bool:
    """Ruby's `given || spoiler`: "0" of a form is true there and then cast to false, so it beats a content warning.

    JSON's false does not.
    """
    given = params.get("sensitive")
    if given is None:
        return default or bool(spoiler.strip())
    if isinstance(given, bool):
        return given or bool(spoiler.strip())
    return boolean(given) is True


def _language(wanted: str, preferred: Json, locale: str | None, context: Context) -> str:
    for language in (wanted, preferred, locale):
        if language and _LANGUAGE.fullmatch(str(language)):
            return str(language)
    return context.config.default_locale


def _attach(context: Context, status: Status, media: list[Media]) -> None:
    wanted = [item.id for item in media]
    # What is no longer attached waits for another post, until it is cleaned up.
    context.session.execute(
        update(Media).where(Media.status_id == status.id, Media.id.not_in(wanted)).values(status_id=None)
    )
    context.session.execute(update(Media).where(Media.id.in_(wanted)).values(status_id=status.id))


def _describe(params: Params, media: list[Media]) -> bool:
    changed = False
    for item in params.items_of("media_attributes"):
        if not isinstance(item, dict) or "description" not in item:
            continue
        number = to_i(str(item.get("id", "")))
        for attachment in media:
            if attachment.id == number and attachment.description != item["description"]:
                attachment.description = str(item["description"])
                changed = True
    return changed


def link(context: Context, status: Status) -> None:
    """Bring mentions and hashtags in line with the text."""
    session = context.session
    mentioned: dict[int, None] = {}
    tags: dict[str, None] = {}
    for entity in text.entities(status.text):
        if entity.kind == "mention":
            account = lookup.by_handle(session, context.config, entity.value)
            if account is not None and not account.unavailable and _reachable(account):
                mentioned[account.id] = None
        elif entity.kind == "hashtag":
            tags[entity.value.lower()] = None
    session.execute(delete(Mention).where(Mention.status_id == status.id, Mention.account_id.not_in(mentioned)))
    for account_id in mentioned:
        values = {"status_id": status.id, "account_id": account_id, "created_at": now(), "updated_at": now()}
        session.execute(insert(Mention).values(values).on_conflict_do_nothing())
    session.execute(delete(StatusTag).where(StatusTag.status_id == status.id))
    for name in tags:
        stamped = {"name": name, "created_at": now(), "updated_at": now()}
        session.execute(insert(Tag).values(stamped).on_conflict_do_nothing())
        tag_id = session.scalars(select(Tag.id).where(Tag.name == name)).one()
        session.execute(insert(StatusTag).values(status_id=status.id, tag_id=tag_id).on_conflict_do_nothing())


def _reachable(account: Account) -> bool:
    return account.user is None or (account.user.confirmed and account.user.approved)


def count(context: Context, account: int, step: int, *, posted: bool = False) -> None:
    """Keep an account's counter of posts."""
    values: dict[Any, Any] = {AccountStat.statuses_count: AccountStat.statuses_count + step}
    if posted:
        values[AccountStat.last_status_at] = now()
    context.session.execute(update(AccountStat).where(AccountStat.account_id == account).values(values))


def discard(context: Context, status: Status, *, keep_media: bool) -> None:
    """Hide a post now and let a job remove it."""
    status.deleted_at = now()
    context.session.execute(
        update(Status).where(Status.reblog_of_id == status.id, Status.deleted_at.is_(None)).values(deleted_at=now())
    )
    if status.visibility != DIRECT:
        count(context, status.account_id, -1)
    context.enqueue("RemovalWorker", status.id, {"redraft": keep_media})


def reblog(context: Context, account: Account, original: Status) -> Status:
    """Share a post with one's followers; the second time gives the first share."""
    query = select(Status).where(
        Status.account_id == account.id, Status.reblog_of_id == original.id, Status.deleted_at.is_(None)
    )
    existing = context.session.scalars(query).unique().first()
    if existing is not None:
        return existing
    wanted = context.params.text("visibility")
    level = VISIBILITIES.index(wanted) if wanted in VISIBILITIES[:PRIVATE] else PUBLIC
    level = PRIVATE if original.visibility == PRIVATE or wanted == "private" else level
    share = Status(account_id=account.id, reblog_of_id=original.id, visibility=level)
    context.session.add(share)
    context.session.flush()
    count(context, account.id, 1, posted=True)
    context.session.refresh(share)
    context.enqueue("DistributionWorker", share.id)
    return share
