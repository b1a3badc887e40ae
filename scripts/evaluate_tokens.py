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
    """Make the data card of tokens, as CSV and as a page."""
    import pyarrow as pa

    from clinragen.evaluate.token_card import text_lengths, token_card
    from clinragen.evaluate.variants import SamplesByVariant
    from clinragen.schemas.train import NOTE_TOKENS, TARGET_TOKENS, TEXT_LENGTHS

    of_variant, counted = SamplesByVariant(samples), []
    for path in tokens:
        kind, levels = (NOTE_TOKENS, 4) if path.stem == "note_tokens" else (TARGET_TOKENS, 5)
        counted.append(text_lengths(path, of_variant.behind(path.parts[-levels], path), kind.read(path)))
    lengths = pa.concat_tables(counted)
    TEXT_LENGTHS.write(lengths, table)
    page.path.write_text(token_card(lengths, sorted(context.stand_ins), templates), encoding="utf-8")


if __name__ == "__main__":
    run(evaluate_tokens)
