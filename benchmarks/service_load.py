"""Load on loopback by wrk (https://github.com/wg/wrk): as much as there can be, or at a rate.

wrk, because it is in every distribution, takes little of the processor that it shares with what it measures, and its
script may wait before each request: so many clients that each pause for a time by chance are, at a rate well below
saturation, close to arrivals by chance at that rate, and a server that stalls makes them queue. (autocannon sends a
second's requests in one burst; hey gives its workers the same ticks, so they come in bursts too; vegeta, oha and k6 are
in no registry that installs them everywhere; locust takes more of the processor than the service does.)
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parent / "service_load.lua"
CLIENTS = 16
"""Connections that leave a process no rest."""
PAUSING_CLIENTS = 64
TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Request:
    """One request as wrk sends it."""

    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def line(self) -> str:
        """As `service_load.lua` reads it."""
        headers = "|".join(f"{name}={value}" for name, value in self.headers)
        return "\t".join((self.method, self.path, headers, self.body))


@dataclass(frozen=True)
class Loaded:
    """What came of it; times in milliseconds, to the last byte of an answer.

    Attributes:
        rate: answers a second.
        refused: answers with a status of 400 and more.
        broken: connections that could not be opened or broke off, and answers that took more than 20 s.
    """

    answers: int
    rate: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int


def require_wrk() -> None:
    """End with a sentence where wrk is missing."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: `apt-get install wrk`, `dnf install wrk` or `brew install wrk`")


def saturate(port: int, requests: Sequence[Request], seconds: float, *, clients: int = CLIENTS) -> Loaded:
    """Ask again as soon as there is an answer."""
    return _run(port, requests, seconds, clients, pause_ms=0.0)


def at_rate(port: int, requests: Sequence[Request], seconds: float, rate: float) -> Loaded:
    """Ask so many times a second, at moments by chance."""
    return _run(port, requests, seconds, PAUSING_CLIENTS, pause_ms=1000 * PAUSING_CLIENTS / rate)


def _run(port: int, requests: Sequence[Request], seconds: float, clients: int, *, pause_ms: float) -> Loaded:
    with tempfile.NamedTemporaryFile("w", suffix=".requests") as file:
        file.write("".join(request.line() + "\n" for request in requests))
        file.flush()
        options = ("-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", f"--timeout={TIMEOUT_SECONDS}s")
        asked = ("wrk", *options, "-s", str(SCRIPT), f"http://127.0.0.1:{port}/", "--", file.name, f"{pause_ms:.3f}")
        output = subprocess.run((*asked, "1"), check=True, capture_output=True, text=True).stdout
    found = json.loads(output.strip().splitlines()[-1])
    if not found["answers"]:
        raise SystemExit(f"nothing was answered: {output}")
    return Loaded(
        answers=found["answers"],
        rate=1e6 * found["answers"] / found["microseconds"],
        p50_ms=found["p50"] / 1000,
        p99_ms=found["p99"] / 1000,
        refused=found["refused"],
        broken=found["broken"],
    )
