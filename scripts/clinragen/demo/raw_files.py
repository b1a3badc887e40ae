"""Raw tables written as PhysioNet ships them: gzipped CSV, byte-identical for equal rows."""

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence], quoted: Iterable[str] = ()) -> None:
    """Write a CSV; None is an empty field, the values of the `quoted` columns are quoted."""
    always = [c in set(quoted) for c in columns]
    header = ",".join(f'"{c}"' if any(always) else c for c in columns)
    lines = [header, *(",".join(map(_field, row, always)) for row in rows)]
    # No name and no time of writing in the header of the gzip file.
    with path.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        packed.write(("\n".join(lines) + "\n").encode())


def _field(value: object, quote: bool) -> str:
    if value is None or value == "":
        return ""
    text = str(value)
    if quote or any(c in text for c in ',"\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def columns_of_tables(declaration: Path, dataset: str) -> dict[str, list[str]]:
    """Return all columns of each raw table of a synthetic dataset (resources/raw_tables.yaml).

    Tables used only to write synthetic notes are left out: a synthetic cohort has notes.
    """
    tables = yaml.safe_load(declaration.read_text(encoding="utf-8"))[dataset]["tables"]
    return {name: facts["columns"] for name, facts in tables.items() if "only_for" not in facts}
