"""Read the data behind the answers about a dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clinragen.config.evaluate import Bootstrap
from clinragen.config.rows import Run
from clinragen.evaluate.discussion.answers import SEARCH, Data
from clinragen.evaluate.discussion.bias import read_texts
from clinragen.evaluate.discussion.resample import Patients
from clinragen.evaluate.discussion.scores import Row
from clinragen.evaluate.runs import Truth, marked, read_run, truth_of
from clinragen.evaluate.written import Written, of_cases, written_by_model, written_by_teacher
from clinragen.rationale.claims import Wordings
from clinragen.schemas.benchmark import LABELS, SAMPLES
from clinragen.schemas.discussion import GROUPS
from clinragen.schemas.leakage import LEAKAGE


@dataclass(frozen=True)
class Files:
    """The files of one dataset; `runs` are the predictions of the rows, by path."""

    samples: Path
    labels: Path
    groups: Path
    leakage: Path
    named: Path
    rationales: Path
    runs: dict[Path, Run]

    @property
    def all(self) -> list[Path]:
        """Every file."""
        return [self.samples, self.labels, self.groups, self.leakage, self.named, self.rationales, *self.runs]


def read_data(
    dataset: str, files: Files, student: str, phenotypes: list[str], wordings: Wordings, settings: Bootstrap
) -> Data:
    """Read the data of one dataset for its test samples; raise UserError if a file lacks one of them."""
    truth = truth_of(SAMPLES.read(files.samples), LABELS.read(files.labels))
    tables = {path: read_run(path, truth, phenotypes, run.row, run.name) for path, run in files.runs.items()}
    by_row: dict[str, list[np.ndarray]] = {}
    for path, run in files.runs.items():
        by_row.setdefault(run.row, []).append(marked(tables[path]["predicted"].to_pylist(), phenotypes))
    search = read_run(files.named, truth, phenotypes, SEARCH, "untrained")
    named = marked(search["predicted"].to_pylist(), phenotypes)
    own = [path for path, run in files.runs.items() if run.row == student]
    students = [_notes(written_by_model(tables[path]), truth, path) for path in own]
    teacher = _notes(written_by_teacher(files.rationales), truth, files.rationales)
    return Data(
        dataset=dataset,
        stays=truth.stays,
        patients=Patients(np.array(truth.subjects), settings),
        true=marked(truth.true, phenotypes),
        rows={name: Row(name, np.stack(runs)) for name, runs in by_row.items()},
        named=Row(SEARCH, named[None]),
        groups=GROUPS.read(files.groups),
        leakage=LEAKAGE.read(files.leakage),
        teacher=read_texts(teacher, phenotypes, wordings),
        students=[read_texts(texts, phenotypes, wordings) for texts in students],
    )


def _notes(written: Mapping[int, Written], truth: Truth, path: Path) -> list[str | None]:
    """Return the note rationales of the test samples, in their order."""
    return [each.note for each in of_cases(written, truth.stays, path)]
