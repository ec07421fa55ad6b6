"""Runners that begin in milliseconds: forked from a process that has torch loaded already.

A runner spends four seconds of a processor on imports, and a round with faults needs many runners. The worker starts
`run` below as it would start `worker.queue.runner`: with its own session and a pipe as its standard input. That small
process asks the `nursery` for a fork, which runs `worker.queue.runner.main` with the same arguments, environment and
files. Both live and end together: a signal that ends one ends the other, and `run` reports the exit status.

torch's exporters, which take seconds, are left out, and a final training is one epoch (`short`) or some dozens (`full`,
with a checkpoint every half second). Claims, leases, fences, stored results and records are those of the product.
"""

import hashlib
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

MOST_BYTES = 200_000
"""Of a request: arguments and environment."""


def run(address: str, arguments: list[str]) -> NoReturn:
    """Be the process that the worker sees, until the forked runner has ended; then end in the same way."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as nursery:
        nursery.connect(address)
        request = json.dumps({"arguments": arguments, "environment": dict(os.environ)}).encode()
        socket.send_fds(nursery, [request], [0, 1, 2])
        answer = nursery.recv(16)
    status = int(answer) if answer else -signal.SIGKILL
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status)


def nursery(length: str, address: str, pids: Path) -> NoReturn:
    """Load what a runner needs, then fork one for each that asks; `pids` gets a file for each, named by who asked."""
    # Each fork has these loaded; loading a driver in the runner would delay its first stage until after most faults.
    for module in ("worker.queue.runner", "sqlalchemy.dialects.sqlite", "psycopg"):
        importlib.import_module(module)
    set_traps()
    leave_exporters_out()
    {"short": make_trainings_short, "full": save_often}[length]()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen(16)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a keeper leaves nothing to collect
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            asker, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                keep(asker, pids)
            asker.close()
    sys.exit()  # standard input is closed: the process that started this one is gone


def asker_pid(asker: socket.socket) -> int:
    """The process at the other end."""
    return struct.unpack("3i", asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))[0]


def keep(asker: socket.socket, pids: Path) -> NoReturn:
    """Fork the runner and wait: for its end, which the asker learns, or for the asker's, which ends the runner too."""
    request, files, _, _ = socket.recv_fds(asker, MOST_BYTES, 3)
    runner = os.fork()
    if runner == 0:
        asker.close()
        become_runner(json.loads(request), files)
    for file in files:
        os.close(file)
    note = pids / str(asker_pid(asker))
    note.write_text(str(runner))
    ended = os.pidfd_open(runner)
    ready, _, _ = select.select([ended, asker], [], [])
    if ended not in ready:
        os.kill(runner, signal.SIGKILL)
    _, status = os.waitpid(runner, 0)
    note.unlink(missing_ok=True)
    with suppress(OSError):  # gone already
        asker.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def become_runner(request: dict[str, Any], files: list[int]) -> NoReturn:
    """Be `worker.queue.runner` with these arguments, this environment, these three standard files."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["worker.queue.runner", *request["arguments"]]
    status: Any = 1
    try:
        from worker.queue import runner

        runner.main()
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 (printed as an interpreter prints it at its end)
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(status or 0))


def set_traps() -> None:
    """Let the traps of the home strike in the runners that are forked from here."""
    from tests.chaos.traps import RUNNER, Trigger

    Trigger(Path(os.environ["LDNAS_HOME"]), RUNNER).listen()


def leave_exporters_out() -> None:
    """What stands for a program and a model is made of the weights, so that each network has files of its own."""
    from ldnas.export.description import OnnxVersions
    from ldnas.export.formats import save_weights
    from worker.jobs.stages import export

    export.export_program = lambda network, image_size: hashlib.sha256(save_weights(network, {})).digest()
    export.save_program = lambda program, metadata: b"program of " + program
    export.onnx_model = lambda program, metadata: b"model of " + program
    export.onnx_versions = lambda content: OnnxVersions(opset=14, ir=7)


def make_trainings_short() -> None:
    """One epoch of every training, few candidates of a baseline."""
    from ldnas.search.random import RandomSearchConfig
    from ldnas.training.final import final_config
    from worker.jobs.stages import fit, search_plan, train

    fit.TASK_NETWORK_CONFIG = replace(fit.TASK_NETWORK_CONFIG, epochs=1, minimum_steps=0)
    search_plan.BASELINE_SEARCH = RandomSearchConfig(candidates=2, epochs=1)
    train.final_config = lambda *facts, **wishes: final_config(*facts, **{**wishes, "epochs": 1})


def save_often() -> None:
    """Final trainings that take seconds, with checkpoints in them, and exports that take one."""
    from ldnas.training.final import final_config
    from worker.jobs import checkpoints
    from worker.jobs.stages import export, train

    checkpoints.INTERVAL_SECONDS = 0.5
    train.final_config = lambda *facts, **wishes: final_config(*facts, **{**wishes, "epochs": 60})
    save = export.save_program

    def save_slowly(program: bytes, metadata: Mapping[str, str]) -> bytes:
        time.sleep(1.0)
        return save(program, metadata)

    export.save_program = save_slowly


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", address, *arguments]:
            run(address, arguments)
        case ["nursery", length, address, pids]:
            nursery(length, address, Path(pids))
