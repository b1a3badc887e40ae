"""Command line of rule planted_page."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def planted_page(
    context: Context,
    scores: list[Path],
    statements: list[Path],
    templates: list[Path],
    table: SharedOut,
    stated: SharedOut,
    page: SharedOut,
) -> None:
    """Write all runs on planted evidence as tables and as a page."""
    import pyarrow as pa

    from clinragen.evaluate.planted_page import planted_page as make_page
    from clinragen.schemas.evaluate import PLANTED, STATEMENTS

    all_scores = pa.concat_tables([PLANTED.read(path) for path in scores])
    all_statements = pa.concat_tables([STATEMENTS.read(path) for path in statements])
    PLANTED.write(all_scores, table)
    STATEMENTS.write(all_statements, stated)
    text = make_page(all_scores, all_statements, sorted(context.stand_ins), templates)
    page.path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(planted_page)
