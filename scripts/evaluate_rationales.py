"""Command line of rule evaluate_rationales."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def evaluate_rationales(
    context: Context,
    samples: list[Path],
    rationales: list[Path],
    predictions: list[Path],
    marked_samples: str,
    templates: list[Path],
    table: SharedOut,
    page: SharedOut,
) -> None:
    """Data card of what language models wrote: marked answers and cut notes, as CSV and as a page."""
    import pyarrow as pa

    from clinragen.evaluate.rationale_card import count_rationales, rationale_card
    from clinragen.schemas.benchmark import SAMPLES
    from clinragen.schemas.evaluate import PREDICTIONS
    from clinragen.schemas.rationale import RATIONALE_COUNTS, RATIONALES

    # By dataset and variant: .../mimic3/benchmark+<variant>/samples.parquet
    of = {(path.parts[-3], path.parts[-2].partition("+")[2]): SAMPLES.read(path) for path in samples}
    counted = []
    for path, kind in [*((p, RATIONALES) for p in rationales), *((p, PREDICTIONS) for p in predictions)]:
        dataset, variant = path.parts[-4], path.parts[-2].partition("+")[2]
        counted.append(count_rationales(path, of.get((dataset, variant), of[dataset, ""]), kind.read(path)))
    counts = pa.concat_tables(counted)
    RATIONALE_COUNTS.write(counts, table)
    page.path.write_text(rationale_card(counts, marked_samples, sorted(context.stand_ins), templates), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_rationales)
