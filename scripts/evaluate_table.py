"""Command line of rule evaluate_table."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def evaluate_table(
    context: Context,
    paper: Path,
    scores: list[Path],
    number: int,
    table: SharedOut,
    page: SharedOut,
    picture: SharedOut,
) -> None:
    """One of the paper's tables with our values beside it, as CSV, as a page and as a picture."""
    from clinragen.evaluate.pictures import draw_comparison
    from clinragen.evaluate.tables import compare, read_paper, write_page
    from clinragen.schemas.evaluate import COMPARISON, SCORES

    tables = {path: SCORES.read(path) for path in scores}
    for path, scored in tables.items():
        first = scored.slice(0, 1).to_pylist()[0]
        context.made_of({"dataset": first["dataset"], "model": first["model"]}, [path])
    found = compare(read_paper(paper), list(tables.values()), sorted(context.stand_ins))
    COMPARISON.write(found, table.path)
    write_page(found, number, page.path)
    draw_comparison(found, number, picture.path)


if __name__ == "__main__":
    run(evaluate_table)
