"""Signs of life of a supervised process: one byte a second into an inherited pipe, as long as it runs.

A separate thread writes them and needs no database, broker or disk. So only a frozen process, or one without processor
time, falls silent; a process that waits for a server does not.
"""

import os
import threading
import time
from collections.abc import MutableMapping

VARIABLE = "LDNAS_SIGN_OF_LIFE_FD"

SIGN_SECONDS = 1.0
"""The interval between two signs."""


def give_signs_of_life(environ: MutableMapping[str, str]) -> None:
    """If `LDNAS_SIGN_OF_LIFE_FD` is the writing end of a pipe, write signs to it until this process ends.

    The variable is removed from `environ`: the number has no meaning in the programs that this process starts.
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
            pass  # the supervisor itself is frozen, and will find enough signs later
        except BrokenPipeError:
            return  # the supervisor is gone
        time.sleep(SIGN_SECONDS)
