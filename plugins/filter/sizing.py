"""How the parts of an instance share a server: processes, connections and memory for each size."""

from typing import Any

from ansible.errors import AnsibleFilterError  # type: ignore[import-untyped]

# What a size is meant for, and what the parts take. Measured on a real Mastodon 4.6: a puma master with two workers
# 410 MB, sidekiq with 25 threads 330 MB, streaming 112 MB (PSS). A worker less costs 35 to 40 % of the throughput, a
# third one brings 10 % for 165 MB; more than 5 threads only raise latency. PostgreSQL gets a quarter of the memory, as
# its documentation advises for shared_buffers plus the working memory of its sessions.
SIZES: dict[str, dict[str, int]] = {
    "small": {
        "memory_mb": 4096,
        "web_concurrency": 2,
        "sidekiq_concurrency": 10,
        "postgresql_mb": 1024,
        "valkey_mb": 256,
    },
    "medium": {
        "memory_mb": 8192,
        "web_concurrency": 3,
        "sidekiq_concurrency": 20,
        "postgresql_mb": 2048,
        "valkey_mb": 512,
    },
    "large": {
        "memory_mb": 16384,
        "web_concurrency": 6,
        "sidekiq_concurrency": 40,
        "postgresql_mb": 4096,
        "valkey_mb": 1024,
    },
}
MAX_THREADS = 5
# Streaming's pool (its default), the operator's tools and batches, the health check, PostgreSQL's own reserve
STREAMING_CONNECTIONS = 10
SPARE_CONNECTIONS = 15


def meentwerk_sizing(size: str) -> dict[str, Any]:
    """Return the numbers of a size: processes and threads, PostgreSQL connections, memory in MB.

    While one release takes over from another both run: connections are counted for two sets of web processes.
    """
    if size not in SIZES:
        raise AnsibleFilterError(f"size {size!r} is unknown; known are: {', '.join(SIZES)}")
    numbers: dict[str, Any] = dict(SIZES[size])
    numbers["max_threads"] = MAX_THREADS
    web = numbers["web_concurrency"] * MAX_THREADS
    numbers["max_connections"] = 2 * web + numbers["sidekiq_concurrency"] + STREAMING_CONNECTIONS + SPARE_CONNECTIONS
    return numbers


class FilterModule:
    """The filters, as Ansible loads them."""

    def filters(self) -> dict[str, Any]:
        """Return filters by name."""
        return {"meentwerk_sizing": meentwerk_sizing}
