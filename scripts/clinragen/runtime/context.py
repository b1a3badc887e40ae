"""The context of a running step, through which it adds facts to its provenance record."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinragen.runtime.outputs import Out


@dataclass
class Facts:
    """What a library function reports about the origin of its result."""

    values: dict[str, set[str]] = field(default_factory=dict)
    """By name, such as `models`, `requests` or `prompt_versions`."""
    stand_ins: set[str] = field(default_factory=set)
    """Labels of the stand-ins used."""


class Context:
    """The context of one run of a step; it cannot change what the step computes."""

    def __init__(self, fingerprint: Callable[[], str], stand_ins: Iterable[str]) -> None:
        self._fingerprint = fingerprint
        self.facts = Facts(stand_ins=set(stand_ins))
        self.rows: list[tuple[Out | None, dict[str, Any]]] = []
        self.actions: list[Callable[[], None]] = []
        self.earlier_seconds = 0.0

    @property
    def stand_ins(self) -> frozenset[str]:
        """Labels of all stand-ins among this step's ancestors and its own."""
        return frozenset(self.facts.stand_ins)

    def stand_in(self, label: str) -> None:
        """Record that this step used a stand-in; every output that descends from it carries the label."""
        self.facts.stand_ins.add(label)

    def note(self, facts: Facts) -> None:
        """Add facts to the record: hashes of requests, versions of prompts, models, stand-ins.

        The record lists up to a hundred values per name; above that, their number and the hash of their list.
        """
        for name, values in facts.values.items():
            self.facts.values.setdefault(name, set()).update(values)
        self.facts.stand_ins |= facts.stand_ins

    def made_of(self, where: dict[str, str], inputs: Iterable[Path], output: Out | None = None) -> None:
        """Record that output rows with these values descend from these inputs, not from those listed for other rows.

        It applies to all outputs, or to `output` alone where the tables of a step have different keys. Several calls
        for the same rows add up, such as one for each seed.
        """
        paths = [path.as_posix() for path in inputs]
        for target, origin in self.rows:
            if target is output and origin["where"] == where:
                origin["inputs"] += [path for path in paths if path not in origin["inputs"]]
                return
        self.rows.append((output, {"where": where, "inputs": paths}))

    def rows_of(self, output: Out) -> list[dict[str, Any]]:
        """Return the origins of an output's rows, as its record lists them."""
        return [origin for target, origin in self.rows if target in (None, output)]

    def continues(self, seconds: float) -> None:
        """Record how long earlier attempts took for the work that this one continued; 0 for none."""
        self.earlier_seconds = seconds

    def after_commit(self, action: Callable[[], None]) -> None:
        """Schedule an action for when the outputs have their final names, such as removing scratch files."""
        self.actions.append(action)

    def fingerprint(self) -> str:
        """Return a hash of the command line, the code and the content of the inputs.

        Scratch files of a killed job may be reused only under the same fingerprint.
        """
        return self._fingerprint()


def hash_of(*facts: Any) -> str:
    """Return the SHA-256 of the facts as JSON."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
