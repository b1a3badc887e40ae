"""Command line of rule train_encoder_tokens."""

import logging
from pathlib import Path

from clinragen.step import Out, run

log = logging.getLogger("train")


def train_encoder_tokens(encoder: Path, samples: Path, courses: Path, tokens: Out) -> None:
    """Write the notes of all samples as the tokens of a text encoder, cut where its positions end."""
    from clinragen.model.tokens import encoder_tokens, load_tokenizer, write_counting_cuts
    from clinragen.registry.language_models import read_config
    from clinragen.schemas.benchmark import COURSES, SAMPLES
    from clinragen.schemas.train import NOTE_TOKENS

    longest = read_config(encoder)["max_position_embeddings"]
    pieces = encoder_tokens(SAMPLES.read(samples), COURSES.read(courses), load_tokenizer(encoder), longest)
    with NOTE_TOKENS.writer(tokens) as out:
        log.info("notes cut at the %d positions of the encoder: %s", longest, write_counting_cuts(pieces, out))


if __name__ == "__main__":
    run(train_encoder_tokens)
