"""The front page of the results as HTML."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinragen.errors import UserError
from clinragen.pages.render import render
from clinragen.pages.tree import shown_tree
from clinragen.site.heads import Page, by_section
from clinragen.site.outcomes import METRICS, Claims, Dataset, Headline, LabsRead


@dataclass(frozen=True)
class Example:
    """A published case; `path` is its file in the results directory."""

    path: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Outcomes:
    """What came out of a run."""

    claims: Claims
    headline: Headline
    labs: list[LabsRead]
    datasets: list[Dataset]


def source_of(stand_ins: list[str]) -> str:
    """Return what the patients are, by the labels of the stand-ins: `synthetic`, `open` or `real`."""
    if "synthetic cohort" in stand_ins:
        return "synthetic"
    return "open" if any(label.startswith("open demo") for label in stand_ins) else "real"


def read_examples(files: list[Path], tree: Path) -> tuple[Example | None, list[str]]:
    """Return the first file's example that has a case, and the paths of the pages with restricted cases."""
    published, restricted = [], []
    for file in files:
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError(f"{file}: not JSON: {error}; run evaluate_figure7 again") from None
        if "restricted" in facts:
            restricted.append(facts["restricted"])
        elif facts["case"] is not None:
            published.append(Example(file.relative_to(tree).as_posix(), facts))
    return (published[0] if published else None), restricted


def index_page(
    outcomes: Outcomes,
    pages: list[Page],
    example: Example | None,
    restricted: list[str],
    stand_ins: list[str],
    tree: Path,
    root: str | None,
    templates: list[Path],
) -> str:
    """Return the front page as HTML; `root` is the root of the records of the results in `tree`."""
    return render(
        "index",
        templates,
        outcomes=outcomes,
        metrics=METRICS,
        paths={page.path for page in pages},
        sections=by_section(pages),
        example=example,
        restricted=restricted,
        stand_ins=stand_ins,
        source=source_of(stand_ins),
        tree=shown_tree(tree),
        name=tree.name,
        root_hash=root,
    )
