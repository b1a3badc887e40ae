"""Command line of rule evaluate_beyond."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def evaluate_beyond(
    context: Context, scores: list[Path], templates: list[Path], table: SharedOut, page: SharedOut
) -> None:
    """Summarise the baselines beyond the paper, as CSV and as a page."""
    from clinragen.evaluate.beyond import beyond_page, summarise
    from clinragen.schemas.evaluate import BEYOND, SCORES

    tables = [SCORES.read(path) for path in scores]
    for path, scored in zip(scores, tables, strict=True):
        context.made_of({name: scored[name][0].as_py() for name in ("dataset", "model")}, [path])
    summary = summarise(tables)
    BEYOND.write(summary, table)
    page.path.write_text(beyond_page(summary, sorted(context.stand_ins), templates), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_beyond)
