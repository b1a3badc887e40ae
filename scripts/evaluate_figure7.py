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
    scaled: bool,
    dataset: str,
    source: str,
    templates: list[Path],
    page: Out,
    shared: SharedOut,
) -> None:
    """Cases that rules choose, with note, labs and rationales: a restricted page, and one without patients' texts."""
    from clinragen.evaluate.paper.case_choice import case_counts, choose
    from clinragen.evaluate.paper.case_files import read_cases
    from clinragen.evaluate.paper.case_page import cases_page

    found = read_cases(predictions, cases, samples, (notes, labs), wordings)
    chosen = choose(found.cases)
    views = found.views(chosen, courses, captions, series, (scales, fences), terms, scaled)
    counts = case_counts(dataset, found.cases)
    own = (counts, len(found.cases), sorted(context.stand_ins), page.final.as_posix(), templates)
    page.path.write_text(cases_page(dataset, views, *own), encoding="utf-8")
    # Texts about invented patients may be shown to anybody.
    shown = views if source == "synthetic" else None
    shared.path.write_text(cases_page(dataset, shown, *own), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_figure7)
