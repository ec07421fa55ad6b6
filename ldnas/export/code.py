"""A network as one readable Python file that needs only torch and Pillow."""

import re
from collections.abc import Sequence
from importlib import resources

from ldnas.export.description import NetworkDescription
from ldnas.space.genotype import EDGES


def standalone_code(description: NetworkDescription) -> str:
    """A readable Python file that rebuilds the network, reads its weights and images, and classifies them.

    It is `template.py` with this network's constants; its `state_dict` has the keys of `CellNetwork`. It needs torch
    and Pillow, not ldnas.
    """
    skeleton, primitives = description.skeleton, description.genotype.primitives
    constants = {
        "CLASS_NAMES": _tuple_lines([repr(name) for name in description.class_names]),
        "IMAGE_SIZE": str(skeleton.image_size),
        "STAGES": _tuple_lines([f"({stage.channels}, {stage.cells})" for stage in skeleton.stages]),
        "EDGES": _tuple_lines(
            [f'({start}, {end}, "{name}")' for (start, end), name in zip(EDGES, primitives, strict=True)]
        ),
    }
    code = resources.files("ldnas.export").joinpath("template.py").read_text(encoding="utf-8")
    for name, value in constants.items():
        code = _replace_constant(code, name, value)
    return code


def _tuple_lines(items: Sequence[str]) -> str:
    return "(\n" + "".join(f"    {item},\n" for item in items) + ")"


def _replace_constant(code: str, name: str, value: str) -> str:
    """Give the template's constant another value; its line there is `NAME: type = value`."""
    replaced, count = re.subn(rf"^({name}: [^=\n]+ = ).*$", lambda found: found[1] + value, code, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"the template has {count} lines for {name}, not one")
    return replaced
