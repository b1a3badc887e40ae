"""Discharge notes of the cohort, rule by rule."""

import gzip

import pyarrow as pa
import pytest
from raw_folders import open_raw, write_raw

from clinragen.config.extract import Notes
from clinragen.errors import UserError
from clinragen.extract.layout import LAYOUTS
from clinragen.extract.notes import ROWS_PER_PIECE, select_notes
from clinragen.registry.raw import raw_path
from clinragen.schemas.extract import ATTRITION, NOTES

STAYS = pa.table({"stay_id": [100, 200], "hadm_id": [10, 20], "subject_id": [1, 2]})


def note(dataset, number, text="text", hadm=10, **values):
    if dataset == "mimic3":
        usual = {
            "row_id": number,
            "chartdate": "2100-01-05",
            "category": "Discharge summary",
            "description": "Report",
        }
    else:
        usual = {"note_id": f"1-DS-{number}", "note_type": "DS", "note_seq": number}
    return {"subject_id": 1, "hadm_id": hadm, "text": text, **usual, **values}


def selected(raw, dataset, addenda=False):
    """All pieces as one table, and the counts."""
    pieces = [NOTES.schema.empty_table()]
    settings = Notes(addenda=addenda)
    steps = select_notes(raw, LAYOUTS[dataset], STAYS, settings, lambda p: pieces.append(NOTES.check(p, "test")))
    return pa.concat_tables(pieces), ATTRITION.check(steps, "test")


def select(directory, dataset, rows, addenda=False, **style):
    write_raw(directory, dataset, "noteevents", rows, **style)
    chosen, _ = selected(open_raw(directory, dataset, "noteevents"), dataset, addenda)
    return [(n["stay_id"], n["note_id"], n["rank"]) for n in NOTES.check(chosen, "test").to_pylist()], chosen


MIMIC3_RULES = [
    ("a report", {}, True),
    ("error mark", {"iserror": "1"}, False),
    ("error mark zero", {"iserror": "0"}, True),
    ("another category", {"category": "Nursing"}, False),
    ("an addendum", {"description": "Addendum"}, False),
    ("another description", {"description": "Draft"}, False),
    ("padded description", {"description": "Report "}, True),
    ("no admission", {"hadm": ""}, False),
    ("admission not in the cohort", {"hadm": 99}, False),
    ("no text", {"text": ""}, False),
]


@pytest.mark.parametrize(("values", "kept"), [r[1:] for r in MIMIC3_RULES], ids=[r[0] for r in MIMIC3_RULES])
def test_which_notes_of_mimic3_are_read(values, kept, tmp_path):
    assert bool(select(tmp_path, "mimic3", [note("mimic3", 1, **values)])[0]) is kept


MIMIC4_RULES = [
    ("a summary", {}, True),
    ("an addendum", {"note_type": "AD"}, False),
    ("another type", {"note_type": "RR"}, False),
    ("admission not in the cohort", {"hadm": 99}, False),
    ("no admission", {"hadm": ""}, False),
]


@pytest.mark.parametrize(("values", "kept"), [r[1:] for r in MIMIC4_RULES], ids=[r[0] for r in MIMIC4_RULES])
def test_which_notes_of_mimic4_are_read(values, kept, tmp_path):
    assert bool(select(tmp_path, "mimic4", [note("mimic4", 1, **values)])[0]) is kept


def test_the_newest_report_comes_first_then_the_largest_row(tmp_path):
    days = {1: "2100-01-05", 2: "2100-01-09", 3: "2100-01-05", 10: "2100-01-05"}
    rows = [note("mimic3", n, chartdate=day) for n, day in days.items()]
    assert select(tmp_path, "mimic3", rows)[0] == [(100, "2", 1), (100, "10", 2), (100, "3", 3), (100, "1", 4)]


def test_the_highest_sequence_number_comes_first_as_a_number(tmp_path):
    rows = [note("mimic4", n) for n in (2, 10, 9)]
    assert select(tmp_path, "mimic4", rows)[0] == [(100, "1-DS-10", 1), (100, "1-DS-9", 2), (100, "1-DS-2", 3)]


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_addenda_follow_the_reports_where_they_are_asked_for(dataset, tmp_path):
    late = {"description": "Addendum", "chartdate": "2100-02-01"} if dataset == "mimic3" else {"note_type": "AD"}
    rows = [note(dataset, 9, **late), note(dataset, 1), note(dataset, 2, hadm=20)]
    ranks = [(stay, rank) for stay, _, rank in select(tmp_path, dataset, rows, addenda=True)[0]]
    assert ranks == [(100, 1), (100, 2), (200, 1)]
    found = select(tmp_path, dataset, rows, addenda=True)[0]
    assert "9" in found[1][1], "the addendum comes second although it is newer"
    assert len(select(tmp_path, dataset, rows)[0]) == 2


@pytest.mark.parametrize("style", [{}, {"newline": "\r\n"}, {"upper": True}, {"packed": False}])
def test_a_note_of_many_lines_comes_out_as_it_stands(style, tmp_path):
    text = 'Brief "Hospital" Course:\n\n  1. Pneumonia, treated; [**2100-1-1**]\n\nDischarge Medications:\n___\n'
    _, chosen = select(tmp_path, "mimic3", [note("mimic3", 1, text), note("mimic3", 2, "other", hadm=20)], **style)
    assert chosen["text"].to_pylist() == [text, "other"]


def test_many_long_notes_come_out_whole(tmp_path):
    rows = [note("mimic3", n, (f'line {n}, "a"\n' * 900) + "end", hadm=10) for n in range(1, 400)]
    chosen = select(tmp_path, "mimic3", rows)[1].to_pylist()
    assert {n["note_id"]: n["text"] for n in chosen} == {str(r["row_id"]): r["text"] for r in rows}


def test_many_notes_come_in_pieces(tmp_path):
    rows = 2 * ROWS_PER_PIECE + 1
    write_raw(tmp_path, "mimic3", "noteevents", [note("mimic3", n) for n in range(rows)])
    pieces = []
    raw = open_raw(tmp_path, "mimic3", "noteevents")
    steps = select_notes(raw, LAYOUTS["mimic3"], STAYS, Notes(addenda=False), pieces.append)
    assert [p.num_rows for p in pieces] == [ROWS_PER_PIECE, ROWS_PER_PIECE, 1]
    assert steps["rows"].to_pylist()[-1] == rows and steps["stays"].to_pylist()[-1] == 1
    assert [n for p in pieces for n in p["rank"].to_pylist()] == list(range(1, rows + 1))


def test_a_file_without_notes_gives_a_table_without_notes(tmp_path):
    assert select(tmp_path, "mimic3", [])[0] == []


def test_a_truncated_file_is_named(tmp_path):
    select(tmp_path, "mimic3", [note("mimic3", n, "text " * 100) for n in range(50)])
    path = raw_path("mimic3", tmp_path, "noteevents")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match="NOTEEVENTS"):
        selected(open_raw(tmp_path, "mimic3", "noteevents"), "mimic3")


def test_a_missing_column_is_named(tmp_path):
    path = raw_path("mimic4", tmp_path, "noteevents")
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(b"note_id,hadm_id,text\na,10,b\n"))
    with pytest.raises(UserError, match=r"discharge\.csv\.gz.*note_type"):
        selected(open_raw(tmp_path, "mimic4", "noteevents"), "mimic4")


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_texts_of_other_admissions_are_counted_but_never_kept(dataset, tmp_path):
    write_raw(tmp_path, dataset, "noteevents", [note(dataset, 1), note(dataset, 2, hadm=99), note(dataset, 3, hadm="")])
    raw = open_raw(tmp_path, dataset, "noteevents")
    _, steps = selected(raw, dataset)
    assert steps["rows"].to_pylist() == [3, 3, 1]
    assert raw.row("SELECT count(*), count(text) FROM notes") == (3, 1)
