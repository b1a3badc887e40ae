"""A results tree as one archive: code, shareable outputs, all records, and a list of what is left out."""

import csv
import hashlib
import io
import json
import os
import re
import subprocess
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from clinragen.audit.contents import Refused, texts
from clinragen.audit.crate import Contents, describe_crate
from clinragen.audit.graph import LINEAGE, Graph, root_of
from clinragen.audit.leaks import places_in
from clinragen.audit.scan import Scan, Scanned, Shared, Source
from clinragen.audit.verify import Check, is_no_output
from clinragen.errors import UserError
from clinragen.provenance.record import FOLDER, SNAKEMAKE_TIMESTAMP, Record, dump, record_path, sha256
from clinragen.provenance.tree import described_by, files_below, records_below
from clinragen.runtime.outputs import SharedOut
from clinragen.runtime.progress import Progress

LEFT_OUT = "left_out.csv"
# Directories of the modules of MIMIC-IV: where a file belongs below the raw directory.
MODULES = ("hosp", "icu", "note")
# The project itself wrote or generated the texts of these.
SYNTHETIC_SOURCES = {"synthetic cohort", "synthetic notes", "template LLM"}
NAME_OF_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW", re.I)
SHORTEST_SECRET = 8
EARLIEST = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Missing:
    """A file named in the records that the archive does not hold."""

    path: str
    bytes: int
    sha256: str
    why: str


@dataclass
class Released:
    """A finished release, and what its summary reports."""

    archive: Path
    bytes: int
    sha256: str
    files: int
    left_out: list[Missing]
    not_audited: tuple[int, int]
    scanned: Scanned
    of_other_states: int
    root: str | None
    """Root of the records in the archive, whose paths are rewritten; None without an audit in the tree."""
    root_of_tree: str | None


class Checkout:
    """The code at the commit, as git has it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self.commit = self._git("rev-parse", "HEAD").decode().strip()
        except (OSError, subprocess.CalledProcessError):
            raise UserError(f"{root} is not a git repository with at least one commit") from None

    def changes(self) -> list[str]:
        """Files that differ from the commit, as `git status` lists them."""
        return [line for line in self._git("status", "--porcelain").decode().splitlines() if line]

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Content and mode of every file of the commit."""
        with zipfile.ZipFile(io.BytesIO(self._git("archive", "--format=zip", "HEAD"))) as packed:
            return {one.filename: (packed.read(one), _mode(one)) for one in packed.infolist() if not one.is_dir()}

    def _git(self, *arguments: str) -> bytes:
        return subprocess.run(["git", "-C", str(self.root), *arguments], capture_output=True, check=True).stdout


def _mode(one: zipfile.ZipInfo) -> int:
    """Attributes of a file of the code; git gives them only for links and programs."""
    return one.external_attr if one.external_attr >> 16 else 0o100644 << 16


class Names:
    """Paths of the records as they are in the archive, without any path of this machine."""

    def __init__(self, tree: str, name: str, root: Path, roots: dict[str, str]) -> None:
        """`tree` is the recorded path of the results tree, `roots` one user of each file outside of it."""
        self.files: dict[str, str] = {}
        self.folders: dict[str, str] = {}
        if tree != f"results/{name}":
            self.folders[tree] = f"results/{name}"
        if root.as_posix() != "/":
            self.folders[root.as_posix()] = "."
        for path, user in sorted(roots.items()):
            if path.startswith(f"{root.as_posix()}/"):
                self.files[path] = path.removeprefix(f"{root.as_posix()}/")
            elif path.startswith("/") or ".." in PurePosixPath(path).parts:
                dataset = next((p for p in PurePosixPath(user).parts if p in ("mimic3", "mimic4")), "other")
                self._raw(PurePosixPath(path), dataset)
        old = sorted([*self.files, *self.folders], key=len, reverse=True)
        self._known = re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, old))})(?![\w.-])") if old else None

    def _raw(self, path: PurePosixPath, dataset: str) -> None:
        folder = PurePosixPath("raw", dataset)
        module = path.parent.name if path.parent.name in MODULES else ""
        number = 1
        while (new := (folder / module / path.name).as_posix()) in self.files.values():
            number += 1
            folder = PurePosixPath("raw", f"{dataset}-{number}")
        self.files[path.as_posix()] = new
        self.folders.setdefault(path.parent.as_posix(), (folder / module).as_posix())
        if module:
            self.folders.setdefault(path.parent.parent.as_posix(), folder.as_posix())

    def rewrite_path(self, text: str) -> str:
        """A text with all paths as in the archive."""
        if self._known is None:
            return text
        return self._known.sub(lambda found: self.files.get(found[1]) or self.folders[found[1]], text)

    def rewrite_paths(self, value: Any) -> Any:
        """The same for all texts of a JSON value."""
        if isinstance(value, str):
            return self.rewrite_path(value)
        if isinstance(value, list):
            return [self.rewrite_paths(part) for part in value]
        if isinstance(value, dict):
            return {self.rewrite_path(key): self.rewrite_paths(part) for key, part in value.items()}
        return value

    def outside(self) -> dict[str, str]:
        """Directories that must not be disclosed, by what they are."""
        raw = {f"raw files ({new})": old for old, new in self.folders.items() if new.startswith("raw/")}
        return {name: folder for name, folder in raw.items() if folder.startswith("/") and folder != "/"}


class Release:
    """Everything that goes into an archive, in memory except the outputs themselves."""

    def __init__(self, tree: Path, checkout: Checkout, leave_out: Iterable[Path] = ()) -> None:
        if not any(records_below(tree)):
            raise UserError(f"{tree} holds no records: name a results tree, such as results/demo")
        self.tree, self.checkout = tree, checkout
        self.name = tree.absolute().name
        self.graph = Graph.around(tree)
        own = sorted(self.graph.relocation.recorded_path(described_by(file)) for file in records_below(tree))
        # Each output after those that it was made from.
        paths = dict.fromkeys(name for path in own for name in self.graph.ancestors(path))
        self.records = {path: record for path in paths if (record := self.graph.record(path))}
        self.asked = {self.graph.relocation.recorded_path(path) for path in leave_out}
        unknown = sorted(self.asked - set(self.records))
        if unknown:
            raise UserError(f"{', '.join(unknown)}: not a recorded output; --leave-out accepts outputs only")
        self.tree_recorded = self.graph.relocation.recorded_path(tree)
        self.own = {path for path in self.records if PurePosixPath(path).is_relative_to(self.tree_recorded)}
        uses = [(path, used) for path, record in self.records.items() for used in record["inputs"]]
        self.roots = {used["path"]: used for _, used in uses if used["made_by"] is None}
        users = {used["path"]: path for path, used in uses}
        elsewhere = {path: user for path, user in users.items() if path not in self.own}
        self.names = Names(self.tree_recorded, self.name, checkout.root.absolute(), elsewhere)
        self.code = checkout.files()
        self.with_places: set[str] = set()
        self.with_places = {path for path in self.records if self.why_not(path) is None and self._has_places(path)}

    def problems(self) -> list[str]:
        """What forbids a release before any content is scanned."""
        dirty = [f"not committed: {line}" for line in self.checkout.changes()]
        return dirty + [str(problem) for problem in Check(self.graph).folder(self.tree).problems]

    def why_not(self, path: str) -> str | None:
        """The reason why an output is left out; None for one that is shared."""
        record = self.records[path]
        if record["output"]["sharing"] != "shareable":
            return "restricted: derived from single patients"
        if path not in self.own:
            return "outside of the results tree"
        if record["rule"] in ("train_backbone", "train_text_encoder", "llm_weights"):
            return "a third-party language model, available where its record says"
        if record["rule"] in ("demo_backbone", "demo_text_encoder"):
            return "a tiny language model, made again by its rule"
        if path in self.with_places:
            return "contains paths of the machine where it was made"
        return "left out on request" if path in self.asked else None

    def redacted(self) -> dict[str, Record]:
        """All records as they are released, by their new paths: without listings of restricted directories.

        The chain of hashes is computed again: each record comes after those of its inputs, whose hashes it holds.
        """
        shared = {self.names.rewrite_path(path) for path in self.records if self.why_not(path) is None}
        found: dict[str, Record] = {}
        hashes: dict[str, str] = {}
        for record in self.records.values():
            new = self.names.rewrite_paths(record)
            for part in (new["output"], *new["inputs"]):
                if isinstance(part.get("files"), dict) and part["path"] not in shared:
                    part["files"] = len(part["files"])
            for used in new["inputs"]:
                used["record"] = hashes.get(used["path"], used["record"])
            path = new["output"]["path"]
            found[path], hashes[path] = new, hashlib.sha256(dump(new)).hexdigest()
        return found

    def left_out(self) -> list[Missing]:
        """Outputs and raw files that the archive does not hold, by their new paths."""
        files = [(record["output"], why) for path, record in self.records.items() if (why := self.why_not(path))]
        new = self.names.rewrite_path
        for path, used in self.roots.items():
            if new(path) not in self.code and path not in self.records:
                untracked = "raw file or resource that git does not track"
                files.append((used, "raw file" if new(path).startswith("raw/") else untracked))
        rows = (Missing(new(file["path"]), file["bytes"], file["sha256"], why) for file, why in files)
        return sorted(rows, key=lambda row: row.path)

    def _has_places(self, path: str) -> bool:
        """Whether a shareable output contains a path of this machine; outputs, unlike records, are not rewritten."""
        places, files = self.places(), self._files_of(path).items()
        try:
            found = (
                next(places_in(text, places), None) for name, file in files for text in texts(name, file.read_bytes())
            )
            return any(found)
        except (Refused, OSError):
            return False  # reported by the check or the scan

    def outputs(self) -> dict[str, Path]:
        """Every file of every shareable output, by its name in the archive."""
        shared = (self._files_of(path) for path in self.records if self.why_not(path) is None)
        return {name: file for files in shared for name, file in files.items()}

    def public(self) -> set[str]:
        """Names in the archive of what stage knowledge made only from tracked files and public documents."""
        found = set()
        for path, record in self.records.items():
            if record["rule"].startswith("knowledge_") and all(map(self._is_public, self.graph.ancestors(path))):
                found |= set(self._files_of(path))
        return found

    def _is_public(self, path: str) -> bool:
        record = self.records.get(path)
        return record["output"]["sharing"] == "shareable" if record else self.names.rewrite_path(path) in self.code

    def _files_of(self, path: str) -> dict[str, Path]:
        place, new = self.graph.current_path(path), self.names.rewrite_path(path)
        if not place.is_dir():
            return {new: place} if place.is_file() else {}
        files = sorted(p for p in place.rglob("*") if p.is_file() and p.name != SNAKEMAKE_TIMESTAMP)
        return {f"{new}/{file.relative_to(place).as_posix()}": file for file in files}

    def sources(self) -> list[Source]:
        """The restricted tables, with which everything that is shared is compared."""
        found = []
        for path, record in self.records.items():
            place, restricted = self.graph.current_path(path), record["output"]["sharing"] == "restricted"
            if restricted and place.suffix in (".parquet", ".arrow") and place.is_file():
                real = SYNTHETIC_SOURCES.isdisjoint(record["stand_ins"])
                made_of = frozenset(map(self.names.rewrite_path, self.graph.ancestors(path)))
                found.append(Source(self.names.rewrite_path(path), place, real, made_of))
        return found

    def secrets(self) -> dict[str, str]:
        """Secret values of the environment: the keys that records name, and variables with a name like one."""
        named = {value for record in self.records.values() for value in _values(record["settings"], "api_key_variable")}
        kept = sorted(named | {name for name in os.environ if NAME_OF_SECRET.search(name)})
        values = {name: os.environ.get(name, "").strip() for name in kept}
        return {name: value for name, value in values.items() if len(value) >= SHORTEST_SECRET}

    def places(self) -> dict[str, str]:
        """Directories of this machine that must not be disclosed."""
        own = {"the home directory": str(Path.home()), "the checkout": self.checkout.root.absolute().as_posix()}
        own |= {"the results": self.tree_recorded} if self.tree_recorded.startswith("/") else {}
        return {name: folder for name, folder in (own | self.names.outside()).items() if folder != "/"}

    def not_audited(self) -> tuple[int, int]:
        """Number and bytes of logs, timings, checkpoints and the report."""
        files = (p for p in files_below(self.tree) if p.parent.name != FOLDER and p.name != SNAKEMAKE_TIMESTAMP)
        sizes = [p.stat().st_size for p in files if is_no_output(p, self.tree)]
        return len(sizes), sum(sizes)


def release(tree: Path, root: Path, folder: Path, leave_out: Iterable[Path] = ()) -> Released:
    """Write the archive of a results tree into a directory.

    UserError lists all obstacles: uncommitted changes, results that do not match their records, restricted content in
    what would be shared. Nothing is written then.
    """
    made = Release(tree, Checkout(root), leave_out)
    problems = made.problems()
    left_out, redacted, outputs = made.left_out(), made.redacted(), made.outputs()
    written = {record_path(Path(path)).as_posix(): dump(record) for path, record in redacted.items()}
    written[LEFT_OUT] = _as_csv(left_out)
    lineage = redacted.get(f"results/{made.name}/{LINEAGE}")
    root = root_of({used["path"]: used["record"] for used in lineage["inputs"] if used["record"]}) if lineage else None
    written |= describe_crate(
        Contents(
            tree=f"results/{made.name}",
            commit=made.checkout.commit,
            records=redacted,
            files={**{name: len(data) for name, (data, _) in made.code.items()}, LEFT_OUT: len(written[LEFT_OUT])},
            citation=made.code["CITATION.cff"][0].decode(),
            pins=made.code["envs/all.txt"][0].decode(),
            left_out={row.path: row.why for row in left_out},
            root=root,
        )
    )
    shared = [Shared(name, lambda data=data: data, tracked=True) for name, (data, _) in made.code.items()]
    public = made.public()
    shared += [Shared(name, place.read_bytes, public=name in public) for name, place in outputs.items()]
    shared += [Shared(name, lambda data=data: data) for name, data in written.items()]
    scanned = Scan(shared, made.sources(), made.secrets(), made.places()).run()
    problems += [f"restricted content: {finding}" for finding in scanned.findings]
    twice = [name for name, number in Counter([*made.code, *outputs, *written]).items() if number > 1]
    problems += [f"two files would be {name} in the archive" for name in twice]
    if problems:
        remedy = (
            "commit or remove uncommitted files, regenerate what does not match its record, fix the rule behind "
            "restricted content or leave the output out (--leave-out PATH)"
        )
        lines = "\n".join(f"  - {line}" for line in problems)
        raise UserError(f"{tree} cannot be released; {remedy}:\n{lines}")
    out = SharedOut(folder / f"{made.name}-{made.checkout.commit[:12]}.zip")
    out.prepare()
    try:
        hashes = _write(out.path, made.code, outputs, written)
        _compare(redacted, {path for path in made.records if made.why_not(path) is None}, made.names, hashes)
        out.commit()
    finally:
        out.discard()
    states = [r["git"] for r in made.records.values()]
    return Released(
        archive=out.final,
        bytes=out.final.stat().st_size,
        sha256=sha256(out.final),
        files=len(hashes),
        left_out=left_out,
        not_audited=made.not_audited(),
        scanned=scanned,
        of_other_states=sum(1 for s in states if not s or s["dirty"] or s["commit"] != made.checkout.commit),
        root=root,
        root_of_tree=made.graph.root_of_tree(tree),
    )


def _values(value: Any, key: str) -> Iterator[str]:
    """All texts under a key, anywhere in a JSON value."""
    if isinstance(value, dict) and isinstance(value.get(key), str):
        yield value[key]
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _values(part, key)


def _as_csv(rows: list[Missing]) -> bytes:
    text = io.StringIO(newline="")
    lines = csv.DictWriter(text, ("path", "bytes", "sha256", "why"), lineterminator="\n")
    lines.writeheader()
    lines.writerows(map(asdict, rows))
    return text.getvalue().encode()


def _write(
    path: Path, code: dict[str, tuple[bytes, int]], outputs: dict[str, Path], written: dict[str, bytes]
) -> dict[str, str]:
    """The archive, the same bytes for the same content; returns the hash of every file as it was packed."""
    hashes = {}
    names = sorted([*code, *outputs, *written])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed, Progress("files packed", len(names)) as bar:
        for name in names:
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            content, entry.external_attr = code[name] if name in code else (written.get(name), 0o100644 << 16)
            total = hashlib.sha256()
            with (
                packed.open(entry, "w", force_zip64=True) as target,
                io.BytesIO(content) if content is not None else outputs[name].open("rb") as source,
            ):
                while piece := source.read(1 << 20):
                    total.update(piece)
                    target.write(piece)
            hashes[name] = total.hexdigest()
            bar.advance()
    return hashes


def _compare(records: dict[str, Record], shared: set[str], names: Names, hashes: dict[str, str]) -> None:
    """UserError where an output changed after it was checked and before it was packed."""
    for path in (names.rewrite_path(old) for old in shared):
        output = records[path]["output"]
        if "files" in output:
            listing = {name.removeprefix(f"{path}/"): h for name, h in hashes.items() if name.startswith(f"{path}/")}
            found = hashlib.sha256(json.dumps(listing, sort_keys=True).encode()).hexdigest()
        else:
            found = hashes[path]
        if found != output["sha256"]:
            raise UserError(f"{path} changed while it was being released; make sure no workflow is running and retry")
