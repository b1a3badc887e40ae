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

    runs, tables = dict(zip(predictions, rows.runs.runs, strict=True)), []
    names, words = read_phenotypes(phenotypes), read_wordings(wordings)
    for n, dataset in enumerate(rows.runs.datasets):
        own = {path: run for path, run in runs.items() if run.dataset == dataset}
        files = Files(samples[n], labels[n], groups[n], leakage[n], named[n], rationales[n], own)
        tables.append(answers(read_data(dataset, files, rows.student, names, words, bootstrap), rows))
        context.made_of({"dataset": dataset}, files.all)
    answered = pa.concat_tables(tables)
    DISCUSSION.write(answered, table)
    html = discussion_page(answered, bootstrap, sorted(context.stand_ins), templates)
    page.path.write_text(html, encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_discussion)
