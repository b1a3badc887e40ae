"""The description of a release: a Workflow Run RO-Crate of the profile Provenance Run Crate.

The workflow is the Snakefile, its tools are the scripts of the rules, its steps the rules; every run of a step is an
action with its inputs, outputs, settings and times. https://www.researchobject.org/workflow-run-crate/profiles/
"""

import hashlib
import json
import mimetypes
import re
import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import yaml
from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from clinragen.provenance.graph import runs
from clinragen.provenance.record import File, Record

METADATA, PREVIEW = "ro-crate-metadata.json", "ro-crate-preview.html"
CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
PROFILES = ("process", "workflow", "provenance")
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
SNAKEMAKE = "https://snakemake.github.io"
COMPLETED = "http://schema.org/CompletedActionStatus"
MEGABYTE = "4L"  # UN/CEFACT
FORMATS = mimetypes.MimeTypes()
FORMATS.add_type("application/vnd.apache.parquet", ".parquet")
FORMATS.add_type("application/yaml", ".yaml")
WORKFLOW = "Snakefile"

Reference = dict[str, str]


@dataclass(frozen=True)
class Contents:
    """What a crate holds, by its path in the archive."""

    tree: str
    commit: str
    records: dict[str, Record]
    """Records by the path of their output, each after its own inputs."""
    files: dict[str, int]
    """Bytes of every file that is not an output."""
    citation: str
    """CITATION.cff."""
    pins: str
    """envs/all.txt."""
    left_out: dict[str, str]
    """Why a file is not included."""
    root: str | None
    """Root of the records in the archive."""


def describe_crate(contents: Contents) -> dict[str, bytes]:
    """Return metadata and preview of the crate, by their names."""
    crate = _Crate(contents).describe()
    for entity in crate.get_entities():
        for key, value in entity.properties().items():
            if isinstance(value, list) and len(value) == 1 and key != "hasPart":
                entity.properties()[key] = value[0]
    metadata = json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False, sort_keys=True)
    return {METADATA: f"{metadata}\n".encode(), PREVIEW: crate.preview.generate_html().encode()}


class _Crate:
    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.crate = ROCrate(version="1.1", gen_preview=True)
        self.crate.metadata.extra_contexts.append(CONTEXT)
        self.citation = yaml.safe_load(contents.citation)
        self._added: dict[str, Reference] = {}
        self.rules: dict[str, list[Record]] = {}
        """Records of each rule, in the order of use."""
        for record in contents.records.values():
            self.rules.setdefault(record["rule"], []).append(record)

    def describe(self) -> ROCrate:
        self.crate.add_workflow(dest_path=WORKFLOW, main=True, lang="snakemake")
        for name in sorted(self.contents.files):
            top, *below = name.split("/")
            if below and top != "results":
                self.crate.add_dataset(dest_path=f"{top}/", properties={"name": f"{top}/ of the workflow"})
            elif not below and name != WORKFLOW and not name.startswith("."):
                self._file(name, **({"about": {"@id": "./"}} if name == "README.md" else {}))
        starts = [self._action(n, run) for n, run in enumerate(runs(self.contents.records.values()), start=1)]
        self._workflow()
        self._run(starts)
        self._root()
        return self.crate

    def _add(self, identifier: str, kind: str, **properties: Any) -> Reference:
        """Add a contextual entity, once."""
        if identifier not in self._added:
            entity = ContextEntity(self.crate, identifier, {"@type": kind, **properties})
            self._added[identifier] = {"@id": self.crate.add(entity).id}
        return self._added[identifier]

    def _file(self, path: str, **properties: Any) -> Reference:
        """Add a file of the archive, once."""
        if path not in self._added:
            facts = {"name": path, "encodingFormat": FORMATS.guess_type(path)[0] or "text/plain"}
            if path in self.contents.files:
                facts["contentSize"] = str(self.contents.files[path])
            self._added[path] = {"@id": self.crate.add_file(dest_path=path, properties=facts | properties).id}
        return self._added[path]

    def _thing(self, described: File) -> Reference:
        """Add an input or output as records describe it, in the archive or not."""
        path = described["path"]
        facts = {"name": path, "contentSize": str(described["bytes"]), "sha256": described["sha256"]}
        if record := self.contents.records.get(path):
            words = [f"{record['output']['rows']} rows."] if "rows" in record["output"] else []
            words += [f"Made with stand-ins: {', '.join(record['stand_ins'])}."] if record["stand_ins"] else []
            facts |= {"description": " ".join(words)} if words else {}
        if path not in self.contents.left_out:
            return self._file(path, **facts)
        access = f"not included ({self.contents.left_out[path]})"
        return self._add(f"#{path}", "CreativeWork", **facts, conditionsOfAccess=access, isAccessibleForFree=False)

    def _tool(self, rule: str) -> Reference:
        """Add the script of a rule; one that no longer exists is only named."""
        used = [record["environment"] for record in self.rules[rule]]
        packages = {(n, v, f"https://pypi.org/project/{n}/{v}/") for e in used for n, v in e["packages"].items()}
        packages |= {("python", e["python"], f"https://docs.python.org/release/{e['python']}/") for e in used}
        properties = {
            "name": rule,
            "description": f"Command line of rule {rule}",
            "version": ", ".join(sorted({record["code_digest"] for record in self.rules[rule]})),
            "softwareRequirements": [
                self._add(url, "SoftwareApplication", name=name, softwareVersion=version, url=url)
                for name, version, url in sorted(packages)
            ],
            "input": [self._parameter(rule, n) for n in sorted({n for r in self.rules[rule] for n in r["settings"]})],
        }
        if f"scripts/{rule}.py" in self.contents.files:
            return self._file(f"scripts/{rule}.py", **{"@type": ["File", "SoftwareApplication"]}, **properties)
        return self._add(f"#tool/{rule}", "SoftwareApplication", **properties)

    def _parameter(self, rule: str, name: str) -> Reference:
        facts = {"additionalType": "PropertyValue", "name": name, "valueRequired": True}
        return self._add(f"#parameter/{rule}/{name}", "FormalParameter", **facts)

    def _setting(self, rule: str, name: str, value: Any) -> Reference:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        entity = f"#setting/{rule}/{name}/{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        example = self._parameter(rule, name)
        return self._add(entity, "PropertyValue", name=name, value=text, exampleOfWork=example)

    def _step(self, rule: str) -> Reference:
        position = str(list(self.rules).index(rule) + 1)
        return self._add(f"#step/{rule}", "HowToStep", name=rule, position=position, workExample=self._tool(rule))

    def _action(self, number: int, run: list[Record]) -> Reference:
        """Add the run of a step; return the action that started it."""
        first = run[0]
        rule, git, memory = first["rule"], first["git"], "peak_memory_mb"
        words = [f"Command: {shlex.join(first['command'])}."]
        words += [f"Commit {git['commit']}{', with uncommitted changes' if git['dirty'] else ''}."] if git else []
        words += [f"Seed {first['seed']}."] if first["seed"] is not None else []
        words += [f"Stand-ins: {', '.join(first['stand_ins'])}."] if first["stand_ins"] else []
        usage = {"name": memory, "propertyID": memory, "value": str(first["peak_memory_mb"]), "unitCode": MEGABYTE}
        facts = {
            "name": f"{rule} of {', '.join(record['output']['path'] for record in run)}",
            "description": " ".join(words),
            "startTime": first["started"],
            "endTime": _end(first),
            "actionStatus": COMPLETED,
            "resourceUsage": self._add(f"#run/{number}/memory", "PropertyValue", **usage),
        }
        settings = [self._setting(rule, name, value) for name, value in sorted(first["settings"].items())]
        used = [self._thing(used) for used in first["inputs"]] + settings
        results = [self._thing(record["output"]) for record in run]
        action = self.crate.add_action(self._tool(rule), f"#run/{number}", used, results, facts)
        start = {"@type": "ControlAction", "name": f"start of run {number}"}
        self.crate.add_action(self._step(rule), f"#start/{number}", {"@id": action.id}, properties=start)
        return {"@id": f"#start/{number}"}

    def _workflow(self) -> None:
        bioschemas = self._add(BIOSCHEMAS, "CreativeWork", name="ComputationalWorkflow", version="1.0-RELEASE")
        for key, value in {
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": self.citation["title"],
            "version": self.contents.commit,
            "license": self._license(),
            "creator": self._authors(),
            "conformsTo": bioschemas,
            "hasPart": [self._tool(rule) for rule in self.rules],
            "step": [self._step(rule) for rule in self.rules],
            "contentSize": str(self.contents.files[WORKFLOW]),
        }.items():
            self.crate.mainEntity.properties()[key] = value

    def _run(self, starts: list[Reference]) -> None:
        """Add the run of the whole workflow, and the engine that organised it."""
        records = self.contents.records
        used = {one["path"]: one for record in records.values() for one in record["inputs"]}
        times = {
            "startTime": min(record["started"] for record in records.values()),
            "endTime": max(map(_end, records.values())),
        }
        facts = {
            "name": f"Run of the workflow to {self.contents.tree}",
            "description": "All steps behind the outputs, possibly of several invocations of Snakemake.",
            "actionStatus": COMPLETED,
        }
        objects = [self._thing(one) for path, one in sorted(used.items()) if path not in records]
        results = [self._thing(record["output"]) for path, record in records.items() if path not in used]
        run = self.crate.add_action({"@id": WORKFLOW}, "#workflow-run", objects, results, facts | times)
        version = re.search(r"^snakemake==(\S+)", self.contents.pins, re.MULTILINE)
        engine = {"name": "Snakemake", "url": SNAKEMAKE} | ({"softwareVersion": version[1]} if version else {})
        facts = {"@type": "OrganizeAction", "name": "Snakemake's run of the steps"}
        organised = self.crate.add_action(
            self._add(f"{SNAKEMAKE}/#engine", "SoftwareApplication", **engine),
            "#organisation", starts, {"@id": run.id}, facts | times,
        )  # fmt: skip
        runs = [{"@id": f"#run/{number}"} for number in range(1, len(starts) + 1)]
        self.crate.root_dataset["mentions"] = [{"@id": run.id}, {"@id": organised.id}, *runs]

    def _license(self) -> Reference:
        name = self.citation["license"]
        description = f"{name}: see LICENSE"
        return self._add(f"https://spdx.org/licenses/{name}", "CreativeWork", name=name, description=description)

    def _authors(self) -> list[Reference]:
        return [
            self._add(f"#author/{n}", "Person" if "family-names" in author else "Organization", name=_name(author))
            for n, author in enumerate(self.citation["authors"], start=1)
        ]

    def _root(self) -> None:
        root, contents, records = self.crate.root_dataset, self.contents, self.contents.records.values()
        stand_ins = sorted({label for record in records for label in record["stand_ins"]})
        check = f"python scripts/trace.py {contents.tree} --verify"
        check += f" --root {contents.root}" if contents.root else ""
        root["name"] = f"{self.citation['title']}: {contents.tree.removeprefix('results/')}"
        root["description"] = (
            f"Code at commit {contents.commit}, shareable outputs of {contents.tree}, the provenance records of all "
            f"{len(records)} outputs in .records directories, and left_out.csv: hashes of the {len(contents.left_out)} "
            f"files that are not included. Check it with: {check}. "
            + (f"Stand-ins: {', '.join(stand_ins)}." if stand_ins else "Made without stand-ins.")
        )
        # The end of the last step, not the time of packing: the same content gives the same bytes.
        root["datePublished"] = max(map(_end, records))
        root["license"], root["author"], root["publisher"] = self._license(), self._authors(), self._authors()[0]
        root["keywords"] = "MIMIC-III, MIMIC-IV, clinical rationales, reproduction, Snakemake"
        root["conformsTo"] = [
            *root.get("conformsTo", []),
            *(
                self._add(
                    f"https://w3id.org/ro/wfrun/{p}/0.5", "CreativeWork", name=f"{p.title()} Run Crate", version="0.5"
                )
                for p in PROFILES
            ),
        ]
        root["citation"] = [
            self._add(
                f"#reference/{number}", "ScholarlyArticle", name=article["title"],
                author=", ".join(map(_name, article["authors"])), datePublished=str(article["year"]),
            )
            for number, article in enumerate(self.citation.get("references", []), start=1)
        ]  # fmt: skip


def _name(author: dict[str, str]) -> str:
    return author.get("name") or f"{author.get('given-names', '')} {author['family-names']}".strip()


def _end(record: Record) -> str:
    end = datetime.fromisoformat(record["started"]) + timedelta(seconds=record["wall_seconds"])
    return end.isoformat(timespec="seconds")
