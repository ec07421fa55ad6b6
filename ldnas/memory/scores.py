"""The score of one cell on one task. Needs no torch."""

from dataclasses import dataclass

from ldnas.space.genotype import Genotype


@dataclass(frozen=True)
class CellScore:
    """What one task knows of one cell.

    Attributes:
        task: the key of the task.
        genotype: the cell.
        accuracy: on the task's validation images, in [0, 1].
        epochs: of the training before the score.
        recipe: the name of the way of training; see `group`.
        standard_error: of `accuracy`; None where it is unknown.
    """

    task: str
    genotype: Genotype
    accuracy: float
    epochs: int
    recipe: str = ""
    standard_error: float | None = None

    @property
    def group(self) -> tuple[str, str, int]:
        """Scores compare with each other inside one group alone.

        Longer training raises every cell's score, by an amount that depends on the task, and so does another recipe.
        A mean for each task, recipe and number of epochs takes these amounts up; a mean for each task would make a
        cell look good because it was trained longer.
        """
        return self.task, self.recipe, self.epochs
