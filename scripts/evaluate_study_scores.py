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
    """Import the ratings of the study; write their means, agreement and mixed model as tables and as a page."""
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
    imported = read_responses(response_files(responses), keys, exclusion.absent)
    imported = scores.leave_out(imported, exclusion.failed_checks)
    scores.stop_without_raters(imported)
    tables = (
        scores.rating_scores(imported, keys, patients, dataset, bootstrap),
        agreement_of_all(imported, judged, dataset, bootstrap),
        mixed_models(imported, dataset, reference),
        scores.raters_table(imported, keys, patients),
    )
    STUDY_RATINGS.write(imported, ratings)
    for schema, values, out in zip(
        (RATING_SCORES, AGREEMENT, STUDY_MODEL, STUDY_RATERS), tables, (table, agreement, model, raters), strict=True
    ):
        schema.write(values, out)
    html = study_page(*tables, dataset, exclusion.failed_checks, sorted(context.stand_ins), templates)
    page.path.write_text(html, encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_study_scores)
