"""What the captions of Snakemake's report say about an output, read from its provenance record."""

import csv
from pathlib import Path

from clinragen.provenance.record import Record, load, read_record, record_path


class RecordedOutput(str):
    """The path of an output, as a parameter of its rule; captions read the record through its properties.

    As a parameter it is the plain path, so that the content of the record cannot make a job rerun.
    """

    @property
    def stand_ins(self) -> list[str]:
        """Labels of the stand-ins among the ancestors of the output; empty without a record."""
        record = read_record(Path(self))
        return record["stand_ins"] if record else []

    @property
    def rows(self) -> int:
        """Number of rows of a CSV file, without its header."""
        with Path(self).open(encoding="utf-8", newline="") as file:
            return sum(1 for _ in csv.reader(file)) - 1

    def rows_of(self, name: str) -> int:
        """Number of rows of the input whose file is called `name`, such as `stays`."""
        path = next(facts["path"] for facts in self._record["inputs"] if Path(facts["path"]).stem == name)
        rows = load(record_path(Path(path)))["output"]["rows"]
        assert rows is not None
        return rows

    @property
    def samples(self) -> dict[str, str]:
        """Number of test samples per dataset behind a table of scores."""
        samples: dict[str, str] = {}
        for facts in self._record["inputs"]:
            if Path(facts["path"]).name == "scores.csv":
                with Path(facts["path"]).open(encoding="utf-8", newline="") as file:
                    samples |= {row["dataset"]: row["samples"] for row in csv.DictReader(file)}
        return samples

    @property
    def _record(self) -> Record:
        return load(record_path(Path(self)))
