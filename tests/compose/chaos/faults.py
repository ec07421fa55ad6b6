"""The faults of a deployment. Each one repairs its damage, except that nothing is started again by hand."""

import time
from collections.abc import Callable
from random import Random

from tests.compose.chaos.deployment import CLOCKS, OWNERS, SERVICES, Deployment, faketime, restart_command

Fault = Callable[[Deployment, Random], str]
"""Takes the deployment and the dice; gives what it struck."""

JUMPS_SECONDS = (-3600, -90, 90, 3600)


def kill_container(deployment: Deployment, random: Random) -> str:
    """SIGKILL to a container's first process, and so to all of it."""
    container = random.choice(deployment.containers(random.choice(SERVICES)))
    deployment.kill(container)
    return container


def restart_engine(deployment: Deployment, random: Random) -> str:
    """The engine ends, with all containers, and starts again."""
    deployment.project.shell('sh -c "$LDNAS_RESTART_ENGINE"')
    deployment.wait_for_engine()
    return "engine"


def cut_network(deployment: Deployment, random: Random) -> str:
    """One container leaves the network of database and broker, and comes back."""
    service = random.choice(SERVICES)
    container = random.choice(deployment.containers(service))
    network, seconds = "ldnas_storage", random.uniform(3, 25)
    deployment.project.shell(f"docker network disconnect --force {network} {container}")
    time.sleep(seconds)
    deployment.project.shell(f"docker network connect --alias {service} --alias {container} {network} {container}")
    return f"{container} for {seconds:.0f} s"


def fill_disk(deployment: Deployment, random: Random) -> str:
    """No byte is free on a volume."""
    volume, seconds = random.choice(sorted(OWNERS)), random.uniform(4, 15)
    mounted = f"--volume ldnas_{volume}:/full"
    deployment.privileged("cat /dev/zero > /full/filler; sync", mounted)
    time.sleep(seconds)
    deployment.privileged("rm /full/filler", mounted)
    return f"{volume} for {seconds:.0f} s"


def jump_clock(deployment: Deployment, random: Random) -> str:
    """The time of day of one service jumps, and jumps back."""
    service, jump, seconds = random.choice(CLOCKS), random.choice(JUMPS_SECONDS), random.uniform(4, 15)
    deployment.set_clock(service, jump)
    time.sleep(seconds)
    deployment.set_clock(service, 0)
    return f"{service} by {jump:+d} s for {seconds:.0f} s"


FAULTS: dict[str, Fault] = {
    fault.__name__: fault for fault in (kill_container, restart_engine, cut_network, fill_disk, jump_clock)
}

SHARES = {"kill_container": 4, "cut_network": 2, "fill_disk": 2, "jump_clock": 1, "restart_engine": 1}
"""How often each comes, in ten."""


def left_out() -> dict[str, str]:
    """The faults that this machine cannot have, with the reason."""
    found = {}
    if restart_command() is None:
        found["restart_engine"] = "LDNAS_RESTART_ENGINE does not name the command that restarts the engine"
    if faketime() is None:
        found["jump_clock"] = "libfaketime is not installed, and no container may set the kernel's clock"
    return found


def order_of_faults(count: int, seed: int, absent: dict[str, str]) -> list[str]:
    """So many faults in their shares, in an order by chance."""
    names = [name for name, share in SHARES.items() for _ in range(share) if name not in absent]
    order = (names * (count // len(names) + 1))[:count]
    Random(seed).shuffle(order)
    return order
