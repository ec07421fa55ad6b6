"""Folding changes no sum while other processes read and write, alike on SQLite and PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from sqlalchemy import func, select

from tests.contracts.jobs import claim, queue_job
from tests.contracts.rows import add_task
from worker.registry import (
    FOLDED_AT_ONCE,
    Engine,
    RevisionMarkRow,
    RevisionRow,
    TallyDeltaRow,
    TallyFigure,
    TallyRow,
    reading,
    unit_of_work,
)
from worker.registry.schema import alembic_config
from worker.storage.cleaner import fold


def end_stages(engine: Engine, *seconds: float) -> None:
    job_id = queue_job(engine)
    attempt = claim(engine, job_id)
    for value in seconds:
        with unit_of_work(engine) as registry:
            registry.leases.end_stage(job_id, attempt, "fit", value)


def tallies(engine: Engine) -> list[TallyFigure]:
    with reading(engine) as registry:
        return [*registry.figures.queue().tallies]


def revision(engine: Engine) -> str | None:
    with reading(engine) as registry:
        return registry.results.matrix_revision()


def rows(engine: Engine, table: type) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_tallies_are_the_same_before_and_after(engine: Engine) -> None:
    end_stages(engine, 1.5, 2.0)
    assert fold(engine) == 2
    end_stages(engine, 4.0)
    expected = [TallyFigure("stage", "recommend", "fit", 3, 7.5)]
    assert tallies(engine) == expected
    assert (rows(engine, TallyRow), rows(engine, TallyDeltaRow)) == (1, 1)
    assert fold(engine) == 1
    assert tallies(engine) == expected
    assert (rows(engine, TallyRow), rows(engine, TallyDeltaRow)) == (1, 0)
    assert fold(engine) == 0


def test_a_revision_is_the_same_before_and_after_and_grows_with_the_next_change(engine: Engine) -> None:
    for name in ("a", "b", "c"):
        with unit_of_work(engine) as registry:
            add_task(registry, name)
    before = revision(engine)
    fold(engine)
    assert rows(engine, RevisionMarkRow) == 1
    assert revision(engine) == before
    with unit_of_work(engine) as registry:
        add_task(registry, "d")
    assert revision(engine) not in (None, before)


def test_what_a_program_of_the_version_before_draws_counts_too(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        add_task(registry, "a")
    before = revision(engine)
    with engine.begin() as connection:
        connection.execute(RevisionRow.__table__.insert().values(name="matrix", token="f" * 32))
    assert revision(engine) not in (None, before)


def test_nothing_is_counted_twice_or_lost_while_several_fold_and_others_count(engine: Engine) -> None:
    seen: list[int] = []

    def fold_and_look(number: int) -> None:
        for _ in range(10):
            fold(engine)
            seen.append(sum(figure.occurrences for figure in tallies(engine)))

    with ThreadPoolExecutor(6) as threads:
        folding = [threads.submit(fold_and_look, number) for number in range(2)]
        counting = [threads.submit(end_stages, engine, *[1.0] * 20) for _ in range(3)]
        for future in folding + counting:
            future.result()
    fold(engine)
    assert tallies(engine) == [TallyFigure("stage", "recommend", "fit", 60, 60.0)]
    assert max(seen) <= 60


def test_folding_ends_while_others_continue_to_count(engine: Engine) -> None:
    stop = threading.Event()

    def count_until_stopped() -> None:
        while not stop.is_set():
            end_stages(engine, 1.0)

    with ThreadPoolExecutor(2) as threads:
        counting = threads.submit(count_until_stopped)
        try:
            assert threads.submit(fold, engine).result(timeout=30) < FOLDED_AT_ONCE
        finally:
            stop.set()
        counting.result()


@pytest.mark.parametrize("folded", [True, False])
def test_a_downgrade_loses_no_count(engine: Engine, folded: bool) -> None:
    end_stages(engine, 1.5, 2.0)
    if folded:
        fold(engine)
        end_stages(engine, 4.0)
    expected = tallies(engine)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0011")
    with engine.connect() as connection:
        table = TallyRow.__table__
        columns = (table.c.name, table.c.kind, table.c.label, table.c.occurrences, table.c.seconds)
        assert [TallyFigure(*row) for row in connection.execute(select(*columns))] == expected
