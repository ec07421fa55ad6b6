"""The networks that stand for the tasks of Figure 1: the product's, and those of the authors' released program."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.paper.plain import plain_network
from benchmarks.paper.tasks import CIFAR10
from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.distance.observation import batches
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.seeding import derive_seed
from ldnas.training.train import shuffled_batches

WIDTHS = {"vgg16_narrow": 16, "vgg16_half": 32}
"""VGG-16 with batch norm at a quarter and a half of its width, by the channels of its first stage.

As deep as the paper's, for a machine without an accelerator.
"""

_CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
_CIFAR10_DEVIATION = (0.2023, 0.1994, 0.2010)
_ACCURACY_BATCH = 50
_CROP_PIXELS = 4
_BLACK = -1.0  # of an image as `normalise` gives it


class ReleasedInputs(nn.Module):
    """From our inputs in [-1, 1] to those of the released program: in [0, 1], and for CIFAR-10 standardised."""

    def __init__(self, dataset: str) -> None:
        super().__init__()
        mean, deviation = (_CIFAR10_MEAN, _CIFAR10_DEVIATION) if dataset == CIFAR10 else ((0.0,) * 3, (1.0,) * 3)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """`[N, 3, S, S]` to the same shape."""
        return ((inputs + 1) / 2 - self.mean) / self.deviation


def released_network(architecture: str, *, dataset: str, classes: int, seed: int) -> Classifier:
    """A network with ten outputs, and a linear layer from those to the classes, as the released program has it.

    Networks of a seed begin alike, whatever their task; so do the linear layers of as many classes.
    """
    inner_seed = derive_seed(seed, "inner")
    inner = (
        plain_network("VGG-16", classes=10, width=WIDTHS[architecture], seed=inner_seed)
        if architecture in WIDTHS
        else build_network(architecture, classes=10, seed=inner_seed)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "head"))
        return Classifier(nn.Sequential(ReleasedInputs(dataset), inner), 10, classes)


def look_at(network: Classifier, dataset: str) -> None:
    """From now on a released network's inputs are standardised as this data set's, whatever it was trained on."""
    inputs = ReleasedInputs(dataset).to(next(network.parameters()).device)
    network.backbone = nn.Sequential(inputs, *list(network.backbone.children())[1:])


def fit_as_released(
    network: nn.Module, train: ImageSet, *, dataset: str, epochs: int, learning_rate: float, batch_size: int, seed: int
) -> None:
    """Adam at one rate; CIFAR-10 is cropped and mirrored. Leaves the network in eval mode."""
    device = next(network.parameters()).device
    train = train.to(device)
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(derive_seed(seed, "released", epoch))
        for inputs, labels in _released_batches(train, dataset, batch_size, generator):
            optimizer.zero_grad()
            F.cross_entropy(network(inputs), labels).backward()
            optimizer.step()
    network.eval()


def settle_batch_norm(network: nn.Module, images: ImageSet) -> None:
    """Lets batch norm take the means and variances of images that are in the file's order, the last weighing most.

    The released program reads a finished network's test accuracy in training mode, in batches of 50, and keeps the
    network as that leaves it. Leaves it in eval mode.
    """
    network.train()
    with torch.no_grad():
        for inputs, _ in batches(images.to(next(network.parameters()).device), _ACCURACY_BATCH):
            network(inputs)
    network.eval()


def _released_batches(
    train: ImageSet, dataset: str, batch_size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    for chosen in shuffled_batches(train, batch_size, generator):
        inputs = normalise(train.images[chosen])
        if dataset == CIFAR10:
            inputs = cropped_and_mirrored(inputs, generator)
        yield inputs.contiguous(memory_format=torch.channels_last), train.labels[chosen]


def cropped_and_mirrored(inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Images `[N, 3, S, S]`, each moved by up to 4 pixels along both axes into black, and every other one mirrored."""
    count, _, height, width = inputs.shape
    padded = F.pad(inputs, (_CROP_PIXELS,) * 4, value=_BLACK)
    top, left = torch.randint(0, 2 * _CROP_PIXELS + 1, (2, count), generator=generator).to(inputs.device)
    mirrored = (torch.rand(count, generator=generator) < 0.5).to(inputs.device)
    rows = top[:, None] + torch.arange(height, device=inputs.device)
    columns = torch.arange(width, device=inputs.device).expand(count, width)
    columns = left[:, None] + torch.where(mirrored[:, None], columns.flip(1), columns)
    batch = torch.arange(count, device=inputs.device)
    return padded[batch[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
