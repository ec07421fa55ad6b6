"""What each scale cuts, fixed before any figure was looked at."""

from dataclasses import dataclass, replace

from ldnas.recipe import Recipe, recipe_of


@dataclass(frozen=True)
class Scale:
    """The sizes of one scale.

    Attributes:
        network: the architecture of Figure 1's networks.
        repetitions: of Figure 1.
        epsilon: one for all eight tasks; a network is an approximation from balanced validation accuracy 1-ε.
        train_images, validation_images: of a network of Figure 1, drawn once; None: all.
        epochs: of the product's training for `default` and `paper`, which share their networks.
        released_epochs: of the released program's training.
        samples: M, and images that fit a probe.
        network_seconds: what a unit of Figure 1 takes, for each reading: measured at small scale, guessed at full.
        cuts: what the scale leaves out, for the report.
    """

    network: str
    repetitions: int
    epsilon: float
    train_images: int | None
    validation_images: int | None
    epochs: int
    released_epochs: int
    samples: int
    probe_images: int
    network_seconds: dict[str, float]
    cuts: tuple[str, ...]

    def recipe(self, mode: str) -> Recipe:
        """A mode's recipe; all but the number of images is the mode's own."""
        return replace(recipe_of(mode, self.network), samples=self.samples, probe_images=self.probe_images)


SCALES = {
    "small": Scale(
        network="small_cnn",
        repetitions=3,
        epsilon=0.5,
        train_images=4000,
        validation_images=2000,
        epochs=8,
        released_epochs=8,
        samples=1024,
        probe_images=2000,
        network_seconds={"paper": 60.0, "released_code": 60.0},
        cuts=(
            "a network of four convolutions (163,672 parameters without its head) in place of VGG-16",
            "4,000 training images a task, drawn once, in place of all",
            "8 epochs in place of the released program's 50 (MNIST) and 100 (CIFAR-10)",
            "3 repetitions in place of 10",
            "ε = 0.5 for all eight tasks",
            "`default` and `paper` look with the same networks",
        ),
    ),
    "full": Scale(
        network="vgg16",
        repetitions=10,
        epsilon=0.2,
        train_images=None,
        validation_images=None,
        epochs=15,
        released_epochs=50,
        samples=1024,
        probe_images=2000,
        network_seconds={"paper": 180.0, "released_code": 400.0},
        cuts=(
            "VGG-16 with batch norm (the paper's count of parameters is that without)",
            "50 epochs of the released program's training for CIFAR-10 too, in place of 100",
            "`default` and `paper` look with the same networks",
        ),
    ),
}
