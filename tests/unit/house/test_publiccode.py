"""publiccode.yml keeps the rules of the publiccode.yml standard, version 0.5.

Source of the rules: the standard (https://yml.publiccode.tools: schema.core, categories-list, scope-list) and, where it
leaves a choice, its reference validator (italia/publiccode-parser-go, v0.go and validators/). Keys that the validator
calls deprecated are left out of the model, so that none comes in.
"""

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, AnyUrl, BaseModel, ConfigDict, Field, HttpUrl, ValidationError, model_validator

from .conftest import ROOT, load


def _published(name: str) -> frozenset[str]:
    return frozenset((Path(__file__).parent / f"publiccode-{name}.txt").read_text().split())


CATEGORIES = _published("categories")
SCOPES = _published("scopes")


def _one_of(known: frozenset[str]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"{value} is not in the published list")
        return value

    return AfterValidator(check)


Text = Annotated[str, Field(min_length=1)]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]  # ISO 3166-1 alpha-2; lower case is deprecated
# BCP 47: the primary language is required, e.g. nl, nl-NL, zh-Hant-TW
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$")]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Organisation(Model):
    name: Text
    uri: AnyUrl | None = None


class IntendedAudience(Model):
    scope: list[Annotated[str, _one_of(SCOPES)]] | None = None
    countries: list[Country] | None = None
    unsupportedCountries: list[Country] | None = None  # noqa: N815  # the standard's spelling, here and below


class Description(Model):
    localisedName: Text | None = None  # noqa: N815
    shortDescription: Annotated[str, Field(min_length=1, max_length=150)]  # noqa: N815
    longDescription: Annotated[str, Field(min_length=150, max_length=10_000)]  # noqa: N815
    documentation: HttpUrl | None = None
    apiDocumentation: HttpUrl | None = None  # noqa: N815
    features: Annotated[list[Text], Field(min_length=1)]
    screenshots: list[Text] | None = None
    videos: list[HttpUrl] | None = None
    awards: list[Text] | None = None


class Legal(Model):
    license: Literal["EUPL-1.2"]  # an SPDX expression; this project's is one identifier
    mainCopyrightOwner: Text | None = None  # noqa: N815


class Contractor(Model):
    name: Text
    until: date
    email: Email | None = None
    website: HttpUrl | None = None


class Contact(Model):
    name: Text
    email: Email | None = None
    affiliation: Text | None = None
    phone: Text | None = None


class Maintenance(Model):
    type: Literal["internal", "contract", "community", "none"]
    contractors: Annotated[list[Contractor], Field(min_length=1)] | None = None
    contacts: Annotated[list[Contact], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _who_maintains(self) -> "Maintenance":
        if (self.type == "contract") != (self.contractors is not None):
            raise ValueError("contractors belong to the type contract, and to no other")
        if self.type in {"internal", "community"} and self.contacts is None:
            raise ValueError(f"the type {self.type} needs contacts")
        return self


class Localisation(Model):
    localisationReady: bool  # noqa: N815
    availableLanguages: Annotated[list[Language], Field(min_length=1)]  # noqa: N815


class Dependency(Model):
    name: Text
    versionMin: str | None = None  # noqa: N815
    versionMax: str | None = None  # noqa: N815
    version: str | None = None
    optional: bool | None = None


class DependsOn(Model):
    open: list[Dependency] | None = None
    proprietary: list[Dependency] | None = None
    hardware: list[Dependency] | None = None


class PublicCode(Model):
    publiccodeYmlVersion: Literal["0.5", "0.5.0"]  # noqa: N815
    name: Text
    applicationSuite: Text | None = None  # noqa: N815
    url: AnyUrl
    landingURL: HttpUrl | None = None  # noqa: N815
    isBasedOn: AnyUrl | list[AnyUrl] | None = None  # noqa: N815
    softwareVersion: str | None = None  # noqa: N815
    releaseDate: date | None = None  # noqa: N815
    logo: Text | None = None
    organisation: Organisation | None = None
    fundedBy: list[Organisation] | None = None  # noqa: N815
    platforms: Annotated[list[Text], Field(min_length=1)]
    categories: list[Annotated[str, _one_of(CATEGORIES)]] | None = None
    usedBy: list[Text] | None = None  # noqa: N815
    roadmap: HttpUrl | None = None
    developmentStatus: Literal["concept", "development", "beta", "stable", "obsolete"]  # noqa: N815
    softwareType: Literal[  # noqa: N815
        "standalone/mobile",
        "standalone/iot",
        "standalone/desktop",
        "standalone/web",
        "standalone/backend",
        "standalone/other",
        "addon",
        "library",
        "configurationFiles",
    ]
    intendedAudience: IntendedAudience | None = None  # noqa: N815
    description: Annotated[dict[Language, Description], Field(min_length=1)]
    legal: Legal
    maintenance: Maintenance
    localisation: Localisation
    dependsOn: DependsOn | None = None  # noqa: N815


def test_it_is_valid() -> None:
    PublicCode.model_validate(load(ROOT / "publiccode.yml"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("publiccodeYmlVersion", "9"),
        ("categories", ["mastodon"]),
        ("maintenance", {"type": "community"}),
        ("maintenance", {"type": "contract", "contacts": [{"name": "x"}]}),
        ("legal", {"license": "EUPL"}),
        ("intendedAudience", {"countries": ["nl"]}),
        ("inputTypes", ["text/plain"]),
        ("description", {"english": {}}),
    ],
)
def test_the_model_refuses_what_the_standard_refuses(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        PublicCode.model_validate(load(ROOT / "publiccode.yml") | {key: value})


def test_it_says_what_the_package_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    code = PublicCode.model_validate(load(ROOT / "publiccode.yml"))
    assert code.softwareVersion == project["version"]
    assert code.legal.license == project["license"]
