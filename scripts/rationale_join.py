"""Command line of rule rationale_join."""

from pathlib import Path

from clinragen.step import Out, run


def rationale_join(shards: list[Path], out: Out) -> None:
    """Join the rationales of all shards into one table."""
    from clinragen.rationale.generate import join
    from clinragen.schemas.rationale import RATIONALES

    RATIONALES.write(join(RATIONALES.read(path) for path in shards), out)


if __name__ == "__main__":
    run(rationale_join)
