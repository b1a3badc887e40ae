"""Command line of rule train_note_tokens."""

import logging
from pathlib import Path

from clinragen.step import Out, run

log = logging.getLogger("train")


def train_note_tokens(backbone: Path, samples: Path, courses: Path, longest: int, tokens: Out) -> None:
    """Write the notes of all samples as the tokens of a language model."""
    from clinragen.model.tokens import load_tokenizer, note_tokens, write_counting_cuts
    from clinragen.schemas.benchmark import COURSES, SAMPLES
    from clinragen.schemas.train import NOTE_TOKENS

    pieces = note_tokens(SAMPLES.read(samples), COURSES.read(courses), load_tokenizer(backbone), longest)
    with NOTE_TOKENS.writer(tokens) as out:
        log.info("notes cut at %d tokens: %s", longest, write_counting_cuts(pieces, out))


if __name__ == "__main__":
    run(train_note_tokens)
