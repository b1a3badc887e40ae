"""Command line of rule evaluate_table."""

from pathlib import Path

from clinragen.config.rows import RowNames
from clinragen.evaluate.paper.arguments import ComparedForms
from clinragen.step import Context, SharedOut, run


def evaluate_table(
    context: Context,
    forms: ComparedForms,
    scores: list[Path],
    intervals: list[Path],
    rows: RowNames,
    number: int,
    picture: SharedOut,
) -> None:
    """Compare our values with one of the paper's tables, as CSV, Markdown, LaTeX, a page and a picture."""
    from clinragen.evaluate.paper.comparison import compare, in_row, intervals_in_rows, read_paper
    from clinragen.evaluate.paper.pictures import draw_comparison
    from clinragen.evaluate.paper.table_page import shown, table_page
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
    paper, stand_ins = read_paper(forms.paper), sorted(context.stand_ins)
    compared = compare(paper, tables, stand_ins, bounds, forms.missing(number))
    COMPARISON.write(compared, forms.table)
    forms.write(shown(compared, number), table_page(compared, number, forms.templates))
    draw_comparison(compared, number, picture.path)


if __name__ == "__main__":
    run(evaluate_table)
