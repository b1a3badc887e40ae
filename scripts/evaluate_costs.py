"""Command line of rule evaluate_costs."""

from pathlib import Path

from clinragen.config.llms import Stages
from clinragen.step import Context, SharedOut, run


def evaluate_costs(
    context: Context,
    tables: list[Path],
    stages: Stages,
    answers: str,
    templates: list[Path],
    costs: SharedOut,
    page: SharedOut,
) -> None:
    """Sum requests, tokens, money and time behind the results, by stage and model, as CSV and as a page."""
    from clinragen.evaluate.costs import costs as costs_of
    from clinragen.evaluate.costs import read_requests
    from clinragen.evaluate.costs_page import costs_page, key_of
    from clinragen.pages.tree import shown_tree
    from clinragen.registry.raw import TITLES
    from clinragen.schemas.costs import COSTS

    asked = [read_requests(row.stage, path) for row, path in zip(stages.rows, tables, strict=True)]
    found = costs_of(stages.rows, asked, Path(answers))
    for row, path in zip(found.to_pylist(), tables, strict=True):
        context.made_of(key_of(row), [path])
    COSTS.write(found, costs)
    tree = shown_tree(page.final.parents[1])
    page.path.write_text(costs_page(found, TITLES, sorted(context.stand_ins), tree, templates), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_costs)
