"""Content that must not leave in a release, planted into files in many ways, and what a scan finds in them."""

import base64
import gzip
import html
import json
import struct
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tiny_tree import attrition

from clinragen.audit.scan import Scan, Shared, Source
from clinragen.schemas.knowledge import TERMS

NOTE = (
    "Name: ___ The patient was found down by her neighbour, Temp <100 & BP 90/60 on arrival.\n"
    "She received two litres of saline\nand felt dizzy whenever she stood; her daughter arrived from out of town."
)
SENTENCE = "SHE received   two\nlitres of saline, and felt dizzy"
NINE, SEVEN = SENTENCE, "two litres of saline and felt dizzy"
SUBJECT, SHORT, HADM, STAY = 10000032, 10011, 154321, 200001


def restricted_tables(directory: Path) -> list[Source]:
    """Write two restricted tables: a note of a patient, and identifiers of two others."""
    notes = {"stay_id": [STAY], "note_id": ["10000032-DS-21"], "text": [NOTE]}
    pq.write_table(pa.table(notes), directory / "notes.parquet")
    ids = {"subject_id": [SUBJECT, SHORT], "hadm_id": [HADM, None], "los_hours": [1.5, 2.5]}
    pq.write_table(pa.table(ids), directory / "stays.parquet")
    return [
        Source("notes", directory / "notes.parquet", made_of=frozenset({"resources/evidence.yaml"})),
        Source("stays", directory / "stays.parquet"),
    ]


def scan(sources, files: dict[str, bytes | str], tracked: dict[str, str] | None = None, **known):
    shared = [Shared(name, as_bytes(data)) for name, data in files.items()]
    shared += [Shared(name, as_bytes(data), tracked=True) for name, data in (tracked or {}).items()]
    return Scan(shared, sources, **known).run()


def as_bytes(data: bytes | str) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


def kinds(sources, name: str, data: bytes | str, **known) -> set[str]:
    found = scan(sources, {name: data}, **known).findings
    text = " ".join(map(str, found))
    # A finding does not show what it is about.
    for secret in ("saline", str(SUBJECT), str(HADM), str(STAY), str(SHORT), *known.get("secrets", {}).values()):
        assert secret not in text
    return {one.kind for one in found}


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


def picture(text: str) -> bytes:
    return png((b"tEXt", b"Comment\0" + text.encode("latin-1")))


def weights(end: str) -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [int(end) // 8, 2], "data_offsets": [0, int(end)]}})
    return struct.pack("<Q", len(header)) + header.encode() + b"\0" * 8


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def drawing(text: str) -> str:
    svg = f"<svg xmlns='http://www.w3.org/2000/svg'><text>{text}</text></svg>"
    return f'<img src="data:image/svg+xml;base64,{coded(svg.encode())}">'


WAYS = {
    "cell of a table": ("a.csv", attrition),
    "words of a table": ("a.csv", lambda t: attrition(*t.split())),
    "entities": ("a.html", lambda t: "<p>" + "".join(f"&#{ord(c)};" for c in t) + "</p>"),
    "tags between": ("a.html", lambda t: "<p>" + "<br/><b class='x'>".join(html.escape(w) for w in t.split()) + "</p>"),
    "tags within": ("a.html", lambda t: f"<p title='{t}'>x</p>"),
    "quoted page": ("a.html", lambda t: html.escape(html.escape("&".join(t.split())))),
    "script of a page": ("a.html", lambda t: f"<script>var a = {json.dumps([t])};</script>"),
    "drawing in a page": ("a.html", lambda t: f"<p>a%20b</p>{drawing(t)}"),
    "text in a drawing": ("a.svg", lambda t: f"<?xml version='1.0' encoding='utf-8'?>\n<svg><text>{t}</text></svg>"),
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
    "lines of json": ("a.jsonl", lambda t: '{"a": 1}\n' + json.dumps({"b": t}) + "\n"),
    "text of a picture": ("a.png", picture),
    "packed text of a picture": ("a.png", lambda t: png((b"zTXt", b"Comment\0\0" + zlib.compress(t.encode())))),
    "international text": ("a.png", lambda t: png((b"iTXt", b"C\0\1\0\0\0" + zlib.compress(t.encode())))),
    "other chunk of a picture": ("a.png", lambda t: png((b"eXIf", b"\0\1" + t.encode()))),
    "after a picture": ("a.png", lambda t: png() + t.encode()),
    "picture in a page": ("a.html", lambda t: f'<img src="data:image/png;base64,{coded(picture(t))}">'),
    "arrow": ("a.arrow", lambda t: arrow(a=[t])),
    "two bytes a letter": ("a.md", lambda t: t.encode("utf-16")),
    "weights": ("a.safetensors", lambda t: b"\xff\x00\x01" + " ".join(t.split()).encode() + b"\xfe\x00"),
    "plain text": ("a.txt", lambda t: t),
    "no suffix": ("notes", lambda t: t),
}  # fmt: skip

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
    "in a drawing of a page": ("a.html", drawing(f"the stay {STAY} of the cohort")),
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


SECRETS = {
    "value": ("value of MY_KEY", "log: correct-horse/battery staple"),
    "key": ("secret", "used sk-abcdefghijklmnop1234 once"),
    "private key": ("secret", "-----BEGIN OPENSSH PRIVATE KEY-----\nx"),
    "password in an address": ("secret", "see https://me:hunter2@llm.example/v1"),
    "bearer token": ("secret", '{"Authorization": "Bearer abcdefgh12345"}'),
    "assignment": ("secret", 'api_key="k3yk3yk3yk3y"'),
    "AWS secret": ("secret", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYabcdefghij"),
    "e-mail address": ("e-mail address", "ask jane.doe@hospital.org"),
    "server": ("private server", "teacher at http://gpu7.cluster.internal/v1"),
    "path": ("path of the home directory", "read /home/jane/mimic/x.csv"),
}
