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
    """Write the kit of the human study: a form per rater, the key to all forms, and a page for the organizer."""
    from clinragen.evaluate.rated_files import RatedFiles
    from clinragen.evaluate.study.forms import kit_page, raters_of, study_form, study_key
    from clinragen.evaluate.study.sources import read_study
    from clinragen.schemas.study import STUDY_KEY

    by_system = dict(zip(systems.names, predictions, strict=True))
    study = read_study(RatedFiles(samples, courses, captions, labels, cases, teacher, by_system), wording, design)
    forms.path.mkdir()
    for rater in raters_of(study.items):
        text = study_form(study, rater, dataset, source, templates)
        (forms.path / f"form-{rater}.html").write_text(text, encoding="utf-8")
    STUDY_KEY.write(study_key(study), key)
    html = kit_page(study, dataset, source, design, sorted(context.stand_ins), templates)
    page.path.write_text(html, encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_study_forms)
