"""The routes, one module per part of Mastodon's API."""

from . import (
    accounts,
    admin_accounts,
    admin_blocks,
    admin_domains,
    admin_measures,
    apps,
    imports,
    instance,
    media,
    oauth,
    pages,
    profile,
    sign_in,
    statuses,
    timelines,
    well_known,
)
from .routing import Endpoint

MODULES = (
    instance,
    apps,
    oauth,
    sign_in,
    imports,
    profile,
    accounts,
    statuses,
    timelines,
    media,
    admin_accounts,
    admin_domains,
    admin_blocks,
    admin_measures,
    well_known,
    pages,
)
HANDLERS: tuple[Endpoint, ...] = tuple(endpoint for module in MODULES for endpoint in module.ENDPOINTS)
