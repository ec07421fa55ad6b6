"""The service of a demo: the one running on this home, or a new one that stops with the demo."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from service.cli.supervision.errors import DemoFailedError
from service.cli.supervision.home_lock import running_service
from service.cli.supervision.log_reason import reason_in
from service.cli.supervision.supervisor import is_ready, log_folder
from worker.process.module_command import module_command
from worker.settings import Settings

START_SECONDS = 90.0
# The supervisor gives its children 8 s to stop.
STOP_SECONDS = 12.0
POLL_SECONDS = 0.1
UP = module_command("service.cli", "up")


@contextmanager
def service_on(settings: Settings) -> Iterator[str]:
    """Yields the URL of a ready service on this home; starts one if none runs, and stops it at the end.

    Raises:
        DemoFailedError: the service did not become ready.
    """
    running = running_service(settings.home)
    if running is not None:
        _wait_until_ready(settings, None)
        yield running.url
        return
    log = log_folder(settings) / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # Any free port: a service on another home may use the default port.
    environment = {**os.environ, **replace(settings, port=0).as_environment(), "LDNAS_EXIT_WITH_PARENT": "1"}
    with log.open("wb") as output:
        supervisor = subprocess.Popen(
            UP,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        yield _wait_until_ready(settings, supervisor)
    finally:
        _stop(supervisor)


def _wait_until_ready(settings: Settings, supervisor: "subprocess.Popen[bytes] | None") -> str:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        running = running_service(settings.home)
        if running is not None and is_ready(running.url):
            return running.url
        if supervisor is not None and supervisor.poll() is not None:
            reason = reason_in(log_folder(settings) / "supervisor.log") or "its log is empty"
            raise DemoFailedError(f"the service exited during its start: {reason}", log_folder(settings))
        time.sleep(POLL_SECONDS)
    raise DemoFailedError(f"the service was not ready after {START_SECONDS:g} s", log_folder(settings))


def _stop(supervisor: "subprocess.Popen[bytes]") -> None:
    supervisor.terminate()
    try:
        supervisor.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # Its children read a pipe from it and exit when it closes.
        supervisor.kill()
        supervisor.wait()
    finally:
        if supervisor.stdin is not None:
            supervisor.stdin.close()
