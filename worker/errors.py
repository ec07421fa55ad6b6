"""Every error that the worker processes raise on purpose, in one tree (for the registry: `worker.registry.errors`).

WorkerError
├── SettingsError               an environment variable holds a value that is not accepted
├── InvalidMessageError         a message from the broker is not a job message
├── BundleError                 a registry cannot be written to a file, or a file was not written by `ldnas registry`
├── ForbiddenDestinationError   a URL names a host that must not be reached
├── OutboundFailedError         an allowed host does not answer
└── BrokerUnavailableError      the broker refused, timed out or broke off; publish again later
"""


class WorkerError(Exception):
    """Base of every deliberate error of the worker processes."""


class SettingsError(WorkerError):
    """An environment variable holds a value that is not accepted.

    Attributes:
        variable: the name of the environment variable.
        accepted: the accepted values, in words.
    """

    def __init__(self, variable: str, value: str, accepted: str) -> None:
        super().__init__(f"{variable} is {value!r}; accepted: {accepted}")
        self.variable = variable
        self.accepted = accepted


class InvalidMessageError(WorkerError):
    """A message from the broker is not a job message."""


class BundleError(WorkerError):
    """A registry cannot be written to a file, or a file is not a complete bundle by `ldnas registry export`.

    Attributes:
        place: the file, or the member of it and the line, at fault.
    """

    def __init__(self, place: str, fault: str) -> None:
        super().__init__(f"{place}: {fault}")
        self.place = place


class ForbiddenDestinationError(WorkerError):
    """A URL must not be reached, because of its scheme, its host, or an address of its host."""


class OutboundFailedError(WorkerError):
    """An allowed host has no address, does not answer, breaks off or redirects endlessly.

    Attributes:
        may_pass: whether the same request may succeed later.
    """

    def __init__(self, message: str, *, may_pass: bool = True) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class BrokerUnavailableError(WorkerError):
    """The broker refused, timed out or broke off; nothing is lost, the dispatcher publishes again."""
