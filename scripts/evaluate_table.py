"""Command line of rule evaluate_table."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def evaluate_table(
    context: Context,
    paper: Path,
    scores: list[Path],
    templates: list[Path],
    number: int,
    table: SharedOut,
    page: SharedOut,
    picture: SharedOut,
) -> None:
    """Compare our values with one of the paper's tables, as CSV, as a page and as a picture."""
    from clinragen.evaluate.pictures import draw_comparison
    from clinragen.evaluate.table_page import table_page
    from clinragen.evaluate.tables import compare, read_paper
    from clinragen.schemas.evaluate import COMPARISON, SCORES

    tables = {path: SCORES.read(path) for path in scores}
    for path, scored in tables.items():
        first = scored.slice(0, 1).to_pylist()[0]
        context.made_of({"dataset": first["dataset"], "model": first["model"]}, [path])
    compared = compare(read_paper(paper), list(tables.values()), sorted(context.stand_ins))
    COMPARISON.write(compared, table.path)
    page.path.write_text(table_page(compared, number, templates), encoding="utf-8")
    draw_comparison(compared, number, picture.path)


if __name__ == "__main__":
    run(evaluate_table)
