"""Command line of rule evaluate_discussion."""

from pathlib import Path

from clinragen.config.discussion import DiscussionRows
from clinragen.config.evaluate import Bootstrap
from clinragen.step import Context, SharedOut, run


def evaluate_discussion(
    context: Context,
    predictions: list[Path],
    samples: list[Path],
    labels: list[Path],
    groups: list[Path],
    leakage: list[Path],
    named: list[Path],
    rationales: list[Path],
    phenotypes: Path,
    wordings: Path,
    rows: DiscussionRows,
    bootstrap: Bootstrap,
    templates: list[Path],
    table: SharedOut,
    page: SharedOut,
) -> None:
    """Answer the questions of the discussion, as CSV and as a page."""
    import pyarrow as pa

    from clinragen.evaluate.discussion.answers import answers
    from clinragen.evaluate.discussion.files import Files, read_data
    from clinragen.evaluate.discussion.page import discussion_page
    from clinragen.rationale.claims import read_wordings
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.schemas.discussion import DISCUSSION

    of_datasets = zip(rows.runs.datasets, samples, labels, groups, leakage, named, rationales, strict=True)
    runs, found = list(zip(predictions, rows.runs.runs, strict=True)), []
    for dataset, *paths in of_datasets:
        files = Files(*paths, {path: of for path, of in runs if of.dataset == dataset})
        data = read_data(dataset, files, rows.student, read_phenotypes(phenotypes), read_wordings(wordings), bootstrap)
        found.append(answers(data, rows))
        context.made_of({"dataset": dataset}, files.all)
    answered = pa.concat_tables(found)
    DISCUSSION.write(answered, table)
    text = discussion_page(answered, bootstrap, sorted(context.stand_ins), templates)
    page.path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_discussion)
