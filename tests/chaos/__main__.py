"""`python -m tests.chaos --rounds 20 --seed 1`: breaks the running service at random, prints broken rules."""

import argparse
import math
import signal
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.faults import FAULTS, faults_of
from tests.chaos.fleet import INSIDE_SHARE
from tests.chaos.rounds import Round, chaos_on, order_of_faults
from tests.chaos.servers import PAIRS, workplace
from tests.chaos.table import save, table
from worker.process.stop_signals import stop_on


def main() -> int:
    """The exit status: 1 where a rule was broken or a round could not be played."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of each pair")
    parser.add_argument("--minutes", type=float, default=math.inf, help="of each pair; then no further round begins")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=PAIRS)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--faults", nargs="+", choices=FAULTS, metavar="FAULT", help="instead of all of them in turn")
    which.add_argument("--freezes", action="store_true", help="only the faults that freeze or silence something")
    parser.add_argument("--inside", type=float, default=INSIDE_SHARE, help="share of strikes inside a transaction")
    parser.add_argument(
        "--runners", choices=("short", "warm", "full", "real"), default="short", help="what a job computes"
    )
    parser.add_argument("--work", type=Path, help="keep homes and logs here")
    parser.add_argument("--save", action="store_true", help="write the benchmark's result")
    options = parser.parse_args()
    enough = stop_on(signal.SIGTERM, signal.SIGINT)
    print(f"seed {options.seed}, {options.rounds} rounds of each of {', '.join(options.pairs)}", flush=True)
    with workplace() as temporary:
        with ThreadPoolExecutor(len(options.pairs)) as pairs:
            work = (options.work or temporary).absolute()
            playing = {pair: pairs.submit(_play, pair, work, options, enough) for pair in options.pairs}
        played = {pair: future.result() for pair, future in playing.items()}
    print(table(played))
    if options.save:
        print(save(played, seed=options.seed, runners=options.runners, freezes_only=options.freezes))
    complete = not enough.is_set()
    return 0 if complete and all(item.sound for rounds in played.values() for item in rounds) else 1


def _play(pair: str, work: Path, options: argparse.Namespace, enough: threading.Event) -> list[Round]:
    """The rounds of one pair, up to the first that could not be played."""
    drawn = order_of_faults(options.rounds, options.seed, pair, freezes_only=options.freezes)
    named = [name for name in options.faults or () if name in faults_of(pair)]
    faults = (named if options.faults else drawn) * options.rounds
    played: list[Round] = []
    deadline = time.monotonic() + 60 * options.minutes
    try:
        home, how = work / pair.replace("+", "-"), {"runners": options.runners, "inside_share": options.inside}
        with chaos_on(pair, home, seed=options.seed, **how) as chaos:
            for number, fault in enumerate(faults[: options.rounds], start=1):
                if enough.is_set() or time.monotonic() > deadline:
                    break
                item = chaos.play(fault)
                played.append(item)
                print(f"{pair} {number:3} {_line(item)}", flush=True)
    except Exception:  # noqa: BLE001 (the rounds before it count, and the exit status reports it)
        traceback.print_exc()
        enough.set()
    return played


def _line(item: Round) -> str:
    """What became of the round, and last the rules that it broke."""
    facts = [f"{item.ends} in {item.attempts} attempts", f"longest call {item.longest_call_seconds:.1f} s"]
    if item.inside is not None:
        facts.append(f"inside {item.inside}")
    if item.lock_held:
        facts.append("locks held")
    return f"{item.fault:18} {item.seconds:5.1f} s {', '.join(facts)} {'; '.join(item.broken_rules)}"


if __name__ == "__main__":
    sys.exit(main())
