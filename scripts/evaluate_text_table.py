"""Command line of rule evaluate_text_table."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def evaluate_text_table(
    context: Context, scores: list[Path], templates: list[Path], table: SharedOut, page: SharedOut
) -> None:
    """Join the measures of the rationales of all datasets, as CSV and as a page."""
    import pyarrow as pa

    from clinragen.evaluate.texts.bleu import signature
    from clinragen.evaluate.texts.page import texts_page
    from clinragen.schemas.texts import TEXT_SCORES

    tables = [TEXT_SCORES.read(path) for path in scores]
    for path, own in zip(scores, tables, strict=True):
        context.made_of({"dataset": own["dataset"][0].as_py()}, [path])
    joined = pa.concat_tables(tables)
    TEXT_SCORES.write(joined, table)
    page.path.write_text(texts_page(joined, signature(), sorted(context.stand_ins), templates), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_text_table)
