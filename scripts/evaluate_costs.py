"""Command line of rule evaluate_costs."""

from pathlib import Path

from clinragen.config.llms import Stages
from clinragen.step import SharedOut, run


def evaluate_costs(tables: list[Path], stages: Stages, answers: str, costs: SharedOut) -> None:
    """Sum requests, tokens, money and time behind the results, by stage and model."""
    from clinragen.evaluate.costs import costs as costs_of
    from clinragen.evaluate.costs import read_requests
    from clinragen.schemas.costs import COSTS

    asked = [read_requests(row.stage, path) for row, path in zip(stages.rows, tables, strict=True)]
    COSTS.write(costs_of(stages.rows, asked, Path(answers)), costs)


if __name__ == "__main__":
    run(evaluate_costs)
