"""Command line of rule train_target_tokens."""

from pathlib import Path

from clinragen.step import Context, Out, run


def train_target_tokens(
    context: Context,
    backbone: Path,
    samples: Path,
    labels: Path,
    rationales: list[Path],
    longest: int,
    targets: Out,
    lab_targets: Out,
) -> None:
    """What a language model learns to write about the samples, as its tokens: with R^m, and without it for phase 2."""
    from collections import Counter

    from clinragen.model.tokens import count_cut, load_tokenizer, target_tokens
    from clinragen.runtime.context import Facts
    from clinragen.schemas.benchmark import LABELS, SAMPLES
    from clinragen.schemas.rationale import RATIONALES
    from clinragen.schemas.train import TARGET_TOKENS

    tables = SAMPLES.read(samples), LABELS.read(labels)
    on_notes, on_labs, *_ = [*(RATIONALES.read(path) for path in rationales), None, None]
    for name, pair, place in (("targets", (on_notes, on_labs), targets), ("lab_targets", (None, on_labs), lab_targets)):
        counts: Counter[str] = Counter()
        with TARGET_TOKENS.writer(place.path) as out:
            for piece in target_tokens(*tables, pair, load_tokenizer(backbone), longest):
                out.write(piece)
                counts += count_cut(piece)
        context.note(Facts({name: counts}))


if __name__ == "__main__":
    run(train_target_tokens)
