"""What identifies patients is declared at the column and refused in shareable outputs; who may import the scan."""

import ast

import pyarrow as pa
import pytest
from runs import ROOT

from clinragen.audit.contents import declared, read
from clinragen.provenance.digest import closure
from clinragen.runtime.outputs import Out, SharedOut

TABLES = {table.name: table for table in declared().values()}
IDENTIFYING = sorted(name for name, table in TABLES.items() if table.identifying)
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "scripts").rglob("*.py"))}
# Packages of which only a release has need.
OF_THE_SCAN = {"detect_secrets", "lxml", "rocrate"}


def test_the_tables_of_patients_stays_and_notes_identify():
    assert {"stays", "events", "notes", "samples", "rationales", "predictions"} <= set(IDENTIFYING)
    assert len(IDENTIFYING) > 15 and len(TABLES) > 2 * len(IDENTIFYING)


def test_every_column_that_is_named_like_an_identifier_is_declared_as_one():
    for table in TABLES.values():
        named = [column.name for column in table.columns if column.name.endswith("_id")]
        assert set(named) <= set(table.identifying), table.name


@pytest.mark.parametrize("name", IDENTIFYING)
def test_a_shareable_output_refuses_a_table_that_identifies(name, tmp_path):
    table = TABLES[name]
    for suffix in ("csv", "parquet", "arrow"):
        shared = SharedOut(tmp_path / f"a.{suffix}")
        with pytest.raises(ValueError, match=rf"a\.{suffix} is shareable, but columns of table {name} identify"):
            table.write(table.schema.empty_table(), shared)
        with pytest.raises(ValueError, match="is shareable"):
            table.writer(shared)
        assert list(tmp_path.glob("*a.*")) == []
    restricted = Out(tmp_path / "b.parquet")
    table.write(table.schema.empty_table(), restricted)
    assert restricted.path.is_file()


def test_a_column_that_is_not_declared_cannot_be_written_at_all(tmp_path):
    table = TABLES["attrition"]
    smuggled = table.schema.empty_table().append_column("stay_id", pa.array([], pa.int64()))
    with pytest.raises(Exception, match="unknown columns"):
        table.write(smuggled, SharedOut(tmp_path / "a.csv"))


def calls(source: str) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]


def test_steps_write_tables_to_their_outputs_only_so_that_none_passes_the_check():
    """`TABLE.write(rows, out.path)`, or a writer of pyarrow's, would not know whether the output is shareable."""
    passed = []
    for path, source in SOURCES.items():
        name = path.relative_to(ROOT / "scripts").as_posix()
        for call in calls(source):
            of_table = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value).isupper()
            if of_table and call.func.attr in ("write", "writer") and ast.unparse(call.args[-1]).endswith(".path"):
                passed.append(name)
            if ast.unparse(call.func) in ("pq.write_table", "pa.csv.write_csv", "pq.ParquetWriter", "pa.ipc.new_file"):
                passed.append(name)
    assert set(passed) == {"clinragen/schemas/schema.py", "clinragen/audit/release.py"}


def test_only_a_release_imports_the_packages_of_the_scan():
    def imports(source: str) -> set[str]:
        nodes = list(ast.walk(ast.parse(source)))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        return {name.split(".")[0] for name in names}

    scan = {path for path, source in SOURCES.items() if imports(source) & OF_THE_SCAN}
    assert {path.parent.name for path in scan} == {"audit"}
    users = {s.name for s in (ROOT / "scripts").glob("*.py") if not scan.isdisjoint(closure(s))}
    assert users == {"release.py"}


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_release_accepts_every_other_table_as_steps_write_it(suffix, tmp_path):
    for name in TABLES.keys() - IDENTIFYING:
        table, out = TABLES[name], SharedOut(tmp_path / f"a.{suffix}")
        if suffix == "parquet" or not any(pa.types.is_nested(column.type) for column in table.columns):
            table.write(table.schema.empty_table(), out)
            assert read(out.final.name, out.path.read_bytes()).values == [], name
