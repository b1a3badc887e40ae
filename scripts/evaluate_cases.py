"""Command line of rule evaluate_cases."""

from pathlib import Path

from clinragen.config.asked import Cases
from clinragen.step import Out, run


def evaluate_cases(samples: Path, settings: Cases, out: Out) -> None:
    """Select the test samples on which rationales are compared."""
    from clinragen.evaluate.cases import select_cases
    from clinragen.schemas.benchmark import SAMPLES
    from clinragen.schemas.predictions import CASES

    CASES.write(select_cases(SAMPLES.read(samples), settings), out)


if __name__ == "__main__":
    run(evaluate_cases)
