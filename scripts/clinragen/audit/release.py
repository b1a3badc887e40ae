"""Pack a results tree into one archive: code, shareable outputs, all records, and a list of what is left out."""

import hashlib
import io
import json
import os
import re
import subprocess
import zipfile
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.csv

from clinragen.audit.crate import describe_crate
from clinragen.audit.scan import Scan, Scanned, Shared, Source
from clinragen.audit.verify import Check, Findings
from clinragen.errors import UserError
from clinragen.llm.origin import restricted_origin
from clinragen.provenance.graph import LINEAGE, Graph, root_of
from clinragen.provenance.record import File, Record, dump, record_path
from clinragen.provenance.tree import described_by, records_below
from clinragen.runtime.outputs import SharedOut
from clinragen.schemas.audit import LEFT_OUT

LIST = "left_out.csv"
DATASETS, MODULES = ("mimic3", "mimic4"), ("hosp", "icu", "note")
NAME_OF_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW", re.I)
SHORTEST_SECRET = 8
EARLIEST = (1980, 1, 1, 0, 0, 0)
REMEDY = (
    "commit or remove uncommitted files, regenerate what does not match its record, fix the rule behind restricted "
    "content or leave the output out (--leave-out PATH)"
)


class Checkout:
    """The code at the commit, as git has it."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        try:
            self.commit = self._git("rev-parse", "HEAD").decode().strip()
        except (OSError, subprocess.CalledProcessError):
            raise UserError(f"{root} is not a git repository with at least one commit") from None

    def changes(self) -> list[str]:
        """Return the files that differ from the commit, as `git status` lists them."""
        return self._git("status", "--porcelain").decode().splitlines()

    @cached_property
    def files(self) -> dict[str, tuple[bytes, int]]:
        """Content and mode of every file of the commit; git gives modes only for links and programs."""
        with zipfile.ZipFile(io.BytesIO(self._git("archive", "--format=zip", "HEAD"))) as packed:
            entries = [entry for entry in packed.infolist() if not entry.is_dir()]
            return {e.filename: (packed.read(e), e.external_attr if e.external_attr >> 16 else 0) for e in entries}

    def _git(self, *arguments: str) -> bytes:
        return subprocess.run(["git", "-C", str(self.root), *arguments], capture_output=True, check=True).stdout


class Paths:
    """Rewrites the paths in records: in the archive none is of this machine."""

    def __init__(self, moved: dict[str, str], inputs: dict[str, str]) -> None:
        """`moved` are old and new directories, `inputs` files from outside the tree with an output made from each."""
        self.moved = moved
        for path, user in sorted(inputs.items()):
            directory = PurePosixPath(path).parent
            outside = directory.is_absolute() or ".." in directory.parts
            if outside and not any(directory.is_relative_to(old) for old in self.moved):
                dataset = next((part for part in PurePosixPath(user).parts if part in DATASETS), "other")
                number = 1 + sum(new.startswith(f"raw/{dataset}") for new in self.moved.values())
                # The modules of MIMIC-IV stay below one directory.
                top = directory.parent if directory.name in MODULES and directory.parent.name else directory
                self.moved[top.as_posix()] = f"raw/{dataset}" if number == 1 else f"raw/{dataset}-{number}"
        old = "|".join(map(re.escape, sorted(self.moved, key=len, reverse=True)))
        self._known = re.compile(rf"(?<![\w./-])({old})(/|(?![\w.-]))")

    def new(self, value: Any) -> Any:
        """Return a text, or all texts of a JSON value, with the paths of the archive."""
        if isinstance(value, str):
            # What was below the checkout is relative to the root of the archive.
            return self._known.sub(lambda m: f"{self.moved[m[1]]}{m[2]}".removeprefix("./"), value)
        if isinstance(value, list):
            return [self.new(part) for part in value]
        return {self.new(key): self.new(part) for key, part in value.items()} if isinstance(value, dict) else value


class Release:
    """Everything that goes into an archive, in memory."""

    def __init__(self, tree: Path, checkout: Checkout, leave_out: Iterable[Path] = ()) -> None:
        if not any(records_below(tree)):
            raise UserError(f"{tree} holds no records: name a results tree, such as results/demo")
        self.tree, self.checkout, self.name = tree, checkout, f"results/{tree.absolute().name}"
        self.graph = Graph.around(tree)
        recorded = self.graph.relocation.recorded_path
        own = sorted(recorded(described_by(file)) for file in records_below(tree))
        # Each output after those that it was made from.
        paths = dict.fromkeys(name for path in own for name in self.graph.ancestors(path))
        self.records = {path: record for path in paths if (record := self.graph.record(path))}
        self.asked = {recorded(path) for path in leave_out}
        if unknown := sorted(self.asked - set(self.records)):
            raise UserError(f"{', '.join(unknown)}: not a recorded output; --leave-out accepts outputs only")
        self.home = recorded(tree)
        self.own = {path for path in self.records if PurePosixPath(path).is_relative_to(self.home)}
        uses = [(path, used) for path, record in self.records.items() for used in record["inputs"]]
        self.roots = {used["path"]: used for _, used in uses if used["made_by"] is None}
        inputs = {used["path"]: path for path, used in uses if used["path"] not in self.own}
        self.paths = Paths({self.home: self.name, checkout.root.as_posix(): "."}, inputs)
        self.shared = [path for path in self.records if self.why_not(path) is None]
        self.left_out, self.redacted = self._left_out(), self._redacted()
        lineage = self.redacted.get(f"{self.name}/{LINEAGE}")
        self.root = root_of({i["path"]: i["record"] for i in lineage["inputs"] if i["record"]}) if lineage else None
        """Root of the records in the archive, whose paths are rewritten; None without an audit in the tree."""
        self.checked, self.scanned = Findings(), Scanned()

    def why_not(self, path: str) -> str | None:
        """Return why an output is left out; None for a shared one."""
        output = self.records[path]["output"]
        if output["sharing"] != "shareable":
            return "restricted: derived from single patients"
        if path not in self.own:
            return "outside of the results tree"
        if "files" in output:
            return "a directory: a language model, available where its record says or from its rule"
        return "left out on request" if path in self.asked else None

    def problems(self) -> list[str]:
        """Check, read and scan everything; return all that forbids the release."""
        self.checked = Check(self.graph).directory(self.tree)
        problems = [f"not committed: {line}" for line in self.checkout.changes()]
        problems += map(str, self.checked.problems or self._changed())
        code = {name: data for name, (data, _) in self.checkout.files.items()}
        self.scanned = Scan(
            [Shared(name, data, tracked=True) for name, data in code.items()] + self._outputs(),
            self._sources(), self._secrets(), self._places(),
        ).run()  # fmt: skip
        problems += [f"restricted content: {finding}" for finding in self.scanned.findings]
        return problems + [f"two files would be {name} in the archive" for name in sorted(code.keys() & self.files)]

    def _changed(self) -> Iterator[str]:
        """Yield what is wrong with outputs that changed after the check."""
        for path in map(self.paths.new, self.shared):
            if hashlib.sha256(self.files.get(path, b"")).hexdigest() != self.redacted[path]["output"]["sha256"]:
                yield f"changed meanwhile: {path}; make sure that no workflow is running"

    def _outputs(self) -> list[Shared]:
        """Return everything but code for the scan."""
        public = {self.paths.new(path) for path in self.shared if self._is_public(path)}
        return [Shared(name, data, public=name in public) for name, data in self.files.items()]

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Everything in the archive except code, by its path there: outputs, records, and what describes them."""
        shared = {self.paths.new(path): self.graph.current_path(path) for path in self.shared}
        outputs = {path: file.read_bytes() for path, file in shared.items() if file.is_file()}
        written = {record_path(Path(path)).as_posix(): dump(record) for path, record in self.redacted.items()}
        text = io.BytesIO()
        pa.csv.write_csv(LEFT_OUT.check(pa.Table.from_pylist(self.left_out, LEFT_OUT.schema), LIST), text)
        written[LIST] = text.getvalue()
        sizes = {name: len(data) for name, (data, _) in self.checkout.files.items()} | {LIST: len(written[LIST])}
        return outputs | written | describe_crate(self, sizes)

    def of_other_states(self) -> int:
        """Return how many outputs are from another commit, or from uncommitted changes."""
        commits = (record["git"] for record in self.records.values())
        return sum(1 for git in commits if not git or git["dirty"] or git["commit"] != self.checkout.commit)

    def _redacted(self) -> dict[str, Record]:
        """Return all records as they are released, by their new paths: without listings of directories.

        The chain of hashes is computed again: each record comes after those of its inputs, whose hashes it holds.
        """
        records: dict[str, Record] = {}
        hashes: dict[str, str] = {}
        for record in self.records.values():
            new = self.paths.new(record)
            for part in (new["output"], *new["inputs"]):
                if isinstance(part.get("files"), dict):
                    part["files"] = len(part["files"])
            for used in new["inputs"]:
                used["record"] = hashes.get(used["path"], used["record"])
            path = new["output"]["path"]
            records[path], hashes[path] = new, hashlib.sha256(dump(new)).hexdigest()
        return records

    def _left_out(self) -> list[dict[str, Any]]:
        """Return the outputs and raw files that the archive does not hold, by their new paths (LEFT_OUT)."""
        files: list[tuple[File, str]] = [
            (record["output"], why) for path, record in self.records.items() if (why := self.why_not(path))
        ]
        for path, used in self.roots.items():
            new = self.paths.new(path)
            if new not in self.checkout.files and path not in self.records:
                files.append((used, "raw file" if new.startswith("raw/") else "raw file or resource outside of git"))
        rows = [
            {key: f[key] for key in ("bytes", "sha256")} | {"path": self.paths.new(f["path"]), "why": w}
            for f, w in files
        ]
        return sorted(rows, key=lambda row: row["path"])

    def _is_public(self, path: str) -> bool:
        """Return whether stage knowledge made an output only from tracked files and public documents."""
        above = self.graph.ancestors(path) if self.records[path]["rule"].startswith("knowledge_") else [""]
        own = (self.records[p]["output"]["sharing"] == "shareable" for p in above if p in self.records)
        return all(own) and all(self.paths.new(p) in self.checkout.files for p in above if p not in self.records)

    def _sources(self) -> list[Source]:
        """Return the restricted tables whose records do not prove that all their data are synthetic or open."""
        tables, closed = [], set()
        for path, record in self.records.items():
            file = self.graph.current_path(path)
            is_table = record["output"]["sharing"] == "restricted" and file.suffix in (".parquet", ".arrow")
            # What was made from such a table is one too; following its records again would take minutes.
            inherits = any(used["path"] in closed for used in record["inputs"])
            if inherits or (is_table and file.is_file() and restricted_origin([file], self.checkout.root)):
                closed.add(path)
                if is_table and file.is_file():
                    made_of = frozenset(map(self.paths.new, self.graph.ancestors(path)))
                    tables.append(Source(self.paths.new(path), file, made_of))
        return tables

    def _secrets(self) -> dict[str, str]:
        """Return the values of the keys that records name, and of environment variables with a name like one."""
        settings = json.dumps([record["settings"] for record in self.records.values()])
        names = set(re.findall(r'"api_key_variable": "(\w+)"', settings))
        names |= {name for name in os.environ if NAME_OF_SECRET.search(name)}
        values = {name: os.environ.get(name, "").strip() for name in sorted(names)}
        return {name: value for name, value in values.items() if len(value) >= SHORTEST_SECRET}

    def _places(self) -> dict[str, str]:
        """Return the directories of this machine that must not be disclosed."""
        places = {"the home directory": str(Path.home()), "the checkout": self.checkout.root.as_posix(), "the results":
                  self.home}  # fmt: skip
        places |= {f"raw files ({new})": old for old, new in self.paths.moved.items() if new.startswith("raw/")}
        return {name: path for name, path in places.items() if path.startswith("/") and path != "/"}


def release(tree: Path, root: Path, directory: Path, leave_out: Iterable[Path] = ()) -> tuple[Release, Path]:
    """Write the archive of a results tree into a directory; return its parts and its path.

    UserError lists all obstacles: uncommitted changes, results that do not match their records, restricted content in
    what would be shared. Nothing is written then.
    """
    parts = Release(tree, Checkout(root), leave_out)
    if problems := parts.problems():
        raise UserError("\n  - ".join([f"{tree} cannot be released; {REMEDY}:", *problems]))
    out = SharedOut(directory / f"{tree.absolute().name}-{parts.checkout.commit[:12]}.zip")
    out.prepare()
    try:
        _write(out.path, {name: (data, 0) for name, data in parts.files.items()} | parts.checkout.files)
        out.commit()
    finally:
        out.discard()
    return parts, out.final


def _write(path: Path, files: dict[str, tuple[bytes, int]]) -> None:
    """Write the archive of contents with modes, the same bytes for the same content."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, (data, mode) in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            entry.external_attr = mode or 0o100644 << 16
            packed.writestr(entry, data)
