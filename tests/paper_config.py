"""The paper's configuration, for unit tests."""

import yaml
from runs import ROOT
from snakemake.utils import update_config

from clinragen.config.root import Config, load_config


def config_of(**overlay: object) -> Config:
    """Return the paper's configuration under an overlay, with the tests' environment variable for API keys."""
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(merged, {"llm_transport": {n: {"api_key_variable": "TEST_KEY"} for n in ("chatgpt", "gpt4")}})
    update_config(merged, overlay)
    return load_config(merged)
