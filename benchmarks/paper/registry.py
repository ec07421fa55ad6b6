"""A registry to start from: the paper's eight tasks with networks, genotypes and distances, as one file.

    python -m benchmarks.paper.registry --data ../data --scale small

A service of its own does the work, on a home that stays on disk: a run that was stopped resumes where it was.
"""

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.paper.subset import SPLITS, files_of, write_subset
from benchmarks.paper.tasks import CIFAR10, MNIST, TASKS, PaperTask, single
from ldnas.networks.names import ARCHITECTURES
from service.cli.demo.background import service_on
from service.cli.supervision.errors import DemoFailedError
from service.client import Client
from service.client.errors import ClientError
from service.client.submission import Submission
from service.schemas.tasks import Task
from worker.errors import BundleError
from worker.registry import open_engine
from worker.settings import Settings
from worker.storage.artifacts import open_store
from worker.storage.bundle import write_bundle

SEED = 0
KEPT = "finished work is stored, and the same command resumes from there"
LAYOUT = (
    "--data names a folder with mnist/ and cifar10/, each with train.parquet and test.parquet in the layout of Hugging "
    "Face datasets: a column with the images, and a column `label` with 0 to 9"
)


@dataclass(frozen=True)
class Cut:
    """The images that a registry is made from.

    Attributes:
        images: of each set, by split; None: all.
        words: the same for people.
    """

    images: dict[str, int] | None
    words: str


SCALES = {
    "small": Cut(
        {"train": 5000, "test": 1000},
        f"5,000 training and 1,000 test images of each set, drawn by the seed {SEED}; every class keeps its share",
    ),
    "full": Cut(None, "every image"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes the file, or exits with the reason why it cannot."""
    given = _parser().parse_args(arguments)
    scale, work = SCALES[given.scale], given.work / given.scale / given.network
    if given.out.exists():
        raise SystemExit(f"{given.out} is there already; move it, or name another file with --out")
    require_sets(given.data)
    print(f"{given.scale}: {scale.words}; networks are {given.network}; finished work is stored in {work}", flush=True)
    sets = given.data
    if scale.images is not None:
        sets = work / "data"
        for name in (MNIST, CIFAR10):
            write_subset(given.data / name, sets / name, scale.images, seed=SEED)
    settings = settings_of(work / "home", sets, given.network)
    try:
        with service_on(settings) as url, Client(url) as client:
            fill(client, sets.absolute())
        counts = export(settings, given.out)
    except DemoFailedError as error:
        raise SystemExit(f"{error.reason}; the logs lie in {error.logs}") from error
    except (ClientError, BundleError) as error:
        raise SystemExit(f"{error}\n{KEPT}") from error
    except KeyboardInterrupt:
        raise SystemExit(f"\nstopped; {KEPT}") from None
    what = ", ".join(f"{counts[table]:,} {table}" for table in ("tasks", "networks", "genotypes", "distances"))
    print(f"{given.out} has {what}: {given.out.stat().st_size / 1e6:.1f} MB")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper.registry", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--scale", choices=sorted(SCALES), required=True)
    parser.add_argument("--network", choices=ARCHITECTURES, default="small_cnn", help="what the networks are")
    parser.add_argument(
        "--work", type=Path, default=Path("var/paper/registry"), help="the folder that stores finished work"
    )
    parser.add_argument("--out", type=Path, default=Path("var/paper/registry.ldnas"), help="the file that is written")
    return parser


def require_sets(folder: Path) -> None:
    """Refuse a folder that does not have both sets as Parquet.

    Raises:
        SystemExit: a file is missing or has no labels; the message names it and the layout that is expected.
    """
    for place in (folder / MNIST, folder / CIFAR10):
        for split in SPLITS:
            files = files_of(place, split)
            if not files:
                raise SystemExit(f"{place} has no {split}.parquet; {LAYOUT}")
            for file in files:
                try:
                    labelled = "label" in pq.read_schema(file).names
                except pa.ArrowException as error:
                    raise SystemExit(f"{file} is not a Parquet file ({error}); {LAYOUT}") from error
                if not labelled:
                    raise SystemExit(f"{file} has no column `label`; {LAYOUT}")


def settings_of(home: Path, sets: Path, network: str) -> Settings:
    """A service on its own home, whatever else is set here: nothing of it may reach another registry."""
    device = {"LDNAS_DEVICE": os.environ.get("LDNAS_DEVICE", "")}
    own = {"LDNAS_HOME": str(home), "LDNAS_DATASET_ROOTS": str(sets), "LDNAS_NETWORK": network}
    return Settings.from_environment(device | own)


def fill(
    client: Client, sets: Path, tasks: Sequence[PaperTask] = TASKS["paper"], repetitions: int | None = None
) -> None:
    """Has the service know the tasks, and every distance between them; what it knows already is left as it is.

    Args:
        client: of the service.
        sets: the folder with the sets, where the service reads them.
        tasks: in the order in which they are worked on.
        repetitions: networks of each; None: as many as the service takes.

    Raises:
        ClientError: a job failed, or the service does not answer.
        SystemExit: the tasks that it knows are of images in another place.
    """
    asked = [registered(client, task, (sets / task.dataset).as_uri(), repetitions) for task in tasks]
    for submission in asked:
        task = submission.wait(progress=True)
        reached = sum(network.approximation is True for network in task.networks)
        what = f"{len(task.genotypes)} genotypes, {reached} of {len(task.networks)} networks reach 1-ε"
        print(f"{task.name}: {what}", flush=True)
    known = client.distances()
    lacking = [target for place, target in enumerate(known.targets) if any(row[place] is None for row in known.mean)]
    if lacking:
        client.measure_distances(lacking).wait(progress=True)


def registered(client: Client, task: PaperTask, uri: str, repetitions: int | None = None) -> Submission[Task]:
    """The task of an earlier run, or a new one; one that failed is registered again."""
    name = name_of(task)
    for known in client.tasks(role="baseline"):
        if known.name != name:
            continue
        if known.dataset["uri"] != uri:
            raise SystemExit(f"{name} is there with images from {known.dataset['uri']}; name another folder in --work")
        if known.state not in ("failed", "cancelled"):
            return client.submission_of(known)
        client.remove_task(known.id)
    return client.register_task(
        name, uri, labels=labels_of(task), repetitions=repetitions, seed=SEED, study={"cells": 0}
    )


def name_of(task: PaperTask) -> str:
    """The name of the baseline, as `mnist_odd_or_even`."""
    return f"{task.dataset}_{re.sub('[^a-z0-9]+', '_', task.name)}"


def labels_of(task: PaperTask) -> dict[str, Any] | None:
    """The task's label mapping as the API takes it; None: the set's own classes."""
    if task.groups == single(tuple(range(10))):
        return None
    groups = [list(group) for group in task.groups]
    return {"groups": groups, "rest": task.has_rest, "balance": task.has_rest and task.cut is not None}


def export(settings: Settings, out: Path) -> dict[str, int]:
    """What `ldnas registry export` does; the number of rows by table.

    Raises:
        BundleError: the file cannot be written.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.database_url)
    try:
        return write_bundle(engine, open_store(settings), out)
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
