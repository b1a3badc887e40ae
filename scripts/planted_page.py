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
    """Put all runs on planted evidence together, as tables and as a page."""
    import pyarrow as pa

    from clinragen.evaluate.planted_page import planted_page as make_page
    from clinragen.schemas.evaluate import PLANTED, STATEMENTS

    found = pa.concat_tables([PLANTED.read(path) for path in scores])
    said = pa.concat_tables([STATEMENTS.read(path) for path in statements])
    PLANTED.write(found, table)
    STATEMENTS.write(said, stated)
    page.path.write_text(make_page(found, said, sorted(context.stand_ins), templates), encoding="utf-8")


if __name__ == "__main__":
    run(planted_page)
