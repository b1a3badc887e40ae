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
    """Make the data card of texts by language models, as CSV and as a page."""
    import pyarrow as pa

    from clinragen.evaluate.rationale_card import count_rationales, rationale_card
    from clinragen.evaluate.variants import SamplesByVariant
    from clinragen.schemas.predictions import PREDICTIONS
    from clinragen.schemas.rationale import RATIONALE_COUNTS, RATIONALES

    of_variant, counted = SamplesByVariant(samples), []
    for path, kind in [*((p, RATIONALES) for p in rationales), *((p, PREDICTIONS) for p in predictions)]:
        counted.append(count_rationales(path, of_variant.behind(path.parts[-4], path), kind.read(path)))
    counts = pa.concat_tables(counted)
    RATIONALE_COUNTS.write(counts, table)
    page.path.write_text(rationale_card(counts, marked_samples, sorted(context.stand_ins), templates), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_rationales)
