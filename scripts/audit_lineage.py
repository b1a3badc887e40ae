"""Command line of rule audit_lineage."""

from pathlib import Path

from clinragen.kernel.step import SharedOut, run


def audit_lineage(targets: list[Path], origins: str, lineage: SharedOut) -> None:
    """Every output behind the targets, with what made it and how many raw files and resources it reaches."""
    import logging

    from clinragen.audit.lineage import list_lineage
    from clinragen.tables.audit import LINEAGE

    table, gaps = list_lineage(targets, origins.split(","))
    for gap in gaps:
        logging.getLogger("lineage").warning("%s", gap)
    LINEAGE.write(table, lineage.path)


if __name__ == "__main__":
    run(audit_lineage)
