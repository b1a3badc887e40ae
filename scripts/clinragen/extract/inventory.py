"""The raw files behind the extracted tables, from the records of the steps that read them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.errors import UserError
from clinragen.extract.layout import LAYOUTS
from clinragen.provenance.record import read_record
from clinragen.registry.raw import declaration, table_of
from clinragen.schemas.extract import INVENTORY


def list_raw_files(dataset: str, release: str | None, extracted: Iterable[Path], declared: Path) -> pa.Table:
    """Return size and hash of every raw file that the extracted tables were made from (INVENTORY), by their records.

    `declared` is resources/raw_tables.yaml. The files themselves are not read.
    UserError where a table has no record.
    """
    rows: list[dict[str, Any]] = []
    layout = LAYOUTS[dataset]
    for path in extracted:
        record = read_record(path)
        if record is None:
            raise UserError(f"{path} has no provenance record; re-run its rule")
        for used in record["inputs"]:
            file = Path(used["path"])
            if table_of(file) in declaration(declared)[dataset]["tables"]:
                # A file with a record was made by the workflow, such as synthetic notes, and belongs to no release.
                is_own_module = layout.notes_have_own_release and table_of(file) == "noteevents"
                other = is_own_module or read_record(file) is not None
                rows.append(
                    {
                        "dataset": dataset,
                        "release": None if other else release,
                        "table": table_of(file),
                        "file": file.name,
                        "bytes": used["bytes"],
                        "sha256": used["sha256"],
                        "rule": record["rule"],
                    }
                )
    return pa.Table.from_pylist(sorted(rows, key=lambda r: r["table"]), schema=INVENTORY.schema)
