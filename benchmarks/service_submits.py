"""Very many submits at the same moment, each over a connection of its own: the answers, and the rows stored."""

import asyncio
import json
import statistics
import time
import uuid
from collections import Counter
from typing import Any

from sqlalchemy import func, select

from worker.registry import Engine, JobRow, RecommendationRow, TaskRow

BODY = {"dataset": {"uri": "builtin://digits"}, "labels": {"groups": [[2, 3, 5, 7]], "rest": True}}
PATIENCE_SECONDS = 120.0


def submit_at_once(port: int, engine: Engine, count: int, key: str | None = None) -> dict[str, Any]:
    """Send `count` requests at once; statuses, seconds, and the rows that came of them."""
    before = _rows(engine)
    began = time.perf_counter()
    answers = asyncio.run(_all(port, count, key))
    seconds = time.perf_counter() - began
    after = _rows(engine)
    statuses = Counter(status for status, _ in answers)
    accepted, refused = statuses.get(202, 0), statuses.get(429, 0)
    stored = {table: after[table] - before[table] for table in after}
    return {
        "sent": count,
        "accepted": accepted,
        "refused_429": refused,
        "others": {str(status): number for status, number in statuses.items() if status not in (202, 429)},
        "stored": stored,
        "seconds": round(seconds, 2),
        "p50_seconds": round(statistics.median(seconds for _, seconds in answers), 2),
        "slowest_seconds": round(max(seconds for _, seconds in answers), 2),
        "none_lost": accepted + refused == count and set(stored.values()) == {accepted},
    }


async def _all(port: int, count: int, key: str | None) -> list[tuple[int | str, float]]:
    return await asyncio.gather(*(_one(port, key) for _ in range(count)))


async def _one(port: int, key: str | None) -> tuple[int | str, float]:
    """The status of one request, or the name of its error, and its seconds."""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            status: int | str = await _status(port, key)
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        status = type(error).__name__
    return status, time.perf_counter() - began


async def _status(port: int, key: str | None) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps(BODY).encode()
    headers = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Idempotency-Key": uuid.uuid4().hex,
        "Connection": "close",
    }
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"POST /v1/recommendations HTTP/1.1\r\n{head}\r\n".encode() + body)
    line = await reader.readuntil(b"\r\n")
    await reader.read()
    writer.close()
    return int(line.split()[1])


def _rows(engine: Engine) -> dict[str, int]:
    tables = {"recommendations": RecommendationRow, "jobs": JobRow, "tasks": TaskRow}
    with engine.connect() as connection:
        return {name: connection.execute(select(func.count(table.id))).scalar_one() for name, table in tables.items()}
