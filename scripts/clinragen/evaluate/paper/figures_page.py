"""All of the paper's figures on one page, with the values that ours are drawn from."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.evaluate.paper.figures import OURS_NAME, panel_title
from clinragen.evaluate.paper.forms import distinct
from clinragen.pages.render import render
from clinragen.schemas.paper import EFFICIENCY
from clinragen.schemas.ratings import CRITERIA, RATING_SCORES

SIZES, RATED_BY_MODELS, RATED_BY_PEOPLE = "figure5", "figure6a", "figure6b"
ABOUT = {
    SIZES: "size and score",
    RATED_BY_MODELS: "ratings by language models",
    RATED_BY_PEOPLE: "ratings by people",
}
TITLE_OF_DRAWING = ".//{http://purl.org/dc/elements/1.1/}title"
Row = dict[str, Any]


def figures_page(
    drawings: list[Path], tables: list[Path], cases: Mapping[str, str], stand_ins: list[str], templates: list[Path]
) -> str:
    """Return the page as HTML, from SVG and CSV files of figures 5, 6a and 6b, as far as there are any.

    `cases` has the name of each dataset with a page of figure 7, and the name of that page.
    """
    drawn, values = ({path.stem: path for path in paths} for paths in (drawings, tables))
    return render(
        "figures",
        templates,
        pictures={name: path.read_bytes() for name, path in drawn.items()},
        titles={name: ElementTree.parse(path).findtext(TITLE_OF_DRAWING) for name, path in drawn.items()},
        sizes=sizes(EFFICIENCY.read(values[SIZES])) if SIZES in values else {},
        ratings={
            name: ratings(RATING_SCORES.read(values[name]))
            for name in (RATED_BY_MODELS, RATED_BY_PEOPLE)
            if name in values
        },
        criteria=CRITERIA,
        cases=cases,
        data=[f"figures/{path.name}" for path in tables],
        absent=absent(drawn, cases),
        stand_ins=stand_ins,
    )


def absent(drawn: Iterable[str], cases: Mapping[str, str]) -> dict[str, str]:
    """Return the figures with values that this tree lacks, and what they show."""
    names = {name.replace("figure", "Figure "): about for name, about in ABOUT.items() if name not in set(drawn)}
    return names | ({} if cases else {"Figure 7": "cases"})


def sizes(table: pa.Table) -> dict[str, list[Row]]:
    """Return, for each dataset, our values and the paper's (EFFICIENCY) of each row of table 1; None without a run."""
    datasets: dict[str, dict[str, Row]] = {}
    for point in table.to_pylist():
        row = datasets.setdefault(point["dataset"], {}).setdefault(
            point["model"], {"model": point["model"], "ours": None, "paper": None}
        )
        row["ours" if point["source"] == OURS_NAME else "paper"] = point
    return {dataset: list(rows.values()) for dataset, rows in datasets.items()}


def ratings(table: pa.Table) -> list[Row]:
    """Return, for each panel, the mean ratings (RATING_SCORES) of each system by criterion."""
    rows = table.to_pylist()
    return [
        {
            "title": panel_title(dataset, rater),
            "systems": {
                system: {row["criterion"]: row for row in own if row["system"] == system}
                for system in distinct(row["system"] for row in own)
            },
        }
        for dataset, rater in panels(rows)
        if (own := [row for row in rows if (row["dataset"], row["rater"]) == (dataset, rater)])
    ]


def panels(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Return dataset and rater of each panel, in order of first appearance."""
    return list(dict.fromkeys((row["dataset"], row["rater"]) for row in rows))
