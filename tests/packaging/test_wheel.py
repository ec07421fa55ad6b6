"""The wheel has all that the service reads, and what it installs runs without the source tree."""

import json
import re
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.packaging.installation import FLOORS, ROOT, Installation

pytestmark = [pytest.mark.system, pytest.mark.registry]

QUIET = {"OMP_NUM_THREADS": "1", "LDNAS_DEVICE": "cpu", "LDNAS_NETWORK": "small_cnn", "LDNAS_PORT": "0"}


def test_the_wheel_has_every_file_of_the_floors_and_no_other(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = (path for floor in FLOORS for path in (ROOT / floor).rglob("*") if path.is_file())
    own = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    assert packed == own - {"ldnas_start/hidden.pth"} | {"ldnas_start.pth"}


def test_the_installed_modules_come_from_the_wheel(installed: Installation, tmp_path: Path) -> None:
    code = f"import importlib, json; print(json.dumps([importlib.import_module(n).__file__ for n in {FLOORS}]))"
    done = installed.run(installed.python, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {Path(file).parent.parent for file in json.loads(done.stdout)} == {installed.site_packages}


@pytest.fixture
def service(installed: Installation, tmp_path: Path) -> Iterator[str]:
    """The address of `ldnas up` from the wheel."""
    process = subprocess.Popen(
        [installed.ldnas, "up"],
        cwd=tmp_path,
        env=installed.environment({**QUIET, "LDNAS_HOME": str(tmp_path / "home")}),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        lines = iter(process.stderr.readline, "")
        yield next(found[1] for line in lines if (found := re.search(r"ready: (\S+)/v1", line)))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_the_installed_service_has_its_pages_and_finishes_a_job(
    installed: Installation, service: str, stripes_zip: bytes, tmp_path: Path
) -> None:
    page = httpx.get(f"{service}/", timeout=30)
    needed = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert len(needed) > 3
    for path in ("/", "/docs", "/openapi.json", *needed):
        assert httpx.get(f"{service}{path}", timeout=30).status_code == 200, path
    (tmp_path / "stripes.zip").write_bytes(stripes_zip)
    for command in (
        ("dataset", "add", "stripes", "stripes.zip"),
        ("task", "add", "stripes", "dataset://stripes", "--repetitions", "1"),
        ("task", "show", "stripes"),
    ):
        done = installed.run(installed.ldnas, *command, cwd=tmp_path, LDNAS_URL=service)
        assert done.returncode == 0, done.stderr
    assert "succeeded" in done.stdout
