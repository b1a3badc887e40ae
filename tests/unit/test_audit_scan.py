"""Texts planted into files of a release are found, and formats without need are refused."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attacks import (
    NINE,
    NOTE,
    REFUSED,
    SEVEN,
    WAYS,
    declared_parquet,
    kinds,
    png,
    scan,
)
from hypothesis import given
from hypothesis import strategies as st
from tiny_tree import attrition

from clinragen.audit.overlap import SPAN, Spans
from clinragen.audit.scan import Source


@pytest.mark.parametrize("way", WAYS)
def test_nine_words_of_a_note_are_found_however_they_are_written_down(sources, way):
    name, write = WAYS[way]
    assert kinds(sources, name, write(NINE)) == {"text"}


@pytest.mark.parametrize("way", WAYS)
def test_seven_words_of_a_note_are_none(sources, way):
    name, write = WAYS[way]
    assert kinds(sources, name, write(SEVEN)) == set()


@pytest.mark.parametrize("way", REFUSED)
def test_what_no_shareable_output_needs_is_refused(sources, way):
    name, write = REFUSED[way]
    assert kinds(sources, name, write(SEVEN)) == {"cannot be released"}


words = st.lists(
    st.sampled_from([f"w{letter}x" for letter in "abcdefghijklmnopqrstuvwxyz"]), min_size=12, max_size=12, unique=True
)
between = st.sampled_from([" ", "\n", ", ", " - ", "\t\t", "; ", "__", " / ", "&nbsp;", " *"])


@given(words, st.integers(1, 12), st.integers(0, 11), st.data())
def test_a_span_is_found_from_eight_words_on(note, length, start, data):
    part = note[start : start + length]
    text = "".join(data.draw(st.sampled_from([w, w.upper(), w.title()])) + data.draw(between) for w in part)
    spans = Spans()
    spans.add(0, f"before {text} after")
    assert bool(list(spans.hits(" ".join(note)))) == (len(part) >= SPAN)


def test_a_repetition_of_two_words_is_no_span_and_one_of_three_is(tmp_path):
    for words_in, expected in (
        ("gastrointestinal haemorrhage", set()),
        ("acute gastrointestinal haemorrhage", {"text"}),
    ):
        pq.write_table(pa.table({"text": [f"{words_in} " * 8]}), tmp_path / "n.parquet")
        assert kinds([Source("n", tmp_path / "n.parquet")], "a.md", f"{words_in}\n" * 8) == expected


def test_the_place_of_a_span_is_its_line(sources):
    (found,) = scan(sources, {"a.md": f"one\ntwo\n\n{' '.join(NINE.split())}\nfour\n"}).findings
    assert found.file == "a.md" and found.place.endswith("line 4")


def test_all_texts_of_a_table_are_compared_batch_by_batch(tmp_path, monkeypatch):
    monkeypatch.setattr("clinragen.audit.scan.TEXTS", 10)
    texts = [f"filler {n}" for n in range(95)] + [NOTE] + ["x" * 20] * 9
    pq.write_table(pa.table({"text": texts}), tmp_path / "n.parquet")
    assert kinds([Source("n", tmp_path / "n.parquet")], "a.md", NINE) == {"text"}


def test_texts_in_lists_dictionaries_and_arrow_files_are_compared(tmp_path):
    column = pa.array([NOTE, "x"]).dictionary_encode()
    with pa.ipc.new_file(str(tmp_path / "n.arrow"), pa.schema({"t": column.type})) as file:
        file.write_table(pa.table({"t": column}))
    pq.write_table(pa.table({"t": [["x"], [NOTE]]}), tmp_path / "n.parquet")
    pq.write_table(
        pa.table({"t": pa.array([[[NOTE]]], pa.large_list(pa.list_(pa.large_string())))}), tmp_path / "l.parquet"
    )
    for name in ("n.arrow", "n.parquet", "l.parquet"):
        assert kinds([Source(name, tmp_path / name)], "a.md", NINE) == {"text"}


# Texts that git tracks


def test_what_texts_of_patients_say_is_a_secret_though_a_tracked_file_says_it_too(sources):
    phrase = " ".join(NINE.split())
    found = scan(sources, {"a.md": f"so {phrase} too"}, {"docs/a.md": f"- {phrase}"})
    assert [one.file for one in found.findings] == ["a.md"] and "docs/a.md" in found.remarks[0]
    # A restricted text that was made of our file has our words.
    found = scan(sources, {"a.md": f"so {phrase} too"}, {"resources/evidence.yaml": f"- {phrase}", "docs/a.md": phrase})
    assert found.findings == found.remarks == []


def test_a_text_of_a_patient_in_a_tracked_file_is_refused(sources):
    found = scan(sources, {"a.md": NOTE}, {"docs/example.md": NOTE})
    assert {one.file for one in found.findings} == {"a.md", "docs/example.md"}


def test_a_stock_phrase_in_a_tracked_file_is_told_and_a_note_in_one_is_refused(sources):
    stock = scan(sources, {}, {"resources/a.yaml": NINE})
    assert stock.findings == [] and "resources/a.yaml" in stock.remarks[0] and "saline" not in stock.remarks[0]
    (found,) = scan(sources, {}, {"resources/a.yaml": NOTE}).findings
    assert (found.file, found.kind) == ("resources/a.yaml", "text")


def test_names_that_stand_below_each_other_are_not_taken_for_a_list_in_a_note(tmp_path):
    names = ["Acute and unspecified renal failure", "Acute cerebrovascular disease", "Shock"]
    pq.write_table(pa.table({"text": [" - ".join(names)]}), tmp_path / "n.parquet")
    sources = [Source("n", tmp_path / "n.parquet")]
    tracked = {"resources/phenotypes.csv": "".join(f"{name},{n}\n" for n, name in enumerate(names))}
    for name, data in {
        "a.csv": attrition(*names),
        "a.parquet": declared_parquet(*names),
        "a.json": json.dumps(names),
        "a.html": "".join(f"<td>{one}</td>" for one in names),
    }.items():
        assert scan(sources, {name: data}, tracked).findings == []
        assert scan(sources, {name: data}).findings != []
    assert scan(sources, {"a.md": " ".join(names)}, tracked).findings != []


def test_a_name_in_an_attribute_does_not_continue_with_the_next_tag(tmp_path):
    name = "Complications of surgical procedures or medical care"
    pq.write_table(pa.table({"text": [f"{name} SUMMARY OF HOSPITAL COURSE"]}), tmp_path / "n.parquet")
    page = f'<details id="{name.lower().replace(" ", "-")}"><summary>one</summary></details>'
    tracked = {"resources/phenotypes.csv": f"{name},1\n"}
    assert scan([Source("n", tmp_path / "n.parquet")], {"a.html": page}, tracked).findings == []


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.bin", b"\0\xfa\xff"), ("a.gz", b"\x1f\x8b123"), ("a.parquet", b"PAR1nonsense"), ("a.zip", b"PK\x03\x04\xff"),
     ("a.md", b"\xff"), ("a.json", b"{"), ("a.png", png()[:-3]), ("a.csv", b'table,"')],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(sources, name, data):
    assert kinds(sources, name, data) == {"cannot be released"}


def test_what_is_clean_passes(sources):
    files = {
        "a.csv": attrition("all stays"),
        "b.png": png(),
        "c.html": "<p>All is well &amp; clean</p>",
        "d.md": "",
    }
    found = scan(sources, files, {"README.md": "# Read me"})
    assert found.findings == [] and found.remarks == [] and found.texts == 1 and found.identifiers == 5
