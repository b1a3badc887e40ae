"""Label leakage: how well phenotype names in the hospital course predict the labels.

The phrases of a phenotype are its name and the parts of its name between semicolons, without text in
parentheses, each cleaned like a hospital course with the same settings and stop words. A course names the phenotype
where one of them occurs in it as a sequence of whole words, whatever its case and punctuation.

Nothing else is understood: no synonym, abbreviation or spelling, and no negation. "No pneumonia" names pneumonia, as
it does to a student that reads courses without their stop words.
"""

import re
from collections.abc import Mapping
from itertools import product

import pyarrow as pa

from clinragen.benchmark.course import clean_course
from clinragen.config.benchmark import Course
from clinragen.disclosure import FEWEST_HIDDEN, all_shown
from clinragen.schemas.benchmark import LEAKAGE

MEASURES = ("recall", "others_named", "precision", "f1")
# The cells of a fourfold table: whether a stay has the label, and whether its course names it.
KINDS = tuple(product((True, False), repeat=2))


def phrases(name: str, settings: Course, stop_words: frozenset[str]) -> set[str]:
    """Sequences of words that name a phenotype."""
    plain = re.sub(r"\([^)]*\)", " ", name)
    cleaned = (words_of(clean_course(part, settings, stop_words)) for part in (plain, *plain.split(";")))
    return {phrase for phrase in cleaned if phrase}


def words_of(text: str) -> str:
    """The words of a text in lower case, one space between two."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def named_in(course: str, names: Mapping[str, set[str]]) -> list[str]:
    """The phenotypes that a cleaned course names, given the phrases of each, in their order."""
    text = f" {words_of(course)} "
    return [name for name, wanted in names.items() if any(f" {phrase} " in text for phrase in wanted)]


def probe_leakage(
    courses: pa.Table,
    labels: pa.Table,
    samples: pa.Table,
    phenotypes: list[str],
    settings: Course,
    stop_words: frozenset[str],
) -> pa.Table:
    """Matching of the names in the courses of all samples against their labels (LEAKAGE)."""
    names = {name: phrases(name, settings, stop_words) for name in phenotypes}
    labelled = dict(zip(labels["stay_id"].to_pylist(), labels["phenotypes"].to_pylist(), strict=True))
    patients = dict(zip(samples["stay_id"].to_pylist(), samples["subject_id"].to_pylist(), strict=True))
    cells: dict[str, dict[tuple[bool, bool], list[int]]] = {name: {kind: [] for kind in KINDS} for name in phenotypes}
    for batch in courses.select(["stay_id", "text"]).to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            if row["stay_id"] in patients:
                named = named_in(row["text"], names)
                for name in names:
                    cells[name][name in labelled[row["stay_id"]], name in named].append(row["stay_id"])
    return pa.Table.from_pylist(_rows(cells, patients), schema=LEAKAGE.schema)


def _rows(cells: dict[str, dict[tuple[bool, bool], list[int]]], patients: Mapping[int, int]) -> list[dict]:
    """A row per phenotype and the two averages; cells that would reveal few patients are empty."""

    def people(*parts: list[int]) -> int:
        return len({patients[stay] for part in parts for stay in part})

    counts = {name: {kind: len(stays) for kind, stays in found.items()} for name, found in cells.items()}
    rows = {name: {"phenotype": name, "stays": _labelled(found), **measures(found)} for name, found in counts.items()}
    pooled = {kind: sum(found[kind] for found in counts.values()) for kind in KINDS}
    micro = {"phenotype": "micro", "stays": _labelled(pooled), **measures(pooled)}
    macro = {"phenotype": "macro", **{m: sum(row[m] for row in rows.values()) / max(len(rows), 1) for m in MEASURES}}

    having = {name: people(found[True, True], found[True, False]) for name, found in cells.items()}
    lacking = {name: people(found[False, True], found[False, False]) for name, found in cells.items()}
    for name, row in rows.items():
        if not all_shown((having[name], lacking[name])):
            row["stays"] = micro["stays"] = None
    # Every cell of the fourfold table follows from the four measures and the number of stays.
    hidden = {name for name, found in cells.items() if not all_shown(map(people, found.values()))}
    if hidden:
        others = sorted(cells.keys() - hidden, key=lambda name: (having[name], name))
        hidden.update(others[: max(0, FEWEST_HIDDEN - len(hidden))])
    for name in hidden:
        rows[name].update(dict.fromkeys(MEASURES))
    if not all_shown(people(*(cells[name][kind] for name in hidden)) for kind in KINDS):
        for row in (micro, macro):
            row.update(dict.fromkeys(MEASURES))
    return [*rows.values(), micro, macro]


def _labelled(counts: Mapping[tuple[bool, bool], int]) -> int:
    return counts[True, True] + counts[True, False]


def measures(counts: Mapping[tuple[bool, bool], int]) -> dict[str, float]:
    """The measures from the stays by (has the label, is named); zero where nothing is divided."""
    hit, missed, false = counts[True, True], counts[True, False], counts[False, True]

    def share(part: int, whole: int) -> float:
        return part / whole if whole else 0.0

    return {
        "recall": share(hit, hit + missed),
        "others_named": share(false, false + counts[False, False]),
        "precision": share(hit, hit + false),
        "f1": share(2 * hit, 2 * hit + missed + false),
    }
