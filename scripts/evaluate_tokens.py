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

    # By dataset: .../mimic3/benchmark/samples.parquet. Those of a variant may hold other stays of the same patients.
    of: dict[str, list[pa.Table]] = {}
    for path in samples:
        of.setdefault(path.parts[-3], []).append(SAMPLES.read(path))
    found = []
    for path in tokens:
        kind = NOTE_TOKENS if path.stem == "note_tokens" else TARGET_TOKENS
        dataset = path.parts[path.parts.index("train") - 1]
        found.append(text_lengths(path, pa.concat_tables(of[dataset]), kind.read(path)))
    lengths = pa.concat_tables(found)
    TEXT_LENGTHS.write(lengths, table.path)
    page.path.write_text(token_card(lengths, sorted(context.stand_ins), templates), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_tokens)
