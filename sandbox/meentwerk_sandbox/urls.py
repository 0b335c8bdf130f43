"""Addresses of accounts, posts and files on this instance."""

from .config import Config
from .models import Account, Media, Status


def account_url(config: Config, account: Account) -> str:
    """The profile page."""
    return account.url or account.uri if not account.local else f"{config.base_url}/@{account.username}"


def account_uri(config: Config, account: Account) -> str:
    """The actor's ActivityPub id; by number, as Mastodon 4.6 makes them."""
    return account.uri if not account.local else f"{config.base_url}/ap/users/{account.id}"


def status_url(config: Config, status: Status) -> str:
    """The page of a post."""
    return f"{config.base_url}/@{status.account.username}/{status.id}"


def status_uri(config: Config, status: Status) -> str:
    """The post's ActivityPub id."""
    return f"{account_uri(config, status.account)}/statuses/{status.id}"


def partition(identifier: int) -> str:
    """Paperclip's :id_partition: `117/440/810/532/227/399`."""
    digits = f"{identifier:018d}"
    return "/".join(digits[index : index + 3] for index in range(0, 18, 3))


def profile_file(kind: str, account_id: int, name: str) -> str:
    """Where an avatar or header lies under the media root; `kind` is `avatars` or `headers`."""
    return f"accounts/{kind}/{partition(account_id)}/original/{name}"


def media_file(style: str, media: Media) -> str:
    """Where an attachment lies under the media root; `style` is `original` or `small`."""
    return f"media_attachments/files/{partition(media.id)}/{style}/{media.file_file_name}"


def asset(config: Config, path: str) -> str:
    """The address of a file under the media root."""
    prefix = config.media_url if config.media_url.startswith("http") else config.base_url + config.media_url
    return f"{prefix}/{path}"


def missing(config: Config, kind: str) -> str:
    """The picture shown when there is none."""
    return f"{config.base_url}/{kind}/original/missing.png"
