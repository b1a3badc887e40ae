"""Command line of rule evaluate_study_scores."""

from pathlib import Path

from clinragen.config.evaluate import Bootstrap
from clinragen.config.study import Exclusion
from clinragen.step import Context, Out, SharedOut, run


def evaluate_study_scores(
    context: Context,
    key: Path,
    samples: Path,
    responses: list[Path],
    judged: list[Path],
    exclusion: Exclusion,
    bootstrap: Bootstrap,
    dataset: str,
    reference: str,
    templates: list[Path],
    ratings: Out,
    table: SharedOut,
    agreement: SharedOut,
    model: SharedOut,
    raters: SharedOut,
    page: SharedOut,
) -> None:
    """Import the ratings of the study, and their means, agreement and mixed model, as tables and as a page."""
    from clinragen.evaluate.study import scores
    from clinragen.evaluate.study.mixed import mixed_models
    from clinragen.evaluate.study.page import study_page
    from clinragen.evaluate.study.responses import read_responses, response_files
    from clinragen.evaluate.study.with_judges import agreement_of_all
    from clinragen.schemas.benchmark import SAMPLES
    from clinragen.schemas.ratings import AGREEMENT, RATING_SCORES
    from clinragen.schemas.study import STUDY_KEY, STUDY_MODEL, STUDY_RATERS, STUDY_RATINGS

    keys, columns = STUDY_KEY.read(key), SAMPLES.read(samples, ["stay_id", "subject_id"])
    patients = dict(zip(*(columns[name].to_pylist() for name in ("stay_id", "subject_id")), strict=True))
    read = scores.leave_out(read_responses(response_files(responses), keys, exclusion.absent), exclusion.failed_checks)
    scores.stop_without_raters(read)
    found = (
        scores.rating_scores(read, keys, patients, dataset, bootstrap),
        agreement_of_all(read, judged, dataset, bootstrap),
        mixed_models(read, dataset, reference),
        scores.raters_table(read, keys, patients, exclusion.failed_checks),
    )
    STUDY_RATINGS.write(read, ratings)
    for kind, values, out in zip(
        (RATING_SCORES, AGREEMENT, STUDY_MODEL, STUDY_RATERS), found, (table, agreement, model, raters), strict=True
    ):
        kind.write(values, out)
    text = study_page(*found, dataset, exclusion.failed_checks, sorted(context.stand_ins), templates)
    page.path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_study_scores)
