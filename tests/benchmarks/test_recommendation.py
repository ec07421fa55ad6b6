"""The benchmark of the recommendation: its summary and its plan, by hand."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from benchmarks.recommendation.__main__ import plan
from benchmarks.recommendation.pictures import unpack
from benchmarks.recommendation.summary import summarise
from benchmarks.recommendation.ways import WAYS


def row(way: str, seed: int, accuracy: float, target: str = "6") -> dict[str, Any]:
    values = {"target": target, "ways": "cells", "way": way, "seed": seed, "seconds": 60.0}
    return {"unit": {"values": values}, "outcome": {"accuracy": accuracy}}


ROWS = [
    *(row("ours", seed, accuracy) for seed, accuracy in enumerate((0.70, 0.72, 0.74))),
    *(row("ours, cold", seed, 0.9) for seed in range(3)),
    *(row("ResNet-18", seed, accuracy) for seed, accuracy in enumerate((0.69, 0.70, 0.71))),
    *(row("random cell", seed, accuracy) for seed, accuracy in enumerate((0.71, 0.74))),
]


def test_gains_are_paired_by_seed_with_a_student_interval() -> None:
    found = summarise(ROWS)["6, cells, 60 s"]["ways"]["ResNet-18"]
    assert found["accuracy"] == pytest.approx(0.70)
    # The gains are .01, .02 and .03: mean .02, standard error .01/√3; Student's t for 90 % and 2 degrees is 2.919986.
    assert found["gain_of_ours"] == pytest.approx(0.02)
    assert found["gain_interval"] == pytest.approx([0.02 - 2.919986 * 0.01 / 3**0.5, 0.02 + 2.919986 * 0.01 / 3**0.5])


def test_the_regret_is_against_the_best_rival_over_the_seeds_that_all_ways_have() -> None:
    # Over seeds 0 and 1: ours .71, ResNet-18 .695, random cell .725. "ours, cold" is not a rival.
    assert summarise(ROWS)["6, cells, 60 s"]["regret"] == pytest.approx(0.725 - 0.71)


def test_ours_with_fewer_known_tasks_is_a_row_of_its_own_and_no_rival() -> None:
    fewer = row("ours", 0, 0.9)
    fewer["unit"]["values"]["known"] = 2
    found = summarise([*ROWS, fewer])["6, cells, 60 s"]
    assert found["ways"]["ours, 2 known"]["gain_of_ours"] == pytest.approx(0.70 - 0.9)
    assert found["ways"]["ours"]["seeds"] == 3
    assert found["regret"] == pytest.approx(0.71 - 0.70)  # seed 0 alone: the random cell less ours


def test_a_target_without_ours_is_left_out() -> None:
    assert summarise([row("ResNet-18", 0, 0.5, target="3")]) == {}


def test_the_plan_has_the_known_tasks_first_and_every_way_of_a_seed_before_the_next_seed() -> None:
    units = plan({"cells": ["6"], "all": ["3"]}, known=[3, 7], seeds=2, seconds=1.0, study=1.0)
    assert [unit.values["task"] for unit in units[:2]] == [3, 7]
    runs = units[2:]
    assert [unit.values["seed"] for unit in runs] == sorted(unit.values["seed"] for unit in runs)
    assert len(runs) == 2 * (len(WAYS["cells"]) + len(WAYS["all"]))
    assert all(set(unit.needs) == {own.id for own in units[:2]} for unit in runs)


def test_fewer_known_tasks_are_a_part_of_more_of_the_same_seed_without_the_target() -> None:
    units = plan(
        {"cells": ["6"], "all": []}, known=range(8), seeds=3, seconds=1.0, study=1.0, chosen=[], fewer=[0, 2, 4]
    )
    task_of = {unit.id: unit.values["task"] for unit in units[:8]}
    drawn = {(unit.values["seed"], unit.values["known"]): {task_of[own] for own in unit.needs} for unit in units[8:]}
    for seed in range(3):
        assert [len(drawn[seed, count]) for count in (0, 2, 4)] == [0, 2, 4]
        assert drawn[seed, 2] < drawn[seed, 4]
        assert 6 not in drawn[seed, 4]
    assert len({frozenset(drawn[seed, 2]) for seed in range(3)}) > 1


def test_pictures_of_a_package_become_folders_without_the_classes_that_have_few(tmp_path: Path) -> None:
    entries = [{"image": f"{number}.png", "category": "Flags" if number < 30 else "Food"} for number in range(35)]
    entries.append({"image": "of-another-vendor.png", "category": "Flags"})
    files = {"package/emoji.json": json.dumps(entries).encode(), "package/img/google/32/0.png": b"small"}
    files |= {f"package/img/google/64/{number}.png": b"%d" % number for number in range(35)}
    with tarfile.open(tmp_path / "package.tgz", "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    assert unpack(tmp_path / "package.tgz", by="category", to=tmp_path / "set") == {"Flags": 30, "Food": 5}
    found = {str(file.relative_to(tmp_path / "set")): file.read_bytes() for file in (tmp_path / "set").rglob("*.png")}
    assert found == {f"Flags/{number}.png": b"%d" % number for number in range(30)}


def test_another_archive_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "other.tgz", "w:gz"):
        pass
    with pytest.raises(SystemExit, match=r"other\.tgz is not a package emoji-datasource"):
        unpack(tmp_path / "other.tgz", by="category", to=tmp_path / "set")
