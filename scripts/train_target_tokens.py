"""Command line of rule train_target_tokens."""

import logging
from pathlib import Path

from clinragen.step import Out, run

log = logging.getLogger("train")


def train_target_tokens(
    backbone: Path,
    samples: Path,
    labels: Path,
    rationales: list[Path],
    longest: int,
    rationale_first: bool,
    targets: Out,
    lab_targets: Out,
) -> None:
    """What a language model learns to write about the samples, as its tokens: with R^m, and without it for phase 2."""
    from collections import Counter

    from clinragen.model.tokens import count_cut, cut_text, load_tokenizer, target_tokens
    from clinragen.schemas.benchmark import LABELS, SAMPLES
    from clinragen.schemas.rationale import RATIONALES
    from clinragen.schemas.train import TARGET_TOKENS

    tables = SAMPLES.read(samples), LABELS.read(labels)
    on_notes, on_labs, *_ = [*(RATIONALES.read(path) for path in rationales), None, None]
    for name, pair, place in (
        ("targets", (on_notes, on_labs), targets),
        ("targets of phase 2", (None, on_labs), lab_targets),
    ):
        counts: Counter[str] = Counter()
        with TARGET_TOKENS.writer(place) as out:
            for piece in target_tokens(*tables, pair, load_tokenizer(backbone), longest, rationale_first):
                out.write(piece)
                counts += count_cut(piece)
        log.info("%s cut at %d tokens: %s", name, longest, cut_text(counts))


if __name__ == "__main__":
    run(train_target_tokens)
