"""Setting it right: the letter to a department's webmaster, and making Mastodon look again."""

import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from meentwerk.errors import MeentwerkError, UsageError
from meentwerk.exits import Exit
from meentwerk.identities import links
from meentwerk.identities.model import Check, Result, Verdict

TOKEN_VARIABLE = "MEENTWERK_ACCOUNT_TOKEN"  # noqa: S105  # the name of a variable
SECONDS = 20
MAX_TOKEN = 4096
OK = 200


def letter(result: Result) -> str:
    """Return a ready e-mail about one account, or "" where there is nothing to mend."""
    parts = [part for part in (_html(result), _webfinger(result), *_others(result)) if part]
    if not parts:
        return ""
    name = result.names[0] if result.names else result.account.organisation
    numbered = "\n\n".join(f"{number}. {part}" for number, part in enumerate(parts, 1))
    text = (
        f"Subject: Please help to prove that @{result.account.handle} is ours\n\n"
        f"Dear webmaster,\n\n"
        f"@{result.account.handle} speaks for {name} on Mastodon. So that everyone can see that it is really us,\n"
        f"please change the following.\n\n{numbered}\n\n"
        f"Looked at on {result.checked_at}. Tell us when it is done, and we have it checked again.\n"
    )
    # Names and reasons hold what strangers wrote: nothing of it may move the cursor of a terminal
    return "".join(letter_ if letter_.isprintable() or letter_ == "\n" else "\ufffd" for letter_ in text)


def _first(result: Result, *names: str) -> Check | None:
    """Return the first of some checks that does not pass."""
    return next((c for name in names if (c := result.check(name)) and c.verdict is not Verdict.PASS), None)


def _html(result: Result) -> str:
    check = _first(result, "profile_link", "link_back", "link_strict")
    if check is None:
        return ""
    profile = result.profile_url
    if check.name == "profile_link":
        return f"In the profile of the account: {check.why}. {_sentence(check.cure)}"
    return (
        f"On the page {result.link}: {check.why}.\n"
        f"   Add this line between <head> and </head>, exactly as it stands here:\n\n"
        f'       <link rel="me" href="{profile}">\n\n'
        f"   or, where people may see it, this link anywhere on the page:\n\n"
        f'       <a rel="me" href="{profile}">Mastodon</a>\n\n'
        f"   It must be in the page as the server sends it (not added by a script), in its first megabyte, and the\n"
        f"   page must answer at this very address, over https, without leading to another organisation's site."
    )


def _webfinger(result: Result) -> str:
    check = _first(result, "webfinger", "host_meta")
    if check is None:
        return ""
    domain = result.account.domain
    web = result.account.web_domain or result.profile_url.split("/")[2]
    if domain == web:
        return f"On the server of {domain}: {check.why}. {_sentence(check.cure)}"
    text = (
        f"On the web server of {domain}: {check.why}.\n"
        f"   Lead two addresses to {web}; with nginx:\n\n"
        f"       location ~ ^/\\.well-known/(webfinger|host-meta)$ {{\n"
        f"         add_header Access-Control-Allow-Origin * always;\n"
        f"         return 301 https://{web}$request_uri;\n"
        f"       }}"
    )
    lines = dns_lines(domain, result.account.address)
    if lines:
        text += (
            f"\n\n   If {domain} has no web server of its own, point it at ours in the DNS instead, and tell us:\n\n"
        )
        text += "\n".join(f"       {line}" for line in lines)
    return text


def dns_lines(domain: str, address: str) -> list[str]:
    """Return the records that lead a domain to a server, given by address or by name."""
    if not address:
        return []
    try:
        kind = "AAAA" if ipaddress.ip_address(address).version == 6 else "A"  # noqa: PLR2004
    except ValueError:
        return [f"{domain}. 3600 IN CNAME {address.rstrip('.')}."]
    return [f"{domain}. 3600 IN {kind} {address}"]


def _others(result: Result) -> list[str]:
    wanted = ("register", "listed", "attribution", "server_verified", "lookalike")
    found = [check for name in wanted if (check := result.check(name)) and check.verdict is Verdict.FAIL]
    return [f"{check.why}. {_sentence(check.cure)}" for check in found]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def read_token(file: Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the account's token, from a file or the environment, never from the command line."""
    if file is None:
        token = environment.get(TOKEN_VARIABLE, "")
        if not token:
            raise UsageError("there is no token", f"give --token-file FILE, or set {TOKEN_VARIABLE}")
    else:
        try:
            token = file.read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            raise UsageError(f"{file} holds no token", "write the account's access token into it") from None
    if not token.isascii() or not token.isprintable() or " " in token or len(token) > MAX_TOKEN or not token:
        raise UsageError("the token is no token", "it is one line of letters and digits")
    return token


@dataclass(frozen=True)
class Owner:
    """An account's owner towards its server. `trust` is a file of certificate authorities, or True for the system's."""

    base: str
    token: str
    trust: str | bool = True

    def resave(self) -> list[str]:
        """Save the profile as it is, so that Mastodon looks at its links again; return a line for each link.

        Mastodon looks only at links that are not verified (UpdateAccountService#check_links). One that is verified
        stays so until its text changes; `reset` is for those.
        """
        fields = self._fields()
        self._save(fields)
        return [f"saved again: {field['value']}" for field in fields if links.verifiable(field["value"])]

    def reset(self, stale: Sequence[str]) -> list[str]:
        """Take stale verified links out of a profile and put them back, so that Mastodon forgets and looks again.

        The profile is restored also when the first step fails or is interrupted.
        """
        fields = self._fields()
        without = [field for field in fields if field["value"] not in stale]
        if len(without) == len(fields):
            return []
        try:
            self._save(without)
        finally:
            self._save(fields)
        return [f"taken out and put back: {field['value']}" for field in fields if field["value"] in stale]

    def _fields(self) -> list[dict[str, Any]]:
        fields: list[dict[str, Any]] = self._call("GET", "verify_credentials")["source"]["fields"]
        return fields

    def _save(self, fields: Sequence[Mapping[str, Any]]) -> None:
        numbered = {str(number): {"name": f["name"], "value": f["value"]} for number, f in enumerate(fields)}
        self._call("PATCH", "update_credentials", {"fields_attributes": numbered})

    def _call(self, method: str, name: str, data: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401  # JSON
        url = f"{self.base}/api/v1/accounts/{name}"
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = requests.request(
                method, url, json=data, headers=headers, timeout=SECONDS, allow_redirects=False, verify=self.trust
            )
        except requests.Timeout:
            raise MeentwerkError(f"{url} does not answer", "try again later", Exit.GAVE_UP) from None
        except requests.RequestException as error:
            message = f"{url} cannot be reached: {type(error).__name__}"
            raise MeentwerkError(message, "check its name, address and certificate") from None
        return _read(answer, url)


def _read(answer: requests.Response, url: str) -> Any:  # noqa: ANN401  # JSON
    if answer.status_code in {401, 403}:
        cure = "the token needs the scopes read:accounts and write:accounts of this account"
        raise MeentwerkError(f"{url} refuses the token ({answer.status_code})", cure, Exit.NOT_ALLOWED)
    if answer.status_code == 429:  # noqa: PLR2004
        until = answer.headers.get("X-RateLimit-Reset", "later")
        raise MeentwerkError(f"{url}: too many requests", f"try again after {until}", Exit.GAVE_UP)
    if answer.status_code != OK:
        raise MeentwerkError(f"{url} answers {answer.status_code}", "see what the server's log says")
    try:
        return answer.json()
    except requests.JSONDecodeError:
        raise MeentwerkError(f"{url} answers something that is no JSON", "is it a Mastodon server?") from None


def account_base(result: Result) -> str:
    """Return the address of the account's server; refuse one that is not https."""
    base = "/".join(result.profile_url.split("/")[:3])
    if not base.startswith("https://"):
        raise UsageError(f"the profile {result.profile_url!r} is not at an https address")
    return base


def stale_links(result: Result) -> list[str]:
    """Return the links that the server calls verified and the page no longer confirms."""
    check = result.check("server_verified")
    return [result.link] if check and check.verdict is Verdict.FAIL and check.why.startswith("stale") else []
