"""The environment a process is configured by: Mastodon's own names, read once, checked as a whole."""

import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

REQUIRED = (
    "LOCAL_DOMAIN",
    "SECRET_KEY_BASE",
    "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY",
    "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT",
    "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY",
    "VAPID_PRIVATE_KEY",
    "VAPID_PUBLIC_KEY",
)

# What Rails trusts when TRUSTED_PROXY_IP is not set (ActionDispatch::RemoteIp::TRUSTED_PROXIES).
PRIVATE_NETWORKS = "127.0.0.0/8 ::1/128 fc00::/7 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 fe80::/10"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ConfigError(Exception):
    """The environment is not good enough to start with; the message is one line for the operator."""


@dataclass(frozen=True)
class Config:
    """Everything a process of the release may know about where it runs."""

    local_domain: str
    web_domain: str
    alternate_domains: tuple[str, ...]
    secret_key_base: str
    vapid_public_key: str
    database: dict[str, str]
    database_pool: int
    redis_url: str
    media_path: Path
    media_url: str
    streaming_url: str
    trusted_proxies: tuple[Network, ...]
    email_domain_allowlist: tuple[str, ...]
    email_domain_denylist: tuple[str, ...]
    default_locale: str
    limited_federation: bool
    disallow_unauthenticated: bool
    omniauth_only: bool
    web_concurrency: int
    max_threads: int
    sidekiq_concurrency: int
    self_destruct: str

    @property
    def base_url(self) -> str:
        """Where the instance is reached, without a slash at the end."""
        return f"https://{self.web_domain}"

    def is_own_domain(self, domain: str) -> bool:
        """Whether this instance answers for `domain` (LOCAL_DOMAIN, WEB_DOMAIN or one of ALTERNATE_DOMAINS)."""
        name = domain.removesuffix("/").lower()
        return name in {self.local_domain, self.web_domain, *self.alternate_domains}


def load(env: Mapping[str, str] | None = None) -> Config:
    """Read the configuration; raises ConfigError that names every missing or wrong variable."""
    values = os.environ if env is None else env
    missing = [name for name in REQUIRED if not values.get(name, "").strip()]
    if missing:
        raise ConfigError(f"not set: {', '.join(missing)} (the environment file of the service sets them)")
    local = values["LOCAL_DOMAIN"].strip().lower()
    web = values.get("WEB_DOMAIN", "").strip().lower() or local
    threads = _integer(values, "MAX_THREADS", 5)
    return Config(
        local_domain=local,
        web_domain=web,
        alternate_domains=_split(values.get("ALTERNATE_DOMAINS", "").lower()),
        secret_key_base=values["SECRET_KEY_BASE"],
        vapid_public_key=values["VAPID_PUBLIC_KEY"],
        database=_database(values),
        database_pool=_integer(values, "DB_POOL", threads),
        redis_url=_redis_url(values),
        media_path=Path(values.get("PAPERCLIP_ROOT_PATH") or ROOT / "public" / "system"),
        media_url=(values.get("PAPERCLIP_ROOT_URL") or "/system").rstrip("/"),
        streaming_url=values.get("STREAMING_API_BASE_URL") or f"wss://{web}",
        trusted_proxies=_networks(values.get("TRUSTED_PROXY_IP") or PRIVATE_NETWORKS),
        email_domain_allowlist=_domains(values, "EMAIL_DOMAIN_ALLOWLIST"),
        email_domain_denylist=_domains(values, "EMAIL_DOMAIN_DENYLIST"),
        default_locale=values.get("DEFAULT_LOCALE") or "en",
        limited_federation=values.get("LIMITED_FEDERATION_MODE") == "true",
        disallow_unauthenticated=values.get("DISALLOW_UNAUTHENTICATED_API_ACCESS") == "true",
        omniauth_only=values.get("OMNIAUTH_ONLY") == "true",
        web_concurrency=_integer(values, "WEB_CONCURRENCY", 2),
        max_threads=threads,
        sidekiq_concurrency=_integer(values, "SIDEKIQ_CONCURRENCY", 5),
        self_destruct=values.get("SELF_DESTRUCT", "").strip(),
    )


def run(name: str, main: Callable[[Config], int]) -> int:
    """Run `main` with the configuration; a bad environment is one line on stderr and exit code 1."""
    try:
        config = load()
    except ConfigError as error:
        sys.stderr.write(f"bin/{name}: {error}\n")
        return 1
    return main(config)


def _database(values: Mapping[str, str]) -> dict[str, str]:
    """Connection keywords as libpq names them; Mastodon's defaults."""
    keywords = {
        "host": values.get("DB_HOST") or "localhost",
        "port": str(_integer(values, "DB_PORT", 5432)),
        "dbname": values.get("DB_NAME") or "mastodon_production",
        "user": values.get("DB_USER") or "mastodon",
        "sslmode": values.get("DB_SSLMODE") or "prefer",
    }
    if values.get("DB_PASS"):
        keywords["password"] = values["DB_PASS"]
    return keywords


def _redis_url(values: Mapping[str, str]) -> str:
    if url := values.get("REDIS_URL"):
        return url
    password = values.get("REDIS_PASSWORD", "")
    user = values.get("REDIS_USER", "")
    login = f"{user}:{password}@" if password else ""
    return f"redis://{login}{values.get('REDIS_HOST') or 'localhost'}:{_integer(values, 'REDIS_PORT', 6379)}/0"


def _integer(values: Mapping[str, str], name: str, default: int) -> int:
    text = values.get(name, "").strip()
    if not text:
        return default
    if not text.isdigit():
        raise ConfigError(f"{name} is {text!r}: a whole number was expected")
    return int(text)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[\s,]+", text.strip()) if part)


def _domains(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part for part in values.get(name, "").lower().split("|") if part)


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part, strict=False) for part in _split(text))
    except ValueError as error:
        raise ConfigError(f"TRUSTED_PROXY_IP: {error}") from error
