"""Computed results under content keys: a second writer gets the first writer's row."""

import math
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from worker.registry.base import DatabaseNow, new_id
from worker.registry.matrix import (
    MatrixEntry,
    MeasuredRepetition,
    distances_among,
    measured_columns,
    measured_distances,
    measured_repetitions,
    measured_targets,
)
from worker.registry.revisions import matrix_revision
from worker.registry.tables import ArtifactRow, DistanceRow, FisherSummaryRow, GenotypeRow, NetworkRow
from worker.registry.upsert import hold_fresh, insert_missing, insert_or_renew


class Results:
    """The rows of `networks`, `fisher_summaries`, `distances`, `genotypes` and `artifacts`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def network(self, key: str) -> NetworkRow | None:
        """The network under this content key, or None."""
        return self._session.get(NetworkRow, key)

    def use_network(self, key: str) -> NetworkRow | None:
        """The same for a caller that will use it: it counts as stored now, so that the cleaner keeps it."""
        if not hold_fresh(self._session, NetworkRow.key, [key]):
            self._session.execute(update(NetworkRow).where(NetworkRow.key == key).values(created_at=DatabaseNow()))
        return self._session.get(NetworkRow, key, populate_existing=True)

    def store_network(self, **columns: Any) -> NetworkRow:
        """Store a network, unless its key exists; return the stored row."""
        insert_or_renew(self._session, NetworkRow, [columns])
        return self._session.get_one(NetworkRow, columns["key"])

    def store_test(self, key: str, test: dict[str, Any]) -> dict[str, Any]:
        """Store a finished network's test scores, unless they exist; return the stored scores."""
        network = self._session.get_one(NetworkRow, key, with_for_update=True)
        network.test = network.test or test
        self._session.flush()
        return network.test

    def fisher_summary(self, key: str) -> FisherSummaryRow | None:
        """The Fisher summary under this content key, or None."""
        return self._session.get(FisherSummaryRow, key)

    def store_fisher_summary(self, **columns: Any) -> FisherSummaryRow:
        """Store a Fisher summary, unless its key exists; return the stored row."""
        insert_missing(self._session, FisherSummaryRow, [columns])
        return self._session.get_one(FisherSummaryRow, columns["key"])

    def store_distances(self, rows: Sequence[dict[str, Any]]) -> None:
        """Store distances between networks, except those that exist already.

        `standard_error` and `contributions` may be absent.

        Raises:
            ValueError: a number is not finite; nothing was stored.
        """
        complete = [{"standard_error": None, "contributions": None, **row} for row in rows]
        for row in complete:
            _require_finite(row)
        insert_missing(self._session, DistanceRow, complete)

    def distances(
        self, source_networks: Sequence[str], target_networks: Sequence[str], measure: str, recipe_digest: str
    ) -> Sequence[DistanceRow]:
        """The stored distances from any of the sources to any of the targets."""
        return self._session.scalars(
            select(DistanceRow)
            .where(
                DistanceRow.source_network.in_(source_networks),
                DistanceRow.target_network.in_(target_networks),
                DistanceRow.measure == measure,
                DistanceRow.recipe_digest == recipe_digest,
            )
            .order_by(DistanceRow.source_network, DistanceRow.target_network, DistanceRow.data_key)
        ).all()

    def matrix(
        self,
        measure: str,
        recipe_digests: Collection[str],
        *,
        source_task_id: str | None = None,
        target_task_id: str | None = None,
    ) -> list[MatrixEntry]:
        """Distances between tasks over their repetitions; pairs that were not measured are absent."""
        return measured_distances(self._session, measure, recipe_digests, source_task_id, target_task_id)

    def matrix_among(
        self, measure: str, recipe_digests: Collection[str], task_ids: Collection[str]
    ) -> list[MatrixEntry]:
        """The same for the pairs with both tasks among these."""
        return distances_among(self._session, measure, recipe_digests, task_ids)

    def columns(
        self, measure: str, recipe_digests: Collection[str], target_task_ids: Collection[str]
    ) -> list[MatrixEntry]:
        """The same for whole columns: from every task to each of these."""
        return measured_columns(self._session, measure, recipe_digests, target_task_ids)

    def measured_targets(self, measure: str, recipe_digests: Collection[str]) -> dict[str, str]:
        """The names, by id, of all targets to which another task was measured; oldest first."""
        return measured_targets(self._session, measure, recipe_digests)

    def matrix_revision(self) -> str | None:
        """A token that changes with the data behind `matrix` and the names of tasks; read it before them."""
        return matrix_revision(self._session)

    def pair(
        self, source_task_id: str, target_task_id: str, measure: str, recipe_digests: Collection[str]
    ) -> list[MeasuredRepetition]:
        """The distance from one task to another in detail, by repetition; empty if it was not measured."""
        return measured_repetitions(self._session, source_task_id, target_task_id, measure, recipe_digests)

    def search(self, search_key: str) -> Sequence[GenotypeRow]:
        """The genotypes that the search with this key sampled, in its order; empty if no such search has finished."""
        return self._session.scalars(
            select(GenotypeRow).where(GenotypeRow.search_key == search_key).order_by(GenotypeRow.position)
        ).all()

    def use_search(self, search_key: str) -> Sequence[GenotypeRow]:
        """The same for a caller that will use them: they count as stored now, so that the cleaner keeps them."""
        if not hold_fresh(self._session, GenotypeRow.search_key, [search_key]):
            renewed = update(GenotypeRow).where(GenotypeRow.search_key == search_key)
            self._session.execute(renewed.values(created_at=DatabaseNow()))
        return self.search(search_key)

    def store_search(self, search_key: str, origin: str, scored: Sequence[dict[str, Any]]) -> Sequence[GenotypeRow]:
        """Store the genotypes that a search sampled, unless they exist; return the stored rows, in the search's order.

        Each of `scored` holds `digest`, `genotype` and, where they were scored, `validation_accuracy`,
        `validation_balanced_accuracy` (in [0, 1]) and `epochs`.
        """
        unscored = {"validation_accuracy": None, "validation_balanced_accuracy": None, "epochs": None}
        rows = [
            {**unscored, **row, "id": new_id(), "search_key": search_key, "position": position, "origin": origin}
            for position, row in enumerate(scored)
        ]
        self.use_search(search_key)
        # The process that stored the first row stores the whole search: two outcomes of one key must not mix.
        insert_missing(self._session, GenotypeRow, rows[:1])
        stored = self.search(search_key)
        if len(stored) == 1 and rows and stored[0].id == rows[0]["id"]:
            insert_missing(self._session, GenotypeRow, rows[1:])
        return self.search(search_key)

    def artifact(self, digest: str) -> ArtifactRow | None:
        """The artifact of this SHA-256, or None."""
        return self._session.get(ArtifactRow, digest)

    def artifacts(self, after: str, limit: int) -> Sequence[ArtifactRow]:
        """Artifacts in the order of their digests, after one of them."""
        page = select(ArtifactRow).where(ArtifactRow.digest > after).order_by(ArtifactRow.digest).limit(limit)
        return self._session.scalars(page).all()

    def store_artifact(self, digest: str, bytes: int, media_type: str) -> ArtifactRow:
        """Record a file of the artifact store, unless it is recorded already; return the stored row."""
        insert_or_renew(self._session, ArtifactRow, [{"digest": digest, "bytes": bytes, "media_type": media_type}])
        return self._session.get_one(ArtifactRow, digest)


def _require_finite(row: dict[str, Any]) -> None:
    numbers = [row["value"], row["signed"], row["standard_error"], *(value for _, value in row["contributions"] or ())]
    if not all(number is None or math.isfinite(number) for number in numbers):
        named = ", ".join(f"{name} {row[name]}" for name in ("source_network", "target_network", "data_key", "measure"))
        raise ValueError(f"a number of the distance with {named} is not finite: {numbers}")
