"""Command line of rule train_caption_tokens."""

from pathlib import Path

from clinragen.step import Out, run


def train_caption_tokens(backbone: Path, samples: Path, captions: Path, tokens: Out) -> None:
    """Write the captions of all samples as the tokens of a language model."""
    from clinragen.model.tokens import caption_tokens, load_tokenizer
    from clinragen.schemas.benchmark import CAPTIONS, SAMPLES
    from clinragen.schemas.train import CAPTION_TOKENS

    with CAPTION_TOKENS.writer(tokens) as out:
        for piece in caption_tokens(SAMPLES.read(samples), CAPTIONS.read(captions), load_tokenizer(backbone)):
            out.write(piece)


if __name__ == "__main__":
    run(train_caption_tokens)
