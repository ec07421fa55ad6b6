"""A program that the supervisor starts, monitors, restarts and stops."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from service.cli.supervision.errors import CannotStartError
from service.cli.supervision.log_reason import reason_in
from service.cli.supervision.silence import Silence
from worker.process.sign_of_life import VARIABLE as SIGN_OF_LIFE

FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
# A child that ran this long is not in a crash loop.
SETTLED_SECONDS = 30.0
FAILED_STARTS = 4
"""A child that has never settled cannot start at all once this many starts in a row have failed."""
# Another process ended the child; its start did not fail.
_ENDED_BY_OTHERS = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})
LOG_BYTES = 10_000_000
KILL_SECONDS = 2.0
"""How long a killed child may take to be gone."""


@dataclass(frozen=True)
class Program:
    """The command of one child; its name is also the name of its log."""

    name: str
    argv: tuple[str, ...]


class Child:
    """One program, which is restarted whenever it exits, and killed and restarted when it is frozen."""

    def __init__(
        self,
        program: Program,
        log: Path,
        environment: Mapping[str, str],
        say: Callable[[str], None],
        frozen_seconds: float,
    ) -> None:
        self.name = program.name
        self.log = log
        self._argv = program.argv
        self._environment = dict(environment)
        self._say = say
        self._frozen_seconds = frozen_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._silence: Silence | None = None
        self._started = 0.0
        self._backoff = FIRST_BACKOFF_SECONDS
        self._start_at = 0.0
        self._failed_starts = 0
        self._has_settled = False
        self._log_begins = 0

    @property
    def pid(self) -> int | None:
        """The id of its current process, or None."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the program, and appends its output to its log."""
        self._bound_log()
        reading, writing = os.pipe()
        try:
            with self.log.open("ab") as log:
                self._log_begins = log.tell()
                self._process = subprocess.Popen(
                    self._argv,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**self._environment, SIGN_OF_LIFE: str(writing)},
                    pass_fds=(writing,),
                    start_new_session=True,
                )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._started = time.monotonic()
        self._silence = Silence(reading, self._started)

    def keep_alive(self) -> None:
        """Checks the program: restarts it some time after it exited, and kills it if it is frozen.

        Raises:
            CannotStartError: it has never settled, and several starts in a row failed.
        """
        now = time.monotonic()
        if self._process is None:
            if now >= self._start_at:
                self.start()
            return
        code = self._process.poll()
        if code is None:
            self._bound_log()
            self._kill_if_frozen(now)
            return
        if now - self._started >= SETTLED_SECONDS:
            self._backoff = FIRST_BACKOFF_SECONDS
            self._has_settled = True
        self._count_failed_starts(code)
        self._say(f"{self.name} exited ({_how(code)}); restarting it in {self._backoff:g} s; log: {self.log}")
        self._forget()
        self._start_at = now + self._backoff
        self._backoff = min(2 * self._backoff, LONGEST_BACKOFF_SECONDS)

    def _count_failed_starts(self, code: int) -> None:
        self._failed_starts = 0 if code in _ENDED_BY_OTHERS else self._failed_starts + 1
        if self._failed_starts >= FAILED_STARTS and not self._has_settled:
            raise CannotStartError(
                self.name, self._failed_starts, _how(code), reason_in(self.log, self._log_begins), self.log
            )

    def _kill_if_frozen(self, now: float) -> None:
        if self._silence is None or self._silence.seconds(now) < self._frozen_seconds:
            return
        self._say(f"{self.name} gave no sign of life for {self._frozen_seconds:g} s; killing it; log: {self.log}")
        self._signal(signal.SIGKILL)
        # Once is enough: a process that is blocked on a disk ends as soon as the disk answers.
        self._stop_listening()

    def _bound_log(self) -> None:
        """Copies a long log and truncates it; the child has it open in append mode, and continues at its end."""
        with suppress(OSError):
            if self.log.stat().st_size > LOG_BYTES:
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
                os.truncate(self.log, 0)

    def ask_to_end(self) -> None:
        """Sends SIGTERM."""
        self._signal(signal.SIGTERM)

    def end_by(self, deadline: float) -> None:
        """Waits until the deadline (of the monotonic clock), then kills the whole session."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._say(f"{self.name} did not stop in time and was killed")
            self._signal(signal.SIGKILL)
            # A process that waits for a file system that does not answer dies only when that answers.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(KILL_SECONDS)
        self._forget()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _stop_listening(self) -> None:
        if self._silence is not None:
            self._silence.close()
        self._silence = None

    def _forget(self) -> None:
        self._stop_listening()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


def end_all(children: Sequence[Child], grace_seconds: float) -> None:
    """Asks all children to stop, then waits for all of them."""
    for child in children:
        child.ask_to_end()
    deadline = time.monotonic() + grace_seconds
    for child in children:
        child.end_by(deadline)


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
