"""The shipped configuration with changes, and the message that refuses an invalid one."""

import copy
from pathlib import Path

import pytest
import yaml

from clinragen.config.root import load_config
from clinragen.errors import UserError

ROOT = Path(__file__).parents[1]


def read_yaml(name: str) -> dict:
    """Read a file of the repository."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def changed(raw: dict, **values: object) -> dict:
    """Return a copy of the configuration with other values; `__` in a name separates the levels of a key."""
    raw = copy.deepcopy(raw)
    for key, value in values.items():
        *sections, last = key.split("__")
        section = raw
        for name in sections:
            section = section[name]
        section[last] = value
    return raw


def message_of(raw: dict) -> str:
    """Return the message that refuses a configuration."""
    with pytest.raises(UserError) as error:
        load_config(raw)
    return str(error.value)
