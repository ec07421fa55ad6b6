"""The names of the task networks (without torch, so that a request can be checked anywhere)."""

from ldnas.errors import UnknownNetworkError

ARCHITECTURES = ("small_cnn", "vgg16", "vgg16_plain", "resnet18", "densenet121")


def require_architecture(name: str, *, field: str = "network") -> str:
    """The name itself, if it is known.

    Raises:
        UnknownNetworkError: no task network has that name; the message lists the known ones.
    """
    if name not in ARCHITECTURES:
        raise UnknownNetworkError(f"no network is called {name!r}; known: {', '.join(ARCHITECTURES)}", field=field)
    return name
