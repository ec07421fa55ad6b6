"""`python -m tests.fuzz.one_target NAME FOLDER [options of libFuzzer]`: one target under Atheris, guided by coverage.

Findings are written to `FOLDER/findings`, one of each kind, and fuzzing continues; an input that kills the process,
runs for too long or takes too much memory is stored under libFuzzer's name for it (`crash-…`, `timeout-…`, `oom-…`).
"""

import hashlib
import sys
import traceback
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ldnas", "worker", "PIL", "zipfile", "tarfile", "csv"]):
    from tests.fuzz.targets import TARGETS, finding


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name, folder, *options = sys.argv[1:]
    target, findings, corpus = TARGETS[name], Path(folder) / "findings", Path(folder) / "corpus"
    for made in (findings, corpus):
        made.mkdir(parents=True, exist_ok=True)
    for data in target.begin():
        (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
        if (found := finding(target, data)) is not None:
            raise RuntimeError("an input to begin with is not accepted") from found.error
    warnings.simplefilter("ignore")

    def once(data: bytes) -> None:
        if (found := finding(target, data)) is not None:
            _keep(found.error, data, findings)

    limits = [f"-max_len={target.longest}", "-timeout=20", "-rss_limit_mb=2048", f"-artifact_prefix={findings}/"]
    atheris.Setup([sys.argv[0], str(corpus), *limits, "-print_final_stats=1", *options], once)
    atheris.Fuzz()


def _keep(error: Exception, data: bytes, findings: Path) -> None:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/tests/" not in frame.filename and "/lib/" not in frame.filename] or frames
    place = f"{type(error).__name__}-{Path(ours[-1].filename).stem}-{ours[-1].lineno}"
    if not (findings / f"{place}.txt").exists():
        (findings / f"{place}.bin").write_bytes(data)
        text = "".join(traceback.format_exception(error))
        (findings / f"{place}.txt").write_text(text, encoding="utf-8", errors="backslashreplace")


if __name__ == "__main__":
    main()
