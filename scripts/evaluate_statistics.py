"""Command line of rule evaluate_statistics."""

from pathlib import Path

from clinragen.config.evaluate import Bootstrap
from clinragen.config.rows import Runs
from clinragen.step import Context, SharedOut, run


def evaluate_statistics(
    context: Context,
    predictions: list[Path],
    samples: list[Path],
    labels: list[Path],
    phenotypes: Path,
    pairs: Path,
    paper: list[Path],
    runs: Runs,
    reference: str,
    bootstrap: Bootstrap,
    templates: list[Path],
    intervals: SharedOut,
    comparisons: SharedOut,
    phenotype_scores: SharedOut,
    page: SharedOut,
) -> None:
    """Compute intervals, comparisons and phenotype scores for the rows of tables 1 and 2."""
    from clinragen.evaluate.comparisons import read_pairs
    from clinragen.evaluate.paper.comparison import read_paper
    from clinragen.evaluate.runs import read_scored, truth_of
    from clinragen.evaluate.statistics import tables_of
    from clinragen.evaluate.statistics_page import statistics_page
    from clinragen.registry.phenotypes import read_phenotypes
    from clinragen.schemas.benchmark import LABELS, SAMPLES
    from clinragen.schemas.statistics import COMPARISONS, INTERVALS, PHENOTYPE_SCORES

    names, printed = read_phenotypes(phenotypes), [cell for path in paper for cell in read_paper(path)]
    files = list(zip(runs.runs, predictions, strict=True))
    split = {title: pair for title, *pair in zip(runs.datasets, samples, labels, strict=True)}
    scored = {}
    for title, own in split.items():
        truth = truth_of(SAMPLES.read(own[0]), LABELS.read(own[1]))
        scored[title] = truth, [read_scored(path, truth, names, r) for r, path in files if r.dataset == title]
    tables = tables_of(scored, names, read_pairs(pairs), reference, printed, bootstrap)
    for schema, table, out, behind in (
        (INTERVALS, tables.intervals, intervals, lambda row: {row["model"]}),
        (COMPARISONS, tables.comparisons, comparisons, lambda row: {row["model"], row["other"]}),
        (PHENOTYPE_SCORES, tables.phenotypes, phenotype_scores, lambda row: {row["model"], reference}),
    ):
        schema.write(table, out)
        for row in table.group_by(sorted({*schema.key} - {"metric", "phenotype"})).aggregate([]).to_pylist():
            used = [p for r, p in files if r.dataset == row["dataset"] and r.row in behind(row)]
            context.made_of(row, [*split[row["dataset"]], *used], out)
    html = statistics_page(tables, printed, reference, bootstrap, sorted(context.stand_ins), templates)
    page.path.write_text(html, encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_statistics)
