"""The Celery application: one task, no results, no remote control. SQL holds all state; messages only carry job ids."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import Celery

from worker.queue.redis_channel import use_redis_channel
from worker.settings import Settings

QUEUE = "ldnas"

# A job must never depend on a broker's redelivery; the dispatcher publishes again. See docs/decisions.
_SETTINGS: dict[str, Any] = {
    "task_default_queue": QUEUE,
    "task_serializer": "json",
    "accept_content": ["json"],
    "task_acks_late": True,
    "task_reject_on_worker_lost": False,
    "task_ignore_result": True,
    "result_backend": None,
    "task_track_started": False,
    "task_publish_retry": False,
    "worker_prefetch_multiplier": 1,
    "worker_enable_remote_control": False,
    "worker_send_task_events": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_hijack_root_logger": False,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
}

# A Redis that refuses must cost a publisher little time, and a frozen one must not block it.
REDIS_OPTIONS: Mapping[str, Any] = {
    "visibility_timeout": 43200,
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "health_check_interval": 10,
}

_POLL_SECONDS = 0.1


def make_celery(settings: Settings, *, redis_options: Mapping[str, Any] = REDIS_OPTIONS) -> Celery:
    """The Celery application over the broker of these settings.

    Args:
        redis_options: kombu's transport options, in seconds; a broker that is a folder ignores them.
    """
    app = Celery("ldnas", broker=settings.broker_url, set_as_current=False)
    app.conf.update(_SETTINGS)
    if settings.broker_url.startswith("filesystem://"):
        app.conf.broker_transport = "worker.queue.filesystem_broker:FilesystemBroker"
        app.conf.broker_transport_options = _mailbox_options(settings.home / "broker")
    else:
        use_redis_channel()
        app.conf.broker_transport_options = dict(redis_options)
    return app


def _mailbox_options(home: Path) -> dict[str, Any]:
    return {
        # The same folder for both: one process writes messages there, and another reads them.
        "data_folder_in": str(home / "messages"),
        "data_folder_out": str(home / "messages"),
        "processed_folder": str(home / "taken"),
        "control_folder": str(home / "control"),
        "polling_interval": _POLL_SECONDS,
    }
