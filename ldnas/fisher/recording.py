"""Records the layers that a forward pass calls, and catches the output gradient of each.

Calls are recognised by the torch function that receives a parameter, not by module class: subclasses, functional
calls, user hooks and reparametrisations then need no rule of their own. Either they end in a function that has a rule,
or the recorder sees the parameter used elsewhere and reports an obstacle.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ldnas.errors import UnsupportedLayerError
from ldnas.fisher.diagonal import SquareSums
from ldnas.fisher.rules import RULES, LayerCall


class LayerRecorder(TorchFunctionMode):
    """While active, every call of a layer with counted parameters is tied to `sums`.

    The backward pass that follows adds the layer's squares to the sums as soon as its output gradient is available.
    With the parameters frozen, no ordinary weight gradient is computed, and autograd keeps nothing for one.

    Attributes:
        obstacles: why this forward pass cannot be treated by the rules, one sentence each; empty where it can.
    """

    def __init__(self, counted: Mapping[str, nn.Parameter], sums: SquareSums, samples: int) -> None:
        super().__init__()
        self._names = {id(parameter): name for name, parameter in counted.items()}
        self._sums = sums
        self._samples = samples
        self._uses: Counter[str] = Counter()
        self._anchor = torch.zeros((), requires_grad=True)
        self.obstacles: list[str] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        names = {self._names[id(value)] for value in _tensors((args, kwargs)) if id(value) in self._names}
        call = RULES[func](*args, **kwargs) if func in RULES else None
        output = func(*args, **kwargs)
        if not names or next(_tensors(output), None) is None:
            return output  # no counted parameter, or only its shape, type or device was asked for
        self._uses.update(names)
        layer = ", ".join(sorted(names))
        if call is None:
            self.obstacles.append(f"no rule treats {getattr(func, '__name__', func)} of {layer}")
            return output
        if len(call.input) != self._samples:
            self.obstacles.append(f"the first axis of the input of {layer} is not the samples")
            return output
        if not torch.is_grad_enabled():
            self.obstacles.append(f"{layer} is used with gradients disabled")
            return output
        if not output.requires_grad:
            output = _GraphStart.apply(output, self._anchor)
        output.register_hook(_SquareOnGradient(call, layer, self._sums))
        return output

    def check_each_used_once(self) -> None:
        """Note an obstacle for every counted parameter that the forward pass did not use exactly once."""
        for name in self._names.values():
            if self._uses[name] != 1:
                self.obstacles.append(f"{name} is used {self._uses[name]} times in one forward pass")


class _SquareOnGradient:
    """The tensor hook on a layer's output."""

    def __init__(self, call: LayerCall, layer: str, sums: SquareSums) -> None:
        self._call: LayerCall | None = call
        self._version = call.input._version
        self._layer = layer
        self._sums = sums

    def __call__(self, output_gradient: Tensor) -> None:
        call, self._call = self._call, None  # the input's memory is free once the squares are added
        assert call is not None
        if call.input._version != self._version:
            raise UnsupportedLayerError(
                f"the input of {self._layer} is changed in place after the layer has read it; "
                "the gradient needs it unchanged"
            )
        call.add_squares(output_gradient, self._sums)


class _GraphStart(torch.autograd.Function):
    """Start the autograd graph at a tensor that depends on nothing differentiable.

    A leaf would work too, but a leaf must not be changed in place, as an in-place activation does next.
    """

    @staticmethod
    def forward(ctx: Any, output: Tensor, anchor: Tensor) -> Tensor:
        ctx.mark_dirty(output)
        return output

    @staticmethod
    def backward(ctx: Any, output_gradient: Tensor) -> tuple[None, None]:
        return None, None


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
