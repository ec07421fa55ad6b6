"""A process that cleans the fleet's database again and again, so that a fault can freeze it in a transaction."""

import os
import time

from worker.errors import DatabaseUnavailableError
from worker.process.logs import configure_logging
from worker.process.parent_watch import exit_with_parent
from worker.registry import open_engine
from worker.settings import Settings
from worker.storage.artifacts import open_store
from worker.storage.cleaner import DAY_SECONDS, clean

RETENTION_SECONDS = 90 * DAY_SECONDS
PAUSE_SECONDS = 0.2


def main() -> None:
    """Cleans until it is ended; no round lasts so long that anything of it would be old enough to go."""
    exit_with_parent(os.environ)
    settings = Settings.from_environment(os.environ)
    configure_logging(settings.log_format)
    engine, store = open_engine(settings.database_url), open_store(settings)
    while True:
        try:
            clean(engine, store, RETENTION_SECONDS)
        except DatabaseUnavailableError as error:
            print(f"cleaning is postponed: {error}", flush=True)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
