"""The kinds of requests to the service, and their speed against the bare route."""

import http.client
import json
import statistics
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.service_load import Loaded, Request, at_rate, saturate
from benchmarks.service_processes import cpu_seconds
from benchmarks.service_store import Filled
from benchmarks.service_submits import BODY

CLIENTS = 64

Served = tuple[int, int]
"""The port of a server, and its process."""


@dataclass(frozen=True)
class Kind:
    """A kind of request.

    Attributes:
        draw: requests of this kind, drawn again at each call.
        is_poll: whether more is measured, because something is promised of it.
    """

    draw: Callable[[], Sequence[Request]]
    is_poll: bool = False


def kinds_of(filled: Filled) -> dict[str, Kind]:
    """All kinds: polls of rows polled before and of rows never polled, and the other requests of a dashboard."""
    hot, jobs = filled.recommendations[-CLIENTS:], filled.jobs[-CLIENTS:]
    spread = filled.recommendations[:: max(1, len(filled.recommendations) // 20_000)]
    pages = filled.jobs[:: -max(1, len(filled.jobs) // 100)][:50]
    return {
        "poll_recommendation": Kind(lambda: [Request(f"/v1/recommendations/{id}") for id in hot], is_poll=True),
        "poll_job": Kind(lambda: [Request(f"/v1/jobs/{id}") for id in jobs], is_poll=True),
        "poll_first_time": Kind(lambda: [Request(f"/v1/recommendations/{id}") for id in spread], is_poll=True),
        "matrix_by_target": Kind(lambda: [Request(f"/v1/distances?target={id}") for id in filled.tasks[:8]]),
        "list_tasks": Kind(lambda: [Request("/v1/tasks")]),
        "list_recommendations": Kind(lambda: [Request("/v1/recommendations")]),
        "list_jobs": Kind(lambda: [Request(f"/v1/jobs?state=failed&after={id}") for id in pages]),
        "submit": Kind(lambda: [_submit() for _ in range(5000)]),
    }


def _submit() -> Request:
    headers = (("Content-Type", "application/json"), ("Idempotency-Key", uuid.uuid4().hex))
    return Request("/v1/recommendations", "POST", headers, json.dumps(BODY))


def rounds_of(
    name: str, kind: Kind, served: Served, bare: Served, before: Served | None, rounds: int, seconds: int
) -> dict[str, Any]:
    """Rounds of service, bare route and the service of an earlier commit, if any, in turn.

    Each is asked without rest, then at half of the rate that it reached.
    """
    same = [Request(f"/{name}", kind.draw()[0].method)]
    servers: dict[str, tuple[Served, Callable[[], Sequence[Request]]]] = {
        "": (served, kind.draw),
        "bare_": (bare, lambda: same),
    }
    if before is not None:
        servers["before_"] = before, kind.draw
    for (port, _), draw in servers.values():
        saturate(port, draw(), 1)
    shorter = max(1, seconds - 1)
    rows: list[dict[str, Loaded]] = []
    cpu: list[dict[str, float]] = []
    for number in range(rounds):
        # Another server comes first in each round: the first one still meets the ends of the loads before.
        first = number % len(servers)
        turns = [*servers.items()][first:] + [*servers.items()][:first]
        row: dict[str, Loaded] = {}
        used: dict[str, float] = {}
        for server, ((port, pid), draw) in turns:
            began = cpu_seconds(pid)
            row[f"{server}most"] = saturate(port, draw(), shorter)
            used[server] = 1000 * (cpu_seconds(pid) - began) / row[f"{server}most"].answers
        for server, ((port, _), draw) in turns:
            row[f"{server}half"] = at_rate(port, draw(), seconds, row[f"{server}most"].rate / 2)
        if kind.is_poll:
            row["bare_same"] = at_rate(bare[0], same, seconds, row["most"].rate / 2)
        rows.append(row)
        cpu.append(used)
    milliseconds = {
        f"{server}cpu_ms_per_request": round(statistics.median(used[server] for used in cpu), 3) for server in servers
    }
    return summary(rows) | milliseconds


def summary(rows: list[dict[str, Loaded]]) -> dict[str, Any]:
    """Medians over the rounds; a ratio is the median of the rounds' own ratios."""

    def median(value: Callable[[dict[str, Loaded]], float]) -> float:
        return round(statistics.median(value(row) for row in rows), 3)

    found = {
        "requests_per_second": median(lambda row: row["most"].rate),
        "bare_requests_per_second": median(lambda row: row["bare_most"].rate),
        "throughput_ratio": median(lambda row: row["bare_most"].rate / row["most"].rate),
        "half_rate": median(lambda row: row["half"].rate),
        "p50_ms": median(lambda row: row["half"].p50_ms),
        "p99_ms": median(lambda row: row["half"].p99_ms),
        "bare_p50_ms": median(lambda row: row["bare_half"].p50_ms),
        "bare_p99_ms": median(lambda row: row["bare_half"].p99_ms),
        "p99_ratio": median(lambda row: row["half"].p99_ms / row["bare_half"].p99_ms),
        "p99_ratio_of_each_round": [round(row["half"].p99_ms / row["bare_half"].p99_ms, 2) for row in rows],
        "refused": sum(row[part].refused for row in rows for part in ("most", "half")),
        "broken": sum(row[part].broken for row in rows for part in ("most", "half")),
    }
    if "bare_same" in rows[0]:
        found["bare_p99_ms_at_the_same_rate"] = median(lambda row: row["bare_same"].p99_ms)
        found["p99_ratio_at_the_same_rate"] = median(lambda row: row["half"].p99_ms / row["bare_same"].p99_ms)
    if "before_half" in rows[0]:
        found["before_requests_per_second"] = median(lambda row: row["before_most"].rate)
        found["before_p50_ms"] = median(lambda row: row["before_half"].p50_ms)
        found["before_p99_ms"] = median(lambda row: row["before_half"].p99_ms)
        found["before_p99_ratio"] = median(lambda row: row["before_half"].p99_ms / row["bare_half"].p99_ms)
    return found


def body_of(port: int, request: Request) -> bytes:
    """The body of the service's answer to one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(request.method, request.path, request.body or None, dict(request.headers))
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status not in (200, 202):
        raise SystemExit(f"{request.path} answered {answer.status}: {body.decode()}")
    return body
