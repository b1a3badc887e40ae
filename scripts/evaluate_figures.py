"""Command line of rule evaluate_figures."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def evaluate_figures(
    context: Context,
    drawings: list[Path],
    tables: list[Path],
    cases: list[Path],
    templates: list[Path],
    page: SharedOut,
) -> None:
    """Show the figures with their values on one page."""
    from clinragen.evaluate.paper.figures_page import figures_page
    from clinragen.registry.raw import TITLES

    named = {TITLES[path.stem.partition("-")[2]]: path.name for path in cases}
    text = figures_page(drawings, tables, named, sorted(context.stand_ins), templates)
    page.path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_figures)
