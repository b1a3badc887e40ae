"""Command line of rule train_note_tokens."""

import logging
from pathlib import Path

from clinragen.step import Out, run

log = logging.getLogger("train")


def train_note_tokens(backbone: Path, samples: Path, courses: Path, longest: int, tokens: Out) -> None:
    """The notes of all samples as the tokens of a language model."""
    from collections import Counter

    from clinragen.model.tokens import count_cut, cut_text, load_tokenizer, note_tokens
    from clinragen.runtime.progress import Progress
    from clinragen.schemas.benchmark import COURSES, SAMPLES
    from clinragen.schemas.train import NOTE_TOKENS

    counts: Counter[str] = Counter()
    table = SAMPLES.read(samples)
    with NOTE_TOKENS.writer(tokens) as out, Progress("notes", table.num_rows) as bar:
        for piece in note_tokens(table, COURSES.read(courses), load_tokenizer(backbone), longest):
            out.write(piece)
            counts += count_cut(piece)
            bar.advance(piece.num_rows)
    log.info("notes cut at %d tokens: %s", longest, cut_text(counts))


if __name__ == "__main__":
    run(train_note_tokens)
