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
    origins: list[Path],
    scaled: bool,
    dataset: str,
    templates: list[Path],
    page: Out,
    shared: SharedOut,
    example: SharedOut,
) -> None:
    """Write the cases selected by rules: restricted, without text from patients, and one of open data as an example.

    `origins` are the files by which `restricted_origin` knows open data.
    """
    from clinragen.evaluate.paper import case_example
    from clinragen.evaluate.paper.case_choice import case_counts, choose
    from clinragen.evaluate.paper.case_files import Shown, read_cases
    from clinragen.evaluate.paper.case_page import cases_page
    from clinragen.evaluate.texts.lab_claims import read_lab_wordings
    from clinragen.registry.variables import read_variables

    units = {variable.name: variable.unit for variable in read_variables(variables)}
    of_labs = read_lab_wordings(lab_wordings, list(units))
    shown = Shown(courses, captions, series, scales, fences, terms, scaled, units, of_labs)
    files = read_cases(predictions, cases, samples, (notes, labs), wordings)
    read = [predictions, cases, samples, courses, captions, series, scales, fences, notes, labs, *terms]
    place = page.final.relative_to(example.final.parents[1]).as_posix()
    facts = case_example.example(dataset, files, shown, read, place)
    example.path.write_text(case_example.as_json(facts), encoding="utf-8")
    is_open, stand_ins = "restricted" not in facts, sorted(context.stand_ins)
    counts = case_counts(dataset, files.cases), len(files.cases)
    own = (*counts, stand_ins, page.final.as_posix(), is_open, templates)
    page.path.write_text(cases_page(dataset, files.views(choose(files.cases), shown), *own), encoding="utf-8")
    shared.path.write_text(cases_page(dataset, None, *own), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_figure7)
