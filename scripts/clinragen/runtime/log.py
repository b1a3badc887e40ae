"""Logging of steps: one format, quiet libraries."""

import logging
import os
import sys
import warnings

# Benign library warnings to suppress: logger name and message prefix.
EXPECTED = {
    # Flan-T5 has a separate output layer, and transformers keeps it.
    "transformers.modeling_utils": "The tied weights mapping and config",
    "transformers.trainer_utils": "mtime may not be reliable",
}
CHATTY = ("httpx", "httpx2", "httpcore", "urllib3", "filelock", "matplotlib")


def set_up_logging(main: bool) -> None:
    """Log to standard error: the main process of a step at INFO, its others at WARNING."""
    logging.basicConfig(
        level=logging.INFO if main else logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
    logging.captureWarnings(True)
    # DeepSpeed triggers this at every step of ZeRO stage 3.
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for source, prefix in EXPECTED.items():
        logging.getLogger(source).addFilter(_Without(prefix))
    # Progress bars of transformers, datasets and the model hub are noise in a log.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


class _Without(logging.Filter):
    """Suppresses messages with a prefix."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(self._prefix)
