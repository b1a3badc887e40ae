"""Consistency checks between the sections of config.yaml."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from clinragen.config.asked import Asked, asked_problems
from clinragen.config.classifiers import classifier_problems
from clinragen.config.discussion import keys_by_vocabulary, student_among
from clinragen.config.judge import judge_problems
from clinragen.config.models import Model, part_problems
from clinragen.config.rows import RECIPES, recipe_problems, row_in
from clinragen.config.study import study_problems
from clinragen.config.train import launch_problems
from clinragen.config.variants import setting_problems, tf32_problems, variant_problems

if TYPE_CHECKING:
    from clinragen.config.root import Config


def problems_of(config: "Config") -> Iterator[str]:
    """Yield every contradiction between sections, with its key and a remedy."""
    decoding = config.evaluate.decoding
    yield from setting_problems("", config.overridable)
    yield from variant_problems(config.variants, config.overridable)
    yield from _model_problems(config)
    yield from recipe_problems(config.models)
    yield from _models_without_table(config)
    yield from _launch_problems(config)
    yield from _llm_problems(config)
    yield from asked_problems(config.asked)
    yield from classifier_problems(config.classifiers)
    yield from judge_problems(config.evaluate.judge, config.evaluate.cases.number)
    yield from _encoders_without_row(config)
    yield from _dataset_problems(config)
    yield from _rehearsal_problems(config)
    yield from _rows_twice(config)
    yield from _comparison_problems(config)
    yield from _study_problems(config)
    yield from tf32_problems("evaluate.decoding", decoding.precision, "evaluate.decoding", decoding.device)
    if min(config.seeds) < 0:
        yield f"seeds: {min(config.seeds)} is below 0; a seed is 0 or more"
    if len(set(config.seeds)) < len(config.seeds):
        yield f"seeds: {config.seeds} contains a seed twice; remove the duplicate"


def _model_problems(config: "Config") -> Iterator[str]:
    """Yield problems of rows of `models`: unknown names, and values that contradict each other."""
    for name, model in config.models.items():
        if model.variant not in (None, *config.variants):
            variants = ", ".join(config.variants) or "none is configured"
            yield f"models.{name}.variant: {model.variant!r} is not one of variants ({variants})"
        if model.backbone not in config.backbones:
            yield f"models.{name}.backbone: {model.backbone!r} is not one of backbones ({', '.join(config.backbones)})"
        yield from part_problems(f"models.{name}", model)
        if (model.target == "diagnoses") != (model.teacher is None):
            required = "null (diagnoses have no teacher)" if model.target == "diagnoses" else "one of llms"
            yield f"models.{name}.teacher: target {model.target} requires {required}, not {model.teacher or 'null'}"


def _encoders_without_row(config: "Config") -> Iterator[str]:
    encoders = {f"models.{name}.encoder": model.encoder for name, model in config.models.items()}
    encoders |= {f"classifiers.{name}.encoder": row.encoder for name, row in config.classifiers.items()}
    if config.evaluate.bertscore:
        encoders["evaluate.bertscore.encoder"] = config.evaluate.bertscore.encoder
    for key, encoder in encoders.items():
        if encoder not in (None, *config.encoders):
            yield f"{key}: {encoder!r} is not one of encoders ({', '.join(config.encoders)})"


def _models_without_table(config: "Config") -> list[str]:
    """Return problems of models that would be trained although no table shows their scores."""
    problems = []
    student = student_among(config.models, config.evaluate.reference)
    discussed = set(keys_by_vocabulary(config.models, student).values()) if student else set()
    for name, model in config.models.items():
        if model.variant is not None and config.without_variant(name) is None:
            problems.append(
                f"models.{name}.variant: there is no row of models with the same backbone, parts, training, "
                "target, teacher and vocabulary and variant null to compare it with; add one"
            )
        shown = model.table or name in discussed or config.planted_datasets()
        if not shown and model.variant is None:
            problems.append(
                f"models.{name}.table: empty, so its scores would be in no table; name a table, or set "
                f"models.{name} to null"
            )
    return problems


def _comparison_problems(config: "Config") -> list[str]:
    """Return problems of comparing rows of tables 1 and 2: an unknown reference, or different test samples."""
    rows = {*RECIPES, *(row.row for section in (config.models, config.asked) for row in section.values())}
    problems = []
    if config.evaluate.reference not in rows:
        problems.append(
            f"evaluate.reference: {config.evaluate.reference!r} is not a row of tables 1 and 2; rows: "
            f"{'; '.join(sorted(rows))}"
        )
    for name, model in config.models.items():
        keys = config.variants[model.variant].benchmark.keys() if model.variant in config.variants else set()
        if {1, 2} & set(model.table) and (other := sorted({"split", "course"} & keys)):
            problems.append(
                f"models.{name}.table: rows of tables 1 and 2 are compared on the same test samples, which variant "
                f"{model.variant!r} changes (benchmark.{other[0]}); set it to []: its scores are then in "
                "tables/sensitivity.html"
            )
    return problems


def _launch_problems(config: "Config") -> Iterator[str]:
    """Yield contradictions between `train.launch`, the rows of `backbones`, and the models."""
    launch, batch = config.train.launch, config.train.optimizer.batch
    yield from launch_problems("train.launch", launch, {}, batch)
    for name, backbone in config.backbones.items():
        key = f"backbones.{name}.launch"
        problems = list(launch_problems(key, launch, backbone.launch, batch))
        # Without changes, the problems are those of train.launch.
        if backbone.launch:
            yield from problems
        lora = [row for row, m in config.models.items() if m.training == "lora" and m.backbone == name]
        if not problems and lora and (merged := config.launch_of(name)).deepspeed and merged.zero_stage == 3:
            yield (
                f"models.{lora[0]}.training: lora, whose frozen weights zero_stage 3 would partition; set "
                f"{key}.zero_stage to 2, or deepspeed to false"
            )
    partitioned = launch.deepspeed and launch.zero_stage == 3
    if (names := config.trained_classifiers()) and (launch.gradient_checkpointing or partitioned):
        yield (
            f"classifiers.{names[0]}: gradient_checkpointing and zero_stage 3 are for language models; set them in "
            "backbones.<name>.launch, not in train.launch"
        )


def _study_problems(config: "Config") -> Iterator[str]:
    if config.study is None:
        return
    yield from study_problems(config.study, config.evaluate.cases.number)
    if config.models[config.study.trained].target != "rationales":
        yield (
            f"evaluate.study.trained: models.{config.study.trained} does not write both rationales; name one with "
            "target: rationales"
        )


def _dataset_problems(config: "Config") -> list[str]:
    """Return problems of `datasets` that no rule can handle."""
    mimic3, mimic4 = config.datasets.mimic3, config.datasets.mimic4
    if mimic3 is None and mimic4 is None:
        return ["datasets: mimic3 and mimic4 are both null; configure at least one of them"]
    problems = [
        f"datasets.{name}.validation_list: requires datasets.{name}.test_list; set both, or neither"
        for name, dataset in (("mimic3", mimic3), ("mimic4", mimic4))
        if dataset is not None and dataset.validation_list and not dataset.test_list
    ]
    synthetic = [n for n, d in (("mimic3", mimic3), ("mimic4", mimic4)) if d is not None and d.source == "synthetic"]
    key = "benchmark.compat: true" if config.benchmark.compat else "extract.diagnoses.unlisted_codes: false"
    if config.benchmark.compat or not config.extract.diagnoses.unlisted_codes:
        problems += [
            f"{key}: datasets.{name} is synthetic and has no dictionary of codes (D_ICD_DIAGNOSES); use source: folder"
            for name in synthetic
        ]
    problems += [
        f"datasets.{name}.raw: missing; set it to the directory of the open demo, or to the one to download it to"
        for name, dataset in (("mimic3", mimic3), ("mimic4", mimic4))
        if dataset is not None and dataset.source == "open-demo" and dataset.raw is None
    ]
    return problems


def _rehearsal_problems(config: "Config") -> list[str]:
    """Return the language models in use that a rehearsal would ask elsewhere, where requests may cost money."""
    if config.demo.share is None:
        return []

    def is_elsewhere(name: str) -> bool:
        transport = config.llm_transport.get(name)
        return config.llms[name].provider == "openai" and not (transport and transport.data_use == "local-server")

    return [
        f"{key}: {name!r} is on a server that may cost money, and a rehearsal (demo.share) sends nothing there; set "
        f"llms.{name}.provider: template, or llm_transport.{name}.data_use: local-server for your own server"
        for key, name in config.named_llms().items()
        if name in config.llms and is_elsewhere(name)
    ]


def _llm_problems(config: "Config") -> list[str]:
    """Return problems of unknown names of language models, and of servers without a matching `llm_transport`."""
    used, listed = config.named_llms(), ", ".join(config.llms)
    problems = [f"{key}: {n!r} is not one of llms ({listed})" for key, n in used.items() if n not in config.llms]
    problems += [
        f"llm_transport.{name} is missing: llms.{name} is on a server; add a row with its base_url"
        for name, llm in config.llms.items()
        if llm.provider != "template" and name not in config.llm_transport
    ]
    for name, transport in config.llm_transport.items():
        provider = config.llms[name].provider if name in config.llms else None
        if provider == "openai" and transport.base_url is None:
            problems.append(f"llm_transport.{name}.base_url: missing; provider openai needs the URL of its server")
        if provider == "openai" and transport.server:
            problems.append(f"llm_transport.{name}.server: provider openai uses an existing server; set it to null")
        if provider == "served" and transport.base_url is not None:
            problems.append(f"llm_transport.{name}.base_url: provider served sets it; set it to null")
        if provider == "served" and transport.server is None:
            problems.append(f"llm_transport.{name}.server: missing; provider served needs the server's command")
    unknown = [name for name in config.llm_transport if name not in config.llms]
    return problems + [f"llm_transport.{name}: {name!r} is not one of llms ({listed})" for name in unknown]


def _rows_twice(config: "Config") -> list[str]:
    """Return problems of table rows assigned to two models, whose scores would be mixed up as seeds of one model."""
    owners: dict[tuple[int | str, str], list[str]] = {}
    rows: dict[str, Model | Asked] = {**config.models, **config.asked}
    for name, model in rows.items():
        for table in sorted(set(model.table)):
            row = row_in(model, table) if isinstance(model, Model) else model.row
            owners.setdefault((table, row), []).append(name)
    for name in config.variant_rows():
        owners.setdefault(("sensitivity", config.models[name].row), []).append(name)
    problems = [
        f"models: {' and '.join(names)} are assigned to the same row {row!r} of table {table}"
        for (table, row), names in owners.items()
        if len(names) > 1
    ]
    shared = [("asked", name, "models") for name in sorted(config.asked.keys() & config.models.keys())]
    shared += [
        ("classifiers", name, "models" if name in config.models else "asked")
        for name in sorted(config.classifiers.keys() & rows.keys())
    ]
    return problems + [
        f"{section}.{name}: {other} has a row with the same name; rename one of them" for section, name, other in shared
    ]
