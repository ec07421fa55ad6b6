"""The command line on terminals without every character, and what it says about paths in place of URIs."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.cli.commands.likely_uris import likely_uris
from service.cli.terminal import show_every_character, shows_unicode


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("ascii", r"3x28 -> gr\xf6\xdfe... \udcff"),
        ("latin-1", r"3×28 -> größe... \udcff"),
        ("utf-8", r"3×28 → größe… \udcff"),
    ],
)
def test_a_character_that_the_encoding_lacks_is_written_plainly(encoding: str, written: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    show_every_character([stream])
    stream.write("3×28 → größe… \udcff")
    stream.flush()
    assert raw.getvalue().decode(encoding) == written
    assert shows_unicode(stream) == (encoding == "utf-8")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_dataset_is_checked_on_every_terminal_and_its_report_is_json(encoding: str, stripes_folder: Path) -> None:
    (stripes_folder / "across").rename(stripes_folder / "größe…")
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "service.cli", "dataset", "add", "x", str(stripes_folder), "--check-only"]
    shown = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    assert (shown.returncode, b"Traceback" in shown.stderr) == (0, False), shown.stderr
    assert b"3 classes" in shown.stdout
    document = json.loads(
        subprocess.run([*command, "--json"], env=environment, capture_output=True).stdout.decode(encoding)
    )
    assert [one["name"] for one in document["classes"]] == ["down", "größe…", "plain"]


def test_a_path_or_a_name_in_place_of_a_uri_suggests_the_likely_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "food & drink:v1").mkdir()
    said = likely_uris("food & drink:v1")
    assert "ldnas dataset add food-drink-v1 'food & drink:v1' and write dataset://food-drink-v1" in said
    assert f"write {tmp_path.as_uri()}/food%20%26%20drink%3Av1 if" in said
    assert "write dataset://hostile" in likely_uris("hostile")
    assert likely_uris("digits") == "write builtin://digits"
    assert likely_uris("MNIST") == "write torchvision://MNIST"
    assert f"write {tmp_path.as_uri()}/no/such if it exists on the service's host" in likely_uris("no/such")
    assert likely_uris("dataset:/x") == "write dataset://x"
    assert likely_uris("S3:bucket/a.zip") == "write s3://bucket/a.zip"
    assert likely_uris("größe").startswith("no such path exists here; write dataset://NAME")
    assert likely_uris("x" * 5000).startswith("no such path exists here")
