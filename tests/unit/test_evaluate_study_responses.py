"""The import of ratings: accepted changes by spreadsheets, and all problems of all files in one error."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study import study

from clinragen.errors import UserError
from clinragen.evaluate.study.forms import study_key
from clinragen.evaluate.study.responses import cells_of, read_responses, response_files, write_responses
from clinragen.evaluate.study.simulate import simulate_raters
from clinragen.schemas.study import STUDY_RATINGS

PLANNED = study(cases=3, raters=2, repeats=0.5, attention_checks=1)
KEY = study_key(PLANNED)
VALUES = simulate_raters(KEY, seed=3)
# The first case of R01, and its lines in the file.
CASE = next(item.number for item in PLANNED.items if item.rater == "R01" and item.kind == "case")


@pytest.fixture
def files(tmp_path) -> list[Path]:
    """The files of both raters."""
    paths = [tmp_path / f"responses-{rater}.csv" for rater in VALUES]
    for path, (rater, values) in zip(paths, VALUES.items(), strict=True):
        write_responses(PLANNED.name, rater, values, path)
    return paths


def edit(path: Path, change) -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8", newline="")


def line_of(cell: str) -> str:
    rater, item, letter, criterion = cell.split("/")
    return f"{PLANNED.name},{rater},{item},{letter},{criterion},{VALUES[rater][int(item), letter, criterion]},{cell}\n"


def rate(cell: str, value: str):
    """Replace the value of a cell."""
    return lambda text: text.replace(line_of(cell), re.sub(r",\d,R", f",{value},R", line_of(cell)))


def message_of(files: list[Path], absent=()) -> str:
    with pytest.raises(UserError) as error:
        read_responses(files, KEY, absent)
    return str(error.value)


def test_complete_files_give_every_rating_with_its_system(files):
    table = STUDY_RATINGS.check(read_responses(files, KEY, []), "test")
    systems = {(r["rater"], r["item"], r["letter"]): (r["system"], r["stay_id"]) for r in KEY.to_pylist()}
    rows = table.to_pylist()
    assert len(rows) == sum(map(len, VALUES.values())) == len(cells_of(KEY.to_pylist(), "R01")) * 2
    for row in rows:
        place = (row["rater"], row["item"], row["letter"])
        assert (row["system"], row["stay_id"]) == systems[place]
        assert row["value"] == VALUES[row["rater"]][row["item"], row["letter"], row["criterion"]]


SPREADSHEETS = {
    "byte order mark": lambda text: "\ufeff" + text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "semicolons": lambda text: text.replace(",", ";"),
    "semicolons and decimal commas": lambda text: re.sub(r";(\d);R", r";\1,0;R", text.replace(",", ";")),
    "decimal points": lambda text: re.sub(r",(\d),R", r",\1.0,R", text),
    "quotes": lambda text: re.sub(r"[^,\n]+", r'"\g<0>"', text),
    "empty lines": lambda text: text.replace("\n", "\n\n") + ",,,,,,\n",
    "blanks": lambda text: text.replace(",", " , "),
    "other order of rows": lambda text: "".join([text.splitlines(True)[0], *sorted(text.splitlines(True)[1:])]),
    "all of them": lambda text: "\ufeff" + re.sub(r";(\d);R", r";\1,0;R", text.replace(",", ";")).replace("\n", "\r\n"),
}


@pytest.mark.parametrize("change", SPREADSHEETS.values(), ids=SPREADSHEETS)
def test_changes_by_a_spreadsheet_that_keep_the_meaning_are_accepted(files, change):
    expected = read_responses(files, KEY, [])
    edit(files[0], change)
    assert read_responses(files, KEY, []).equals(expected)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("6", "6 is outside 1 to 5"),
        ("0", "0 is outside 1 to 5"),
        ("-1", "-1 is outside 1 to 5"),
        ("", "no rating (blank)"),
        ("4.5", "4.5 is not a whole number"),
        ("four", "'four' is not a number from 1 to 5"),
        ("4/5", "'4/5' is not a number from 1 to 5"),
    ],
)
def test_a_bad_value_is_named_with_file_rater_item_text_and_criterion(files, value, problem):
    cell = f"R01/{CASE}/B/soundness"
    edit(files[0], rate(cell, value))
    assert message_of(files).splitlines()[1:] == [
        f"  - responses-R01.csv: rater R01: item {CASE}, text B, soundness: {problem}"
    ]


def test_decimal_commas_of_halves_are_refused_in_a_file_with_semicolons(files):
    edit(files[0], lambda text: rate(f"R01/{CASE}/B/soundness", "4;5")(text).replace(",", ";").replace("4;5;", "4,5;"))
    assert "text B, soundness: 4,5 is not a whole number" in message_of(files)


def test_decimal_commas_in_a_file_with_commas_are_refused(files):
    edit(files[0], rate(f"R01/{CASE}/B/soundness", "4,0"))
    assert "has 8 fields instead of 7; a decimal comma in a file with commas? Save it with semicolons" in message_of(
        files
    )


def test_missing_items_and_missing_ratings(files):
    own = [line_of(f"R01/{CASE}/{letter}/{name}") for letter in "ABCDE" for name in ("soundness", "correctness")]
    edit(files[0], lambda text: text.replace(own[0], ""))
    edit(files[1], lambda text: "".join(line for line in text.splitlines(True) if line.split(",")[2] != "2"))
    message = message_of(files)
    assert f"responses-R01.csv: rater R01: item {CASE}, text A, soundness: missing" in message
    assert re.search(r"responses-R02.csv: rater R02: item 2: missing with all its (5|25) ratings", message)
    assert len(message.splitlines()) == 3


def test_unknown_items_letters_and_criteria(files):
    extra = "".join(
        f"{PLANNED.name},R01,{item},{letter},{name},3,R01/{item}/{letter}/{name}\n"
        for item, letter, name in (("99", "A", "soundness"), (CASE, "Z", "soundness"), (CASE, "A", "beauty"))
    )
    edit(files[0], lambda text: text + extra)
    message = message_of(files)
    assert message.count("is not in the form of this rater") == 3 and "item 99, text A, soundness" in message


def test_items_swapped_by_sorting_one_column_are_found(files):
    """Each line has a valid item and value; only the column `cell` shows that they do not match."""

    def sort_items(text: str) -> str:
        header, *lines = (line.split(",") for line in text.splitlines())
        items = sorted((line[2] for line in lines), key=int, reverse=True)
        moved = [[*line[:2], item, *line[3:]] for line, item in zip(lines, items, strict=True)]
        return "\n".join(",".join(line) for line in [header, *moved]) + "\n"

    edit(files[0], sort_items)
    assert "a column was sorted or edited separately" in message_of(files)


def test_another_study(files):
    edit(files[0], lambda text: text.replace(PLANNED.name, "study-0123456789ab"))
    message = message_of(files)
    assert f"rater R01: belongs to another study, study-0123456789ab instead of {PLANNED.name}" in message


def test_duplicate_rows_are_refused_even_if_equal(files):
    edit(files[0], lambda text: text + line_of(f"R01/{CASE}/C/consistency"))
    assert re.search(
        rf"item {CASE}, text C, consistency: rated twice, in lines \d+ and \d+; keep one of them", message_of(files)
    )


def test_raters_with_two_files_without_a_file_or_wrongly_listed_as_absent(files, tmp_path):
    copy = tmp_path / "responses-R01 (1).csv"
    copy.write_bytes(files[0].read_bytes())
    assert "rater R01: 2 files, responses-R01.csv, responses-R01 (1).csv; keep the one that counts" in message_of(
        [files[0], copy, files[1]]
    )
    assert (
        "no readable file of rater R02; collect it, or list the rater in evaluate.study.exclusion.absent"
        in message_of(files[:1])
    )
    assert "rater R02: responses-R02.csv, although evaluate.study.exclusion.absent lists" in message_of(files, ["R02"])
    assert set(read_responses(files[:1], KEY, ["R02"])["rater"].to_pylist()) == {"R01"}


def test_files_of_others(files, tmp_path):
    edit(files[1], lambda text: text.replace("R02", "R77"))
    assert "rater R77 has no form in this study; its raters are R01, R02" in message_of(files)
    edit(files[1], lambda text: text.replace("R77", "R01", 7))
    assert "has ratings of several raters, R01, R77" in message_of(files)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "its first line is 'empty'"),
        (b"name,age\n1,2\n", "its first line is 'name,age' instead of study,rater,item"),
        ("study,rater\n".encode("utf-16"), "encoded in UTF-16"),
        (b"PK\x03\x04...", "a spreadsheet workbook, not a CSV file"),
        (b"study,rater,item,letter,criterion,value,cell\nx,\xe9\n", "not UTF-8 (byte "),
        (b"study,rater,item,letter,criterion,value,cell\n", "contains no ratings"),
        (b'study,rater,item,letter,criterion,value,cell\nx,"R01\x00', "responses-R01.csv: "),
    ],
)
def test_files_that_no_form_saved_are_refused(files, content, problem):
    files[0].write_bytes(content)
    assert problem in message_of(files)


def test_all_problems_of_all_files_are_reported_together_and_nothing_is_imported(files):
    edit(files[0], rate(f"R01/{CASE}/A/soundness", "6"))
    edit(files[0], rate(f"R01/{CASE}/B/soundness", ""))
    edit(files[1], lambda text: text.replace(PLANNED.name, "study-0123456789ab"))
    message = message_of(files)
    assert message.splitlines()[0].startswith("the ratings cannot be imported; to fix a file, restore it")
    assert len(message.splitlines()) == 5  # with no readable file of R02


def test_a_directory_without_files(tmp_path):
    with pytest.raises(UserError, match=r"evaluate\.study\.responses: no \.csv file"):
        response_files([tmp_path])
    (tmp_path / "b.csv").touch()
    (tmp_path / "a.csv").touch()
    assert [path.name for path in response_files([tmp_path])] == ["a.csv", "b.csv"]


@settings(max_examples=200)
@given(st.data())
def test_no_edit_of_one_character_changes_another_rating_silently(tmp_path_factory, data):
    """Either the file is refused, or at most the value of the edited line differs."""
    edited = tmp_path_factory.mktemp("edited")
    paths = [edited / f"{rater}.csv" for rater in VALUES]
    for path, (rater, values) in zip(paths, VALUES.items(), strict=True):
        write_responses(PLANNED.name, rater, values, path)
    text = paths[0].read_text(encoding="utf-8")
    place = data.draw(st.integers(0, len(text) - 1))
    paths[0].write_text(text[:place] + data.draw(st.characters(codec="utf-8")) + text[place + 1 :], encoding="utf-8")
    try:
        imported = read_responses(paths, KEY, []).to_pylist()
    except UserError:
        return
    changed = {
        (row["rater"], row["item"], row["letter"], row["criterion"])
        for row in imported
        if row["value"] != VALUES[row["rater"]][row["item"], row["letter"], row["criterion"]]
    }
    line = text[:place].count("\n")
    assert len(changed) <= 1 and all("/".join(map(str, cell)) in text.splitlines()[line] for cell in changed)
