"""Command line of rule evaluate_table."""

from pathlib import Path

from clinragen.config.paper import Configured
from clinragen.config.rows import RowNames
from clinragen.step import Context, SharedOut, run


def evaluate_table(
    context: Context,
    paper: Path,
    scores: list[Path],
    intervals: list[Path],
    rows: RowNames,
    paper_rows: Path,
    configured: Configured,
    templates: list[Path],
    number: int,
    table: SharedOut,
    markdown: SharedOut,
    latex: SharedOut,
    page: SharedOut,
    picture: SharedOut,
) -> None:
    """Compare our values with one of the paper's tables, as CSV, Markdown, LaTeX, a page and a picture."""
    from clinragen.evaluate.paper.comparison import compare, in_row, intervals_in_rows, read_paper
    from clinragen.evaluate.paper.forms import write_forms
    from clinragen.evaluate.paper.missing import Missing
    from clinragen.evaluate.paper.pictures import draw_comparison
    from clinragen.evaluate.paper.table_page import shown, table_page
    from clinragen.registry.paper_rows import read_paper_rows
    from clinragen.schemas.evaluate import COMPARISON, SCORES
    from clinragen.schemas.statistics import INTERVALS

    tables, names = [], {}
    for path, row in zip(scores, rows.names, strict=True):
        scored = SCORES.read(path)
        dataset = scored["dataset"][0].as_py()
        names[dataset, scored["model"][0].as_py()] = row
        tables.append(in_row(scored, row))
        context.made_of({"dataset": dataset, "model": row}, [path])
    bounds = {k: v for path in intervals for k, v in intervals_in_rows(INTERVALS.read(path), names).items()}
    missing = Missing(read_paper_rows(paper_rows, number), configured)
    compared = compare(read_paper(paper), tables, sorted(context.stand_ins), bounds, missing)
    COMPARISON.write(compared, table)
    html = table_page(compared, number, templates)
    write_forms(shown(compared, number), html, markdown.path, latex.path, page.path)
    draw_comparison(compared, number, picture.path)


if __name__ == "__main__":
    run(evaluate_table)
