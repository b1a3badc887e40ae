"""Command line of rule evaluate_judge_scores."""

from pathlib import Path

from clinragen.config.evaluate import Bootstrap
from clinragen.step import Context, SharedOut, run


def evaluate_judge_scores(
    context: Context,
    samples: list[Path],
    ratings: list[Path],
    bootstrap: Bootstrap,
    templates: list[Path],
    scores: SharedOut,
    agreement: SharedOut,
    effects: SharedOut,
    page: SharedOut,
) -> None:
    """What the judges say, as tables and as a page."""
    from clinragen.evaluate.judge.agree import judge_agreement
    from clinragen.evaluate.judge.effects import judge_effects
    from clinragen.evaluate.judge.page import judge_page
    from clinragen.evaluate.judge.rated import behind, read_rated
    from clinragen.evaluate.judge.scores import rating_scores
    from clinragen.schemas.judge import JUDGE_EFFECTS
    from clinragen.schemas.ratings import AGREEMENT, RATING_SCORES

    for (dataset, rater), paths in behind(ratings).items():
        context.made_of({"dataset": dataset, "rater": rater}, [*paths, *samples])
    rated = read_rated(ratings, samples)
    tables = [made(rated, bootstrap) for made in (rating_scores, judge_agreement, judge_effects)]
    for table, schema, out in zip(
        tables, (RATING_SCORES, AGREEMENT, JUDGE_EFFECTS), (scores, agreement, effects), strict=True
    ):
        schema.write(table, out)
    page.path.write_text(judge_page(*tables, sorted(context.stand_ins), templates), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_judge_scores)
