"""The routes, one module per part of Mastodon's API."""

from . import instance, pages, well_known
from .routing import Endpoint

MODULES = (instance, well_known, pages)
HANDLERS: tuple[Endpoint, ...] = tuple(endpoint for module in MODULES for endpoint in module.ENDPOINTS)
