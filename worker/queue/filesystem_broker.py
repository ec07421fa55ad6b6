"""A broker that is a folder: kombu's `filesystem://`, made safe for concurrent readers and writers.

The original crashes on a message file that is empty or incomplete, because its writer was killed or has not finished
yet (celery/kombu#1551), and on a table of queues that two processes write at once. Here every file appears complete, by
renaming, and an unreadable message is set aside.
"""

import fcntl
import json
import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem

log = logging.getLogger(__name__)


class FilesystemChannel(filesystem.Channel):
    """Reads and writes messages as files, one at a time and each one whole. Creates the folders that it needs."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]
        for folder in (self.data_folder_in, self.processed_folder, self.control_folder):
            Path(folder).mkdir(parents=True, exist_ok=True)

    # kombu's own base classes disagree on the name of the second parameter.
    def _put(self, queue: str, payload: Any, **options: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        # The names sort by time, so that messages come out roughly in order.
        name = f"{int(time.monotonic() * 1000):015d}_{uuid.uuid4().hex}.{queue}.msg"
        _write_whole(folder / name, json.dumps(payload))

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for path in sorted(Path(self.data_folder_in).glob(f"*.{queue}.msg")):
            taken = Path(self.processed_folder) / path.name
            try:
                path.rename(taken)  # of several readers one succeeds
            except FileNotFoundError:
                continue
            content = taken.read_bytes()
            try:
                message = json.loads(content)
            except ValueError:
                # The dispatcher publishes a job again that no worker has claimed.
                log.warning("set aside an unreadable message of %d bytes: %s", len(content), taken)
                continue
            taken.unlink()
            return message
        raise Empty

    def get_table(self, exchange: str) -> list[filesystem.exchange_queue_t]:
        try:
            bindings = json.loads(self._table_file(exchange).read_bytes())
        except FileNotFoundError:
            return []
        return [filesystem.exchange_queue_t(*binding) for binding in bindings]

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        file = self._table_file(exchange)
        binding = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with _locked(file.with_suffix(".lock")):
            bindings = self.get_table(exchange)
            if binding not in bindings:
                _write_whole(file, json.dumps([binding, *bindings]))

    def _table_file(self, exchange: str) -> Path:
        return Path(self.control_folder) / f"{exchange}.exchange"


class FilesystemBroker(filesystem.Transport):
    """The transport for `LDNAS_BROKER_URL=filesystem://`.

    It treats a folder that is full, missing or not writable like a lost connection to a server: the user of the
    connection closes it and tries again later.
    """

    Channel = FilesystemChannel
    connection_errors: tuple[Any, ...] = (*filesystem.Transport.connection_errors, OSError)


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_name(f".{uuid.uuid4().hex}.draft")
    try:
        draft.write_bytes(text.encode())
        os.replace(draft, path)
    except OSError:
        with suppress(OSError):
            draft.unlink()  # on a full disk every byte counts
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
