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
    """Write the targets of a language model as its tokens: all of them, and without R^m for phase 2."""
    from clinragen.model.tokens import load_tokenizer, target_tokens, write_counting_cuts
    from clinragen.schemas.benchmark import LABELS, SAMPLES
    from clinragen.schemas.rationale import RATIONALES
    from clinragen.schemas.train import TARGET_TOKENS

    tables = SAMPLES.read(samples), LABELS.read(labels)
    on_notes, on_labs, *_ = [*(RATIONALES.read(path) for path in rationales), None, None]
    for name, pair, output in (
        ("targets", (on_notes, on_labs), targets),
        ("targets of phase 2", (None, on_labs), lab_targets),
    ):
        pieces = target_tokens(*tables, pair, load_tokenizer(backbone), longest, rationale_first)
        with TARGET_TOKENS.writer(output) as out:
            log.info("%s cut at %d tokens: %s", name, longest, write_counting_cuts(pieces, out))


if __name__ == "__main__":
    run(train_target_tokens)
