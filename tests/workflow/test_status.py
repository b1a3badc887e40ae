"""docs/status.md shows exactly what the workflow makes."""

import csv
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import reruns
import yaml
from runs import ROOT, header_only
from snakemake_server import Server

from clinragen.workflow import status
from clinragen.workflow.status import Status

INVENTORY = yaml.safe_load((ROOT / status.INVENTORY).read_text(encoding="utf-8"))
SETTINGS = status.configuration(ROOT, *status.PAPER)
TESTED = [status.configuration(ROOT, *overlays) for overlays in status.TESTED]
PERMITTED = {"chatgpt": {"data_use": "no-retention-cloud", "allowed_hosts": ["api.openai.com"]}}


def claims(settings=SETTINGS, tested=TESTED):
    found = status.rows(INVENTORY, settings, tested)
    return {(row.system, place): claim for row in found for place, claim in row.places.items()}


def test_the_page_has_the_tables_of_this_configuration():
    text = (ROOT / status.PAGE).read_text(encoding="utf-8")
    assert text == status.replaced(text, status.read(ROOT)), f"{status.PAGE} is out of date: run make docs"


@pytest.mark.parametrize("number", [1, 2])
def test_the_inventory_has_the_rows_of_the_papers_tables(number):
    with (ROOT / f"resources/paper_table{number}.csv").open(encoding="utf-8", newline="") as file:
        printed = {row["model"] for row in csv.DictReader(file)}
    assert printed == {name for name, places in INVENTORY["systems"].items() if number in places["tables"]}


def test_each_row_of_table_6_belongs_to_a_system_and_each_system_has_one():
    with (ROOT / "resources/paper_table6.csv").open(encoding="utf-8", newline="") as file:
        printed = {row["model"] for row in csv.DictReader(file)}
    systems = INVENTORY["rows_of_table6"]
    assert systems.keys() == {name for name, places in INVENTORY["systems"].items() if 6 in places.get("tables", [])}
    patterns = [pattern for names in systems.values() for pattern in names]
    assert all(any(fnmatchcase(row, pattern) for pattern in patterns) for row in printed)
    assert all(any(fnmatchcase(row, pattern) for row in printed) for pattern in patterns)


@pytest.mark.slow
def test_every_claim_has_its_jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("ENTREZ_EMAIL", "me@example.org")
    raw = {name: {"raw": str(header_only(tmp_path / name, name))} for name in ("mimic3", "mimic4")}
    real = ("--config", f"datasets={json.dumps(raw)}", f"llm_transport={json.dumps(PERMITTED)}")
    with Server(ROOT) as server:
        configured = planned(server, SETTINGS, *real, "--configfile", *status.PAPER)
        run = set().union(*(planned(server, c, "--configfile", *o) for c, o in zip(TESTED, status.TESTED, strict=True)))
    for (system, place), claim in claims().items():
        assert ((system, place) in configured) == (claim >= Status.NEVER_RUN), (system, place)
        assert ((system, place) in run) == (claim >= Status.STAND_INS), (system, place)


def planned(server, config, *arguments):
    """Return systems and tables whose scores Snakemake would compute and compare, by a dry run of everything."""
    printed = server.snakemake("tables", "figures", "--dry-run", "--nolock", "--forceall", *arguments)
    jobs = reruns.planned_jobs(printed)
    tables = {Path(path).name: job for job in jobs if job.rule == "evaluate_table" for path in job.outputs}
    rows = {f"{name}/seed": model for name, model in config.models.items()}
    rows |= {f"{name}/asked/": row for name, row in config.asked.items()}
    scored = {
        (system, f"Table {number}")
        for run, row in rows.items()
        for number in row.table
        if f"table{number}.csv" in tables
        and any(f"/evaluate/{run}" in path for path in tables[f"table{number}.csv"].inputs)
        for system in (in_table6(row) if number == 6 else {row.row})
    }
    return scored | set(shown_elsewhere(jobs, config))


def shown_elsewhere(jobs, config):
    """Yield systems with the other places whose files are made from their runs."""
    systems = {row: system for system, names in INVENTORY["rows_of_systems"].items() for row in names}
    for place in INVENTORY["tables_behind"]:
        kind, number = place.lower().split()
        made = re.compile(rf"/{kind}s/{kind}{number}[-a-z0-9]*\.(csv|html)$")
        for name, row in (config.models | config.asked).items():
            last = [f"train/.*/seed1/{row.stages[-1]}$"] if name in config.models else []
            run = re.compile("|".join([rf"/(asked|evaluate)/{re.escape(name)}/", *last]))
            own = {job.name for job in jobs if row.table and any(run.search(path) for path in job.outputs)}
            if any(made.search(path) for _, outputs in reruns.with_followers(jobs, own) for path in outputs):
                yield systems.get(row.row, row.row), place


def in_table6(model):
    """Return the systems that a model belongs to in table 6, by its recipe."""
    own = {"flan-t5-small": "ClinRaGen", "flan-t5-large": "ClinRaGen*"}
    name = own.get(model.backbone, "ClinRaGen on OPT-0.1B and Qwen-2.5-0.5B")
    found = {"DeepSeek as teacher"} if model.teacher == "deepseek" else set()
    if model.training == "phase1":
        return found | {"Clinical CoT -w/o TSE"}
    return found if found and model.backbone in own else found | {name}


def test_a_run_without_stand_ins_works_and_each_stand_in_takes_that_back():
    sources = {name: b.model_copy(update={"source": "some/model"}) for name, b in SETTINGS.backbones.items()}
    real = SETTINGS.model_copy(update={"backbones": sources})
    assert claims(tested=[real])["ClinRaGen", "Table 1"] is Status.WORKS
    demo = TESTED[0]
    for part in ("datasets", "knowledge", "models", "backbones"):
        mixed = real.model_copy(update={part: getattr(demo, part)})
        if part == "backbones":
            mixed = mixed.model_copy(update={"models": demo.models})
        assert claims(tested=[mixed])["ClinRaGen", "Table 1"] is Status.STAND_INS, part
    assert claims(tested=[real, demo])["ClinRaGen", "Table 1"] is Status.WORKS
    offline = real.model_copy(update={"knowledge": demo.knowledge})
    assert claims(tested=[offline])["Flan-T5", "Table 1"] is Status.WORKS
    asked = "LLM Zero-shot -ChatGPT", "Table 1"
    assert claims(tested=[offline])[asked] is Status.WORKS
    assert claims(tested=[real.model_copy(update={"asked": demo.asked})])[asked] is Status.STAND_INS


def test_a_row_that_is_not_configured_is_absent_and_one_that_no_test_runs_is_said_to_be_so():
    nothing = SETTINGS.model_copy(update={"models": {}, "asked": {}})
    assert set(claims(settings=nothing).values()) == {Status.ABSENT}
    assert claims(tested=[])["ClinRaGen", "Table 1"] is Status.NEVER_RUN
    assert claims()["ClinRaGen*", "Table 1"] is Status.NEVER_RUN
    assert claims()["DeepSeek as teacher", "Table 6"] is Status.NEVER_RUN
    assert claims(settings=status.configuration(ROOT))["DeepSeek as teacher", "Table 6"] is Status.ABSENT
