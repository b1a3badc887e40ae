"""Command line of rule evaluate_table."""

from pathlib import Path

from clinragen.config.rows import RowNames
from clinragen.step import Context, SharedOut, run


def evaluate_table(
    context: Context,
    paper: Path,
    scores: list[Path],
    rows: RowNames,
    templates: list[Path],
    number: int,
    table: SharedOut,
    page: SharedOut,
    picture: SharedOut,
) -> None:
    """Compare our values with one of the paper's tables, as CSV, as a page and as a picture."""
    from clinragen.evaluate.pictures import draw_comparison
    from clinragen.evaluate.table_page import table_page
    from clinragen.evaluate.tables import compare, in_row, read_paper
    from clinragen.schemas.evaluate import COMPARISON, SCORES

    tables = []
    for path, row in zip(scores, rows.names, strict=True):
        tables.append(in_row(SCORES.read(path), row))
        context.made_of({"dataset": tables[-1]["dataset"][0].as_py(), "model": row}, [path])
    compared = compare(read_paper(paper), tables, sorted(context.stand_ins))
    COMPARISON.write(compared, table.path)
    page.path.write_text(table_page(compared, number, templates), encoding="utf-8")
    draw_comparison(compared, number, picture.path)


if __name__ == "__main__":
    run(evaluate_table)
