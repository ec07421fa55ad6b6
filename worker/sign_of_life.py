"""A sign of life that a supervised process gives while it runs at all: one byte a second into an inherited pipe.

A thread of its own writes it, and needs no database, broker or disk for that. So only a process that is frozen or gets
no processor falls silent, and a process that waits for a server does not.
"""

import os
import threading
import time
from collections.abc import MutableMapping

VARIABLE = "LDNAS_SIGN_OF_LIFE_FD"

SIGN_SECONDS = 1.0
"""How often the process gives a sign."""


def give_signs_of_life(environ: MutableMapping[str, str]) -> None:
    """Where `LDNAS_SIGN_OF_LIFE_FD` names the writing end of a pipe, give signs through it until this process ends.

    The variable is taken out of `environ`: the number means nothing to the programs that this process starts.
    """
    number = environ.pop(VARIABLE, "")
    if number:
        pipe = int(number)
        os.set_inheritable(pipe, False)
        os.set_blocking(pipe, False)
        threading.Thread(target=_give_signs, args=(pipe,), name="sign-of-life", daemon=True).start()


def _give_signs(pipe: int) -> None:
    while True:
        try:
            os.write(pipe, b".")
        except BlockingIOError:
            pass  # the supervisor itself stands still, and will find enough signs
        except BrokenPipeError:
            return  # the supervisor is gone
        time.sleep(SIGN_SECONDS)
