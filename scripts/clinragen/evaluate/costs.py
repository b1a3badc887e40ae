"""The cost of the answers behind the results, from the tables that name the requests and from the journal."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa

from clinragen.config.llms import Stage
from clinragen.disclosure import shown
from clinragen.llm.journal import FILE, Entry, Journal
from clinragen.schemas.costs import COSTS
from clinragen.schemas.judge import RATINGS
from clinragen.schemas.knowledge import ANSWERS
from clinragen.schemas.predictions import PREDICTIONS
from clinragen.schemas.rationale import RATIONALES

STAND_IN = "template"


def read_requests(stage: str, path: Path) -> dict[str, str]:
    """Return the status of each request behind a table of the stage; a prediction may take two requests."""
    if stage.startswith("asked/"):
        table = PREDICTIONS.read(path, ("requests", "status"))
        asked = zip(table["requests"].to_pylist(), table["status"].to_pylist(), strict=True)
        return {request: status for requests, status in asked for request in requests}
    table = {"terms": ANSWERS, "judge": RATINGS}.get(stage, RATIONALES).read(path, ("request", "status"))
    asked = zip(table["request"].to_pylist(), table["status"].to_pylist(), strict=True)
    # A judge is not asked about a rationale without text.
    return {request: status for request, status in asked if request is not None}


def costs(stages: list[Stage], asked: list[dict[str, str]], answers: Path) -> pa.Table:
    """Return the costs by stage, dataset and model (COSTS).

    `asked` holds the status of each request of each stage (`read_requests`). All answers to these requests count,
    whichever run paid for them. The money is empty if a price is unknown or an answer is no longer in the journal.
    """
    rows = []
    with ExitStack() as opened:
        # A run with only stand-ins has no journal and must not create one.
        real = any(stage.provider != STAND_IN for stage in stages)
        journal = opened.enter_context(Journal(answers / FILE)) if real else None
        for stage, statuses in zip(stages, asked, strict=True):
            rows.append(_row(stage, statuses, journal))
    return pa.Table.from_pylist(rows, schema=COSTS.schema)


def _row(stage: Stage, asked: dict[str, str], journal: Journal | None) -> dict[str, object]:
    stand_in = stage.provider == STAND_IN
    answers, missing, tokens_in, tokens_out, seconds = 0, 0, 0, 0, 0.0
    served: set[str] = set()
    for entries in () if stand_in or journal is None else map(journal.answers, asked):
        missing += not entries
        answers += len(entries)
        tokens_in += sum(entry.prompt_tokens for entry in entries)
        tokens_out += sum(entry.completion_tokens for entry in entries)
        seconds += sum(entry.seconds for entry in entries)
        served |= set(_served(entries))
    dollars = stage.price.of(tokens_in, tokens_out) if stage.price else None
    marked = sum(status != "good" for status in asked.values())
    return {
        "stage": stage.stage,
        "dataset": stage.dataset,
        "llm": stage.llm,
        "provider": stage.provider,
        "model": stage.model,
        "served_models": "; ".join(sorted(served)) or None,
        "requests": len(asked),
        "answers": answers,
        "not_in_journal": missing,
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "dollars": 0.0 if stand_in else None if missing else dollars,
        "seconds": round(seconds, 3),
        "marked": None if shown(marked) is None else marked / max(len(asked), 1),
    }


def _served(entries: list[Entry]) -> Iterator[str]:
    return (entry.served_model for entry in entries if entry.served_model)
