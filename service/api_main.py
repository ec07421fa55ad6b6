"""The API process: `python -m service.api_main`."""

import gc
import os
import signal
import sys
import threading
from types import FrameType

import uvicorn

from service.api.http.stalled_reader import STALL_SECONDS, limiting_stalls_to
from service.api.security.errors import KeySetupError
from service.api.security.setup import require_key_for
from service.app import create_app
from worker.errors import ArtifactStoreError, SettingsError
from worker.process.logs import configure_logging
from worker.process.parent_watch import exit_with_parent
from worker.process.sign_of_life import give_signs_of_life
from worker.process.stop_signals import set_in_handler
from worker.process.tracing import configure_tracing
from worker.registry import open_engine
from worker.settings import Settings
from worker.storage.artifacts import require_usable_store

# Connections that are still open then are closed: a supervisor gives the process 8 s.
GRACE_SECONDS = 4


class ApiServer(uvicorn.Server):
    """A server that ends open event streams before it waits for its connections to close."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handles SIGTERM and SIGINT: the first ends the server in order, a second SIGINT without waiting.

        uvicorn's own method would also end the process by the signal afterwards, with an exit status like a failure's.
        """
        set_in_handler(self._stopping)
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def api_server(settings: Settings, *, stall_seconds: float = STALL_SECONDS) -> ApiServer:
    """The server for these settings, not yet started; it disconnects clients that read nothing for `stall_seconds`."""
    stopping = threading.Event()
    config = uvicorn.Config(
        create_app(settings, stopping),
        host=settings.host,
        port=settings.port,
        http=limiting_stalls_to(stall_seconds),
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        access_log=False,  # `telemetry.requests` logs requests
        log_config=None,
    )
    return ApiServer(config, stopping)


def main() -> None:
    """Serves with the environment's settings until SIGTERM or SIGINT.

    Raises:
        SettingsError: an environment variable has an invalid value.
        ArtifactStoreError: the bucket of the artifacts does not exist, or refuses the credentials.
        KeyRequiredError: other hosts can reach the service, and no key exists.
    """
    exit_with_parent(os.environ)
    give_signs_of_life(os.environ)
    settings = Settings.from_environment(os.environ)
    configure_logging(settings.log_format)
    configure_tracing("api")
    require_usable_store(settings)
    engine = open_engine(settings.database_url)
    require_key_for(engine, settings.host)
    engine.dispose()
    server = api_server(settings)
    # These objects live as long as the process. Scanning them at every collection would delay requests by 0.1 s.
    gc.collect()
    gc.freeze()
    server.run()


if __name__ == "__main__":
    try:
        main()
    except (ArtifactStoreError, KeySetupError, SettingsError) as error:
        sys.exit(f"ldnas: {error}")
