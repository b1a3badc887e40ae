"""A release of a tiny tree in a separate repository: what is in, what forbids it, and how it is restored."""

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from runs import CONTEXTS, ROOT, VALIDATOR
from tiny_tree import attrition, made, make, write

from clinragen.audit.release import release as write_release
from clinragen.audit.verify import Check, Findings
from clinragen.errors import UserError
from clinragen.provenance.digest import closure, code_digest
from clinragen.schemas.audit import LINEAGE

CODE = ("Snakefile", "config.yaml", "CITATION.cff", "LICENSE", "README.md", ".gitignore", "envs/all.txt",
        "resources/raw_tables.yaml", "resources/demo/open_demo_sha256.txt")  # fmt: skip
RULES = ("audit_lineage", "benchmark_export", "evaluate_scores", "evaluate_table", "extract_events",
         "extract_inventory", "extract_stays", "knowledge_documents", "train_phase1")  # fmt: skip
NOTES = "results/x/mimic3/notes.parquet"
NOTE = "The patient was found down by her neighbour and was brought to the emergency department at night"


def git(*words: str) -> None:
    author = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *author, *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A repository with results/x: raw files far away -> stays, notes, export -> a table and a directory."""
    directory, far = tmp_path_factory.mktemp("release") / "repository", tmp_path_factory.mktemp("far") / "jane"
    before = Path.cwd()
    # Of the code, what the scripts of this test import: a scan of all files takes several times as long.
    code = {path for script in ("release", "trace", *RULES) for path in closure(ROOT / "scripts" / f"{script}.py")}
    code |= {path for part in ("runtime", "schemas") for path in (ROOT / "scripts/clinragen" / part).glob("*.py")}
    for name in (*CODE, *(path.relative_to(ROOT) for path in code)):
        (directory / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy2(ROOT / name, directory / name)
    os.chdir(directory)
    try:
        write("resources/names.csv", "phenotype\nShock\n")
        for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "code")):
            git(*command)
        raw = [write(f"{far}/mimic3/ADMISSIONS.csv", "a\n"), write(f"{far}/mimic4/hosp/admissions.csv", "b\n")]
        text = {"stay_id": [200001], "subject_id": [10001], "text": [NOTE]}
        Path("results/x/mimic3/export").mkdir(parents=True)
        pq.write_table(pa.table(text), NOTES)
        facts = {"settings": {"raw": f"{far}/mimic3", "api_key_variable": "LLM_KEY"}, "stand_ins": ["synthetic cohort"]}
        made(NOTES, "extract_stays", [str(raw[0])], **facts)
        for name in ("10001_episode1.csv", "10002_episode1.csv"):
            write(f"results/x/mimic3/export/{name}", "Hours\n1\n")
        made("results/x/mimic3/export", "benchmark_export", [NOTES])
        make("results/x/mimic4/stays.csv", "extract_events", [str(raw[1])], "stay\n1\n")
        write("results/x/model/config.json", "{}")
        write("results/x/model/.snakemake_timestamp")
        made("results/x/model", "train_phase1", ["resources/names.csv"], sharing="shareable")
        inputs = ["results/x/mimic3/export", "results/x/mimic4/stays.csv", "results/x/model"]
        digest = code_digest("evaluate_table")
        make("results/x/tables/table1.csv", "evaluate_table", inputs, attrition("all"), sharing="shareable",
             code_digest=digest, stand_ins=["synthetic cohort"], seed=1)  # fmt: skip
        write("results/x/logs/evaluate_table/all.log", NOTE)
        write("results/x/report.html", NOTE)
    finally:
        os.chdir(before)
    return directory


@pytest.fixture
def repository(template, tmp_path, monkeypatch) -> Path:
    """A copy of the repository, which a test may spoil."""
    shutil.copytree(template, tmp_path / "r")
    monkeypatch.chdir(tmp_path / "r")
    return tmp_path / "r"


def release(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/release.py", "results/x", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


def archive() -> Path:
    (found,) = Path("results/releases").iterdir()
    return found


def refusals(run: subprocess.CompletedProcess[str]) -> str:
    assert run.returncode == 2 and "Traceback" not in run.stderr, run.stderr
    assert not list(Path("results").glob("releases/*"))
    return run.stderr


def restored(directory: Path) -> Path:
    with zipfile.ZipFile(archive()) as packed:
        packed.extractall(directory)
    return directory


def verify(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/trace.py", "results/x", "--verify", *words]
    surroundings = {"PATH": "/nonexistent"}  # so that no git is there
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, env=surroundings)


def test_code_shareable_outputs_and_all_records_are_in_and_nothing_else(repository):
    run = release()
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(archive()) as packed:
        names = packed.namelist()
        assert names == sorted(names)
        listed = list(csv.DictReader(packed.read("left_out.csv").decode().splitlines()))
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
    own = {"left_out.csv", "ro-crate-metadata.json", "ro-crate-preview.html"}
    assert set(names) - set(tracked) - own == {
        "results/x/tables/table1.csv",
        "results/x/.records/model.json",
        "results/x/tables/.records/table1.csv.json",
        "results/x/mimic3/.records/notes.parquet.json",
        "results/x/mimic3/.records/export.json",
        "results/x/mimic4/.records/stays.csv.json",
    }
    assert {row["path"]: row["why"].split(":")[0] for row in listed} == {
        NOTES: "restricted",
        "results/x/mimic3/export": "restricted",
        "results/x/mimic4/stays.csv": "restricted",
        "results/x/model": "a directory",
        "raw/mimic3/ADMISSIONS.csv": "raw file",
        "raw/mimic4/hosp/admissions.csv": "raw file",
    }
    assert all(len(row["sha256"]) == 64 and int(row["bytes"]) > 0 for row in listed)
    assert "left out: 2 (raw file), 4 bytes" in run.stdout
    assert "left out: 2 (logs" in run.stdout and "sha256" in run.stdout.splitlines()[-1]


def test_nothing_discloses_patients_or_the_machine(repository, template):
    assert release().returncode == 0
    with zipfile.ZipFile(archive()) as packed:
        content = b"\n".join(name.encode() + packed.read(name) for name in packed.namelist() if "scripts/" not in name)
        record = json.loads(packed.read("results/x/mimic3/.records/export.json"))
        notes = json.loads(packed.read("results/x/mimic3/.records/notes.parquet.json"))
        table = json.loads(packed.read("results/x/tables/.records/table1.csv.json"))
    for secret in ("10001", "10002", "neighbour", "jane", str(repository), str(template), str(Path.home()) + "/"):
        assert secret.encode() not in content, secret
    assert record["output"]["files"] == table["inputs"][0]["files"] == 2 and table["inputs"][2]["files"] == 1
    assert notes["inputs"][0]["path"] == "raw/mimic3/ADMISSIONS.csv"
    assert notes["settings"]["raw"] == "raw/mimic3" and "raw/mimic3/ADMISSIONS.csv" in notes["command"]


def test_the_same_content_makes_the_same_bytes(repository):
    assert release("--to", "results/releases/a").returncode == 0
    for path in Path("results/x").rglob("*"):
        os.utime(path)
    assert release("--to", "results/releases/b").returncode == 0
    first, second = (next(Path("results/releases", name).iterdir()).read_bytes() for name in "ab")
    assert first == second


def test_a_restored_release_verifies_without_git_until_something_is_edited(repository, tmp_path):
    assert release().returncode == 0
    directory = restored(tmp_path / "elsewhere")
    run = verify(directory)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "5 outputs" in run.stdout and "4 outputs left out" in run.stdout and "no problems" in run.stdout
    # A user with the raw files puts them where the list says.
    write(f"{directory}/raw/mimic3/ADMISSIONS.csv", "a\n")
    assert verify(directory).returncode == 0
    write(f"{directory}/raw/mimic3/ADMISSIONS.csv", "other\n")
    assert "stale: results/x/mimic3/notes.parquet" in verify(directory).stdout
    (directory / "raw/mimic3/ADMISSIONS.csv").unlink()
    write(f"{directory}/results/x/tables/table1.csv", attrition("some"))
    run = verify(directory)
    assert run.returncode == 1 and "edited: results/x/tables/table1.csv" in run.stdout


def test_the_archive_has_its_own_chain_and_root(repository, tmp_path):
    """Paths are rewritten in the records, so their hashes are too; the root discloses any other change."""
    header = ",".join(LINEAGE.schema.names) + "\n"
    make("results/x/audit/lineage.csv", "audit_lineage", ["results/x/tables/table1.csv"], header, sharing="shareable")
    run = release()
    assert run.returncode == 0, run.stderr
    line = next(line for line in run.stdout.splitlines() if line.startswith("root of the records: "))
    root, _, before = line.removeprefix("root of the records: ").partition(", before paths were rewritten ")
    assert root != before and all(len(one) == 64 for one in (root, before))
    assert f"--root {root}" in zipfile.ZipFile(archive()).read("ro-crate-metadata.json").decode()
    directory = restored(tmp_path / "elsewhere")
    assert verify(directory, "--root", root).returncode == 0, verify(directory).stdout
    assert verify(directory, "--root", before).returncode == 1
    record = directory / "results/x/mimic3/.records/export.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"seed": 5}))
    run = verify(directory, "--root", root)
    assert run.returncode == 1 and "edited: results/x/mimic3/export: its record is not the one that" in run.stdout


def test_all_that_forbids_a_release_is_named_at_once(repository):
    with Path("scripts/clinragen/evaluate/paper/comparison.py").open("a") as file:
        file.write("\nNEW = 1\n")
    write("notes.txt", "new")
    write("results/x/model/config.json", '{"edited": 1}')
    make("results/x/leak.csv", "evaluate_scores", [NOTES], attrition(NOTE), sharing="shareable")
    refused = refusals(release())
    assert "not committed:  M scripts/clinragen/evaluate/paper/comparison.py" in refused
    assert "not committed: ?? notes.txt" in refused
    assert "edited: results/x/model" in refused
    assert "stale: results/x/tables/table1.csv: was made by another version of the code of evaluate_table" in refused
    assert "results/x/leak.csv: text, " in refused and "neighbour" not in refused


def test_other_commits_are_fine_as_long_as_the_code_is_the_same(repository):
    write("resources/new.csv", "a\n")
    git("add", "-A")
    git("commit", "-qm", "new")
    run = release()
    assert run.returncode == 0 and "of the same code" in run.stdout
    write("scripts/evaluate_table.py", Path("scripts/evaluate_table.py").read_text() + "\nNEW = 1\n")
    git("commit", "-qam", "other code")
    shutil.rmtree("results/releases")
    assert "stale: results/x/tables/table1.csv" in refusals(release())


def test_a_key_that_records_name_and_an_identifier_in_a_record_are_found(repository):
    place = Path("results/x/tables/.records/table1.csv.json")
    record = json.loads(place.read_text())
    record["settings"]["note"] = "key is correct horse battery"
    record["command"] += ["--only", "subject_id=10001"]
    place.write_text(json.dumps(record))
    refused = refusals(release(LLM_KEY="correct horse battery"))
    assert "results/x/tables/.records/table1.csv.json: value of LLM_KEY" in refused
    assert "results/x/tables/.records/table1.csv.json: identifier" in refused
    assert "horse" not in refused and "10001" not in refused


def test_a_shareable_output_can_be_left_out(repository):
    make("results/x/leak.csv", "evaluate_scores", [NOTES], attrition(NOTE), sharing="shareable")
    refusals(release())
    run = release("--leave-out", "results/x/leak.csv")
    assert run.returncode == 0 and "left out: 1 (left out on request)" in run.stdout
    with zipfile.ZipFile(archive()) as packed:
        assert "results/x/leak.csv" not in packed.namelist()
        assert "results/x/leak.csv" in packed.read("left_out.csv").decode()
    shutil.rmtree("results/releases")
    assert "--leave-out accepts outputs only" in refusals(release("--leave-out", "results/x/nothing.csv"))


def test_an_output_that_names_a_directory_of_the_machine_is_refused(repository, tmp_path):
    far = json.loads(Path("results/x/mimic3/.records/notes.parquet.json").read_text())["settings"]["raw"]
    text = attrition(f"--raw {far}/x.csv")
    make("results/x/paths.csv", "evaluate_scores", ["results/x/model"], text, sharing="shareable")
    refused = refusals(release())
    assert "results/x/paths.csv: path of raw files (raw/mimic3), line 2" in refused and far not in refused
    assert release("--leave-out", "results/x/paths.csv").returncode == 0
    directory = restored(tmp_path / "elsewhere")
    assert not (directory / "results/x/paths.csv").exists() and verify(directory).returncode == 0


def test_numbers_of_knowledge_are_public_as_long_as_it_was_made_of_public_documents(repository):
    text = attrition("as in patient 10001")
    make("results/x/knowledge/a.csv", "knowledge_documents", ["resources/names.csv"], text, sharing="shareable")
    assert release().returncode == 0
    shutil.rmtree("results/releases")
    make("results/x/knowledge/a.csv", "knowledge_documents", [NOTES], text, sharing="shareable")
    assert "results/x/knowledge/a.csv: identifier" in refusals(release())


OPEN = "results/x/open/notes.parquet"
SAID = "The boy fell off a horse and broke his left arm in three places"


def show_notes(*made_of: str) -> None:
    """Write a note made from these files, and a page that shows it."""
    Path(OPEN).parent.mkdir()
    pq.write_table(pa.table({"stay_id": [300002], "text": [SAID]}), OPEN)
    made(OPEN, "extract_stays", list(made_of))
    make("results/x/index.html", "evaluate_table", [OPEN], f"<p>stay 300002: {SAID}</p>", sharing="shareable")


def test_synthetic_and_open_data_may_be_shown(repository):
    show_notes("resources/names.csv")
    run = release()
    assert run.returncode == 0, run.stderr
    assert "against 1 restricted texts and 2 identifiers" in run.stdout


def test_what_has_a_restricted_input_too_may_not_be_shown(repository):
    show_notes("resources/names.csv", NOTES)
    refused = refusals(release())
    assert "results/x/index.html: text, " in refused and "results/x/index.html: identifier, " in refused


def test_words_of_real_patients_are_a_secret_though_a_tracked_file_says_them(repository):
    write("docs/example.md", " ".join(NOTE.split()[:9]))
    git("add", "-A")
    git("commit", "-qm", "example")
    quote = attrition(f"so {' '.join(NOTE.split()[:9])}")
    make("results/x/leak.csv", "evaluate_scores", ["results/x/model"], quote, sharing="shareable")
    assert "results/x/leak.csv: text" in refusals(release())


def test_the_address_of_a_server_in_a_record_is_found(repository):
    place = Path("results/x/tables/.records/table1.csv.json")
    record = json.loads(place.read_text())
    record["settings"]["base_url"] = "http://gpu7.cluster.internal:8000/v1"
    place.write_text(json.dumps(record))
    refused = refusals(release())
    assert "results/x/tables/.records/table1.csv.json: private server" in refused and "gpu7" not in refused


def test_an_output_that_changes_after_the_check_is_not_released(repository, monkeypatch):
    check = Check.directory

    def change_afterwards(self: Check, tree: Path) -> Findings:
        findings = check(self, tree)
        write("results/x/tables/table1.csv", attrition("some"))
        return findings

    monkeypatch.setattr(Check, "directory", change_afterwards)
    with pytest.raises(UserError, match=r"changed meanwhile: results/x/tables/table1\.csv"):
        write_release(Path("results/x"), repository, repository / "out")
    assert not (repository / "out").exists()


def test_a_missing_output_is_named(repository):
    Path("results/x/tables/table1.csv").unlink()
    assert "missing: results/x/tables/table1.csv" in refusals(release())


def test_outputs_outside_of_the_tree_are_recorded_but_not_included(repository, tmp_path):
    write("resources/pinned.txt", "pinned")
    git("add", "-A")
    git("commit", "-qm", "pinned")
    make("data/demo/PATIENTS.csv", "extract_inventory", ["resources/pinned.txt"], "x\n", sharing="shareable")
    make("results/x/count.csv", "evaluate_scores", ["data/demo/PATIENTS.csv"], attrition("all"), sharing="shareable")
    Path(".git/info/exclude").write_text("/data/\n")
    assert release().returncode == 0
    directory = restored(tmp_path / "elsewhere")
    assert (directory / "data/demo/.records/PATIENTS.csv.json").is_file()
    assert not (directory / "data/demo/PATIENTS.csv").exists()
    assert verify(directory).returncode == 0, verify(directory).stdout


def test_other_directories_than_a_results_tree_in_a_repository_are_refused(repository):
    command = [sys.executable, "scripts/release.py", "resources"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2 and "holds no records" in run.stderr
    shutil.rmtree(".git")
    assert "is not a git repository" in refusals(release(GIT_CEILING_DIRECTORIES=str(repository.parent)))


@pytest.mark.slow
@pytest.mark.skipif(not VALIDATOR.is_file(), reason="the validator is not installed: make .venv-validator/.installed")
@pytest.mark.skipif(not CONTEXTS.is_dir(), reason="the JSON-LD contexts are not next to the checkout")
def test_the_crate_is_valid_and_a_broken_one_is_not(repository, tmp_path):
    assert release().returncode == 0
    directory = restored(tmp_path / "elsewhere")
    command = [VALIDATOR, ROOT / "tests/validate_crate.py", directory, CONTEXTS]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, ""), run.stdout + run.stderr
    metadata = directory / "ro-crate-metadata.json"
    crate = json.loads(metadata.read_text())
    (workflow,) = (one for one in crate["@graph"] if one["@id"] == "Snakefile")
    del workflow["hasPart"]
    metadata.write_text(json.dumps(crate))
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "orchestrated tools via hasPart" in run.stdout
