"""The description of a release: a Workflow Run RO-Crate of the profile Provenance Run Crate.

The workflow is the Snakefile, its tools and steps are the scripts of the rules; every run of a step is an action with
its inputs, outputs and times, and with the records that hold all other facts about it: settings, packages, hardware.
https://www.researchobject.org/workflow-run-crate/profiles/
"""

import json
import mimetypes
import shlex
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rocrate.model import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from clinragen.provenance.graph import runs
from clinragen.provenance.record import File, Record, record_path

if TYPE_CHECKING:
    from clinragen.audit.release import Release

METADATA, PREVIEW = "ro-crate-metadata.json", "ro-crate-preview.html"
CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
PROFILES = ("process", "workflow", "provenance")
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
COMPLETED = "http://schema.org/CompletedActionStatus"
FORMATS = mimetypes.MimeTypes()
FORMATS.add_type("application/vnd.apache.parquet", ".parquet")
FORMATS.add_type("application/yaml", ".yaml")
WORKFLOW = "Snakefile"


def describe_crate(release: "Release", sizes: dict[str, int]) -> dict[str, bytes]:
    """Return metadata and preview of the crate, by their names; `sizes` are those of all files but outputs."""
    crate = _Crate(release, sizes).describe()
    metadata = json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False, sort_keys=True)
    return {METADATA: f"{metadata}\n".encode(), PREVIEW: crate.preview.generate_html().encode()}


class _Crate:
    def __init__(self, release: "Release", sizes: dict[str, int]) -> None:
        self.release, self.sizes, self.records = release, sizes, release.redacted
        self.left_out = {row["path"]: row["why"] for row in release.left_out}
        self.citation = yaml.safe_load(release.checkout.files["CITATION.cff"][0])
        self.crate = ROCrate(version="1.1", gen_preview=True)
        self.crate.metadata.extra_contexts.append(CONTEXT)
        self._added: dict[str, Entity] = {}

    def describe(self) -> ROCrate:
        for name in sorted(self.sizes):
            top, *below = name.split("/")
            if below and top != "results":
                self.crate.add_dataset(dest_path=f"{top}/", properties={"name": f"{top}/ of the workflow"})
            elif not below and name != WORKFLOW and not name.startswith("."):
                self._file(name, **({"about": {"@id": "./"}} if name == "README.md" else {}))
        workflow = self._workflow()
        actions = [self._action(n, run) for n, run in enumerate(runs(self.records.values()), start=1)]
        self.crate.root_dataset["mentions"] = [self._whole_run(workflow), *actions]
        self._root()
        return self.crate

    def _add(self, identifier: str, kind: str, **properties: Any) -> Entity:
        """Add a contextual entity, once."""
        if identifier not in self._added:
            self._added[identifier] = self.crate.add(
                ContextEntity(self.crate, identifier, {"@type": kind, **properties})
            )
        return self._added[identifier]

    def _file(self, path: str, **properties: Any) -> Entity:
        """Add a file of the archive, once."""
        if path not in self._added:
            facts = {"name": path, "encodingFormat": FORMATS.guess_type(path)[0] or "text/plain"}
            if path in self.sizes:
                facts["contentSize"] = str(self.sizes[path])
            self._added[path] = self.crate.add_file(dest_path=path, properties=facts | properties)
        return self._added[path]

    def _thing(self, described: File) -> Entity:
        """Add an input or output as records describe it, in the archive or not."""
        path = described["path"]
        facts = {"name": path, "contentSize": str(described["bytes"]), "sha256": described["sha256"]}
        record = self.records.get(path)
        if record and record["stand_ins"]:
            facts["description"] = f"Made with stand-ins: {', '.join(record['stand_ins'])}."
        if path not in self.left_out:
            return self._file(path, **facts)
        access = f"not included ({self.left_out[path]})"
        return self._add(f"#{path}", "CreativeWork", **facts, conditionsOfAccess=access, isAccessibleForFree=False)

    def _workflow(self) -> Entity:
        """Add the workflow with a tool and a step per rule, in the order of use."""
        kinds = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
        facts = {"@type": kinds, "name": self.citation["title"], "version": self.release.checkout.commit}
        workflow = self.crate.add_workflow(dest_path=WORKFLOW, main=True, lang="snakemake", properties=facts)
        rules = dict.fromkeys(record["rule"] for record in self.records.values())
        workflow["license"], workflow["creator"] = self._license(), self._authors()
        profile = {"name": "ComputationalWorkflow", "version": "1.0-RELEASE"}
        workflow["conformsTo"] = self._add(BIOSCHEMAS, "CreativeWork", **profile)
        workflow["hasPart"] = [self._tool(rule) for rule in rules]
        workflow["step"] = [
            self._add(f"#step/{rule}", "HowToStep", name=rule, position=str(n), workExample=self._tool(rule))
            for n, rule in enumerate(rules, start=1)
        ]
        return workflow

    def _tool(self, rule: str) -> Entity:
        kind = {"@type": ["File", "SoftwareApplication"]}
        return self._file(f"scripts/{rule}.py", **kind, name=rule, description=f"Command line of rule {rule}")

    def _action(self, number: int, run: list[Record]) -> Entity:
        """Add the run of a step."""
        first, outputs = run[0], [record["output"] for record in run]
        facts = {
            "name": f"{first['rule']} of {', '.join(output['path'] for output in outputs)}",
            "description": f"Command: {shlex.join(first['command'])}",
            "startTime": first["started"],
            "endTime": _end(first),
            "actionStatus": COMPLETED,
            "subjectOf": [self._file(record_path(Path(output["path"])).as_posix()) for output in outputs],
        }
        used, made = map(self._thing, first["inputs"]), map(self._thing, outputs)
        return self.crate.add_action(self._tool(first["rule"]), f"#run/{number}", [*used], [*made], facts)

    def _whole_run(self, workflow: Entity) -> Entity:
        """Add the run of the whole workflow, from raw files and resources to what no step reads."""
        records = self.records
        used = {one["path"]: one for record in records.values() for one in record["inputs"]}
        facts = {
            "name": f"Run of the workflow to {self.release.name}",
            "description": "All steps behind the outputs, possibly of several invocations of Snakemake.",
            "actionStatus": COMPLETED,
            "startTime": min(record["started"] for record in records.values()),
            "endTime": max(map(_end, records.values())),
        }
        objects = [self._thing(one) for path, one in sorted(used.items()) if path not in records]
        results = [self._thing(record["output"]) for path, record in records.items() if path not in used]
        return self.crate.add_action(workflow, "#workflow-run", objects, results, facts)

    def _license(self) -> Entity:
        name = self.citation["license"]
        return self._add(
            f"https://spdx.org/licenses/{name}", "CreativeWork", name=name, description=f"{name}: see LICENSE"
        )

    def _authors(self) -> list[Entity]:
        return [
            self._add(f"#author/{n}", "Person" if "family-names" in author else "Organization", name=_name(author))
            for n, author in enumerate(self.citation["authors"], start=1)
        ]

    def _root(self) -> None:
        root, release, records = self.crate.root_dataset, self.release, self.records.values()
        stand_ins = ", ".join(sorted({label for record in records for label in record["stand_ins"]}))
        verify = f"python scripts/trace.py {release.name} --verify"
        verify += f" --root {release.root}" if release.root else ""
        root["name"] = f"{self.citation['title']}: {release.name.removeprefix('results/')}"
        root["description"] = (
            f"Code at commit {release.checkout.commit}, shareable outputs of {release.name}, the provenance records of "
            f"all {len(records)} outputs in .records directories, and left_out.csv: hashes of the {len(self.left_out)} "
            f"files that are not included. Check it with: {verify}. Stand-ins: {stand_ins or 'none'}."
        )
        # The end of the last step, not the time of packing: the same content gives the same bytes.
        root["datePublished"] = max(map(_end, records))
        root["license"], root["author"], root["publisher"] = self._license(), self._authors(), self._authors()[0]
        root["keywords"] = "MIMIC-III, MIMIC-IV, clinical rationales, reproduction, Snakemake"
        for profile in PROFILES:
            facts = {"name": f"{profile.title()} Run Crate", "version": "0.5"}
            root.append_to("conformsTo", self._add(f"https://w3id.org/ro/wfrun/{profile}/0.5", "CreativeWork", **facts))
        for number, article in enumerate(self.citation.get("references", []), start=1):
            facts = {"name": article["title"], "author": ", ".join(map(_name, article["authors"]))}
            year = str(article["year"])
            root.append_to(
                "citation", self._add(f"#reference/{number}", "ScholarlyArticle", **facts, datePublished=year)
            )


def _name(author: dict[str, str]) -> str:
    return author.get("name") or f"{author.get('given-names', '')} {author['family-names']}".strip()


def _end(record: Record) -> str:
    end = datetime.fromisoformat(record["started"]) + timedelta(seconds=record["wall_seconds"])
    return end.isoformat(timespec="seconds")
