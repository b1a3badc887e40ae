"""Command line of rule knowledge_convergence."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def knowledge_convergence(context: Context, convergence: Path, bound: float, picture: SharedOut) -> None:
    """Draw the convergence of the key terms of each phenotype."""
    from clinragen.knowledge.pictures import draw_convergence
    from clinragen.schemas.knowledge import CONVERGENCE

    draw_convergence(CONVERGENCE.read(convergence), bound, sorted(context.stand_ins), picture.path)


if __name__ == "__main__":
    run(knowledge_convergence)
