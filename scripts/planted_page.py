"""Command line of rule planted_page."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def planted_page(
    context: Context,
    scores: list[Path],
    statements: list[Path],
    beside: list[Path],
    stated_beside: list[Path],
    templates: list[Path],
    table: SharedOut,
    stated: SharedOut,
    page: SharedOut,
) -> None:
    """Put all runs on planted evidence together, as tables and as a page; those of other trees get another name."""
    import pyarrow as pa

    from clinragen.evaluate.planted import renamed
    from clinragen.evaluate.planted_page import planted_page as make_page
    from clinragen.schemas.evaluate import PLANTED, STATEMENTS

    own = [PLANTED.read(path) for path in scores]
    found = pa.concat_tables(own + [renamed(PLANTED.read(path), _tree(path)) for path in beside])
    own = [STATEMENTS.read(path) for path in statements]
    said = pa.concat_tables(own + [renamed(STATEMENTS.read(path), _tree(path)) for path in stated_beside])
    PLANTED.write(found, table.path)
    STATEMENTS.write(said, stated.path)
    page.path.write_text(make_page(found, said, sorted(context.stand_ins), templates), encoding="utf-8")


def _tree(table: Path) -> str:
    """Name of the results tree in which a table is."""
    return table.parent.parent.name


if __name__ == "__main__":
    run(planted_page)
