"""`python -m tests.chaos --rounds 20 --seed 1`: breaks the running service at random and prints what was lost."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.fleet import Fleet
from tests.chaos.jobs import draw_stripes
from tests.chaos.rounds import Chaos, Round, order_of_faults, play_all
from tests.chaos.servers import PAIRS, pair_named
from tests.chaos.table import save, table


def main() -> int:
    """The exit status: 1 where a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of each pair")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=PAIRS)
    parser.add_argument("--faults", nargs="+", help="instead of all of them in turn")
    parser.add_argument("--real-runners", action="store_true", help="full training and exports, seconds of imports")
    parser.add_argument("--work", type=Path, help="keep homes and logs here")
    parser.add_argument("--save", action="store_true", help="write the benchmark's result")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # what was started is ended
    print(f"seed {options.seed}, {options.rounds} rounds of each of {', '.join(options.pairs)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        work = (options.work or Path(temporary)).absolute()
        played = {pair: _play(pair, work, options) for pair in options.pairs}
    print(table(played))
    if options.save:
        print(save(played, seed=options.seed, real_runners=options.real_runners))
    return 0 if all(item.sound for rounds in played.values() for item in rounds) else 1


def _play(name: str, work: Path, options: argparse.Namespace) -> list[Round]:
    home = work / name.replace("+", "-")
    home.mkdir(parents=True)
    dataset = draw_stripes(home / "datasets" / "stripes")
    fleet = Fleet(home, pair_named(name, home), datasets=dataset.parent, real_runners=options.real_runners)
    try:
        fleet.start()
        chaos = Chaos(fleet, dataset, options.seed)
        chaos.customer.prepare()
        faults = order_of_faults(options.rounds, options.seed)
        if options.faults:
            faults = (options.faults * options.rounds)[: options.rounds]

        def say(number: int, item: Round) -> None:
            state = "sound" if item.sound else f"BROKEN {item.lost} {item.doubled} {item.contradictions}"
            state += f" {item.broken_artifacts}" if item.broken_artifacts else ""
            crashed = f", crashed: {item.crashed}" if item.crashed else ""
            print(
                f"{name} {number:3} {item.fault:20} {item.seconds:5.1f} s  {item.ends} in {item.attempts} attempts, "
                f"{state}{crashed}",
                flush=True,
            )

        return play_all(chaos, faults, say)
    finally:
        fleet.stop()


if __name__ == "__main__":
    sys.exit(main())
