"""Command line of rule evaluate_training."""

from pathlib import Path

from clinragen.config.rows import RowNames
from clinragen.step import Context, SharedOut, run


def evaluate_training(
    context: Context, checkpoints: list[Path], rows: RowNames, templates: list[Path], table: SharedOut, page: SharedOut
) -> None:
    """Collect the history of every training, as CSV and as a page."""
    import pyarrow as pa

    from clinragen.evaluate.training_page import read_history, training_page
    from clinragen.schemas.evaluate import TRAINING

    courses = [read_history(checkpoint) for checkpoint in checkpoints]
    TRAINING.write(pa.concat_tables(courses), table)
    text = training_page(courses, rows.names, sorted(context.stand_ins), templates)
    page.path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_training)
