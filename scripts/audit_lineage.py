"""Command line of rule audit_lineage."""

from pathlib import Path

from clinragen.step import SharedOut, run


def audit_lineage(targets: list[Path], templates: list[Path], lineage: SharedOut, page: SharedOut) -> None:
    """List every output behind the targets with what made it, as a table and as a page of links."""
    import logging

    from clinragen.audit.lineage import lineage_page, list_lineage
    from clinragen.schemas.audit import LINEAGE

    table, problems, root = list_lineage(targets)
    for problem in problems:
        logging.getLogger("lineage").warning("%s", problem)
    tree = page.final.parents[1].as_posix()
    logging.getLogger("lineage").info("root of %s: %s", tree, root)
    LINEAGE.write(table, lineage)
    text = lineage_page(table["output"].to_pylist(), tree, root, templates, problems)
    page.path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(audit_lineage)
