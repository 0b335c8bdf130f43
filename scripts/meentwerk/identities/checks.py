"""The checks of one account, in the order in which they lean on each other."""

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from html import unescape
from urllib.parse import quote, urlsplit

from meentwerk.identities import html, links, names
from meentwerk.identities.fetch import Answer, Fetcher, FetchError, Trouble
from meentwerk.identities.model import Account, Check, Domain, Organisation, Result, Verdict
from meentwerk.identities.registry import Registry
from meentwerk.identities.webfinger import (
    OK,
    Actor,
    Found,
    actor,
    host_meta,
    parsed,
    path_of,
    trouble,
    webfinger,
)

MAX_FIELDS = 8
HostMeta = Callable[[str, str], Awaitable[tuple[Verdict, str, tuple[str, ...]]]]


@dataclass(frozen=True, slots=True)
class ProfileField:
    """A field of a profile: the address it links to, and since when its server calls it verified."""

    url: str
    verified_at: str | None


@dataclass
class Profile:
    """What the account's own server shows of it."""

    url: str = ""
    display_name: str = ""
    fields: list[ProfileField] = field(default_factory=list)
    problem: Check | None = None


@dataclass
class Judge:
    """Judges accounts; one for a whole run."""

    fetcher: Fetcher
    registry: Registry
    today: date
    host_metas: HostMeta | None = None

    async def judge(self, account: Account) -> Result:
        """Return all checks of an account; it never fails, whatever the network does."""
        organisation = self.registry.get(account.organisation)
        handle_check, found = await webfinger(self.fetcher, account, account.domain, "webfinger")
        web = account.web_domain or names.host_of(found.actor) or account.domain
        actor_check, about = await actor(self.fetcher, account, found)
        profile = await self._profile(account, web, found, about)
        field_, link_check = self._profile_link(organisation, profile)
        back, strict = await self._link_back(organisation, field_, profile.url, link_check)
        checks = [
            self._register(account, organisation),
            link_check,
            back,
            strict,
            _server_verified(field_, back, profile),
            handle_check,
            await self._web_webfinger(account, web),
            await self._host_meta(account, web),
            actor_check,
            _attribution(organisation, about, self.today, actor_check),
        ]
        listed = _listed(account, organisation, profile.url or found.profile)
        if listed:
            checks.append(listed)
        return Result(
            account=account,
            checked_at=datetime.now(UTC).isoformat(timespec="seconds"),
            checks=tuple(checks),
            profile_url=profile.url or found.profile or f"https://{web}/@{account.name}",
            display_name=profile.display_name,
            link=field_.url if field_ else "",
            names=organisation.names if organisation else tuple(filter(None, [account.organisation_name])),
            sources=organisation.sources if organisation else (),
        )

    def _register(self, account: Account, organisation: Organisation | None) -> Check:
        if organisation is None:
            why = f"no register that was read knows {account.organisation}"
            return Check("register", Verdict.FAIL, why, "correct register_id in the entry, or add the right register")
        evidence = tuple(
            f"{source.register}: {source.address} of {source.date or 'the configuration'}, sha256 {source.sha256}"
            for source in organisation.sources
        )
        name = organisation.names[0] if organisation.names else organisation.identifier
        if organisation.ended(self.today):
            why = f"{name} ended on {organisation.until}"
            return Check(
                "register", Verdict.FAIL, why, "give the account to the organisation that follows it", evidence
            )
        return Check(
            "register", Verdict.PASS, f"{name} is in the register {organisation.sources[0].register}", "", evidence
        )

    async def _profile(self, account: Account, web: str, found: Found, about: Actor) -> Profile:
        # An address of its own each time: a cache before the server may answer with what it had yesterday
        url = f"https://{web}/api/v1/accounts/lookup?acct={quote(account.name)}&fresh={secrets.token_hex(4)}"
        try:
            answer = await self.fetcher.get(url, "application/json")
        except FetchError as error:
            return Profile(problem=trouble("profile_link", "the profile", error))
        seen = path_of(answer)
        said = parsed(answer) if answer.status == OK else None
        if answer.status == 404:  # noqa: PLR2004
            return Profile(
                problem=Check("profile_link", Verdict.FAIL, f"{web} has no account {account.name}", "", seen)
            )
        if said is None:
            why = f"{web} does not show the profile: it answers {answer.status}"
            return Profile(problem=Check("profile_link", Verdict.UNKNOWN, why, "", seen))
        profile = Profile(
            url=str(said.get("url") or about.url or found.profile)[:2000],
            display_name=str(said.get("display_name") or "")[:300],
        )
        raw = said.get("fields")
        for item in (raw if isinstance(raw, list) else [])[:MAX_FIELDS]:
            if isinstance(item, dict) and (address := _address_in(str(item.get("value") or ""))):
                at = item.get("verified_at")
                profile.fields.append(ProfileField(address, str(at) if at else None))
        if names.host_of(profile.url) != web or not profile.url.startswith("https://"):
            why = f"the server says that the profile is at {profile.url[:200]!r}"
            profile.problem = Check("profile_link", Verdict.FAIL, why, "", seen)
        return profile

    def _profile_link(self, organisation: Organisation | None, profile: Profile) -> tuple[ProfileField | None, Check]:
        if profile.problem:
            return None, profile.problem
        if organisation is None:
            why = "without a register entry nobody knows the organisation's domains"
            return None, Check("profile_link", Verdict.UNKNOWN, why, "mend the register entry first")
        seen = tuple(f"field {field_.url[:300]}" for field_ in profile.fields) or ("no field holds a link",)
        own = [(field_, domain) for field_ in profile.fields if (domain := _domain(organisation, field_, self.today))]
        known = ", ".join(names.shown(domain.name) + domain.path for domain in organisation.domains[:10]) or "none"
        if not own:
            why = "no field of the profile links to a domain of the organisation"
            return None, Check("profile_link", Verdict.FAIL, why, f"its domains are: {known}", seen)
        best = next(((f, d) for f, d in own if not self.registry.other_claims(organisation, d.name)), None)
        if best is None:
            field_, domain = own[0]
            others = ", ".join(self.registry.other_claims(organisation, domain.name).values())
            why = f"the register gives {domain.name} to another organisation too: {others}"
            return field_, Check("profile_link", Verdict.UNKNOWN, why, "ask the register which of them it is", seen)
        field_, domain = best
        why = f"the profile links to {names.shown(domain.name)}{domain.path}, a domain of the organisation"
        return field_, Check("profile_link", Verdict.PASS, why, "", seen)

    async def _link_back(
        self, organisation: Organisation | None, field_: ProfileField | None, profile: str, before: Check
    ) -> tuple[Check, Check]:
        if field_ is None or organisation is None:
            nothing = "there is no link of the organisation to look at"
            verdict = Verdict.FAIL if before.verdict is Verdict.FAIL else Verdict.UNKNOWN
            cure = "mend the profile's link first"
            return Check("link_back", verdict, nothing, cure), Check("link_strict", verdict, nothing, cure)
        try:
            answer = await self.fetcher.get(field_.url, "text/html")
        except FetchError as error:
            return _no_page(field_, error)
        seen = path_of(answer)
        back = await self._mastodons_rule(answer, field_, profile, seen)
        return back, self._stricter(organisation, answer, back, seen)

    async def _mastodons_rule(self, answer: Answer, field_: ProfileField, profile: str, seen: tuple[str, ...]) -> Check:
        found = links.rel_me(answer.text)
        seen += tuple(f'rel="me" {link[:300]}' for link in found[:20]) or ('no rel="me"',)
        if not links.verifiable(field_.url):
            why = f"Mastodon never looks at an address in this spelling: {field_.url}"
            return Check("link_back", Verdict.FAIL, why, "write it in lower case, as the browser shows it", seen)
        if answer.status != OK:
            later = answer.status >= 500 or answer.status == 429  # noqa: PLR2004
            verdict = Verdict.UNKNOWN if later else Verdict.FAIL
            return Check("link_back", verdict, f"the page answers {answer.status}", "it must answer 200", seen)
        if links.leads_back(found, profile):
            return Check("link_back", Verdict.PASS, 'the page links back with rel="me"', "", seen)
        if found and found[0] and await self._location(found[0]) == profile:
            return Check("link_back", Verdict.PASS, 'the page\'s first rel="me" redirects to the profile', "", seen)
        why, cure = _why_not(answer, found, field_.url, profile)
        return Check("link_back", Verdict.FAIL, why, cure, seen)

    async def _location(self, url: str) -> str:
        try:
            # As Mastodon asks, without a type: its own /users/NAME answers any type with no redirect
            answer = await self.fetcher.get(url, "", method="HEAD", follow=False)
        except FetchError:
            return ""
        return answer.headers.get("location", "")

    def _stricter(self, organisation: Organisation, answer: Answer, back: Check, seen: tuple[str, ...]) -> Check:
        final = urlsplit(answer.url)
        if organisation.domain_of(final.hostname or "", final.path or "/", self.today) is None:
            why = f"the link ends at {final.hostname}, which is no domain of the organisation"
            return Check("link_strict", Verdict.FAIL, why, "link to a page that answers by itself", seen)
        if back.verdict is not Verdict.PASS:
            why = "the page is the organisation's; " + (
                "it was not seen" if back.verdict is Verdict.UNKNOWN else back.why
            )
            return Check("link_strict", back.verdict, why, back.cure, seen)
        return Check("link_strict", Verdict.PASS, "https all the way, and the page is the organisation's own", "", seen)

    async def _web_webfinger(self, account: Account, web: str) -> Check:
        if web == account.domain:
            return Check("webfinger_web", Verdict.PASS, "the web domain is the handle's domain", "")
        check, _ = await webfinger(self.fetcher, account, web, "webfinger_web")
        return check

    async def _host_meta(self, account: Account, web: str) -> Check:
        ask = self.host_metas or (lambda domain, to: host_meta(self.fetcher, domain, to))
        answers = [await ask(domain, web) for domain in dict.fromkeys((account.domain, web))]
        for verdict in (Verdict.FAIL, Verdict.UNKNOWN):
            for found, why, seen in answers:
                if found is verdict:
                    cure = f"/.well-known/host-meta must redirect to https://{web}/.well-known/host-meta"
                    return Check("host_meta", verdict, why, cure, seen)
        return Check(
            "host_meta", Verdict.PASS, answers[0][1], "", tuple(line for _, _, seen in answers for line in seen)
        )


def _domain(organisation: Organisation, field_: ProfileField, today: date) -> Domain | None:
    parts = urlsplit(field_.url)
    try:
        host = names.domain(parts.hostname or "")
    except names.WrongNameError:
        return None
    return organisation.domain_of(host, parts.path or "/", today)


def _address_in(value: str) -> str:
    """Return the address of the one link in a field's HTML; only https counts, as with Account::Field#verifiable?.

    A name under a top-level domain that Mastodon does not know (a network of one's own) is text there, and no link: it
    is verified all the same.
    """
    if len(value) > 10_000:  # noqa: PLR2004
        return ""
    found = [attributes["href"] for name, attributes in html.links(value) if name == "a" and "href" in attributes]
    if not found and not re.search(r"[\s<>]", value):
        found = [unescape(value)]
    try:
        good = len(found) == 1 and urlsplit(found[0]).scheme == "https"
    except ValueError:
        return ""
    return found[0] if good else ""


def _no_page(field_: ProfileField, error: FetchError) -> tuple[Check, Check]:
    back = trouble("link_back", "the page", error, f"{field_.url} must answer over https, for everyone, within seconds")
    strict = Check("link_strict", back.verdict, back.why, back.cure, back.evidence)
    if error.trouble in {Trouble.DOWNGRADE, Trouble.PORT}:
        why = f"{back.why}; Mastodon may look there, this check does not"
        back = Check("link_back", Verdict.UNKNOWN, why, back.cure, back.evidence)
    return back, strict


def _why_not(answer: Answer, found: list[str], page: str, profile: str) -> tuple[str, str]:
    """Return why a page does not link back, as exactly as can be said, and what to write."""
    line = f'<link rel="me" href="{profile}">'
    if miss := links.near_miss(found, answer.url, profile):
        return miss, f'write exactly: href="{profile}"'
    if answer.truncated:
        why = 'the first MB of the page, all that servers read, has no rel="me" to the profile'
        return why, f"move the link into the head of the page: {line}"
    cure = f"add to the head of {page}: {line}"
    if profile.lower() in answer.text.lower():
        return 'the page names the profile, but not in a link with rel="me" that works without scripts', cure
    return 'the page does not link back with rel="me"', cure


def _server_verified(field_: ProfileField | None, back: Check, profile: Profile) -> Check:
    name = "server_verified"
    if field_ is None:
        return Check(name, Verdict.UNKNOWN, "there is no link of the organisation on which the server could agree")
    seen = (f"verified_at {field_.verified_at or 'null'} for {field_.url}",)
    if back.verdict is Verdict.UNKNOWN:
        why = f"the page could not be seen; the server says {field_.verified_at or 'not verified'}"
        return Check(name, Verdict.UNKNOWN, why, "", seen)
    if (back.verdict is Verdict.PASS) == bool(field_.verified_at):
        why = f"the server agrees: verified since {field_.verified_at}" if field_.verified_at else "the server agrees"
        return Check(name, Verdict.PASS, why, "", seen)
    cure = f"let the server look again: meentwerk identities fix --resave, with the token of {profile.url}"
    if field_.verified_at:
        why = f"stale: verified since {field_.verified_at}, but the page no longer links back"
        return Check(name, Verdict.FAIL, why, cure, seen)
    return Check(name, Verdict.FAIL, "the page links back, but the server has not looked since", cure, seen)


def _attribution(organisation: Organisation | None, about: Actor, today: date, actor_check: Check) -> Check:
    name = "attribution"
    if about.attribution_domains is None or organisation is None:
        return Check(name, Verdict.UNKNOWN, "the attribution domains could not be seen", actor_check.cure)
    strange = []
    for text in about.attribution_domains:
        try:
            inside = organisation.domain_of(names.domain(text), "/", today) is not None
        except names.WrongNameError:
            inside = False
        if not inside:
            strange.append(text[:100])
    if strange:
        why = f"pages of {', '.join(strange)} may name this account as their author, and are not the organisation's"
        return Check(name, Verdict.FAIL, why, "take them off the profile's list of websites")
    count = len(about.attribution_domains)
    return Check(
        name, Verdict.PASS, f"{count} attribution domains, all of the organisation" if count else "none is set"
    )


def _listed(account: Account, organisation: Organisation | None, profile: str) -> Check | None:
    """Say whether the register lists the account; None where its registers keep no list."""
    if organisation is None or organisation.social is None:
        return None
    wanted = {profile.lower().rstrip("/"), account.handle}
    for medium in organisation.social:
        given = {medium.url.lower().rstrip("/"), medium.username.lower().lstrip("@")}
        if wanted & (given - {""}):
            return Check("listed", Verdict.PASS, f"the register lists it as {medium.url or medium.username}")
    seen = tuple(f"{medium.platform} {medium.url or medium.username}"[:300] for medium in organisation.social[:20])
    cure = (
        f"ask the register {organisation.sources[0].register} to add to {organisation.identifier}: "
        f"platform Mastodon, user name @{account.handle}, address {profile}"
    )
    return Check("listed", Verdict.FAIL, "the register does not list this account", cure, seen)
