"""Checks of the network services that a run uses: language models, NCBI, Wikipedia, the model hub."""

import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from clinragen.config.root import Config
from clinragen.errors import UserError
from clinragen.llm.api_key import api_key
from clinragen.llm.guard import locate
from clinragen.registry.language_models import (
    GATED,
    NO_SAFETENSORS,
    adapters_problem,
    config_problem,
    positions_problem,
)
from clinragen.registry.text_encoders import building_problem, encoder_problem
from clinragen.workflow.inputs import adapted_layers, lengths
from clinragen.workflow.needs import ASKED, BACKBONE, ENCODER, JUDGE, PUBMED, RATIONALES, TERMS, Need
from clinragen.workflow.preflight import (
    backbone_problems,
    directory_problems,
    email_problems,
    encoder_problems,
    llm_problems,
    texts_to_send,
)
from clinragen.workflow.verdict import Line, judged, ok, problem
from clinragen.workflow.web import Unreachable, get

HUB = "https://huggingface.co"
# Azure hosts, where requests name a deployment and not a model.
DEPLOYMENTS = (".azure.com", ".azure.us")


def language_models(config: Config, needs: set[Need]) -> list[Line]:
    """Check permission, key and server of every language model that will be asked."""
    kinds, lines = {need.kind for need in needs}, list[Line]()
    names = config.teachers() if RATIONALES in kinds else []
    names += [config.asked[need.name.split("/")[1]].llm for need in sorted(needs) if need.kind == ASKED]
    names += [need.name.split("/")[1] for need in sorted(needs) if need.kind == JUDGE]
    names += [config.knowledge.terms.llm] if TERMS in kinds else []
    texts = texts_to_send(config, needs)
    for name in dict.fromkeys(names):
        if config.llms[name].provider == "template":
            words = "template is a stand-in; values are not comparable with the paper's"
            lines.append(Line("warning", f"llms.{name}.provider", words))
            continue
        served = config.is_served(name)
        fact = f"{config.llm_transport[name].data_use}, {'on its own machine' if served else 'key is set'}"
        lines += judged(f"{name}: permission", llm_problems(config, name, texts.get(name, {}), look_up=True), fact)
        lines += served_model(name, config) if served else [ping(name, config)]
    return lines


def served_model(name: str, config: Config) -> list[Line]:
    """Check weights, program and GPU of a language model that jobs serve themselves."""
    llm, server, place = config.llms[name], config.llm_transport[name].server, f"llms.{name}.model"
    assert server is not None and llm.revision is not None  # as provider `served` requires
    fetched, program = Path(config.pathvars.results, "llms", name), server.command[0]
    if fetched.is_dir():
        lines = judged(place, directory_problems(place, str(fetched)), f"{fetched} is readable")
    elif Path(llm.model).is_dir() or llm.model.startswith(("/", ".", "~")):
        lines = judged(place, directory_problems(place, llm.model), f"{llm.model} is readable")
    else:
        lines = [on_the_hub(place, llm.model, llm.revision, "weights")[0]]
    if shutil.which(program) is None:
        words = f"{program} is not found here; use --sdm conda (envs/serve.yaml has vLLM), or give its whole path"
        lines.append(Line("warning", f"{name}: program", words))
    if server.gpus and not (shutil.which("sbatch") or shutil.which("nvidia-smi")):
        words = f"{server.gpus} GPU(s) are requested, and this machine has neither SLURM nor an NVIDIA GPU"
        lines.append(problem(f"{name}: GPU", f"{words}; run on one that has, or set llm_transport.{name}.server.gpus"))
    return lines


def ping(name: str, config: Config) -> Line:
    """Ask a server for its models; the request contains the key and nothing else."""
    transport, model, place = config.llm_transport[name], config.llms[name].model, f"{name}: server"
    assert transport.base_url is not None  # as provider `openai` requires
    try:
        destination = locate(transport.base_url, transport.local_hosts, f"llm_transport.{name}")
        host, key = destination.host, api_key(destination, transport.api_key_variable, f"llm_transport.{name}")
    except UserError:
        return Line("skipped", place, "not contacted before the problem above is fixed")
    try:
        status, content = get(f"{transport.base_url.rstrip('/')}/models", key, destination.local)
    except Unreachable as error:
        return problem(place, f"{host} does not respond ({error}); correct llm_transport.{name}.base_url")
    if status in (401, 403):
        remedy = f"renew {transport.api_key_variable}" if key else f"set llm_transport.{name}.api_key_variable"
        return problem(place, f"{host} refuses the key (HTTP {status}); {remedy}")
    try:
        names = [str(entry["id"]) for entry in content["data"]]
    except (TypeError, KeyError):
        words = f"{host} responds, but does not list its models (HTTP {status}); make sure that it serves {model}"
        return Line("warning", place, words)
    if host.endswith(DEPLOYMENTS) and model not in names:
        words = f"{host} responds, but lists models and not deployments; make sure that it has one named {model}"
        return Line("warning", place, words)
    if model not in names and f"{model}:latest" not in names:  # Ollama's name for it
        listed = ", ".join(sorted(names)[:5]) or "none"
        return problem(place, f"{host} does not list {model} (llms.{name}.model); it lists {listed}")
    return ok(place, f"{host} lists {model}")


def knowledge(config: Config, needs: set[Need]) -> list[Line]:
    """Check the e-mail address for NCBI, and that PubMed and Wikipedia respond."""
    if Need(PUBMED) not in needs:
        return []
    if config.knowledge.source == "offline":
        return [Line("warning", "knowledge.source", "offline texts are a stand-in for PubMed and Wikipedia")]
    lines = judged("NCBI e-mail", email_problems(config, needs), "is set")
    for name, url in (("pubmed", config.knowledge.pubmed.endpoint), ("wikipedia", config.knowledge.wikipedia.endpoint)):
        try:
            get(url)
            lines.append(ok(f"knowledge.{name}.endpoint", "responds"))
        except Unreachable as error:
            words = f"does not respond ({error}); {fetched_elsewhere('knowledge')}"
            lines.append(problem(f"knowledge.{name}.endpoint", words))
    return lines


def backbones(config: Config, needs: set[Need]) -> tuple[list[Line], dict[str, int]]:
    """Check the language models to be trained; also return the sizes of their weights in bytes (0: unknown)."""
    lines: list[Line] = []
    sizes: dict[str, int] = {}
    for name in sorted(need.name for need in needs if need.kind == BACKBONE):
        checks = (
            config_problem,
            partial(positions_problem, lengths=lengths(config, name)),
            partial(_adapters_problem, modules=adapted_layers(config, name)),
        )
        results, size = _weights(config, "backbones", name, backbone_problems, checks)
        lines += results
        if size is not None:
            sizes[name] = size
    return lines, sizes


def _adapters_problem(source: str, config: dict[str, Any], modules: Sequence[str]) -> str | None:
    return adapters_problem(source, config.get("model_type"), modules)


def encoders(config: Config, needs: set[Need]) -> list[Line]:
    """Check the text encoders that are needed."""
    names = sorted(need.name for need in needs if need.kind == ENCODER)
    built = config.trained_encoders()
    lines: list[Line] = []
    for name in names:
        checks = (encoder_problem, building_problem) if name in built else (encoder_problem,)
        lines += _weights(config, "encoders", name, encoder_problems, checks)[0]
    return lines


def _weights(
    config: Config,
    section: str,
    name: str,
    local_problems: Callable[[str, Config], list[str]],
    checks: tuple[Callable[[str, dict[str, Any]], str | None], ...],
) -> tuple[list[Line], int | None]:
    """Check a model of a section; also return the size of its weights in bytes (0: unknown; None for a stand-in).

    `local_problems` checks a directory, `checks` a config.json on the hub.
    """
    row, place = getattr(config, section)[name], f"{section}.{name}"
    fetched = Path(config.pathvars.results, section, name)
    directory = fetched if fetched.is_dir() else Path(row.source)
    if row.is_stand_in:
        words = f"{row.source} is a stand-in; values are not comparable with the paper's"
        return [Line("warning", place, words)], None
    if directory.is_dir() or row.source.startswith(("/", ".", "~")):
        problems = [line.removeprefix(f"{place}.source: ") for line in local_problems(name, config)]
        lines = judged(f"{place}.source", problems, f"{directory} is readable")
        return lines, sum(path.stat().st_size for path in directory.glob("*.safetensors"))
    line, size = on_the_hub(place, row.source, row.revision, "backbones")
    problems = hub_problems(row.source, row.revision, checks) if line.status == "ok" else []
    return [problem(place, words) for words in problems] or [line], size


def hub_problems(
    source: str, revision: str, checks: tuple[Callable[[str, dict[str, Any]], str | None], ...]
) -> list[str]:
    """Return why a model on the hub cannot be used, as far as its config.json shows."""
    hub = os.environ.get("HF_ENDPOINT", HUB)
    url = f"{hub}/{quote(source)}/raw/{quote(revision, safe='')}/config.json"
    try:
        # Like other keys, it is never sent unencrypted.
        status, config = get(url, os.environ.get("HF_TOKEN", "") if hub.startswith("https://") else "")
    except Unreachable as error:
        return [f"{hub} does not respond ({error})"]
    if status in (401, 403):
        return [f"{source} {GATED}"]
    if status != 200 or not isinstance(config, dict):
        return [f"{source} has no config.json at {revision} (HTTP {status}); name another revision"]
    problems = (check(source, config) for check in checks)
    return [words for words in problems if words]


def fetched_elsewhere(target: str) -> str:
    """Return the remedy for a machine without network access."""
    return f"run `snakemake {target} --cores 1 --configfile <your files>` on a machine with network access"


def on_the_hub(place: str, source: str, revision: str, target: str) -> tuple[Line, int]:
    """Check that the hub has a model with weights in safetensors format; also return their size in bytes (0: unknown).

    `target` is the workflow target that fetches the model.
    """
    hub = os.environ.get("HF_ENDPOINT", HUB)
    url = f"{hub}/api/models/{quote(source)}/revision/{quote(revision, safe='')}?blobs=true"
    try:
        status, content = get(url)
    except Unreachable as error:
        words = f"{hub} does not respond ({error}); {fetched_elsewhere(target)}"
        return problem(place, f"{words}, or name a directory that contains the model"), 0
    if status != 200 or not isinstance(content, dict):
        return problem(place, f"{hub} has no {source} at {revision} (HTTP {status}); correct it"), 0
    if content.get("gated") and not os.environ.get("HF_TOKEN"):
        return problem(place, f"{source} {GATED}"), 0
    files = [f for f in content.get("siblings") or [] if str(f.get("rfilename")).endswith(".safetensors")]
    if not files:
        return problem(place, f"{source} at {revision} {NO_SAFETENSORS}"), 0
    size = sum(f.get("size") or 0 for f in files)
    return ok(place, f"{source} is on the hub, {size / 1e9:.1f} GB"), size
