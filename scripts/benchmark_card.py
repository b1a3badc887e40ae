"""Command line of rule benchmark_card."""

from pathlib import Path

from clinragen.config.benchmark import Series
from clinragen.step import Context, SharedOut, run


def benchmark_card(
    context: Context,
    stays: Path,
    events: Path,
    samples: Path,
    courses: Path,
    attrition: Path,
    prevalence: Path,
    headings: Path,
    leakage: Path,
    unlabelled: Path,
    variables: Path,
    templates: list[Path],
    dataset: str,
    source: str,
    settings: Series,
    card: SharedOut,
) -> None:
    """Write the data card: summary statistics of one dataset on one page."""
    from clinragen.benchmark.card import make_card
    from clinragen.benchmark.distributions import survey
    from clinragen.registry.variables import read_variables
    from clinragen.schemas.benchmark import COURSES, HEADINGS, PREVALENCE, SAMPLES, UNLABELLED_CODES
    from clinragen.schemas.extract import ATTRITION, EVENTS, STAYS
    from clinragen.schemas.leakage import LEAKAGE

    every_variable, sample_rows = read_variables(variables), SAMPLES.read(samples)
    read = {v.name for v in read_variables(variables, settings.variables)}
    lengths = STAYS.read(stays, columns=("stay_id", "los_hours"))
    texts = COURSES.read_batches(courses, ("stay_id", "text"), rows=1000)
    values = EVENTS.read_batches(events, ("stay_id", "hours", "variable", "value"), rows=1_000_000)
    surveyed = survey(sample_rows, lengths, texts, values, every_variable, settings)
    tables = {
        "attrition": ATTRITION.read(attrition),
        "prevalence": PREVALENCE.read(prevalence),
        "headings": HEADINGS.read(headings),
        "leakage": LEAKAGE.read(leakage),
        "unlabelled": UNLABELLED_CODES.read(unlabelled),
    }
    stand_ins = sorted(context.stand_ins)
    page = make_card(
        dataset, source, stand_ins, settings, every_variable, read, sample_rows, surveyed, tables, templates
    )
    card.path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run(benchmark_card)
