"""Command line of rule evaluate_figure6."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def evaluate_figure6(
    context: Context, ratings: Path, title: str, table: SharedOut, drawing: SharedOut, picture: SharedOut
) -> None:
    """Draw the mean ratings of rationales by criterion and system, as CSV, SVG and PNG."""
    from clinragen.evaluate.paper.figures import draw_ratings, written_ratings
    from clinragen.schemas.ratings import RATING_SCORES

    RATING_SCORES.write(written_ratings(RATING_SCORES.read(ratings)), table)
    drawn = RATING_SCORES.read(table.path)
    draw_ratings(drawn, title, sorted(context.stand_ins), drawing.path, picture.path)


if __name__ == "__main__":
    run(evaluate_figure6)
