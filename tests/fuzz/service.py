"""`python -m tests.fuzz.service --seconds 600 --seed 1`: Schemathesis against the real API process.

All its checks, in its phases examples, coverage, fuzzing and stateful. It ends with 1 where an answer was a 5xx or
another one than the OpenAPI document promises, or where the process printed a traceback.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.home import EACH, Installation

_HERE = Path(__file__).parent


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.service", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="keep Schemathesis's own report, and the service's log, here")
    parser.add_argument("rest", nargs="*", help="after --: more options for Schemathesis")
    options = parser.parse_args()
    print(f"Schemathesis for {options.seconds} s, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        report = (options.report or Path(temporary) / "report").absolute()
        report.mkdir(parents=True, exist_ok=True)
        installation = Installation(Path(temporary) / "home")
        try:
            installation.start()
            failed = _schemathesis(installation, report, options) != 0
            alive = installation.is_alive
        finally:
            installation.stop()
        log = installation.log.read_text(encoding="utf-8")
        (report / "api.log").write_text(log, encoding="utf-8")
    if not alive:
        print("the API process ended")
    bugs = _bugs(log)
    for bug in bugs:
        print(f"the API process printed: {bug[-3000:]}")
    return int(failed or not alive or bool(bugs))


def _bugs(log: str) -> list[str]:
    """The parts of the log on exceptions that no handler answered.

    All but one: the framework sends an event to a stream that it has just closed, as the client left; nothing is lost.
    """
    blocks = log.split("Exception in ASGI application")[1:]
    return [text for text in blocks if "_sse_producer_cm" not in text or "anyio.BrokenResourceError" not in text]


def _schemathesis(installation: Installation, report: Path, options: argparse.Namespace) -> int:
    known = report / "known.json"
    fields = {"uri": ["builtin://digits", *(f"dataset://noise-{number}" for number in range(EACH))]}
    known.write_text(json.dumps({"parameters": installation.fill(), "fields": fields}), encoding="utf-8")
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        str(program),
        "--config-file",
        str(_HERE / "schemathesis.toml"),
        "run",
        f"{installation.url}/openapi.json",
    ]
    command += ["--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"]
    command += ["--max-time", str(options.seconds), "--seed", str(options.seed), "--no-color"]
    command += ["--header", f"Authorization:Bearer {installation.key}", "--generation-database", "none"]
    command += ["--report", "json", "--report-json-path", str(report / "report.json"), *options.rest]
    environment = os.environ | {"FUZZ_KNOWN": str(known), "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks"}
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
