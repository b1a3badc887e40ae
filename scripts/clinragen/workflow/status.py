"""docs/status.md: which parts of the paper the workflow reproduces, derived from the configuration (`make docs`)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from snakemake.utils import update_config

from clinragen.config.asked import Asked
from clinragen.config.models import Model
from clinragen.config.root import Config, load_config
from clinragen.config.rows import TABLE_OF_PARTS, row_in

PAGE = "docs/status.md"
SETTINGS = "config.yaml"
# The overlays that complete the rows of the paper in the configuration.
PAPER = ("config/table6.yaml",)
# Overlays that tests/e2e runs from raw files to tables, each with its base overlays.
TESTED = (("config/demo.yaml", "config/demo-full.yaml"), ("config/demo.yaml", "config/open-demo.yaml"))
INVENTORY = "resources/paper_inventory.yaml"
KINDS = ("tables", "figures")
BEGIN, END = "<!-- status: begin -->\n", "<!-- status: end -->\n"


class Status(IntEnum):
    """Status of a system in a table or figure, lowest first."""

    ABSENT = 0
    NEVER_RUN = 1
    STAND_INS = 2
    WORKS = 3

    def __str__(self) -> str:
        return ("absent", "configured, never run", "with stand-ins only", "works")[self]


@dataclass(frozen=True)
class Row:
    """A system in the paper's tables and figures, named as `Table 1` or `Figure 5`."""

    system: str
    places: dict[str, Status]


def stand_ins(config: Config, row: Model | Asked) -> list[str]:
    """Return the stand-ins that a run of this row under this configuration uses."""
    datasets = [getattr(config.datasets, name) for name in config.dataset_names()]
    if isinstance(row, Asked):
        llms, knowledge, backbone, encoder = {row.llm}, False, None, None
    else:
        knowledge, backbone = row.uses_knowledge, config.backbones[row.backbone]
        encoder = config.encoders.get(row.encoder) if row.encoder else None
        llms = {name for name in (row.teacher, config.knowledge.terms.llm if knowledge else None) if name}
    parts = {
        "synthetic data": any(d.source == "synthetic" for d in datasets),
        "100 patients": any(d.source == "open-demo" for d in datasets),
        "synthetic notes": any(d.notes == "synthetic" for d in datasets),
        "template LLM": any(config.llms[name].provider == "template" for name in llms),
        "offline knowledge": knowledge and config.knowledge.source == "offline",
        "tiny language model": backbone is not None and backbone.is_stand_in,
        "tiny text encoder": encoder is not None and encoder.is_stand_in,
    }
    return [name for name, used in parts.items() if used]


def is_of(row: Model | Asked, names: list[str], table: int) -> bool:
    """Return whether a row is in one of the paper's tables under one of these names, in which `*` is any text."""
    if table not in row.table:
        return False
    # Only table 6 has patterns: elsewhere a * is part of the name.
    if table == TABLE_OF_PARTS:
        return isinstance(row, Model) and any(fnmatchcase(row_in(row, table), name) for name in names)
    return row.row in names


def status(names: list[str], table: int, settings: Config, tested: list[Config]) -> Status:
    """Return the status of a system in a table of the paper, from the paper's settings and those that tests run."""

    def rows(config: Config) -> list[Model | Asked]:
        every: list[Model | Asked] = [*config.models.values(), *config.asked.values()]
        return [row for row in every if is_of(row, names, table)]

    if not rows(settings):
        return Status.ABSENT
    runs = [stand_ins(config, row) for config in tested for row in rows(config)]
    if not runs:
        return Status.NEVER_RUN
    return Status.STAND_INS if all(runs) else Status.WORKS


def rows(inventory: dict[str, Any], settings: Config, tested: list[Config]) -> list[Row]:
    """Return every system of the paper with its status in each table and figure."""

    def names(system: str, table: int) -> list[str]:
        return inventory["rows_of_table6" if table == TABLE_OF_PARTS else "rows_of_systems"].get(system, [system])

    def in_place(system: str, kind: str, number: int) -> tuple[str, Status]:
        place = _place(kind, number)
        behind = inventory["tables_behind"].get(place, [number])
        return place, max(status(names(system, table), table, settings, tested) for table in behind)

    return [
        Row(system, dict(in_place(system, kind, n) for kind in KINDS for n in places.get(kind, [])))
        for system, places in inventory["systems"].items()
    ]


def of_data(tested: list[Config]) -> Status:
    """Return the status of outputs that need no model, under the settings that tests run."""
    sources = {getattr(config.datasets, name).source for config in tested for name in config.dataset_names()}
    return Status.WORKS if sources - {"synthetic", "open-demo"} else Status.STAND_INS


def _place(kind: str, number: int) -> str:
    return f"{kind[:-1].capitalize()} {number}"


def page(inventory: dict[str, Any], systems: list[Row], data: Status) -> str:
    """Return both tables as Markdown: tables and figures, then systems; `data` is the status from `of_data`."""
    lines = ["| in the paper | content | status |", "|---|---|---|"]
    for kind in KINDS:
        for number, content in inventory[kind].items():
            place = _place(kind, number)
            statuses = [row.places[place] for row in systems if place in row.places]
            statuses += [data] * (number in inventory["of_data"][kind])
            cell = "nothing to compute" if number in inventory["illustrations"][kind] else _counted(statuses)
            lines.append(f"| {place} | {content} | {cell} |")
    lines += ["", "| system | status |", "|---|---|"]
    lines += [f"| {row.system} | {_by_status(row.places)} |" for row in systems]
    return "\n".join(lines) + "\n"


def _counted(statuses: list[Status]) -> str:
    """Return the common status of all systems, or the number of systems with each status."""
    counts = Counter(statuses)
    if len(counts) == 1:
        return str(statuses[0])
    return "; ".join(f"{counts[s]} of {len(statuses)} systems {s}" for s in sorted(counts, reverse=True))


def _by_status(places: dict[str, Status]) -> str:
    def places_with(status: Status) -> Iterator[str]:
        return (place for place, own in places.items() if own == status)

    return "; ".join(f"{s}: {', '.join(places_with(s))}" for s in sorted(set(places.values()), reverse=True))


def read(root: Path) -> str:
    """Return the status tables of a checkout."""
    inventory = yaml.safe_load((root / INVENTORY).read_text(encoding="utf-8"))
    settings = configuration(root, *PAPER)
    tested = [configuration(root, *overlays) for overlays in TESTED]
    return page(inventory, rows(inventory, settings, tested), of_data(tested))


def configuration(root: Path, *overlays: str) -> Config:
    """Return the paper's settings with overlays merged as Snakemake does."""
    merged: dict[str, Any] = {}
    for path in (SETTINGS, *overlays):
        update_config(merged, yaml.safe_load((root / path).read_text(encoding="utf-8")))
    return load_config(merged)


def replaced(text: str, tables: str) -> str:
    """Return the page with these status tables; ValueError if its markers are missing."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


def main() -> None:
    """Write the status tables into the page of the working directory."""
    path = Path(PAGE)
    path.write_text(replaced(path.read_text(encoding="utf-8"), read(Path())), encoding="utf-8")


if __name__ == "__main__":
    main()
