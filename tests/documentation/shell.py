"""Runs a page: its blocks one after the other in one shell, against a service that runs already."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.documentation.pages import ROOT, Block

# On a machine with nothing else to do a page takes seconds, the longest a minute.
PAGE_SECONDS = 900.0
# Programs that a newcomer's machine may lack; a block that calls one is left out there. CI has them all.
PROGRAMS = ("curl", "sqlite3", "openssl", "jq")

# Pages that continue with the results of their jobs. Elsewhere it is enough that the service takes the request; a
# network that such a page uses is then that of the page which came first.
WAITING = ("docs/tutorial.md", "docs/how-to/distances.md", "docs/how-to/promote.md")

# `ldnas up` runs already. Jobs are as short as a page lets them be: what it says itself comes later and holds.
_FUNCTIONS = r"""
ldnas() {
    case "$1 ${2:-}" in
        "up "*) command curl --fail --silent "$LDNAS_URL/readyz" > /dev/null ;;
        "recommend "*)
            shift
            local short="--repetitions 1 --image-size 8 $WAIT"
            if [[ " $* " == *" --seconds "* ]]; then
                set -- "$@" --seconds 10  # the last one counts
            else
                short="$short --candidates 2 --rounds 1 --iterations 1"
            fi
            python -m service.cli recommend $short "$@" ;;
        "task add") shift 2; python -m service.cli task add --repetitions 1 --image-size 8 $WAIT "$@" ;;
        "architecture train") shift 2; python -m service.cli architecture train $WAIT "$@" ;;
        "distances measure") shift 2; python -m service.cli distances measure --repetitions 1 "$@" ;;
        *) python -m service.cli "$@" ;;
    esac
}
curl() { command curl --fail-with-body --show-error "$@"; }
"""


@dataclass(frozen=True)
class Outcome:
    """How a page ended: the place of the last block that began, and the output."""

    status: int
    place: str
    output: str


def run_page(blocks: tuple[Block, ...], folder: Path, url: str, home: Path, known: Mapping[str, str]) -> Outcome:
    """Run the blocks of a page in a folder.

    Args:
        blocks: those that are to run.
        url: where the service answers.
        home: the service's, which the page finds as `var`.
        known: what stands in a page → what stands for it here.
    """
    (folder / "var").symlink_to(home)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").touch()
    script = folder / ".page.sh"
    script.write_text(_script(blocks, {**known, "localhost:8000": url[7:], "127.0.0.1:8000": url[7:]}))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "LDNAS_URL": url,
        "LDNAS_HOME": str(home),
        "XDG_CACHE_HOME": str(folder / ".cache"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "120",
        "WAIT": "--wait" if blocks[0].page in WAITING else "--no-wait",
    }
    with (folder / ".output").open("w+") as output:
        process = subprocess.Popen(
            ["bash", script], cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            status = process.wait(PAGE_SECONDS)
        except subprocess.TimeoutExpired:
            status = -1
        finally:
            _end(process)
        output.seek(0)
        text = output.read()
    places = [line.removeprefix("@@ ") for line in text.splitlines() if line.startswith("@@ ")]
    return Outcome(status, places[-1] if places else "the beginning", text)


def missing_programs(block: Block) -> list[str]:
    """The programs that a block calls and this machine lacks."""
    words = block.text.replace("$(", " ").replace("|", " ").split()
    return [program for program in PROGRAMS if program in words and shutil.which(program) is None]


def _script(blocks: tuple[Block, ...], known: Mapping[str, str]) -> str:
    parts = ["set -eo pipefail", _FUNCTIONS]
    for block in blocks:
        text = block.text if block.language == "bash" else f"python - <<'END OF PYTHON'\n{block.text}END OF PYTHON\n"
        parts += [f"echo '@@ {block.place}'", text, block.then or ""]
    script = "\n".join(parts)
    for written, here in known.items():
        script = script.replace(written, here)
    return script


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End what a block left behind, as a server that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
