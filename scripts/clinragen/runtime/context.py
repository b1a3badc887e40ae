"""What a step is given besides its arguments: the means to state facts for its provenance record."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinragen.runtime.outputs import Out


@dataclass
class Facts:
    """What a library function knows about how its result came about."""

    values: dict[str, set[str]] = field(default_factory=dict)
    """By name, such as `models`, `requests` or `prompt_versions`."""
    stand_ins: set[str] = field(default_factory=set)
    """Labels of stand-ins that were used."""


class Context:
    """The context of one run of a step. Nothing in it can change what a step computes."""

    def __init__(self, fingerprint: Callable[[], str], stand_ins: Iterable[str]) -> None:
        self._fingerprint = fingerprint
        self.facts = Facts(stand_ins=set(stand_ins))
        self.rows: list[tuple[Out | None, dict[str, Any]]] = []
        self.actions: list[Callable[[], None]] = []

    @property
    def stand_ins(self) -> frozenset[str]:
        """Labels of all stand-ins among this step's ancestors and its own."""
        return frozenset(self.facts.stand_ins)

    def stand_in(self, label: str) -> None:
        """State that this step used a stand-in; every output that descends from it will carry the label."""
        self.facts.stand_ins.add(label)

    def note(self, facts: Facts) -> None:
        """Add facts to the record: hashes of requests, versions of prompts, models, stand-ins.

        The record lists up to a hundred values of a name; beyond that, their number and the hash of their list.
        """
        for name, values in facts.values.items():
            self.facts.values.setdefault(name, set()).update(values)
        self.facts.stand_ins |= facts.stand_ins

    def made_of(self, where: dict[str, str], inputs: Iterable[Path], output: Out | None = None) -> None:
        """State that output rows with these values descend from these inputs, and from none that other rows name.

        Of all outputs, or of one, where the tables of a step have other keys.
        """
        self.rows.append((output, {"where": where, "inputs": [path.as_posix() for path in inputs]}))

    def rows_of(self, output: Out) -> list[dict[str, Any]]:
        """What is stated about the rows of an output, for its record."""
        return [stated for of, stated in self.rows if of in (None, output)]

    def after_commit(self, action: Callable[[], None]) -> None:
        """Do something once the outputs have their final names, such as removing scratch files."""
        self.actions.append(action)

    def fingerprint(self) -> str:
        """Hash of what this step is about to do: its command line, its code and the content of its inputs.

        Scratch files that outlive a killed job may be used again only under the same fingerprint.
        """
        return self._fingerprint()


def hash_of(*facts: Any) -> str:
    """SHA-256 of facts as JSON."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
