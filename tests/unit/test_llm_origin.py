"""Origin of text from records: open if all of it is synthetic, public or of an open demo, otherwise restricted."""

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from runs import OPEN_DEMO

from clinragen.llm import origin
from clinragen.llm.origin import restricted_origin
from clinragen.provenance.record import SCHEMA, Record, describe, load, record_hash, record_path, write_record

# Paths as in the workflow.
NOTES, STAYS, COURSES = (f"results/mimic3/{name}.parquet" for name in ("extract/notes", "extract/stays", "courses"))
EVIDENCE, DECLARATION, PINNED = (
    f"resources/{name}" for name in ("demo/evidence.yaml", "raw_tables.yaml", "demo/open_demo_sha256.txt")
)
KEEP = object()


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    """A working directory with the authored files of the project."""
    monkeypatch.chdir(tmp_path)
    for own in (EVIDENCE, DECLARATION, PINNED, "resources/prompts/terms.txt", "resources/knowledge/queries.csv"):
        put(own, f"content of {own}")
    return tmp_path


def put(path: str | Path, content: str | bytes) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Path(path)


def make(rule: str, output: str | Path, *inputs: str | Path, content: object = None, **settings: object) -> Path:
    """Write an output of a rule with its record."""
    output = Path(output)
    if content is not KEEP:
        put(output, content or f"content of {output}")
    used = []
    for path in map(Path, inputs):
        maker = load(record_path(path))["rule"] if record_path(path).is_file() else None
        used.append({**describe(path), "made_by": maker, "record": record_hash(path)})
    record: Record = {
        "schema": SCHEMA,
        "output": {**describe(output), "sharing": "restricted"},
        "rule": rule,
        "inputs": used,
        "settings": settings,
        "seed": None,
        **{key: [] for key in ("command", "rows", "stand_ins")},
        **{key: {} for key in ("code", "git", "facts", "environment", "hardware")},
        **dict.fromkeys(("code_digest", "runtime_digest", "started"), ""),
        **dict.fromkeys(("wall_seconds", "peak_memory_mb"), 0),
    }
    write_record(output, record)
    return output


def tree(*raw: Path, lists: tuple[Path, ...] = (), **settings: object) -> Path:
    """Write hospital courses derived from raw tables as in the workflow."""
    stays = make("extract_stays", STAYS, *raw, DECLARATION, **settings)
    make("benchmark_split", "results/mimic3/split.parquet", stays, *lists)
    notes = make("extract_notes", NOTES, *raw, DECLARATION, stays, **settings)
    make("benchmark_captions", "results/mimic3/captions.parquet", "results/mimic3/split.parquet", stays)
    return make("benchmark_courses", COURSES, notes, stays, **settings)


def synthetic_raw() -> Path:
    return make("demo_raw", "results/mimic3/raw/NOTEEVENTS.csv.gz", EVIDENCE, DECLARATION)


def edit_record(output: str | Path, **values: object) -> None:
    record = load(record_path(Path(output)))
    write_record(Path(output), record | values)


def pin(monkeypatch: pytest.MonkeyPatch, **tables: bytes) -> None:
    """Pin checksums of other tables as those of an open demo: {table: its published content}."""
    pinned = {name: frozenset({hashlib.sha256(content).hexdigest()}) for name, content in tables.items()}
    monkeypatch.setattr(origin, "pinned", lambda: pinned)


# --- Open ---


def test_a_synthetic_cohort_is_open():
    prompt = Path("resources/prompts/terms.txt")
    assert restricted_origin([tree(synthetic_raw()), Path("results/mimic3/captions.parquet"), prompt]) == []


def test_rationales_of_a_synthetic_cohort_are_open():
    notes = make("rationale_notes", "results/mimic3/rationale/notes.parquet", tree(synthetic_raw()))
    assert restricted_origin([notes]) == []


def test_documents_of_public_services_are_open():
    pubmed = make("knowledge_documents", "results/knowledge/pubmed.parquet", "resources/knowledge/queries.csv")
    assert restricted_origin([pubmed]) == []


def test_the_open_demo_is_open_compressed_or_not(monkeypatch):
    pin(monkeypatch, noteevents=b"header\n", patients=b"patients\n")
    raw = put(Path.cwd() / "elsewhere/NOTEEVENTS.csv.gz", gzip.compress(b"header\n"))
    plain = put("elsewhere/patients.csv", b"patients\n")
    assert restricted_origin([tree(raw, plain)]) == []


def test_an_uncompressed_table_of_the_open_demo_need_not_be_kept(monkeypatch):
    pin(monkeypatch, patients=b"patients\n")
    plain = put("elsewhere/PATIENTS.csv", b"patients\n")
    courses = tree(plain)
    plain.unlink()
    assert restricted_origin([courses]) == []


@pytest.mark.skipif(not OPEN_DEMO.is_dir(), reason="the open MIMIC-III demo is not next to the checkout")
def test_the_genuine_tables_are_recognised():
    names = [f"{table.upper()}.csv.gz" for table in origin.pinned()]
    assert len(names) == 11
    assert restricted_origin([tree(*(OPEN_DEMO / name for name in names))]) == []
    # These two are exports of another copy, so their bytes are not the published ones.
    others = restricted_origin([tree(OPEN_DEMO / "CHARTEVENTS.csv.gz", OPEN_DEMO / "LABEVENTS.csv.gz")])
    assert [reason.split(":")[0] for reason in others] == [
        str(OPEN_DEMO / name) for name in ("CHARTEVENTS.csv.gz", "LABEVENTS.csv.gz")
    ]


def test_a_table_has_the_checksums_of_both_demos(monkeypatch):
    packed = gzip.compress(b"patients of MIMIC-IV\n")
    contents = {"PATIENTS.csv": b"patients\n", "hosp/patients.csv.gz": packed}
    lines = (f"{hashlib.sha256(content).hexdigest()} {name}\n" for name, content in contents.items())
    monkeypatch.setattr(origin, "OPEN_DEMO", put("pinned.txt", "".join(lines)))
    monkeypatch.setattr(origin, "pinned", origin.pinned.__wrapped__)
    raw = [put("iii/PATIENTS.csv.gz", gzip.compress(b"patients\n")), put("iv/hosp/patients.csv.gz", packed)]
    assert restricted_origin([tree(*raw)]) == []
    assert "iv/hosp/patients.csv.gz" in reason_of(tree(raw[0], put(raw[1], gzip.compress(b"real"))))


def downloaded(address: str) -> Path:
    """Notes composed from a table of an open demo that has no pinned checksum."""
    raw = make("demo_download", "data/LABEVENTS.csv.gz", PINNED, base_url=address)
    notes = make("demo_notes", "results/mimic3/demo/NOTEEVENTS.csv.gz", raw, DECLARATION)
    return tree(notes, raw)


@pytest.mark.parametrize("release", ["mimiciii-demo/1.4", "mimic-iv-demo/2.2"])
def test_downloaded_tables_and_stand_in_notes_are_open(release):
    assert restricted_origin([downloaded(f"https://physionet.org/files/{release}")]) == []


def test_a_list_of_patients_contains_no_text():
    courses = tree(synthetic_raw(), lists=(put("lists/testset.csv", "1,0\n"),))
    assert restricted_origin([courses, Path("results/mimic3/captions.parquet")]) == []


def test_a_tree_elsewhere_is_found_from_its_root(root, monkeypatch):
    courses = tree(synthetic_raw())
    monkeypatch.chdir("/")
    assert restricted_origin([courses], root) == []
    assert restricted_origin([root / courses], root) == []


# --- Restricted ---


def reason_of(*inputs: Path) -> str:
    (reason,) = restricted_origin(inputs)
    return reason


def test_a_real_directory_is_restricted_and_named_once():
    raw = put("mimic/NOTEEVENTS.csv.gz", gzip.compress(b"real"))
    assert reason_of(tree(raw)) == (
        "mimic/NOTEEVENTS.csv.gz: no record identifies it as synthetic or public, and its checksum is not one of the "
        "open demos"
    )


def test_a_configuration_that_says_synthetic_changes_nothing():
    raw = put("mimic/NOTEEVENTS.csv.gz", gzip.compress(b"real"))
    courses = tree(raw, source="synthetic")
    for path in (STAYS, NOTES, COURSES):
        edit_record(path, stand_ins=["synthetic cohort"])
    assert restricted_origin([courses])


def test_one_real_table_among_synthetic_ones_is_enough():
    assert "LABEVENTS" in reason_of(tree(synthetic_raw(), put("mimic/LABEVENTS.csv.gz", gzip.compress(b"real"))))


def test_a_hundred_patients_of_anything_are_not_the_open_demo(monkeypatch):
    pin(monkeypatch, patients=b"patients of the open demo\n")
    raw = put("demo-1.4/PATIENTS.csv.gz", gzip.compress(b"a hundred other patients\n"))
    assert "PATIENTS.csv.gz: no record identifies it" in reason_of(tree(raw))


def test_stand_in_notes_of_real_tables_are_restricted():
    raw = put("mimic/ADMISSIONS.csv.gz", gzip.compress(b"real"))
    notes = make("demo_notes", "results/mimic3/demo/NOTEEVENTS.csv.gz", raw, DECLARATION)
    assert "mimic/ADMISSIONS.csv.gz" in reason_of(tree(notes))


@pytest.mark.parametrize("release", ["mimiciii/1.4", "mimiciv/2.2", "mimic-iv-demo-meds/0.0.1"])
def test_a_download_from_elsewhere_is_restricted(release):
    address = f"https://physionet.org/files/{release}"
    assert f"it was downloaded from {address}, not from" in reason_of(downloaded(address))


def test_a_table_of_the_open_demo_under_another_name_is_not_recognised(monkeypatch):
    pin(monkeypatch, patients=b"patients\n")
    assert restricted_origin([tree(put("demo/NOTEEVENTS.csv", b"patients\n"))])


@pytest.mark.parametrize("change", ["removed", "replaced", "truncated", "too large"])
def test_a_compressed_table_that_cannot_be_compared_is_restricted(change, monkeypatch):
    pin(monkeypatch, patients=b"patients\n" * 9)
    raw = put("demo/PATIENTS.csv.gz", gzip.compress(b"real" if change == "replaced" else b"patients\n" * 9))
    if change == "truncated":
        put(raw, raw.read_bytes()[:-9])
    courses = tree(raw)
    if change == "removed":
        raw.unlink()
    if change == "replaced":  # the open demo replaces a real directory
        put(raw, gzip.compress(b"patients\n" * 9))
    if change == "too large":
        monkeypatch.setattr(origin, "LARGEST_OPEN_TABLE", 20)
    assert "demo/PATIENTS.csv.gz" in reason_of(courses)


@pytest.mark.parametrize("place", ["resources/NOTEEVENTS.csv", "resources/mimic/note/discharge.csv.gz"])
def test_raw_tables_in_the_folders_of_the_project_are_restricted(place):
    assert place in reason_of(tree(put(place, "real")))


def test_outputs_in_the_folders_of_the_project_that_lost_their_record_are_restricted():
    courses = make("benchmark_courses", "resources/results/courses.parquet", synthetic_raw())
    make("benchmark_labels", "resources/results/labels.parquet", synthetic_raw())
    record_path(courses).unlink()
    assert "courses.parquet" in reason_of(courses)


def test_a_raw_table_that_is_also_named_as_a_list_of_patients_is_restricted():
    raw = put("mimic/NOTEEVENTS.csv", "real")
    courses = tree(raw, lists=(raw,))
    assert "NOTEEVENTS" in reason_of(Path("results/mimic3/split.parquet"), courses)


@pytest.mark.parametrize("path", ["resources/link.txt", "resources/../mimic/notes.txt", "mimic/resources/notes.txt"])
def test_ways_out_of_the_folders_of_the_project_are_restricted(path):
    put("mimic/resources/notes.txt", put("mimic/notes.txt", "real").read_bytes())
    Path("resources/link.txt").symlink_to(Path("mimic/notes.txt").resolve())
    assert path in reason_of(tree(Path(path)))


def test_inputs_without_a_record_are_restricted():
    assert restricted_origin([put("notes.parquet", "text")])
    assert reason_of(Path("nowhere.parquet")).endswith("it is missing")


def test_an_output_that_was_made_from_nothing_is_restricted():
    assert "lists no inputs" in reason_of(make("rule_of_tomorrow", "results/x.parquet"))


@pytest.mark.parametrize("path", [NOTES, STAYS])
def test_a_missing_record_is_restricted(path):
    courses = tree(synthetic_raw())
    record_path(Path(path)).unlink()
    assert reason_of(courses).startswith(f"{path}: its record is missing; run extract_")


def test_a_missing_record_of_the_input_itself_is_restricted():
    courses = tree(synthetic_raw())
    record_path(courses).unlink()
    assert COURSES in reason_of(courses)


def test_an_altered_record_is_restricted():
    raw = put("mimic/NOTEEVENTS.csv.gz", gzip.compress(b"real"))
    courses = tree(raw)
    synthetic = load(record_path(synthetic_raw()))["inputs"]
    for path in (NOTES, STAYS):
        edit_record(path, inputs=synthetic)
    reasons = restricted_origin([courses])
    assert [reason.split(";")[0] for reason in reasons] == [
        f"{path}: its record is not the one that benchmark_courses used" for path in (NOTES, STAYS)
    ]


def test_an_input_of_another_content_than_its_record_says_is_restricted():
    courses = tree(synthetic_raw())
    notes, stays = load(record_path(courses))["inputs"]
    edit_record(courses, inputs=[notes | {"sha256": "0" * 64}, stays])
    assert reason_of(courses).startswith(f"{NOTES}: its record is not the one")


def test_an_altered_file_is_restricted():
    courses = tree(synthetic_raw())
    put(courses, "real text")
    assert "its content is not what benchmark_courses wrote; run benchmark_courses again" in reason_of(courses)


def test_an_input_that_was_made_again_from_real_data_is_restricted():
    courses = tree(synthetic_raw())
    make("extract_notes", NOTES, put("mimic/NOTEEVENTS.csv", "real"), content="other notes")
    assert NOTES in reason_of(courses)


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps({"schema": 1})])
@pytest.mark.parametrize("path", [NOTES, COURSES])
def test_an_unusable_record_is_restricted(text, path):
    courses = tree(synthetic_raw())
    record_path(Path(path)).write_text(text, encoding="utf-8")
    assert path in reason_of(courses)


def test_large_raw_files_are_not_read(monkeypatch):
    raw = put("mimic/CHARTEVENTS.csv.gz", b"x" * 100)
    courses = tree(raw)
    monkeypatch.setattr(origin, "LARGEST_OPEN_TABLE", 10)
    monkeypatch.setattr(origin, "sha256", lambda path: pytest.fail(f"{path} was read"))
    assert restricted_origin([courses])


def test_nothing_is_visited_twice(monkeypatch):
    courses = tree(synthetic_raw())
    visits = []
    real = origin.read_record
    monkeypatch.setattr(origin, "read_record", lambda path: (visits.append(path), real(path))[1])
    assert restricted_origin([courses, Path("results/mimic3/captions.parquet")]) == []
    assert len(visits) == len(set(visits))


def test_a_copy_of_the_tree_without_its_records_is_restricted():
    tree(synthetic_raw())
    copy = Path(shutil.copy(COURSES, "courses.parquet"))
    assert "courses.parquet" in reason_of(copy)
