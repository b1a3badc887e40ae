"""The whole workflow on synthetic raw files, in miniature: two datasets, all phases, all ablations."""

import csv
import html
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
import yaml
from browser import CHROMIUM, Browser
from demo import CONFIGURATION, RESULTS
from runs import CONTEXTS, ROOT, VALIDATOR, records, snakemake, succeeded
from site_check import problems_of_site

from clinragen.llm.origin import restricted_origin

COLUMNS = (
    "dataset,model,metric,ours_mean,ours_std,low,high,n_seeds,asked,paper_mean,paper_std,difference,verdict,stand_ins,"
    "outputs,cut,unreadable,unknown,make"
)
ZERO_SHOT = {"LLM Zero-shot -ChatGPT", "LLM Zero-shot -LLaMA"}
BASELINES = {"PROMPTEHR", "LLaMA-ft", "FROZEN", "EHR-KnowGen", "Clinical CoT -w/o TSE", "Clinical CoT -w/ TSE"}
STAND_INS = "offline knowledge; synthetic cohort; template LLM; tiny language model"


@pytest.fixture
def results(demo, monkeypatch):
    """Results of the finished run, for reading only; the working directory is their checkout."""
    monkeypatch.chdir(demo.checkout)
    return RESULTS


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_the_guard_finds_by_the_records_that_all_text_is_open(dataset, results):
    read = ("samples", "courses", "labels", "captions")
    tables = [*(f"benchmark/{name}" for name in read), "rationale/template/notes"]
    texts = [results / dataset / f"{table}.parquet" for table in tables]
    knowledge = [results / "knowledge" / f"{name}.parquet" for name in ("pubmed", "wikipedia")]
    assert restricted_origin([*texts, *knowledge, Path("resources/prompts/examples.yaml")]) == []


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_a_case_is_published_because_all_its_data_are_synthetic(dataset, results):
    example = json.loads((results / f"site/example-{dataset}.json").read_text(encoding="utf-8"))
    restricted = (results / f"{dataset}/evaluate/figure7.html").read_text(encoding="utf-8")
    assert "restricted" not in example and example["dataset"] in restricted
    assert (example["case"] is None) == (example["fitting"] == 0)


def test_the_front_page_lists_every_page_and_shows_the_first_case(results):
    page = (results / "index.html").read_text(encoding="utf-8")
    pages = [file for file in results.rglob("*.html") if 'name="section"' in file.read_text(encoding="utf-8")]
    may_be_shared = {file for file in pages if "evaluate" not in file.parts} - {results / "index.html"}
    listed = set(re.findall(r'<li class="page"><a class="file" href="([^"]+)"', page))
    assert listed == {file.relative_to(results).as_posix() for file in may_be_shared} and len(listed) > 15
    examples = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((results / "site").glob("*.json"))]
    cases = [example["case"] for example in examples if example["case"]]
    first = html.escape(cases[0]["note"][0][0], quote=False) if cases else "This run has no case to show"
    assert first.replace("'", "&#39;").replace('"', "&#34;") in page


def test_both_tables_hold_ours_beside_the_papers(results):
    for number, trained in (
        (1, {"ClinRaGen", "Flan-T5", *BASELINES, *ZERO_SHOT}),
        (2, {"ClinRaGen", "w/o LAB&KNOW", "w/o KNOW", "w/o REASONING"}),
    ):
        path = results / f"tables/table{number}.csv"
        assert path.read_text(encoding="utf-8").splitlines()[0].replace('"', "") == COLUMNS
        found = rows(path)
        assert {r["dataset"] for r in found} == {"MIMIC-III", "MIMIC-IV"}
        assert {r["model"] for r in found if r["n_seeds"] != "0"} == trained
        assert {r["model"] for r in found if r["asked"] == "true"} == trained & ZERO_SHOT
        for row in found:
            if row["n_seeds"] == "0":
                assert row["ours_mean"] == row["stand_ins"] == "" and row["verdict"] == "missing" and row["make"]
            else:
                assert 0 <= float(row["low"]) <= float(row["high"]) <= 1 and 0 <= float(row["ours_mean"]) <= 1
                assert (row["difference"], row["verdict"]) == ("", "not comparable")
                assert row["stand_ins"] == STAND_INS and row["make"] == ""


def test_models_that_are_asked_have_predictions_of_the_test_split_or_of_the_same_sampled_cases(results):
    for dataset in ("mimic3", "mimic4"):
        directory = results / dataset
        samples = pq.read_table(directory / "benchmark/samples.parquet").to_pylist()
        test = sorted(s["stay_id"] for s in samples if s["split"] == "test")
        cases = pq.read_table(directory / "evaluate/cases.parquet")["stay_id"].to_pylist()
        asked = {path.parent.name: path for path in directory.glob("asked/*/predictions.parquet")}
        assert set(cases) <= set(test) and len(asked) == 5
        for name, path in asked.items():
            table = pq.read_table(path)
            explains = name.endswith("five-shot")
            assert table["stay_id"].to_pylist() == (cases if explains else test)
            assert set(table["readable"].to_pylist()) == ({None} if explains else {True})
            for column in ("note_rationale", "lab_rationale"):
                assert table[column].null_count == (0 if explains else table.num_rows)
            assert (directory / f"evaluate/{name}/asked/scores.csv").exists() != explains
    students = pq.read_table(results / "mimic3/evaluate/clinragen/seed1/predictions.parquet")
    assert set(students["status"].to_pylist()) == {"good"}


def test_the_knowledge_comes_with_its_tables_and_is_in_the_lineage(results):
    directory = results / "knowledge"
    rounds = rows(directory / "convergence.csv")
    # Two texts per phenotype, one in each round.
    assert len({r["phenotype"] for r in rounds}) == 25 and {r["round"] for r in rounds} == {"1", "2"}
    vocabulary = json.loads((directory / "vocab/flan-t5-small.json").read_text(encoding="utf-8"))
    assert [token["id"] for token in vocabulary["tokens"]] == vocabulary["ids"]
    assert all(token["terms"] and token["phenotypes"] for token in vocabulary["tokens"])
    coverage = {row["phenotype"]: row for row in rows(directory / "vocab/flan-t5-small.csv")}
    assert len(coverage) == 26 and coverage["all"]["tokens"] == str(len(vocabulary["ids"]))
    overlap = {row["unit"]: row for row in rows(directory / "sources.csv") if row["phenotype"] == "all"}
    brought = overlap["tokens of flan-t5-small"]
    assert sum(int(brought[part]) for part in ("pubmed_only", "wikipedia_only", "both")) == len(vocabulary["ids"])
    listed = {row["output"] for row in rows(results / "audit/lineage.csv")}
    files = ("terms.csv", "convergence.png", "sources.csv", "vocab/flan-t5-small.csv", "standard/flan-t5-small.json")
    assert {f"{directory}/{file}" for file in files} <= listed


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_no_patient_no_admission_and_no_note_is_in_two_parts(results, dataset):
    benchmark, extract = (results / dataset / stage for stage in ("benchmark", "extract"))
    split = pq.read_table(benchmark / "split.parquet")
    splits = dict(zip(split["stay_id"].to_pylist(), split["split"].to_pylist(), strict=True))
    assert set(splits.values()) == {"train", "validation", "test"}
    notes = pq.read_table(extract / "notes.parquet", columns=["stay_id", "note_id"])
    courses = pq.read_table(benchmark / "courses.parquet", columns=["stay_id", "text"])
    for table, keys in ((split, ("subject_id", "hadm_id")), (notes, ("note_id",)), (courses, ("text",))):
        for key in keys:
            places = {}
            for stay, value in zip(table["stay_id"].to_pylist(), table[key].to_pylist(), strict=True):
                places.setdefault(value, set()).add(splits[stay])
            assert len(places) > 50 and all(len(found) == 1 for found in places.values()), key
    # Files of a split contain exactly the stays of that split.
    samples = pq.read_table(benchmark / "samples.parquet").to_pylist()
    assert {(s["stay_id"], s["split"]) for s in samples} <= set(splits.items())
    for split in ("train", "validation", "test"):
        with pa.memory_map(str(benchmark / f"series_{split}.arrow")) as file:
            series = set(pa.ipc.open_file(file).read_all()["stay_id"].to_pylist())
        assert {s["stay_id"] for s in samples if s["split"] == split} <= series
        assert {splits[stay] for stay in series} == {split}


def trace(*words):
    """What the program for auditors says, and its exit status."""
    run = subprocess.run([sys.executable, "scripts/trace.py", *words], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    return run.stdout, run.returncode


def test_every_file_has_a_record_whose_hash_is_right_down_to_resources(results):
    said, status = trace(results, "--verify", "--json")
    found = json.loads(said)
    assert status == 0 and found["problems"] == [] and found["roots_not_here"] == []
    known = records(results)
    assert found["outputs"] == len(known) > 100 and found["files"] > len(known)
    # Whatever is not made by a rule is ours: the demo's raw files are outputs.
    templates = {root for root in found["roots"] if root.startswith("scripts/clinragen/pages/templates/")}
    assert {Path(root).name for root in templates} >= {"base.html", "style.css", "card.html"}
    resources = {Path(root).relative_to("resources").parts[0] for root in set(found["roots"]) - templates}
    assert resources >= {"demo", "prompts", "knowledge"}
    # The page, the log of the run and the verification name the same root.
    for page in ("audit/lineage.html", "logs/audit_lineage/all.log"):
        assert found["root"] in (results / page).read_text(encoding="utf-8")
    # Another program agrees on the hashes.
    subprocess.run(["sha256sum", "--check", "--quiet"], check=True, text=True, input="".join(
        f"{r['output']['sha256']}  {path}\n" for path, r in known.items() if "files" not in r["output"]
    ))  # fmt: skip


def test_tampering_with_a_copy_of_the_results_is_named(demo, tmp_path, monkeypatch):
    copy = tmp_path / "copy" / RESULTS
    shutil.copytree(demo.checkout, tmp_path / "copy", ignore=shutil.ignore_patterns("logs", "timings"))
    monkeypatch.chdir(tmp_path / "copy")
    phase1 = "mimic3/train/flan-t5-small/diagnoses/seed1/phase1"
    for path in (copy / "mimic3/extract/stays.parquet", copy / phase1 / "student.json"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    (copy / "mimic4/extract/by_hand.csv").write_text("x")
    (copy / "mimic4/benchmark/fences.csv").unlink()
    swapped = "benchmark/.records/leakage.csv.json"
    shutil.copy(copy / "mimic4" / swapped, copy / "mimic3" / swapped)
    said, status = trace(RESULTS, "--verify")
    lines = [line.replace(f"{RESULTS}/", "").split(": ")[:2] for line in said.splitlines()]
    kinds = ("corrupt", "edited", "missing", "untracked")
    assert status == 1 and {tuple(line) for line in lines if line[0] in kinds} == {
        ("corrupt", "mimic3/benchmark/leakage.csv"),
        ("edited", "mimic3/extract/stays.parquet"),
        ("edited", phase1),
        ("missing", "mimic4/benchmark/fences.csv"),
        ("untracked", "mimic4/extract/by_hand.csv"),
    }, said


def test_a_cell_of_a_table_is_traced_to_the_raw_files_of_its_dataset_alone(results):
    cell = "dataset=MIMIC-III,model=w/o KNOW,metric=micro_f1:ours_mean"
    said, status = trace(f"{results}/tables/table2.csv#{cell}", "--json")
    found = json.loads(said)
    made = {path.removeprefix(f"{results}/") for path in found["records"]}
    assert status == 0 and "mimic3/raw/CHARTEVENTS.csv.gz" in made and "knowledge/terms.parquet" not in made
    assert not [path for path in made if path.startswith("mimic4") or "clinragen" in path]
    rationales = next(r for p, r in found["records"].items() if p.endswith("mimic3/rationale/template/notes.parquet"))
    assert rationales["facts"]["models"] == ["template"] and rationales["facts"]["requests"]
    # The same way by links, without a program, from every page.
    lineage = (results / "audit/lineage.html").read_text(encoding="utf-8")
    places = {html.unescape(i) for i in re.findall(r' id="([^"]*)"', lineage)}
    links = {}
    for page in (results / "tables").glob("*.html"):
        found = re.findall(r'lineage.html#([^"]*)"', page.read_text(encoding="utf-8"))
        links[page.stem] = {unquote(html.unescape(link)) for link in found}
    assert "tables/table2.csv/MIMIC-III/w/o KNOW" in links["table2"] and links["table4"] and links["claims"]
    assert {name: sorted(found - places) for name, found in links.items() if found - places} == {}
    assert {unquote(html.unescape(link)) for link in re.findall(r'href="#([^"]*)"', lineage)} <= places


@pytest.fixture(scope="module")
def released(demo, tmp_path_factory):
    """The restored release of the demo, made in a repository with the code of this checkout, and the output."""
    directory = tmp_path_factory.mktemp("released")
    repository = directory / "repository"
    shutil.copytree(demo.checkout, repository, ignore=shutil.ignore_patterns(".snakemake"))
    shutil.rmtree(repository / "tables")  # raw tables of other tests, which no repository would hold
    author = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "code")):
        subprocess.run(["git", *author, *words], cwd=repository, check=True, capture_output=True)
    command = [sys.executable, "scripts/release.py", RESULTS, "--to", directory / "archive"]
    run = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (archive,) = (directory / "archive").iterdir()
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(directory / "crate")
    return directory / "crate", run.stdout


@pytest.mark.slow
def test_a_release_holds_what_is_shareable_and_verifies_elsewhere(demo, results, released):
    crate, said = released
    known = {path: r["output"] for path, r in records(results).items()}
    here = {name for name in known if (crate / name).exists()}
    # Directories are language models.
    assert here == {name for name, out in known.items() if out["sharing"] == "shareable" and "files" not in out}
    assert f"left out: {sum(out['sharing'] == 'restricted' for out in known.values())} (restricted" in said
    command = [sys.executable, "scripts/trace.py", results, "--verify"]
    run = subprocess.run(command, cwd=crate, capture_output=True, text=True, check=False)
    assert run.returncode == 0 and f"{len(known)} outputs" in run.stdout and "(0 not here)" in run.stdout
    assert str(demo.checkout) not in "".join(p.read_text() for p in crate.rglob(".records/*.json"))


@pytest.mark.skipif(not VALIDATOR.is_file(), reason="the validator is not installed: make .venv-validator/.installed")
@pytest.mark.skipif(not CONTEXTS.is_dir(), reason="the JSON-LD contexts are not next to the checkout")
def test_a_release_is_a_valid_provenance_run_crate(released):
    command = [VALIDATOR, ROOT / "tests/validate_crate.py", released[0], CONTEXTS]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, ""), run.stdout + run.stderr


def test_what_is_derived_from_single_patients_is_marked(results):
    marked = {p.removeprefix(f"{results}/"): r["output"]["sharing"] for p, r in records(results).items()}
    assert marked["tables/table1.csv"] == marked["mimic3/benchmark/attrition.csv"] == "shareable"
    for name, sharing in marked.items():
        if "/train/" in name or (name.endswith((".parquet", ".arrow")) and not name.startswith("knowledge/")):
            assert sharing == "restricted", name


def test_log_and_run_time_of_every_job_are_kept(results):
    logs = {p.relative_to(results / "logs").with_suffix("") for p in (results / "logs").rglob("*.log")}
    times = {p.relative_to(results / "timings").with_suffix("") for p in (results / "timings").rglob("*.jsonl")}
    assert logs == times and len(logs) > 60
    for path in (results / "logs").rglob("*.log"):
        text = path.read_bytes()
        assert b"\x1b" not in text and b"\r" not in text, f"{path} is written for a screen"
        assert b"done in" in text, path


def test_a_second_run_does_nothing_and_says_so_in_seconds(demo_copy):
    started = time.monotonic()
    run = snakemake(*CONFIGURATION, "--cores", "2", "--", "all", cwd=demo_copy)
    assert "Nothing to be done" in succeeded(run)
    assert time.monotonic() - started < 15


def test_a_missing_intermediate_is_named_though_nothing_is_to_be_done(demo_copy):
    stays = RESULTS / "mimic3/extract/stays.parquet"
    (demo_copy / stays).rename(demo_copy / "away")
    try:
        said = succeeded(snakemake(*CONFIGURATION, "--dry-run", "--", "all", cwd=demo_copy))
    finally:
        (demo_copy / "away").rename(demo_copy / stays)
    assert "Nothing to be done" in said
    assert f"missing: {stays}: its record exists" in said and f"--forcerun {stays}" in said


def test_a_restricted_cohort_would_not_reach_a_remote_teacher(results, tmp_path):
    log = results / "logs/rationale_notes/mimic3-template.log"
    command = next(line for line in log.read_text(encoding="utf-8").splitlines() if "rationale_notes: python" in line)
    words = shlex.split(command.split("rationale_notes: ", 1)[1])
    words.remove("--weights")  # without a value: the model is not served
    given = dict(zip(words[2::2], words[3::2], strict=True))
    shutil.copy(given["--courses"], tmp_path / "courses.parquet")  # of unknown origin: no record says what it is
    far = config_transport() | {"base_url": "https://192.0.2.1/v1", "data_use": "none"}
    given |= {"--courses": f"{tmp_path}/courses.parquet", "--out": f"{tmp_path}/notes.parquet"}
    given |= {"--llm": given["--llm"].replace('"template"', '"openai"', 1), "--transport": json.dumps(far)}
    words = [sys.executable, words[1], *(word for pair in given.items() for word in pair), "--weights"]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "docs/data-access.md" in run.stderr and "Traceback" not in run.stderr
    assert "courses.parquet" in run.stderr.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["courses.parquet"]


def config_transport() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["llm_transport"]["chatgpt"]


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_every_page_of_the_site_is_sound(results, tmp_path):
    with Browser(tmp_path) as browser:
        assert problems_of_site(results, browser) == []


def test_the_report_opens_offline_in_a_browser_with_its_captions(demo_copy, tmp_path):
    report = demo_copy / RESULTS / "report.html"
    succeeded(snakemake(*CONFIGURATION, "--cores", "2", "--report", report, cwd=demo_copy))
    try:
        _look_at(report, tmp_path)
    finally:
        report.unlink()


def _look_at(report, profile):
    text = report.read_text(encoding="utf-8")
    for said in ("template LLM", "test samples", "Seeds: 1"):
        assert said in text
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with Browser(profile) as browser:
        browser.open(report)
        for category in ("Audit", "Data", "Tables"):
            browser.wait(lambda category=category: category in browser.run("document.body.innerText"))
        front = browser.run("document.querySelector('.prose').innerText")
        assert "Start at index.html" in front and "mimic3 (synthetic, no patient exists)" in front
        assert "Stand-ins: offline knowledge" in front
        browser.click("[...document.querySelectorAll('li *')].filter(e => e.innerText === 'Tables').pop()")
        view = "document.querySelector('a[iconname=eye][href=\"#\"]')"
        browser.wait(lambda: browser.run(f"{view} !== null"))
        browser.click(view)
        # A click on one of our values leaves the pane as it is, and opens the lineage next to the report.
        # The frame is looked up each time: it is another one once the page has loaded.
        value = "document.querySelector('td a[href]')"
        browser.wait(lambda: browser.run(f"{value} !== null", browser.frame()))
        browser.press(value, browser.frame())
        lineage = (report.parent / "audit/lineage.html").as_uri()
        browser.wait(lambda: any(tab.startswith(f"{lineage}#tables/table1.csv/") for tab in browser.tabs()))
        assert "Each cell shows" in browser.run("document.body.innerText", browser.frame())
