"""Evidence planted into files to share: texts, identifiers, secrets and places are found, and nothing else is."""

import base64
import gzip
import html
import json
import struct
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_tree import attrition

from clinragen.audit.overlap import SPAN, Spans
from clinragen.audit.scan import Scan, Shared, Source
from clinragen.schemas.knowledge import TERMS

NOTE = (
    "Name: ___ The patient was found down by her neighbour, Temp <100 & BP 90/60 on arrival.\n"
    "She received two litres of saline\nand felt dizzy whenever she stood; her daughter arrived from out of town."
)
SENTENCE = "SHE received   two\nlitres of saline, and felt dizzy"
NINE, SEVEN = SENTENCE, "two litres of saline and felt dizzy"
SUBJECT, SHORT, HADM, STAY = 10000032, 10011, 154321, 200001


@pytest.fixture
def sources(tmp_path) -> list[Source]:
    notes = {"stay_id": [STAY], "note_id": ["10000032-DS-21"], "text": [NOTE]}
    pq.write_table(pa.table(notes), tmp_path / "notes.parquet")
    ids = {"subject_id": [SUBJECT, SHORT], "hadm_id": [HADM, None], "los_hours": [1.5, 2.5]}
    pq.write_table(pa.table(ids), tmp_path / "stays.parquet")
    return [
        Source("notes", tmp_path / "notes.parquet", real=True, made_of=frozenset({"resources/evidence.yaml"})),
        Source("stays", tmp_path / "stays.parquet"),
    ]


def scan(sources, files: dict[str, bytes | str], tracked: dict[str, str] | None = None, **known):
    shared = [Shared(name, _bytes(data)) for name, data in files.items()]
    shared += [Shared(name, _bytes(data), tracked=True) for name, data in (tracked or {}).items()]
    return Scan(shared, sources, **known).run()


def _bytes(data: bytes | str) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


def kinds(sources, name: str, data: bytes | str, **known) -> set[str]:
    found = scan(sources, {name: data}, **known).findings
    told = " ".join(map(str, found))
    # What was found is never told again.
    for secret in ("saline", str(SUBJECT), str(HADM), str(STAY), str(SHORT), *known.get("secrets", {}).values()):
        assert secret not in told
    return {one.kind for one in found}


# Ways of writing a text into a file


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")]
    made = (struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


def declared_parquet(*terms: str, forms: list[str] | None = None) -> bytes:
    row = {"phenotype": "p", "rank": 1, "forms": forms or [], "documents": 1, "pubmed": 1, "wikipedia": 0, "round": 1}
    return parquet(pa.Table.from_pylist([row | {"term": term} for term in terms], TERMS.schema))


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def arrow(**columns: list) -> bytes:
    sink, table = pa.BufferOutputStream(), pa.table(columns)
    with pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table)
    return sink.getvalue().to_pybytes()


def described(text: str) -> bytes:
    table = pa.Table.from_pylist([], TERMS.schema)
    return parquet(table.replace_schema_metadata({"table": TERMS.name, "about": text}))


def picture(text: str) -> bytes:
    return png((b"tEXt", b"Comment\0" + text.encode("latin-1")))


def weights(end: str) -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [int(end) // 8, 2], "data_offsets": [0, int(end)]}})
    return struct.pack("<Q", len(header)) + header.encode() + b"\0" * 8


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


WAYS = {
    "cell of a table": ("a.csv", attrition),
    "words of a table": ("a.csv", lambda t: attrition(*t.split())),
    "entities": ("a.html", lambda t: "<p>" + "".join(f"&#{ord(c)};" for c in t) + "</p>"),
    "tags between": ("a.html", lambda t: "<p>" + "<br/><b class='x'>".join(html.escape(w) for w in t.split()) + "</p>"),
    "tags within": ("a.html", lambda t: f"<p title='{t}'>x</p>"),
    "quoted page": ("a.html", lambda t: html.escape(html.escape("&".join(t.split())))),
    "script of a page": ("a.html", lambda t: f"<script>var a = {json.dumps([t])};</script>"),
    "base64 in a page": ("a.html", lambda t: f'<script>atob("{coded(t.encode())}")</script>'),
    "base64 for addresses": ("a.md", lambda t: base64.urlsafe_b64encode(b"??>" + t.encode()).decode().rstrip("=")),
    "base64 in lines": ("a.md", lambda t: base64.encodebytes(b"x" * 90 + b" " + t.encode()).decode()),
    "base64 with other bytes": ("a.json", lambda t: json.dumps([coded(b"\0\1\2" + t.encode() + b"\x07")])),
    "base64 twice": ("a.json", lambda t: json.dumps({"a": coded(coded(t.encode()).encode())})),
    "hexadecimal": ("a.svg", lambda t: f"<svg><desc>{t.encode().hex()}</desc></svg>"),
    "text in an address": ("a.svg", lambda t: f"<a href='data:text/plain,{t.replace(' ', '%20')}'/>"),
    "json": ("a.json", lambda t: json.dumps({"a": {"b": [t]}})),
    "escaped json": ("a.json", lambda t: json.dumps({"a": t.replace(" ", "\u2003")})),
    "parquet": ("a.parquet", lambda t: declared_parquet("x", t)),
    "list in parquet": ("a.parquet", lambda t: declared_parquet("x", forms=[t, "y"])),
    "markdown": ("a.md", lambda t: "* " + " **".join(t.split())),
    "latex": ("a.tex", lambda t: r"\textbf{" + t + "}"),
    "a key": ("a.json", lambda t: json.dumps({t: 1})),
}  # fmt: skip
# What no shareable output needs is not read at all.
REFUSED = {
    "packed table": ("a.csv.gz", lambda t: gzip.compress(f'n,remark\n1,"{t}"\n'.encode())),
    "other columns": ("a.csv", lambda t: f'n,remark\n1,"{t}"\n'),
    "columns that identify": ("a.csv", lambda t: "stay_id,text\n1,x\n"),
    "columns of a parquet": ("a.parquet", lambda t: parquet(pa.table({"a": ["x", t]}))),
    "name of a column": ("a.parquet", lambda t: parquet(pa.table({t: [1]}))),
    "about a parquet": ("a.parquet", described),
    "lines of json": ("a.jsonl", lambda t: '{"a": 1}\n' + json.dumps({"b": t}) + "\n"),
    "text of a picture": ("a.png", picture),
    "packed text of a picture": ("a.png", lambda t: png((b"zTXt", b"Comment\0\0" + zlib.compress(t.encode())))),
    "international text": ("a.png", lambda t: png((b"iTXt", b"C\0\1\0\0\0" + zlib.compress(t.encode())))),
    "other chunk of a picture": ("a.png", lambda t: png((b"eXIf", b"\0\1" + t.encode()))),
    "after a picture": ("a.png", lambda t: png() + t.encode()),
    "picture in a page": ("a.html", lambda t: f'<img src="data:image/png;base64,{coded(picture(t))}">'),
    "archive in a page": ("a.html", lambda t: f"<script>'{coded(gzip.compress(t.encode()))}'</script>"),
    "archive in hexadecimal": ("a.md", lambda t: gzip.compress(t.encode()).hex()),
    "table in a page": ("a.html", lambda t: f"<script>'{coded(parquet(pa.table({'a': [t]})))}'</script>"),
    "arrow": ("a.arrow", lambda t: arrow(a=[t])),
    "two bytes a letter": ("a.md", lambda t: t.encode("utf-16")),
    "weights": ("a.safetensors", lambda t: b"\xff\x00\x01" + " ".join(t.split()).encode() + b"\xfe\x00"),
    "plain text": ("a.txt", lambda t: t),
    "no suffix": ("notes", lambda t: t),
}  # fmt: skip


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


words = st.lists(st.sampled_from([f"w{letter}x" for letter in "abcdefghijklmnopqrstuvwxyz"]), min_size=12, max_size=12)
between = st.sampled_from([" ", "\n", ", ", " - ", "\t\t", "; ", "__", " / ", "&nbsp;", " *"])


@given(words, st.integers(1, 12), st.integers(0, 11), st.data())
def test_a_span_is_found_from_eight_words_on(note, length, start, data):
    part = note[start : start + length]
    text = "".join(data.draw(st.sampled_from([w, w.upper(), w.title()])) + data.draw(between) for w in part)
    spans = Spans()
    spans.add(0, f"before {text} after")
    assert bool(list(spans.hits(" ".join(note)))) == (len(part) >= SPAN)


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
    for name in ("n.arrow", "n.parquet"):
        assert kinds([Source(name, tmp_path / name)], "a.md", NINE) == {"text"}


# Texts that git tracks


def test_what_a_tracked_file_says_is_no_secret(sources):
    phrase = " ".join(NINE.split())
    ours = {"resources/a.yaml": f"- {phrase}"}
    made_up = [Source("notes", sources[0].path)]
    assert scan(made_up, {"a.md": f"so {phrase} too"}, ours).findings == []
    assert scan(made_up, {"a.md": f"so {phrase} too"}, {"resources/a.yaml": "- other"}).findings != []


def test_what_real_texts_say_is_a_secret_though_a_tracked_file_says_it_too(sources):
    phrase = " ".join(NINE.split())
    found = scan(sources, {"a.md": f"so {phrase} too"}, {"docs/a.md": f"- {phrase}"})
    assert [one.file for one in found.findings] == ["a.md"] and "docs/a.md" in found.remarks[0]
    # A restricted text that was made of our file has our words.
    found = scan(sources, {"a.md": f"so {phrase} too"}, {"resources/evidence.yaml": f"- {phrase}", "docs/a.md": phrase})
    assert found.findings == found.remarks == []


def test_rationales_and_captions_of_real_patients_in_a_tracked_file_are_refused(tmp_path):
    for real in (True, False):
        pq.write_table(pa.table({"stay_id": [STAY], "text": [NOTE]}), tmp_path / "rationales.parquet")
        found = scan(
            [Source("r", tmp_path / "rationales.parquet", real=real)], {"a.md": NOTE}, {"docs/example.md": NOTE}
        )
        assert {one.file for one in found.findings} == ({"a.md", "docs/example.md"} if real else set())


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


# Identifiers

PLANTED = {
    "long in json": ("a.json", json.dumps({"who": [1, SUBJECT]})),
    "long in text": ("a.md", f"seen in {STAY}, then"),
    "long as a float": ("a.md", f"x {HADM}.0\n"),
    "long in a sentence": ("a.md", f"The last was {HADM}."),
    "list in a cell": ("a.csv", attrition(f"[1,{HADM},2]")),
    "lettered": ("a.md", "see 10000032-DS-21"),
    "with a prefix": ("a.md", f"files/p{SUBJECT}/x"),
    "with zeros": ("a.md", f"00{SUBJECT}"),
    "in parquet": ("a.parquet", declared_parquet(str(STAY))),
    "as text in parquet": ("a.parquet", declared_parquet(f"n{STAY}")),
    "key in json": ("a.json", json.dumps({str(SUBJECT): 1})),
    "in a command": ("a.json", json.dumps({"command": ["--only", str(HADM)]})),
    "in a page": ("a.html", f"<p>{STAY}</p>"),
    "in an attribute": ("a.html", f"<p id='s{STAY}'>x</p>"),
    "in base64": ("a.html", f"<script>{coded(f'the stay {STAY} of the cohort'.encode())}</script>"),
    "in a script": ("a.html", f"<script>var ids = [{STAY}, 7];</script>"),
    "in a comment": ("a.html", f"<!-- {STAY} --><p>x</p>"),
    "many patients": ("a.html", f"<table><tr><th>patients<tr><td>{SUBJECT}</table>"),
    "short with its name": ("a.md", f"subject_id={SHORT}"),
    "short in json": ("a.json", json.dumps({"subject_id": SHORT})),
    "short in words": ("a.md", f"as in patient {SHORT} of the cohort"),
    "short in emphasised words": ("a.html", f"<p>as in patient <b>{SHORT}</b> of the cohort</p>"),
    "short in a list": ("a.md", f"subject ids: [3, {SHORT}]"),
    "short after a colon": ("a.md", f"patient: {SHORT}\n"),
    "short file name": ("a.md", f"{SHORT}_episode1_timeseries.csv"),
    "short in a sentence": ("a.md", f"the worst were subjects {SHORT}, 8812"),
    "short in a list of subjects": ("a.md", f"worst: subjects 3000, {SHORT}"),
    "short below its name": ("a.json", json.dumps({"patient": {"id": SHORT}})),
    "short as a key": ("a.json", json.dumps({"patients": {str(SHORT): 1}})),
    "short further below": ("a.json", json.dumps({"subject_id": {"worst": {"f1": SHORT}}})),
    "short in a list of json": ("a.json", json.dumps({"subjects": [SHORT, 8812]})),
    "short in a qualified list": ("a.json", json.dumps({"worst_subjects": [SHORT]})),
    "short in text of json": ("a.json", json.dumps({"patient": str(SHORT)})),
    "short below a name of ours": ("a.json", json.dumps({"exampleSubject": SHORT})),
    "short under person": ("a.html", f"<table><tr><th>person<th>x<tr><td>{SHORT}<td>1</table>"),
    "short under a qualified sample": ("a.md", f"| worst_sample | x |\n|---|---|\n| {SHORT} | 1 |\n"),
    "short under case": ("a.html", f"<table><tr><th>case<th>x<tr><td>{SHORT}<td>1</table>"),
    "short under patient in a page": ("a.html", f"<table><tr><th>patient<th>x<tr><td>{SHORT}<td>1</table>"),
    "own name": (f"results/{SHORT}_x.md", "a\n"),
}


@pytest.mark.parametrize("way", PLANTED)
def test_an_identifier_is_found(sources, way):
    assert kinds(sources, *PLANTED[way]) == {"identifier"}


@pytest.mark.parametrize("column", ["subject_id", "HADM_ID", "stay id", "note_id", "icustay_id", "mrn",
    "example_stay_id", "SUBJECT_ID_x", "subject_id.1", "first hadm_id"])  # fmt: skip
def test_a_column_of_identifiers_is_one_whatever_it_holds(sources, column):
    for name, data in {
        "a.html": f"<table><thead><tr><th>{column}</th></tr></thead><tr><td>7</td></tr></table>",
        "a.md": f"| x | {column} |\n|---|---|\n| 1 | 7 |\n",
        "b.md": f"x | {column}\n--- | ---\n1 | 7\n",
    }.items():
        (found,) = scan(sources, {name: data}).findings
        assert (found.kind, found.place.split(", ")[-1]) == ("column of identifiers", f"column {column}")
    for name, data in {"a.csv": f"x,{column}\n1,7\n", "a.parquet": parquet(pa.table({column: [7]}))}.items():
        assert kinds(sources, name, data) == {"cannot be released"}


def test_a_column_of_known_numbers_is_one_of_identifiers_whatever_its_name(tmp_path):
    known = [3, 14, 159, 2653, 58979, 32384]
    pq.write_table(pa.table({"subject_id": known}), tmp_path / "s.parquet")
    sources = [Source("s", tmp_path / "s.parquet")]

    def page(name: str, values: list[int]) -> str:
        rows = "".join(f"<tr><td>{value}<td>y" for value in values)
        return f"<table><tr><th>{name}<th>x{rows}</table>"

    def lines(name: str, values: list[int]) -> str:
        return f"|{name}|x|\n|---|---|\n" + "".join(f"|{value}|y|\n" for value in values)

    for name, write in {"a.html": page, "a.md": lines}.items():
        (found,) = scan(sources, {name: write("z", known)}).findings
        assert (found.kind, found.place) == ("column of identifiers", "column z")
        assert scan(sources, {name: write("z", [*known, 4, 5, 6])}).findings == []
        for count in ("stays", "rows", "median_hours", "icd_code"):
            assert scan(sources, {name: write(count, known)}).findings == []
    texts = attrition(*map(str, known))
    assert [one.kind for one in scan(sources, {"a.csv": texts}).findings] == ["column of identifiers"]


HARMLESS = {
    "size in text": ("a.json", json.dumps({"description": f"{HADM} rows, {SUBJECT} bytes."})),
    "size": ("a.json", json.dumps({"bytes": HADM, "rows": SUBJECT, "contentSize": str(HADM)})),
    "count": ("a.csv", attrition("x").replace("1,1,1,1", f"{STAY},{HADM},{SHORT},{SUBJECT}")),
    "count in a page": ("a.html", f"<table><tr><th>step<th>stays<tr><td>a<td>{HADM}</table>"),
    "job": ("a.json", json.dumps({"hardware": {"slurm": {"SLURM_JOB_ID": str(HADM)}}})),
    "memory": ("a.json", json.dumps({"command": ["--memory-limit-mb", str(HADM)], "d": f"--memory-limit-mb {HADM}"})),
    "property": ("a.json", json.dumps({"propertyID": "peak_memory_mb", "value": str(HADM)})),
    "hash": ("a.csv", attrition(f"{'a' * 20}{HADM}{'b' * 20}")),
    "decimal": ("a.md", f"0.{HADM}\n1.{SUBJECT}\n{HADM}.25\n"),
    "longer number": ("a.md", f"1{SUBJECT}1"),
    "short count": ("a.md", f"|stays|x|\n|---|---|\n|{SHORT}|{SHORT}|\n"),
    "short count in json": ("a.json", json.dumps({"stays": SHORT, "patients": SHORT, "max_note_tokens": SHORT})),
    "measure": ("a.md", f"|stay_hours|patient_age|\n|---|---|\n|{SHORT}|{SHORT}|\n"),
    "numbers of words": ("a.json", json.dumps({"ids": [SHORT], "id": SHORT})),
    "length of stay": ("a.md", f"length of stay: {SHORT} days; length of stay = {SHORT} d, icu stay: {SHORT} hours"),
    "short in text": ("a.md", f"{SHORT} patients, {SHORT} stays; after stay 24 h"),
    "pixels": ("a.html", f'<img src="data:image/png;base64,{coded(png())}">'),
}


@pytest.mark.parametrize("way", HARMLESS)
def test_a_number_that_is_no_identifier_is_none(sources, way):
    assert kinds(sources, *HARMLESS[way]) == set()


def test_numbers_of_what_was_made_of_public_documents_are_no_identifiers_and_its_texts_are_compared(sources):
    for name, data in {
        "a.parquet": declared_parquet(str(SUBJECT), "patient 10011"),
        "a.md": f"subject_id: {SHORT}",
    }.items():
        assert Scan([Shared(name, _bytes(data), public=True)], sources).run().findings == []
        assert scan(sources, {name: data}).findings != []
    (found,) = Scan([Shared("a.md", NINE.encode(), public=True)], sources).run().findings
    assert found.kind == "text"


def test_where_every_number_is_a_patients_only_those_said_to_be_are_found(tmp_path):
    # As in MIMIC-III, whose patients are numbered almost without a gap.
    pq.write_table(pa.table({"subject_id": range(1, 100_000)}), tmp_path / "s.parquet")
    sources = [Source("s", tmp_path / "s.parquet", real=True)]
    for text in (
        "In 2019 we enrolled 4512 patients; length of stay: 12 days (range 3-40), ICU stay: 7 days, hospital stay 9 d.",
        "Patients 65 years and older (n = 812) stayed 5 h; 28-day mortality was 1234 of 4512. PMID 31452.",
        "model 3: stays 120, patients: 4512, rows: 300; seed 1",
    ):
        assert kinds(sources, "a.md", text) == set(), text
    tables = {
        "prevalence.md": "|phenotype|stays|share|\n|---|---|---|\n"
        + "".join(f"|p{n}|{31 + n}|0.{n}|\n" for n in range(9)),
        "unlabelled.md": "|icd_code|stays|\n|---|---|\n" + "".join(f"|{4019 + n}|{n}|\n" for n in range(9)),
        "attrition.csv": attrition(*(f"step {n}" for n in range(9))),
        "card.html": "<table><tr><th>part<th>third quartile</tr><tr><td>train<td>48</tr></table>",
        "vocabulary.json": json.dumps({"size": 32100, "ids": list(range(20)), "max_note_tokens": 512}),
    }
    for name, data in tables.items():
        assert kinds(sources, name, data) == set(), name
    for text in ("patient 4512 died", "patient: 12", "subjects 812, 4512", "SUBJECT_ID 12", "icu stay: 7"):
        assert kinds(sources, "a.md", text) == {"identifier"}, text


def test_a_long_identifier_of_a_real_cohort_in_a_tracked_file_is_told(tmp_path):
    pq.write_table(pa.table({"subject_id": [SUBJECT, HADM]}), tmp_path / "s.parquet")
    tracked = {"scripts/x.py": f"START = {SUBJECT}\nITEM = {HADM}\n"}
    real, made_up = (scan([Source("s", tmp_path / "s.parquet", real=real)], {}, tracked) for real in (True, False))
    assert real.findings == made_up.findings == made_up.remarks == []
    for text in (f"{SUBJECT} and {SUBJECT + 1}", "see 10000032-DS-21"):
        pq.write_table(
            pa.table({"subject_id": [SUBJECT, SUBJECT + 1], "note_id": ["10000032-DS-21", None]}),
            tmp_path / "t.parquet",
        )
        (found,) = scan([Source("t", tmp_path / "t.parquet", real=True)], {}, {"docs/a.md": text}).findings
        assert (found.file, found.kind) == ("docs/a.md", "identifier") and str(SUBJECT) not in found.place
        assert scan([Source("t", tmp_path / "t.parquet")], {}, {"docs/a.md": text}).findings == []
    assert real.remarks == ["scripts/x.py: a number is also an identifier of the cohort: by chance?"]


# Secrets and places

SECRETS = {
    "value": ("value of MY_KEY", "log: correct-horse/battery staple"),
    "key": ("secret", "used sk-abcdefghijklmnop1234 once"),
    "private key": ("secret", "-----BEGIN OPENSSH PRIVATE KEY-----\nx"),
    "password in an address": ("secret", "see https://me:hunter2@llm.example/v1"),
    "bearer token": ("secret", '{"Authorization": "Bearer abcdefgh12345"}'),
    "assignment": ("secret", 'api_key="k3yk3yk3yk3y"'),
    "AWS secret": ("secret", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYabcdefghij"),
    "e-mail address": ("e-mail address", "ask jane.doe@hospital.org"),
    "place": ("private server", "teacher at http://gpu7.cluster.internal/v1"),
    "path": ("path of the home folder", "read /home/jane/mimic/x.csv"),
}


@pytest.mark.parametrize("way", SECRETS)
@pytest.mark.parametrize("name", ["a.md", "a.json", "results/.records/a.csv.json"])
def test_a_secret_is_found(sources, way, name):
    kind, text = SECRETS[way]
    text = text if name == "a.md" else json.dumps({"command": ["x", text]})
    known = {"secrets": {"MY_KEY": "correct-horse/battery staple"}, "places": {"the home folder": "/home/jane"}}
    assert kind in kinds(sources, name, text, **known)


def test_keys_of_other_services(sources):
    for key in ("hf_" + "a" * 30, "AKIA" + "A1B2C3D4E5F6G7H8", "ghp_" + "a" * 36):
        assert kinds(sources, "a.md", f"x {key} y") == {"secret"}


def test_mail_addresses_of_the_citation_and_of_nobody_are_no_secret(sources):
    tracked = {"CITATION.cff": "email: us@lab.org", "docs/a.md": "mail us@lab.org, x@example.org, y@sub.example.com"}
    assert scan(sources, {"a.md": "us@lab.org or git@github.com"}, tracked).findings == []
    found = scan(sources, {"a.md": "jane@lab.org"}, {"docs/a.md": "ask jane@lab.org"} | tracked).findings
    assert [(one.file, one.kind) for one in found] == [("a.md", "e-mail address")]
    found = scan(sources, {"a.md": "jane@lab.org"}, {"docs/b.md": "ask jane@lab.org"} | tracked).findings
    assert [(one.file, one.kind) for one in found] == [("a.md", "e-mail address"), ("docs/b.md", "e-mail address")]


def test_folders_of_the_machine_are_found_in_tracked_files(sources):
    known = {"places": {"raw files (raw/mimic3)": "/data/physionet/mimic3"}}
    (found,) = scan(sources, {}, {"config.yaml": "raw: /data/physionet/mimic3\n"}, **known).findings
    assert found.file == "config.yaml" and found.kind == "path of raw files (raw/mimic3)"


@pytest.mark.parametrize(
    "host", ["localhost", "gpu7", "gpu7.local", "a.internal", "x.lan", "10.1.2.3", "127.0.0.1", "192.168.0.7", "[::1]",
             "[fd00::1]", "llm.hospital.org:8000"],
)  # fmt: skip
def test_addresses_of_servers_of_ones_own_are_places(sources, host):
    for text in (f"http://{host}/v1", f"see https://{host}", json.dumps({"base_url": f"https://{host}/v1"})):
        assert kinds(sources, "a.md", text) == {"private server"}
        assert scan(sources, {}, {"docs/a.md": text}).findings == []
    public = "https://w3id.org/x, http://8.8.8.8/, https://api.openai.com/v1: 12, https://en.wikipedia.org."
    assert kinds(sources, "a.md", public) == set()


def test_made_up_keys_of_tests_are_none(sources):
    tracked = {"tests/x.py": "KEY = 'sk-abcdefghijklmnop1234'"}
    (found,) = scan(sources, {}, {"scripts/x.py": tracked["tests/x.py"]}).findings
    assert found.kind == "secret"
    known = {"secrets": {"K": "sk-abcdefghijklmnop1234"}}
    assert [f.kind for f in scan(sources, {}, {"tests/x.py": tracked["tests/x.py"]}, **known).findings] == [
        "value of K"
    ]


def test_a_folder_whose_name_begins_alike_is_another(sources):
    assert (
        kinds(sources, "a.md", "/home/janet/x and /mnt/home/jane2 and {out}/home/jane", places={"home": "/home/jane"})
        == set()
    )


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
