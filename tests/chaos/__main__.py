"""`python -m tests.chaos --rounds 20 --seed 1`: breaks the running service at random and prints what was lost."""

import argparse
import signal
import sys
from pathlib import Path

from tests.chaos.rounds import Round, chaos_on, order_of_faults
from tests.chaos.servers import PAIRS, workplace
from tests.chaos.table import save, table


def main() -> int:
    """The exit status: 1 where a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of each pair")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=PAIRS)
    parser.add_argument("--faults", nargs="+", help="instead of all of them in turn")
    parser.add_argument("--runners", choices=("short", "full", "real"), default="short", help="what a job computes")
    parser.add_argument("--work", type=Path, help="keep homes and logs here")
    parser.add_argument("--save", action="store_true", help="write the benchmark's result")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # what was started is ended
    print(f"seed {options.seed}, {options.rounds} rounds of each of {', '.join(options.pairs)}", flush=True)
    with workplace() as temporary:
        played = {pair: _play(pair, (options.work or temporary).absolute(), options) for pair in options.pairs}
    print(table(played))
    if options.save:
        print(save(played, seed=options.seed, runners=options.runners))
    return 0 if all(item.sound for rounds in played.values() for item in rounds) else 1


def _play(pair: str, work: Path, options: argparse.Namespace) -> list[Round]:
    faults = (options.faults or order_of_faults(options.rounds, options.seed)) * options.rounds
    played = []
    with chaos_on(pair, work / pair.replace("+", "-"), seed=options.seed, runners=options.runners) as chaos:
        for number, fault in enumerate(faults[: options.rounds], start=1):
            item = chaos.play(fault)
            played.append(item)
            line = f"{pair} {number:3} {fault:18} {item.seconds:5.1f} s {item.ends} in {item.attempts} attempts"
            print(line, "; ".join(item.broken_rules), flush=True)
    return played


if __name__ == "__main__":
    sys.exit(main())
