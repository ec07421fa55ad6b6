"""The pass over batches that every variant of the Fisher diagonal shares."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ldnas.errors import UnsupportedLayerError
from ldnas.fisher.diagonal import SAMPLES_BETWEEN_FLUSHES, FisherDiagonal, SquareSums
from ldnas.fisher.layers import parameter_layers
from ldnas.fisher.per_sample_loop import add_squares_by_loop
from ldnas.fisher.recording import LayerRecorder
from ldnas.training.out_of_memory import is_out_of_memory

logger = logging.getLogger(__name__)

LossOf = Callable[[Tensor, slice], Tensor]


class SquaredGradients:
    """Σ_i (∇_θ loss_i)² of one network, for losses that are given batch by batch.

    Layers are treated by the rules of `ldnas.fisher.rules`; a network that uses a counted parameter in any other way
    (twice in one forward pass, shared, in a layer without a rule) is treated by a loop over the samples.
    """

    def __init__(self, network: nn.Module, parameters: Iterable[str] | None = None) -> None:
        self._network = network
        self._counted = counted_parameters(network, parameters)
        self._sums = SquareSums(self._counted)
        self._by_loop = False
        self._channels_last = True

    def add(self, inputs: Tensor, losses: Iterable[LossOf]) -> None:
        """Add one batch, its squares summed over `losses`.

        A loss is called with (logits, rows) and returns the summed loss of the samples `rows`, given their logits.
        """
        inputs = inputs.detach().to(next(self._network.parameters()).device)
        losses = tuple(losses)
        with evaluating(self._network):
            # A larger batch would exceed the number of squares that may be summed in single precision between two
            # flushes.
            for start in range(0, len(inputs), SAMPLES_BETWEEN_FLUSHES):
                part = inputs[start : start + SAMPLES_BETWEEN_FLUSHES]
                for loss_of in losses:
                    self._add_part(part, _shifted(loss_of, start))
                self._sums.count(len(part))

    def diagonal(self) -> FisherDiagonal:
        """The mean over all samples added so far.

        Raises:
            UnsupportedLayerError: no sample was added.
        """
        if self._sums.samples == 0:
            raise UnsupportedLayerError("a Fisher diagonal needs at least one image; the batches held none")
        return FisherDiagonal(self._sums.mean(), self._sums.samples, parameter_layers(self._network, self._counted))

    def _add_part(self, inputs: Tensor, loss_of: LossOf) -> None:
        self._by_loop = self._by_loop or not self._add_by_rules(inputs, loss_of)
        if self._by_loop:
            with _differentiable(self._counted.values(), True):
                add_squares_by_loop(self._network, self._counted, self._sums, inputs, loss_of)

    def _add_by_rules(self, inputs: Tensor, loss_of: LossOf) -> bool:
        """Whether the batch could be added by the rules; if not, nothing was added."""
        with _differentiable(self._network.parameters(), False), torch.enable_grad():
            logits, obstacles = self._forward(inputs)
            if obstacles:
                logger.warning("Fisher diagonal by a loop over samples, which is slow: %s", "; ".join(obstacles))
                return False
            if logits.requires_grad:
                loss_of(logits, slice(0, len(inputs))).backward()
            return True

    def _forward(self, inputs: Tensor) -> tuple[Tensor, list[str]]:
        if self._channels_last and inputs.dim() == 4 and inputs.device.type == "cpu":
            try:
                return self._record(inputs.contiguous(memory_format=torch.channels_last))
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                # Channels-last is faster on a CPU, but a network may call .view() where only the default layout
                # supports it; any other error occurs again in the second attempt.
                logger.info("channels-last layout not accepted by the network: %s", error)
                self._channels_last = False
        return self._record(inputs)

    def _record(self, inputs: Tensor) -> tuple[Tensor, list[str]]:
        recorder = LayerRecorder(self._counted, self._sums, len(inputs))
        with recorder:
            logits = self._network(inputs)
        recorder.check_each_used_once()
        if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(inputs):
            raise UnsupportedLayerError("the network must return logits [N, C], one row per image")
        return logits, recorder.obstacles


def _shifted(loss_of: LossOf, start: int) -> LossOf:
    """The loss of a part of a batch that begins at sample `start`."""
    return lambda logits, rows: loss_of(logits, slice(rows.start + start, rows.stop + start))


def counted_parameters(network: nn.Module, names: Iterable[str] | None) -> dict[str, nn.Parameter]:
    owned = dict(network.named_parameters())
    wanted = set(owned) if names is None else set(names)
    unknown = sorted(wanted - set(owned))
    if unknown:
        raise UnsupportedLayerError(f"the network has no parameter {', '.join(unknown)}")
    counted = {name: parameter for name, parameter in owned.items() if name in wanted}
    if not counted:
        raise UnsupportedLayerError("no parameter is counted: the diagonal would be empty")
    for name, parameter in counted.items():
        if parameter.dtype not in (torch.float32, torch.float64):
            raise UnsupportedLayerError(f"{name} is {parameter.dtype}; a Fisher diagonal needs float32 or float64")
    return counted


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _differentiable(parameters: Iterable[nn.Parameter], wanted: bool) -> Iterator[None]:
    before = [(parameter, parameter.requires_grad) for parameter in parameters]
    for parameter, _ in before:
        parameter.requires_grad_(wanted)
    try:
        yield
    finally:
        for parameter, required in before:
            parameter.requires_grad_(required)
