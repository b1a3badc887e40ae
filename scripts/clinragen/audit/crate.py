"""The description of a release: a Workflow Run RO-Crate of the profile Provenance Run Crate.

The workflow is the Snakefile, its tools are the scripts of the rules, its steps the rules; every run of a step is an
action with its inputs, outputs, settings and times. https://www.researchobject.org/workflow-run-crate/profiles/
"""

import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import yaml
from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from clinragen.audit.graph import runs
from clinragen.provenance.record import Record

METADATA, PREVIEW = "ro-crate-metadata.json", "ro-crate-preview.html"
VERSION = "1.1"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
LICENSES = {"MIT": "https://spdx.org/licenses/MIT"}
PYTHON = "https://docs.python.org/release/"
SNAKEMAKE = "https://snakemake.github.io"
COMPLETED = "http://schema.org/CompletedActionStatus"
MEGABYTE = "4L"  # UN/CEFACT
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".py": "text/x-python",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}
WORKFLOW = "Snakefile"

Properties = dict[str, Any]


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
    """Metadata and preview of the crate, by their names."""
    return _Crate(contents).files()


class _Crate:
    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.crate = ROCrate(version=VERSION, gen_preview=True)
        self.crate.metadata.extra_contexts.append(CONTEXT)
        self.citation = yaml.safe_load(contents.citation)
        self._made: dict[str, dict[str, str]] = {}
        self.rules: dict[str, list[Record]] = {}
        """Records of each rule, in the order of use."""
        for record in contents.records.values():
            self.rules.setdefault(record["rule"], []).append(record)

    def files(self) -> dict[str, bytes]:
        self._code()
        actions = [
            self._action(number, run) for number, run in enumerate(runs(self.contents.records.values()), start=1)
        ]
        self._workflow()
        self._run(actions)
        self._root()
        for entity in self.crate.get_entities():
            for key, value in entity.properties().items():
                if isinstance(value, list) and len(value) == 1 and key != "hasPart":
                    entity.properties()[key] = value[0]
        metadata = json.dumps(self.crate.metadata.generate(), indent=1, ensure_ascii=False, sort_keys=True)
        return {METADATA: f"{metadata}\n".encode(), PREVIEW: self.crate.preview.generate_html().encode()}

    # Parts

    def _add(self, name: str, kind: str | list[str], properties: Properties) -> dict[str, str]:
        """A contextual entity, once."""
        if name not in self._made:
            entity = ContextEntity(self.crate, name, properties={"@type": kind, **properties})
            self._made[name] = {"@id": self.crate.add(entity).id}
        return self._made[name]

    def _file(self, path: str, kind: str | list[str] = "File", **properties: Any) -> dict[str, str]:
        """A file of the archive, once."""
        if path not in self._made:
            suffix = path[path.rfind(".") :] if "." in path.rpartition("/")[2] else ""
            known = {"name": path, "encodingFormat": FORMATS.get(suffix, "text/plain"), "@type": kind}
            if path in self.contents.files:
                known["contentSize"] = str(self.contents.files[path])
            self._made[path] = {"@id": self.crate.add_file(dest_path=path, properties=known | properties).id}
        return self._made[path]

    def _thing(self, described: Properties) -> dict[str, str]:
        """An input or output as records describe it, in the archive or not."""
        path = described["path"]
        record = self.contents.records.get(path)
        facts: Properties = {"contentSize": str(described["bytes"]), "sha256": described["sha256"]}
        if record:
            stand_ins = record["stand_ins"]
            words = [f"{record['output']['rows']} rows."] if "rows" in record["output"] else []
            words += [f"Made with stand-ins: {', '.join(stand_ins)}."] if stand_ins else []
            facts |= {"description": " ".join(words)} if words else {}
        if path in self.contents.left_out:
            why = self.contents.left_out[path]
            access = {"conditionsOfAccess": f"not included ({why})", "isAccessibleForFree": False}
            return self._add(f"#{path}", "CreativeWork", {"name": path, **facts, **access})
        if "files" not in described:
            return self._file(path, **facts)
        if path not in self._made:
            entity = self.crate.add_dataset(dest_path=f"{path}/", properties={"name": path, **facts})
            self._made[path] = {"@id": entity.id}
        return self._made[path]

    def _code(self) -> None:
        """The files and directories at the root; scripts and inputs get an entity where they are used."""
        for path in sorted(name for name in self.contents.files if "/" not in name and not name.startswith(".")):
            if path != WORKFLOW:
                self._file(path, **({"about": {"@id": "./"}} if path == "README.md" else {}))
        for folder in sorted({name.split("/")[0] for name in self.contents.files if "/" in name} - {"results"}):
            self.crate.add_dataset(dest_path=f"{folder}/", properties={"name": f"{folder}/ of the workflow"})

    def _tool(self, rule: str) -> dict[str, str]:
        """The script of a rule; one that no longer exists is only named."""
        used = [record["environment"] for record in self.rules[rule]]
        packages = {package for environment in used for package in environment["packages"].items()}
        packages |= {("python", environment["python"]) for environment in used}
        needed = []
        for name, version in sorted(packages):
            url = f"{PYTHON}{version}/" if name == "python" else f"https://pypi.org/project/{name}/{version}/"
            facts = {"name": name, "softwareVersion": version, "url": url}
            needed.append(self._add(url, "SoftwareApplication", facts))
        properties = {
            "name": rule,
            "description": f"Command line of rule {rule}",
            "version": ", ".join(sorted({record["code_digest"] for record in self.rules[rule]})),
            "softwareRequirements": needed,
            "input": [self._parameter(rule, name) for name in self._settings_of(rule)],
        }
        script = f"scripts/{rule}.py"
        if script in self.contents.files:
            return self._file(script, ["File", "SoftwareApplication"], **properties)
        return self._add(f"#tool/{rule}", "SoftwareApplication", properties)

    def _settings_of(self, rule: str) -> list[str]:
        return sorted({name for record in self.rules[rule] for name in record["settings"]})

    def _parameter(self, rule: str, name: str) -> dict[str, str]:
        facts = {"additionalType": "PropertyValue", "name": name, "valueRequired": True}
        return self._add(f"#parameter/{rule}/{name}", "FormalParameter", facts)

    def _setting(self, rule: str, name: str, value: Any) -> dict[str, str]:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        short = hashlib.sha256(text.encode()).hexdigest()[:12]
        facts = {"name": name, "value": text, "exampleOfWork": self._parameter(rule, name)}
        return self._add(f"#setting/{rule}/{name}/{short}", "PropertyValue", facts)

    def _step(self, rule: str) -> dict[str, str]:
        position = list(self.rules).index(rule) + 1
        facts = {"name": rule, "position": str(position), "workExample": self._tool(rule)}
        return self._add(f"#step/{rule}", "HowToStep", facts)

    def _action(self, number: int, run: list[Properties]) -> dict[str, str]:
        """The run of a step; returns the action that started it."""
        one = run[0]
        rule = one["rule"]
        words = [f"Command: {shlex.join(one['command'])}."]
        if one["git"]:
            words.append(f"Commit {one['git']['commit']}{', with uncommitted changes' if one['git']['dirty'] else ''}.")
        words += [f"Seed {one['seed']}."] if one["seed"] is not None else []
        words += [f"Stand-ins: {', '.join(one['stand_ins'])}."] if one["stand_ins"] else []
        name, megabytes = "peak_memory_mb", str(one["peak_memory_mb"])
        memory = {"name": name, "propertyID": name, "value": megabytes, "unitCode": MEGABYTE}
        facts = {
            "name": f"{rule} of {', '.join(record['output']['path'] for record in run)}",
            "description": " ".join(words),
            "instrument": self._tool(rule),
            "object": [self._thing(used) for used in one["inputs"]]
            + [self._setting(rule, name, value) for name, value in sorted(one["settings"].items())],
            "result": [self._thing(record["output"]) for record in run],
            "startTime": one["started"],
            "endTime": _end(one),
            "actionStatus": COMPLETED,
            "resourceUsage": self._add(f"#run/{number}/memory", "PropertyValue", memory),
        }
        action = self._add(f"#run/{number}", "CreateAction", facts)
        facts = {"name": f"start of run {number}", "instrument": self._step(rule), "object": action}
        return self._add(f"#start/{number}", "ControlAction", facts)

    def _workflow(self) -> None:
        doi = "https://doi.org/10.1093/bioinformatics/bts480"
        facts = {"name": "Snakemake", "identifier": {"@id": doi}, "url": {"@id": SNAKEMAKE}}
        language = self._add("https://w3id.org/workflowhub/workflow-ro-crate#snakemake", "ComputerLanguage", facts)
        bioschemas = {"name": "ComputationalWorkflow", "version": "1.0-RELEASE"}
        self._file(
            WORKFLOW,
            ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            name=self.citation["title"],
            programmingLanguage=language,
            version=self.contents.commit,
            license=self._license(),
            creator=self._authors(),
            conformsTo=self._add(BIOSCHEMAS, "CreativeWork", bioschemas),
            hasPart=[self._tool(rule) for rule in self.rules],
            step=[self._step(rule) for rule in self.rules],
        )

    def _run(self, starts: list[dict[str, str]]) -> None:
        """The run of the whole workflow, and the engine that organised it."""
        records = self.contents.records.values()
        used = {one["path"]: one for record in records for one in record["inputs"]}
        version = re.search(r"^snakemake==(\S+)", self.contents.pins, re.MULTILINE)
        times = {
            "startTime": min(record["started"] for record in records),
            "endTime": max(_end(record) for record in records),
        }
        facts = {
            "name": f"Run of the workflow to {self.contents.tree}",
            "description": "All steps behind the outputs, possibly of several invocations of Snakemake.",
            "instrument": self._file(WORKFLOW),
            "object": [self._thing(one) for path, one in sorted(used.items()) if path not in self.contents.records],
            "result": [self._thing(r["output"]) for path, r in self.contents.records.items() if path not in used],
            "actionStatus": COMPLETED,
        }
        run = self._add("#workflow-run", "CreateAction", facts | times)
        facts = {"name": "Snakemake", "url": SNAKEMAKE} | ({"softwareVersion": version[1]} if version else {})
        engine = self._add(SNAKEMAKE, "SoftwareApplication", facts)
        facts = {"name": "Snakemake's run of the steps", "instrument": engine, "object": starts, "result": run}
        organised = self._add("#organisation", "OrganizeAction", facts | times)
        runs = [{"@id": f"#run/{number}"} for number in range(1, len(starts) + 1)]
        self.crate.root_dataset["mentions"] = [run, organised, *runs]

    def _license(self) -> dict[str, str]:
        name = self.citation["license"]
        facts = {"name": name, "description": f"{name}: see LICENSE"}
        return self._add(LICENSES.get(name, "LICENSE"), "CreativeWork", facts)

    def _authors(self) -> list[dict[str, str]]:
        found = []
        for number, one in enumerate(self.citation["authors"], start=1):
            person = "family-names" in one
            name = f"{one.get('given-names', '')} {one['family-names']}".strip() if person else one["name"]
            found.append(self._add(f"#author/{number}", "Person" if person else "Organization", {"name": name}))
        return found

    def _root(self) -> None:
        root, contents, records = self.crate.root_dataset, self.contents, self.contents.records.values()
        stand_ins = sorted({label for record in records for label in record["stand_ins"]})
        check = f"python scripts/trace.py {contents.tree} --verify"
        check += f" --root {contents.root}" if contents.root else ""
        root["name"] = f"{self.citation['title']}: {contents.tree.removeprefix('results/')}"
        root["description"] = (
            f"Code at commit {contents.commit}, shareable outputs of {contents.tree}, the provenance records of all "
            f"{len(records)} outputs in .records folders, and left_out.csv: hashes of the {len(contents.left_out)} "
            f"files that are not included. Check it with: {check}. "
            + (f"Stand-ins: {', '.join(stand_ins)}." if stand_ins else "Made without stand-ins.")
        )
        # The end of the last step, not the time of packing: the same content gives the same bytes.
        root["datePublished"] = max(_end(record) for record in records)
        root["license"] = self._license()
        root["author"] = self._authors()
        root["publisher"] = self._authors()[0]
        root["keywords"] = "MIMIC-III, MIMIC-IV, clinical rationales, reproduction, Snakemake"
        root["mainEntity"] = {"@id": WORKFLOW}
        root["conformsTo"] = [
            self._add(address, "CreativeWork", {"name": name, "version": version})
            for address, (name, version) in PROFILES.items()
        ]
        # The profile asks the descriptor to name both.
        profile = {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"}
        self.crate.metadata["conformsTo"] = [{"@id": self.crate.metadata.profile}, profile]
        references = []
        for number, one in enumerate(self.citation.get("references", []), start=1):
            names = [f"{a.get('given-names', '')} {a['family-names']}".strip() for a in one["authors"]]
            facts = {"name": one["title"], "author": ", ".join(names), "datePublished": str(one["year"])}
            references.append(self._add(f"#reference/{number}", "ScholarlyArticle", facts))
        root["citation"] = references


def _end(record: Properties) -> str:
    end = datetime.fromisoformat(record["started"]) + timedelta(seconds=record["wall_seconds"])
    return end.isoformat(timespec="seconds")
