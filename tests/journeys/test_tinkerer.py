"""A tinkerer follows the tutorial to another prompt, then docs/extending.md to a new row and a new dataset release.

All of it happens in a copy of the finished demo in miniature: the commands of the pages work, in order, print what the
pages show, and rerun what depends on the change and nothing else.
"""

import csv
import gzip
import re
import shutil
from collections import Counter
from pathlib import Path

import demo as finished
import pyarrow.parquet as pq
import pytest
import yaml
from documented import blocks
from reader import Reader, make_repository
from runs import ROOT, jobs, path_with

pytestmark = pytest.mark.slow

TUTORIAL, EXTENDING = "docs/tutorial.md", "docs/extending.md"
# Done before the copy is made (clone, set-up, the demo itself), or without effect there.
DONE = re.compile(r"git clone |cd |source |make demo$")
# What differs between the demo and its miniature, or between two machines.
VARIES = re.compile(r"\b[0-9a-f]{8,}\b|\d[\d,.]*|\bjobs?\b")
QUOTED = re.compile(r"^Based on the medical notes, .* mention(?:ing)? (.*?)(?:, which points .*)?\.$", re.MULTILINE)
LEFT_OUT = "..."
RELEASE = "9.0"
TABLES = ("hosp/patients", "icu/icustays", "hosp/admissions", "hosp/diagnoses_icd", "icu/chartevents", "hosp/labevents")


@pytest.fixture(scope="module")
def tinkerer(demo: finished.Demo, fork_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A person in a clone in which the demo has run; each test undoes its changes."""
    directory = tmp_path_factory.mktemp("tinkerer") / "checkout"
    shutil.copytree(demo.checkout, directory, symlinks=True)
    environment = {"PATH": path_with(fork_python.parent)}
    return Reader(make_repository(directory), environment, " ".join(finished.CONFIGURATION))


def test_the_tutorial_leads_to_another_rationale_and_back(tinkerer):
    quoted = []
    for command, shown in steps():
        if DONE.match(command):
            continue
        printed = tinkerer.does(command)
        lines = {general(line) for line in printed.splitlines()}
        assert [line for line in shown if general(line) not in lines] == [], f"{command}\n{printed}"
        quoted += [len(re.split(", | and ", words)) for words in QUOTED.findall(printed)]
    before, after = quoted
    assert before == 6 < after, "the prompt asks for twice as many words"


def steps() -> list[tuple[str, list[str]]]:
    """The commands of the tutorial, each with the lines that the page shows below it."""
    commands: list[tuple[str, list[str]]] = []
    for block in blocks():
        if block.page == TUTORIAL and block.language == "console":
            for line in block.body.splitlines():
                if line.startswith("$ "):
                    commands.append((line[2:], []))
                elif line.strip() and line != LEFT_OUT:
                    commands[-1][1].append(line)
    return commands


def general(line: str) -> str:
    """A line of output without what varies."""
    line = re.sub(r"(Based on the medical notes, ).*", r"\1", line)
    return " ".join(VARIES.sub("#", line).split())


def test_a_row_of_a_new_kind_is_trained_and_nothing_else_is(tinkerer):
    plan = "snakemake tables --dry-run --quiet rules --configfile config/demo.yaml config/beyond.yaml"
    before = jobs(tinkerer.types(plan, EXTENDING))
    add_the_row(tinkerer.directory)
    after = jobs(tinkerer.types(plan, EXTENDING))
    # One training and its predictions per dataset and seed; the tokens of captions are there already.
    added = Counter(after) - Counter(before)
    assert added["train_joint"] == added["evaluate_predict"] == 2
    # The row's name is in a module that scores and tables share: what they do again is not what costs.
    stages = {rule.partition("_")[0] for rule in added}
    assert stages == {"train", "evaluate"} and {rule for rule in added if rule.startswith("train_")} == {"train_joint"}
    why = tinkerer.types("python scripts/why.py tables --configfile config/demo.yaml config/beyond.yaml", EXTENDING)
    assert re.search(r"^evaluate_scores, \d+ jobs: .*scripts/clinragen/config/rows.py changed", why, re.MULTILINE)
    predictions = "results/demo/mimic3/evaluate/captions-only/seed1/predictions.parquet"
    tinkerer.does(f"snakemake {predictions} --cores 2 --configfile config/demo.yaml config/beyond.yaml")
    assert pq.read_metadata(tinkerer.directory / predictions).num_rows > 0
    tinkerer.does("git checkout --quiet .")


def add_the_row(checkout: Path) -> None:
    """Make the edits of "A model row"."""
    recipe = section("A model row")
    (block,) = [b.body for b in blocks() if b.page == EXTENDING and "captions-only" in b.body]
    (promise,) = re.findall(r'`("Flan-T5, captions": \{[^`]*\},)`', recipe)
    beyond, rows = checkout / "config/beyond.yaml", checkout / "scripts/clinragen/config/rows.py"
    insert(beyond, after=r"^models:\n", text=block.removeprefix("models:\n"))
    insert(rows, after=r"^BEYOND = \(", text='"Flan-T5, captions", ')
    insert(rows, after=r"^RECIPES: .*\n", text=f"    {promise}\n")


def section(title: str) -> str:
    """The text of a section of docs/extending.md."""
    page = (ROOT / EXTENDING).read_text(encoding="utf-8")
    return " ".join(page.partition(f"\n## {title}\n")[2].partition("\n## ")[0].split())


def insert(file: Path, after: str, text: str) -> None:
    """Insert text after the first match of a pattern."""
    edited, number = re.subn(after, lambda match: match[0] + text, file.read_text(), count=1, flags=re.MULTILINE)
    assert number == 1, f"{file}: {after} is missing"
    file.write_text(edited, encoding="utf-8")


def test_a_release_is_recognised_once_its_numbers_are_known(tinkerer, tmp_path):
    raw = tmp_path / "mimiciv" / RELEASE
    shutil.copytree(tinkerer.directory / finished.RESULTS / "mimic4/raw", raw)
    new = {"source": "folder", "raw": f"{raw}", "notes": f"{raw}", "release": RELEASE}
    local = tinkerer.directory / "config/local.yaml"
    local.write_text(yaml.safe_dump({"datasets": {"mimic3": None, "mimic4": new}}), encoding="utf-8")
    export = ("snakemake export_benchmark --cores 4 --configfile config/local.yaml", EXTENDING)
    status, shown = tinkerer.tries(export[0])
    assert status and "release" in shown

    counts = {Path(name).name: rows_of(raw / f"{name}.csv.gz") for name in TABLES}
    line = f'    "{RELEASE}":\n      {{{", ".join(f"{name}: {number}" for name, number in counts.items())}}}\n'
    declared = tinkerer.directory / "resources/raw_tables.yaml"
    insert(declared, after=r"^mimic4:\n(?:  .*\n)*?  releases:\n", text=line)
    tinkerer.types(*export)
    with (tinkerer.directory / "results/paper/mimic4/extract/release.csv").open(encoding="utf-8") as file:
        assert [row["release"] for row in csv.DictReader(file)] == [RELEASE]
    # In the finished tree everything that reads the declaration would run again, as the page warns.
    why = tinkerer.types("make why", EXTENDING)
    assert re.search(r"^extract_stays, \d jobs: resources/raw_tables.yaml", why, re.MULTILINE)
    assert re.search(r"^train_phase1, \d+ jobs: .*through", why, re.MULTILINE)
    tinkerer.does("git checkout --quiet . && rm -r config/local.yaml results/paper")


def rows_of(table: Path) -> int:
    """The number of rows of a compressed table without line breaks in its cells."""
    with gzip.open(table, "rt", encoding="utf-8") as lines:
        return sum(1 for _ in lines) - 1
