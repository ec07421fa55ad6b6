"""The API process: `python -m service.api_main`."""

import os
import threading
from types import FrameType

import uvicorn

from service.app import create_app
from worker.parent_watch import exit_with_parent
from worker.settings import Settings

# What is still open then is cut off: a supervisor gives the process 8 s.
GRACE_SECONDS = 4


class ApiServer(uvicorn.Server):
    """A server whose open event streams end before it waits for its connections to close."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM and SIGINT."""
        self._stopping.set()
        super().handle_exit(sig, frame)


def api_server(settings: Settings) -> ApiServer:
    """The server for these settings, not yet started."""
    stopping = threading.Event()
    config = uvicorn.Config(
        create_app(settings, stopping),
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        access_log=False,  # polls would fill the disk
    )
    return ApiServer(config, stopping)


def main() -> None:
    """Serves with the environment's settings until SIGTERM or SIGINT."""
    exit_with_parent(os.environ)
    api_server(Settings.from_environment(os.environ)).run()


if __name__ == "__main__":
    main()
