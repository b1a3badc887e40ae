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
    """Summarize the ratings of the judges as tables and as a page."""
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
    means, agreements, falls = (f(rated, bootstrap) for f in (rating_scores, judge_agreement, judge_effects))
    RATING_SCORES.write(means, scores)
    AGREEMENT.write(agreements, agreement)
    JUDGE_EFFECTS.write(falls, effects)
    html = judge_page(means, agreements, falls, sorted(context.stand_ins), templates)
    page.path.write_text(html, encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_judge_scores)
