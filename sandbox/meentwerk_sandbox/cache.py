"""Valkey: clients for redis://, rediss:// and unix:// addresses."""

from typing import Any

import redis
import redis.asyncio

from .config import Config

# redis-py types its commands for both sync and async use; the sandbox's own code names what it expects.
Valkey = Any


def connect(config: Config) -> Valkey:
    """A client for threads; every call has a timeout."""
    return redis.Redis.from_url(
        config.redis_url, decode_responses=True, socket_timeout=15, socket_connect_timeout=5, health_check_interval=30
    )


def connect_async(config: Config) -> Valkey:
    """A client for the event loop of the streaming process; reads wait for events, so they have no timeout."""
    return redis.asyncio.Redis.from_url(config.redis_url, decode_responses=True, socket_connect_timeout=5)
