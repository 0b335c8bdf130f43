"""The queue: jobs in Valkey in Sidekiq's shape."""

import json
import secrets
import time
from typing import Any

from .cache import Valkey
from .kinds import Json

QUEUES = ("default", "push", "ingress", "mailers", "pull", "scheduler", "fasp")
RETRIES = 16

# Job class -> queue, as the classes upstream say.
ROUTES = {
    "DistributionWorker": "default",
    "RemovalWorker": "default",
    "LocalNotificationWorker": "default",
    "VerifyAccountLinksWorker": "default",
    "DomainBlockWorker": "default",
    "Admin::SuspensionWorker": "pull",
    "Admin::UnsuspensionWorker": "pull",
    "Admin::AccountDeletionWorker": "pull",
    "Scheduler::VacuumScheduler": "scheduler",
    "Scheduler::SelfDestructScheduler": "scheduler",
    "ActivityPub::DeliveryWorker": "push",
}


def new(job: str, args: list[Any]) -> dict[str, Any]:
    """A job; times are milliseconds as Sidekiq 8 writes them."""
    at = int(time.time() * 1000)
    return {
        "class": job,
        "args": args,
        "queue": ROUTES[job],
        "jid": secrets.token_hex(12),
        "retry": RETRIES,
        "created_at": at,
        "enqueued_at": at,
    }


def push(valkey: Valkey, job: str, *args: Json) -> str:
    """Queue a job; returns its jid."""
    payload = new(job, list(args))
    pipe = valkey.pipeline()
    pipe.sadd("queues", payload["queue"])
    pipe.lpush(f"queue:{payload['queue']}", json.dumps(payload))
    pipe.execute()
    return str(payload["jid"])
