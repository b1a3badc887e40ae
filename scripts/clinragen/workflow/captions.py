"""What the captions of Snakemake's report say about an output, read from its provenance record."""

import csv
from pathlib import Path

from clinragen.provenance.record import read_record


class RecordedOutput(str):
    """The path of an output, as a parameter of its rule; captions read the record through its properties.

    As a parameter it is the plain path, so that the content of the record cannot make a job rerun.
    """

    @property
    def stand_ins(self) -> list[str]:
        """Labels of the stand-ins among the ancestors of the output; empty without a record."""
        return (read_record(Path(self)) or {}).get("stand_ins", [])

    @property
    def rows(self) -> int:
        """Number of rows of a CSV file, without its header."""
        with Path(self).open(encoding="utf-8", newline="") as file:
            return sum(1 for _ in csv.reader(file)) - 1

    def rows_of(self, name: str) -> int:
        """Number of rows of the input whose file is called `name`, such as `stays`."""
        used = [facts["path"] for facts in read_record(Path(self))["inputs"]]
        return next(read_record(Path(path))["output"]["rows"] for path in used if Path(path).stem == name)

    @property
    def samples(self) -> dict[str, str]:
        """Number of test samples per dataset behind a table of scores."""
        samples = {}
        for facts in read_record(Path(self))["inputs"]:
            if Path(facts["path"]).name == "scores.csv":
                with Path(facts["path"]).open(encoding="utf-8", newline="") as file:
                    samples |= {row["dataset"]: row["samples"] for row in csv.DictReader(file)}
        return samples
