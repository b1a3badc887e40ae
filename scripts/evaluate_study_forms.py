"""Command line of rule evaluate_study_forms."""

from pathlib import Path

from clinragen.config.rows import RowNames
from clinragen.config.study import StudyDesign
from clinragen.step import Context, Out, SharedOut, run


def evaluate_study_forms(
    context: Context,
    cases: Path,
    samples: Path,
    courses: Path,
    captions: Path,
    labels: Path,
    teacher: list[Path],
    predictions: list[Path],
    systems: RowNames,
    wording: Path,
    design: StudyDesign,
    dataset: str,
    source: str,
    templates: list[Path],
    forms: Out,
    key: Out,
    page: SharedOut,
) -> None:
    """The kit of the human study: a form per rater, the key to all of them, and a page for whoever hands them out."""
    from clinragen.evaluate.study.forms import kit_page, raters_of, study_form, study_key
    from clinragen.evaluate.study.sources import read_study
    from clinragen.schemas.ratings import TEACHER
    from clinragen.schemas.study import STUDY_KEY

    study = read_study(
        cases, samples, courses, captions, labels, teacher, dict(zip(systems.names, predictions, strict=True)),
        wording, design,
    )  # fmt: skip
    forms.path.mkdir()
    for rater in raters_of(study.items):
        text = study_form(study, rater, dataset, source, templates)
        (forms.path / f"form-{rater}.html").write_text(text, encoding="utf-8")
    STUDY_KEY.write(study_key(study), key)
    names = [TEACHER, *systems.names]
    shown = kit_page(study, dataset, source, names, design, sorted(context.stand_ins), templates)
    page.path.write_text(shown, encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_study_forms)
