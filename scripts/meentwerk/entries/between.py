"""What only shows between values: an entry's domains, its environment, other entries, and what was deployed before."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from functools import cache

import yaml

from meentwerk.entries import decommissioned, names, values
from meentwerk.entries.document import Path_
from meentwerk.entries.fleet import Fleet, Host, Value
from meentwerk.entries.model import DEMO_ONLY, FIELDS
from meentwerk.entries.problem import Problem, Wrong, listed, nearest, quoted
from meentwerk.inventory import ROOT

CATALOGUE = ROOT / "roles/release_build/vars/release_catalogue.yml"
PRODUCTION = "production"
# Where names that nobody can reach, and embedded hosts, are right
REHEARSALS = ("demo", "example")
DOMAIN_LISTS = ("instance_alternate_domains", "instance_delegated_domains")


@cache
def releases() -> tuple[str, ...]:
    """Return the versions that the catalogue knows, the newest last."""
    return tuple(yaml.safe_load(CATALOGUE.read_text())["release_build_catalogue"])


def check(fleet: Fleet) -> Iterator[Problem]:
    """Yield what is wrong between the values of each instance, and between instances."""
    taken: dict[str, tuple[Host, Value, Path_]] = {}
    addresses: dict[str, tuple[Host, Value, Path_]] = {}
    deployed = {
        name: entry["instance_deployed"] for name, entry in fleet.host_vars.items() if "instance_deployed" in entry
    }
    before = {_key(value.data.get("domain")): name for name, value in deployed.items() if isinstance(value.data, dict)}
    gone = decommissioned.records(fleet)
    reserved = decommissioned.reserved(gone)
    yield from decommissioned.malformed(gone)
    for host in fleet.instances():
        yield from within(host)
        yield from decommissioned.misplaced(host)
        yield from decommissioned.taken(host, _domains(host), reserved)
        if host.name not in gone:  # its names are reserved by its record, and its machine is free
            yield from _clashes(host, taken, _domains(host), "domain", deployed)
            yield from _clashes(host, addresses, _addresses(host), "address", deployed)
        yield from _deployed(host, deployed.get(host.name), {k: v for k, v in before.items() if k not in reserved})


def _text(host: Host, name: str) -> str:
    """Return a value that is a usable text, else nothing: what is wrong with it is said elsewhere."""
    value = host.effective.get(name)
    return value.data if value and isinstance(value.data, str) and "{" not in value.data else ""


def _right(check: Callable[[str], str], value: str) -> str:
    try:
        return check(value)
    except Wrong:
        return ""


def releases_for(host: Host) -> tuple[str, ...]:
    """Return the releases that an instance can have: the catalogue's, and the operator's own rows."""
    extra = host.effective.get("release_build_catalogue_extra")
    own = extra.data if extra is not None and isinstance(extra.data, dict) else {}
    return (*releases(), *(str(name) for name in own if name not in releases()))


def environment(host: Host) -> str:
    """Return what kind of place the inventory describes: production unless meentwerk_environment says otherwise."""
    return _text(host, "meentwerk_environment") or PRODUCTION


def within(host: Host) -> Iterator[Problem]:
    """Yield what does not fit between the values of one instance."""
    domain, web = (
        _right(names.domain, _text(host, "instance_domain")),
        _right(names.domain, _text(host, "instance_web_domain")),
    )
    where = environment(host)
    delegated = _list(host, "instance_delegated_domains")
    elsewhere = host.effective.get("instance_domain_elsewhere")
    is_elsewhere = elsewhere is not None and elsewhere.data is True
    if elsewhere and is_elsewhere and domain:
        yield from _elsewhere(host, elsewhere, domain, delegated)
    if (
        domain
        and web
        and web != domain
        and not web.endswith(f".{domain}")
        and not (is_elsewhere or domain in delegated)
    ):
        value = host.effective["instance_web_domain"]
        cure = (
            f"Write {domain} or a name below it. If {domain} leads there, list it in instance_delegated_domains, "
            "or write instance_domain_elsewhere: true"
        )
        yield Problem(
            value.place(), f"{host.name}: instance_web_domain", f"{quoted(web)} is no part of {domain}.", cure
        )
    if where not in REHEARSALS:
        yield from _reserved(host)
    release = _text(host, "instance_release")
    if release == "sandbox" and where != "demo":
        value = host.effective["instance_release"]
        cure = (
            f'The rehearsal server never runs outside a demo. Name a version of Mastodon, such as "{releases()[-1]}".'
        )
        yield Problem(value.place(), f"{host.name}: instance_release", f"{quoted(release)} is not Mastodon.", cure)
    elif release and _right(values.release, release) and release not in (*(known := releases_for(host)), "sandbox"):
        value = host.effective["instance_release"]
        near = nearest(release, known)
        cure = f'Did you mean "{near}"?' if near else f"Known: {listed(known)}."
        wrong = f"{quoted(release)} is not in the catalogue of releases."
        yield Problem(
            value.place(),
            f"{host.name}: instance_release",
            wrong,
            f"{cure} A new one is a row in {CATALOGUE.relative_to(ROOT)}, or in release_build_catalogue_extra.",
        )
    for name in host.own:
        if name.startswith(DEMO_ONLY) and name in FIELDS and where != "demo":
            yield Problem(
                host.own[name].key_place(),
                f"{host.name}: {name}",
                "Embedded hosts exist in a demo only.",
                "Take the line out.",
            )


def _elsewhere(host: Host, value: Value, domain: str, delegated: list[str]) -> Iterator[Problem]:
    """A domain with a web server of its own needs a web domain here, and cannot point here as well."""
    web = host.effective.get("instance_web_domain")
    label = f"{host.name}: instance_domain_elsewhere"
    if web is None or web.data == domain:
        wrong = f"{domain} is elsewhere, so the site cannot be at {domain}."
        cure = f"Name the web domain, for example: instance_web_domain: social.{domain}"
        yield Problem(value.place(), label, wrong, cure)
    if domain in delegated:
        wrong = f"{domain} is elsewhere, and stands in instance_delegated_domains, whose domains point at this server."
        yield Problem(value.place(), label, wrong, "Keep one of the two.")


def _reserved(host: Host) -> Iterator[Problem]:
    said: list[str] = []
    for value, path, name in _domains(host):
        # A name below one that was named already is the same mistake
        if any(name.endswith(f".{other}") for other in said):
            continue
        if top := names.reserved(name):
            said.append(name)
            wrong = f"{quoted(name)} can be reached by nobody: {top} is not for public use."
            yield Problem(value.place(path), host.name, wrong, "Write a domain that the organisation has registered.")


def _list(host: Host, name: str) -> list[str]:
    value = host.effective.get(name)
    return [item for item in value.data if isinstance(item, str)] if value and isinstance(value.data, list) else []


def _domains(host: Host) -> Iterator[tuple[Value, Path_, str]]:
    """Yield the well-formed domains of an instance, each once, with their place."""
    seen = set()
    for name in ("instance_domain", "instance_web_domain"):
        if (domain := _right(names.domain, _text(host, name))) and domain not in seen:
            seen.add(domain)
            yield host.effective[name], (), domain
    for name in DOMAIN_LISTS:
        for number, item in enumerate(_list(host, name)):
            if (domain := _right(names.domain, item)) and domain not in seen:
                seen.add(domain)
                yield host.effective[name], (number,), domain


def _addresses(host: Host) -> Iterator[tuple[Value, Path_, str]]:
    text = _right(names.host_address, _text(host, "ansible_host"))
    if text:
        # 2001:DB8::0:1 and 2001:db8::1 are one address
        plain = str(ipaddress.ip_address(text)) if names.is_address(text) else text.lower()
        yield host.effective["ansible_host"], (), plain


ONE = {"domain": "A domain leads to one server.", "address": "A server carries one instance."}


def _clashes(
    host: Host,
    taken: dict[str, tuple[Host, Value, Path_]],
    mine: Iterator[tuple[Value, Path_, str]],
    what: str,
    deployed: Mapping[str, Value],
) -> Iterator[Problem]:
    """Yield what two instances both want, in the file of each: who looks at one file sees it, whichever it is.

    Where both stand in one file, or one was deployed before, only the other is named.
    """
    said: list[tuple[Host, str]] = []
    for value, path, key in mine:
        other, theirs, their_path = taken.setdefault(key, (host, value, path))
        # A name below one that clashes already is the same mistake
        if other is host or any(known is other and key.endswith(f".{name}") for known, name in said):
            continue
        said.append((other, key))
        mine_too = (host, value.place(path), other, theirs.place(their_path))
        theirs_too = (other, theirs.place(their_path), host, value.place(path))
        blamed = [mine_too] if value.document is theirs.document else [mine_too, theirs_too]
        if (host.name in deployed) != (other.name in deployed):
            blamed = [theirs_too] if host.name in deployed else [mine_too]
        for one, here, second, there in blamed:
            wrong = f"The {what} {quoted(key)} is taken by {second.name}: {there.file.name}, line {there.line}."
            yield Problem(here, one.name, wrong, f"{ONE[what]} Choose another for one of them.")


def _deployed(host: Host, record: Value | None, before: dict[str, str]) -> Iterator[Problem]:
    """A domain that was ever deployed never changes, and belongs to nobody else."""
    for part in ("domain", "web_domain"):
        name = f"instance_{part}"
        now = _text(host, name) or (_text(host, "instance_domain") if part == "web_domain" else "")
        was = record.data.get(part) if record and isinstance(record.data, dict) else None
        if record and now and isinstance(was, str) and was != now:
            value = host.effective.get(name) or host.effective["instance_domain"]
            wrong = f"{host.name} was deployed with {name} {quoted(was)}; now it is {quoted(now)}."
            write = f"Write {name}: {was}"
            cure = f"Other servers know its accounts by that name for good. {write}, or give a new instance a new name."
            yield Problem(value.place(), f"{host.name}: {name}", wrong, cure)
            return  # the web domain follows the domain
    other = before.get(_key(_text(host, "instance_domain")))
    if other and other != host.name and not record:
        wrong = f"{quoted(_text(host, 'instance_domain'))} was deployed under the name {other}."
        yield Problem(
            host.effective["instance_domain"].place(),
            host.name,
            wrong,
            f"Use that name, or another domain. The record: host_vars/{other}/.",
        )


def _key(value: object) -> str:
    return value if isinstance(value, str) and value else "\0"
