"""Command line of rule evaluate_tokens."""

from pathlib import Path

from clinragen.step import Context, SharedOut, run


def evaluate_tokens(
    context: Context,
    samples: list[Path],
    tokens: list[Path],
    templates: list[Path],
    table: SharedOut,
    page: SharedOut,
) -> None:
    """Data card of tokens: lengths of notes and targets and how many are cut, as CSV and as a page."""
    import pyarrow as pa

    from clinragen.evaluate.token_card import text_lengths, token_card
    from clinragen.schemas.benchmark import SAMPLES
    from clinragen.schemas.train import NOTE_TOKENS, TARGET_TOKENS, TEXT_LENGTHS

    # By dataset and variant: .../mimic3/benchmark+<variant>/samples.parquet
    of = {(path.parts[-3], path.parts[-2].partition("+")[2]): SAMPLES.read(path) for path in samples}
    found = []
    for path in tokens:
        kind, levels = (NOTE_TOKENS, 4) if path.stem == "note_tokens" else (TARGET_TOKENS, 5)
        dataset, variant = path.parts[-levels], path.parts[-2].partition("+")[2]
        found.append(text_lengths(path, of.get((dataset, variant), of[dataset, ""]), kind.read(path)))
    lengths = pa.concat_tables(found)
    TEXT_LENGTHS.write(lengths, table)
    page.path.write_text(token_card(lengths, sorted(context.stand_ins), templates), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_tokens)
