"""Command line of rule evaluate_figure7."""

from pathlib import Path

from clinragen.step import Context, Out, SharedOut, run


def evaluate_figure7(
    context: Context,
    predictions: Path,
    cases: Path,
    samples: Path,
    courses: Path,
    captions: Path,
    series: Path,
    scales: Path,
    fences: Path,
    notes: Path,
    labs: Path,
    terms: list[Path],
    wordings: Path,
    lab_wordings: Path,
    variables: Path,
    scaled: bool,
    dataset: str,
    templates: list[Path],
    page: Out,
    shared: SharedOut,
) -> None:
    """Write the cases selected by rules, as a restricted page, and as one without text from patients."""
    from clinragen.evaluate.paper.case_choice import case_counts, choose
    from clinragen.evaluate.paper.case_files import read_cases
    from clinragen.evaluate.paper.case_page import cases_page
    from clinragen.evaluate.texts.lab_claims import read_lab_wordings
    from clinragen.registry.variables import read_variables

    case_files = read_cases(predictions, cases, samples, (notes, labs), wordings)
    selected = choose(case_files.cases)
    units = {variable.name: variable.unit for variable in read_variables(variables)}
    labs_in_words = read_lab_wordings(lab_wordings, list(units))
    views = case_files.views(selected, courses, captions, series, (scales, fences), terms, scaled, units, labs_in_words)
    counts = case_counts(dataset, case_files.cases)
    own = (counts, len(case_files.cases), sorted(context.stand_ins), page.final.as_posix(), templates)
    page.path.write_text(cases_page(dataset, views, *own), encoding="utf-8")
    shared.path.write_text(cases_page(dataset, None, *own), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_figure7)
