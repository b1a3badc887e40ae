"""Command line of rule train_encoder_tokens."""

import logging
from pathlib import Path

from clinragen.step import Out, run

log = logging.getLogger("train")


def train_encoder_tokens(encoder: Path, samples: Path, courses: Path, tokens: Out) -> None:
    """The notes of all samples as the tokens of a text encoder, cut where its positions end."""
    from collections import Counter

    from clinragen.model.tokens import count_cut, cut_text, encoder_tokens, load_tokenizer
    from clinragen.registry.language_models import read_config
    from clinragen.runtime.progress import Progress
    from clinragen.schemas.benchmark import COURSES, SAMPLES
    from clinragen.schemas.train import NOTE_TOKENS

    counts: Counter[str] = Counter()
    longest, table = read_config(encoder)["max_position_embeddings"], SAMPLES.read(samples)
    with NOTE_TOKENS.writer(tokens) as out, Progress("notes", table.num_rows) as bar:
        for piece in encoder_tokens(table, COURSES.read(courses), load_tokenizer(encoder), longest):
            out.write(piece)
            counts += count_cut(piece)
            bar.advance(piece.num_rows)
    log.info("notes cut at the %d positions of the encoder: %s", longest, cut_text(counts))


if __name__ == "__main__":
    run(train_encoder_tokens)
