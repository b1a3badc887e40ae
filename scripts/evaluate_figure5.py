"""Command line of rule evaluate_figure5."""

from pathlib import Path

from clinragen.config.rows import RowNames
from clinragen.step import Context, SharedOut, run


def evaluate_figure5(
    context: Context,
    parameters: list[Path],
    intervals: Path,
    sizes: Path,
    paper: Path,
    answered: RowNames,
    table: SharedOut,
    drawing: SharedOut,
    picture: SharedOut,
) -> None:
    """Draw parameters and micro F1 of every row of table 1, as CSV, SVG and PNG."""
    import pyarrow as pa

    from clinragen.evaluate.paper.comparison import read_paper
    from clinragen.evaluate.paper.figures import draw_efficiency, efficiency_table
    from clinragen.evaluate.parameters import read_sizes
    from clinragen.schemas.evaluate import PARAMETERS
    from clinragen.schemas.paper import EFFICIENCY
    from clinragen.schemas.statistics import INTERVALS

    counts = pa.concat_tables([PARAMETERS.schema.empty_table(), *(PARAMETERS.read(path) for path in parameters)])
    scores, stand_ins = INTERVALS.read(intervals), sorted(context.stand_ins)
    points = efficiency_table(counts, scores, read_sizes(sizes), read_paper(paper), answered.names, stand_ins)
    EFFICIENCY.write(points, table)
    draw_efficiency(EFFICIENCY.read(table.path), drawing.path, picture.path)


if __name__ == "__main__":
    run(evaluate_figure5)
