"""Command line of rule evaluate_sensitivity."""

from pathlib import Path

from clinragen.config.rows import RowNames
from clinragen.step import Context, SharedOut, run


def evaluate_sensitivity(
    context: Context,
    scores: list[Path],
    without: list[Path],
    rows: RowNames,
    templates: list[Path],
    table: SharedOut,
    page: SharedOut,
) -> None:
    """Compare every variant with the same model without it, as CSV and as a page."""
    from clinragen.evaluate.paper.comparison import in_row
    from clinragen.evaluate.sensitivity import compare_variants, sensitivity_page
    from clinragen.schemas.evaluate import SCORES, SENSITIVITY

    tables = [in_row(SCORES.read(path), row) for path, row in zip(scores, rows.names, strict=True)]
    for path, plain, scored in zip(scores, without, tables, strict=True):
        context.made_of({name: scored[name][0].as_py() for name in ("dataset", "model")}, [path, plain])
    compared = compare_variants(tables, [SCORES.read(path) for path in without])
    SENSITIVITY.write(compared, table)
    page.path.write_text(sensitivity_page(compared, sorted(context.stand_ins), templates), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_sensitivity)
