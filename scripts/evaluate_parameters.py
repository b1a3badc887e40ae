"""Command line of rule evaluate_parameters."""

from pathlib import Path

from clinragen.config.models import TrainedModels
from clinragen.step import SharedOut, run


def evaluate_parameters(checkpoints: list[Path], trained: TrainedModels, sizes: Path, table: SharedOut) -> None:
    """Count the parameters of every trained model by component, next to the sizes in the paper."""
    from clinragen.evaluate.parameters import parameters, read_counts, read_sizes
    from clinragen.schemas.evaluate import PARAMETERS

    counts = [read_counts(checkpoint) for checkpoint in checkpoints]
    PARAMETERS.write(parameters(trained.rows, counts, read_sizes(sizes)), table)


if __name__ == "__main__":
    run(evaluate_parameters)
