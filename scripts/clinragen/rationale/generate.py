"""Rationales for all samples of a dataset; those of the test part are the reference of the text metrics."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from clinragen.errors import UserError
from clinragen.llm.prompt import Prompt
from clinragen.llm.request import Answer, Request
from clinragen.rationale.prompts import Example, lab_request, note_request
from clinragen.schemas.rationale import RATIONALES

Ask = Callable[[list[Request]], list[Answer]]


@dataclass(frozen=True)
class Sample:
    """What the teacher is shown of one stay, its own note rationale included once there is one."""

    stay_id: int
    note: str
    diagnoses: list[str]
    captions: str = ""
    note_rationale: str = ""


def gather(
    samples: pa.Table,
    courses: pa.Table,
    labels: pa.Table,
    captions: pa.Table | None = None,
    notes: pa.Table | None = None,
) -> list[Sample]:
    """Samples by stay; UserError when one of them has no course, labels, captions or note rationale."""
    stays = sorted(samples["stay_id"].to_pylist())
    columns = {"note": _by_stay(courses, "text"), "diagnoses": _by_stay(labels, "phenotypes")}
    if captions is not None:
        columns["captions"] = _by_stay(captions, "text")
    if notes is not None:
        columns["note_rationale"] = _by_stay(notes, "text")
    for name, column in columns.items():
        lacking = [s for s in stays if s not in column]
        if lacking:
            raise UserError(
                f"{len(lacking)} of {len(stays)} samples have no {name}; the tables come from different runs"
            )
    return [Sample(s, **{name: column[s] for name, column in columns.items()}) for s in stays]


def note_rationales(samples: list[Sample], prompt: Prompt, examples: list[Example], ask: Ask) -> pa.Table:
    """R^m of every sample (equation 2)."""
    return _answered(samples, note_requests(samples, prompt, examples), ask)


def lab_rationales(samples: list[Sample], prompt: Prompt, examples: list[Example], ask: Ask) -> pa.Table:
    """R^t of every sample (equation 3)."""
    return _answered(samples, lab_requests(samples, prompt, examples), ask)


def note_requests(samples: list[Sample], prompt: Prompt, examples: list[Example]) -> list[Request]:
    """The question for R^m of each sample."""
    return [note_request(prompt, examples, s.note, s.diagnoses) for s in samples]


def lab_requests(samples: list[Sample], prompt: Prompt, examples: list[Example]) -> list[Request]:
    """The question for R^t of each sample, whose note rationale it contains."""
    return [lab_request(prompt, examples, s.note, s.captions, s.diagnoses, s.note_rationale) for s in samples]


def _answered(samples: list[Sample], requests: list[Request], ask: Ask) -> pa.Table:
    rows = [
        {"stay_id": sample.stay_id, **facts_of(answer)} for sample, answer in zip(samples, ask(requests), strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=RATIONALES.schema)


def facts_of(answer: Answer) -> dict[str, str | None]:
    """The columns of an answer in a table."""
    problems = "; ".join(answer.problems) or None
    return {"request": answer.request, "text": answer.text.strip(), "status": answer.status, "problems": problems}


def _by_stay(table: pa.Table, column: str) -> dict[int, object]:
    return dict(zip(table["stay_id"].to_pylist(), table[column].to_pylist(), strict=True))
