"""The reference of the configuration (docs/config.md): complete, current, and where defaults are."""

import re

import pytest
from config_files import ROOT, read_yaml
from snakemake.utils import update_config

from clinragen.config.reference import reference
from clinragen.config.root import Config, load_config


@pytest.fixture
def raw() -> dict:
    return read_yaml("config.yaml")


def test_the_reference_lists_the_defaults_of_rows():
    rows = [line for line in reference().splitlines() if "Default: " in line]
    assert any(re.match(r"\| `llm_transport.<name>.data_use` .* Default: `\"none\"`\. \|", line) for line in rows)
    added = (
        r"\| `(llms?(_transport)?\.<name>\.|variants\.<name>\."
        r"|backbones\.<name>\.(max_note_tokens|launch|batch|request)"
        r"|models\.<name>\.(series|encoder|soft_prompts|target_order|variant|like)`"
        r"|classifiers\.<name>\.(lstm|encoder|pooling|schedule)`)"
    )
    assert all(re.match(added, line) for line in rows), "config.yaml sets all others"


def keys_of(section: object, place: str = "") -> list[str]:
    """Dotted keys of a validated configuration, user-defined names replaced by <name>."""
    if isinstance(section, dict):
        return [key for value in section.values() for key in keys_of(value, f"{place}<name>.")]
    if not hasattr(type(section), "model_fields"):
        return []
    keys = []
    for name in type(section).model_fields:
        keys += [place + name, *keys_of(getattr(section, name), f"{place}{name}.")]
    return keys


def test_the_reference_documents_every_key(raw):
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \| (.*) \|$", reference(), re.MULTILINE)
    documented = {key: (kind, meaning) for key, kind, meaning in rows}
    update_config(raw, read_yaml("tests/served.yaml"))  # config.yaml has no served model
    raw["llm_transport"]["chatgpt"]["price"] = {"input": 1, "output": 1}  # a section that may be null
    raw["variants"]["suffix"] = {"student": {"fusion": {"lab_position": "suffix"}}}  # config.yaml has no variant
    raw["classifiers"] = read_yaml("config/beyond.yaml")["classifiers"]  # nor a classifier
    assert set(keys_of(load_config(raw))) == set(documented) and len(documented) == len(rows)
    assert all(len(meaning) > 3 and meaning != "None" for _, meaning in documented.values())
    sections = {key.rpartition(".")[0].removesuffix(".<name>") for key in documented} - {""}
    assert all(kind or key in sections for key, (kind, _) in documented.items())


def test_the_reference_in_docs_is_the_generated_one():
    path = ROOT / "docs" / "config.md"
    assert path.is_file() and path.read_text(encoding="utf-8") == reference(), (
        "docs/config.md is out of date: write clinragen.config.reference.reference() to it (make docs)"
    )


def test_only_rows_that_users_add_carry_defaults():
    def fields(section):
        for name, field in section.model_fields.items():
            yield f"{section.__name__}.{name}", field
            for part in [field.annotation, *getattr(field.annotation, "__args__", ())]:
                if hasattr(part, "model_fields"):
                    yield from fields(part)

    defaults = [name for name, field in fields(Config) if not field.is_required()]
    assert {name.partition(".")[0] for name in defaults} == {
        *("Llm", "Transport", "Backbone", "Variant", "Model", "Classifier")
    }
    of_models = {*(f"Model.{key}" for key in ("series", "encoder", "soft_prompts", "target_order", "variant", "like"))}
    assert {name for name in defaults if name.startswith("Model.")} == of_models
