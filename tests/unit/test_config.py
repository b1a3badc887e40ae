"""The configuration: the shipped files are valid, and a mistake is told with its place and remedy."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from clinragen.config.reference import reference
from clinragen.config.root import Config, load_config
from clinragen.errors import UserError
from clinragen.registry.raw import declaration

ROOT = Path(__file__).parents[2]
# Overlays with a results tree of their own; those called local* are about the site, for the paper's tree.
OVERLAYS = sorted(p for p in (ROOT / "config").glob("*.yaml") if not p.name.startswith("local"))
# An overlay that says so lies over another one.
BELOW = {
    "demo-full.yaml": ["demo.yaml"],
    "open-demo.yaml": ["demo.yaml"],
    "planted.yaml": ["demo.yaml"],
    "planted-backbones.yaml": ["demo.yaml", "planted.yaml"],
    "planted-baselines.yaml": ["demo.yaml", "planted.yaml"],
}

# Overlays that add rows to the tree of others, with which they share what they can.
MORE_ROWS = ("demo-full.yaml", "table6.yaml", "sensitivity.yaml", "as-printed.yaml", "beyond.yaml", "discussion.yaml")


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture
def raw() -> dict:
    return read("config.yaml")


def changed(raw: dict, **places: object) -> dict:
    """The configuration with other values; `__` in a name leads one level down."""
    raw = copy.deepcopy(raw)
    for place, value in places.items():
        *way, last = place.split("__")
        section = raw
        for key in way:
            section = section[key]
        section[last] = value
    return raw


def message_of(raw: dict) -> str:
    with pytest.raises(UserError) as error:
        load_config(raw)
    return str(error.value)


def test_the_settings_of_the_paper_are_valid(raw):
    config = load_config(raw)
    assert config.dataset_names() == ["mimic3", "mimic4"] and len(config.seeds) == 5


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda p: p.name)
def test_every_overlay_is_valid(overlay, raw):
    for name in [*BELOW.get(overlay.name, []), overlay.name]:
        update_config(raw, read(f"config/{name}"))
    config = load_config(raw)
    if overlay.name in MORE_ROWS:
        return
    assert config.pathvars.results != read("config.yaml")["pathvars"]["results"], "runs must not overwrite each other"


def test_the_example_of_local_settings_is_valid_and_names_all_that_a_site_must_set(raw):
    example = read("config/local.example.yaml")
    update_config(raw, example)
    config = load_config(raw)
    assert config.pathvars.results == read("config.yaml")["pathvars"]["results"]
    assert config.datasets.mimic3.raw and config.datasets.mimic4.raw and config.datasets.mimic4.notes
    for name, release in (("mimic3", config.datasets.mimic3.release), ("mimic4", config.datasets.mimic4.release)):
        assert release in declaration()[name]["releases"]
    transport = config.llm_transport["chatgpt"]
    assert transport.data_use == "none", "nobody permits sending MIMIC text by copying a file"
    assert {"base_url", "api_key_variable", "data_use", "allowed_hosts"} <= set(example["llm_transport"]["chatgpt"])
    assert "email" in example["knowledge"]["pubmed"] and "model" in example["llms"]["chatgpt"]


@pytest.mark.parametrize(
    ("place", "nearest"),
    [
        ("benchmrk", "benchmark"),
        ("pathvars__result", "pathvars.results"),
        ("benchmark__series__step_hour", "benchmark.series.step_hours"),
        ("extract__cohort__minage", "extract.cohort.min_age"),
        ("datasets__mimic4__note", "datasets.mimic4.notes"),
        ("models__clinragen__back_bone", "models.clinragen.backbone"),
        ("backbones__flan-t5-small__reversion", "backbones.flan-t5-small.revision"),
        ("llms__chatgpt__api_key", "llms.chatgpt.repairs"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(place, nearest, raw):
    message = message_of(changed(raw, **{place: 1}))
    found = re.search(rf"  - {re.escape(place.replace('__', '.'))}: unknown key; did you mean (\S+)\?", message)
    assert found, message
    if place != "llms__chatgpt__api_key":  # nothing is near, so any key of the section will do
        assert found[1] == nearest
    else:
        assert found[1].startswith("llms.chatgpt.")


def test_a_model_may_be_called_like_a_setting(raw):
    model = raw["models"]["clinragen"] | {"bakbone": "x"}
    assert "models.row.bakbone: unknown key; did you mean models.row.backbone?" in message_of(
        changed(raw, models__row=model)
    )


@pytest.mark.parametrize(
    ("text", "date"), [("2026-01-05", "2026-01-05"), ("'2026-01-05'", "2026-01-05"), ("null", None)]
)
def test_a_date_is_a_text_however_yaml_reads_it(text, date, raw):
    assert load_config(changed(raw, knowledge__refresh=yaml.safe_load(text))).knowledge.refresh == date


@pytest.mark.parametrize(
    ("value", "words"),
    [("tomorrow", "is not a date"), (True, "is not a date"), ("2026-13-01", "is not a date"), ("9999-01-01", "future")],
)
def test_a_date_that_is_none_or_lies_ahead_is_refused(value, words, raw):
    assert re.search(rf"knowledge\.refresh: .*{words}", message_of(changed(raw, knowledge__refresh=value)))


def test_a_row_of_a_language_model_may_be_short_but_names_its_server(raw):
    raw["llms"]["mine"] = {"provider": "openai", "model": "m"}
    assert "  - llm_transport.mine is missing: llms.mine is on a server; add a row with its base_url" in message_of(raw)
    raw["llm_transport"]["mine"] = {"data_use": "local-server"}
    assert "  - llm_transport.mine.base_url: missing" in message_of(raw)
    raw["llm_transport"]["mine"] = {"base_url": "http://localhost:8000/v1"}
    config = load_config(raw)
    assert config.llms["mine"].parameters == {} and config.llms["mine"].endpoint == "chat"
    transport = config.llm_transport["mine"]
    assert (transport.data_use, transport.allowed_hosts, transport.local_hosts) == ("none", [], [])
    # A key is sent only to a server for which it is named.
    assert transport.api_key_variable is None
    del raw["llms"]["mine"]["model"]
    assert "  - llms.mine.model: missing" in message_of(raw)


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


def test_a_missing_key_is_named(raw):
    del raw["benchmark"]["series"]["fill"], raw["seeds"]
    message = message_of(raw)
    assert "  - benchmark.series.fill: missing; copy it from config.yaml" in message
    assert "  - seeds: missing" in message


@pytest.mark.parametrize("place", ["benchmark", "models__clinragen__row", "datasets__mimic3__raw"])
def test_every_key_is_required(place, raw):
    *way, last = place.split("__")
    section = raw
    for key in way:
        section = section[key]
    del section[last]
    assert f"  - {place.replace('__', '.')}: missing" in message_of(raw)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("benchmark__series__variables", 12, "11 or 17"),
        ("benchmark__series__step_hours", 0, "greater than 0"),
        ("benchmark__series__fill", "linear", "'nearest' or 'previous'"),
        ("benchmark__split__test", 1.0, "less than 1"),
        ("benchmark__course__keep_negation", "maybe", "boolean"),
        ("extract__memory_limit_mb", "lots", "integer"),
        ("extract", None, "valid dictionary"),
        ("datasets__mimic3__source", "web", "'synthetic'"),
        ("train__phase1__epochs", 2.5, "integer"),
        ("evaluate__bootstrap__replicates", 999, "greater than or equal to 1000"),
        ("seeds", [], "at least 1 item"),
        ("seeds", 1, "list"),
        ("models", [], "dictionary"),
        ("llm_transport__chatgpt__data_use", "yes", "'none'"),
        ("models__clinragen__training", "phase2", "phase1"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(place, value, words, raw):
    message = message_of(changed(raw, **{place: value}))
    assert f"  - {place.replace('__', '.')}: " in message and words in message


CROSS_CHECKS = {
    "patch": ({"benchmark__series__max_steps": 1001}, r"benchmark\.series\.max_steps \(1001\).*patch \(8\)"),
    "heads": (
        {"student__fusion__series_encoder__heads": 7},
        r"student\.fusion.*width \(768\).*heads \(7\)",
    ),
    "backbone": (
        {"models__flan-t5__backbone": "t6"},
        r"models\.flan-t5\.backbone: 't6' .*flan-t5-small, flan-t5-large",
    ),
    "batch": (
        {"train__launch__nodes": 4, "train__launch__processes": 8},
        r"train\.optimizer\.batch \(24\) must be at least train\.launch\.nodes \(4\) times processes \(8\)",
    ),
    "batch of one language model": (
        {"backbones__llama2-7b__launch": {"processes": 25}},
        r"backbones\.llama2-7b\.launch\.processes: 25, times \d nodes, is more than train\.optimizer\.batch \(24\)",
    ),
    "adapters before a Q-Former": (
        {"models__clinical-cot-tse__training": "lora", "models__clinical-cot-tse__series": "qformer"},
        r"models\.clinical-cot-tse\.series: training lora does not support qformer",
    ),
    "what must be the same for all": (
        {"backbones__opt-125m__launch": {"nodes": 2}},
        r"backbones\.opt-125m\.launch\.nodes: the same for all; set train\.launch\.nodes",
    ),
    "memory that cannot be tried": (
        {"backbones__flan-t5-large__launch": {"zero_stage": 3}},
        r"backbones\.flan-t5-large\.launch\.fit_memory: true, but memory cannot be probed while zero_stage 3 partitions",
    ),
    "captions in the three phases": (
        {"models__clinragen__reads": ["note", "series", "captions"]},
        r"models\.clinragen\.training: phases reads note and series, not note and series and captions; use joint",
    ),
    "nothing to learn": (
        {"models__ehr-knowgen__training": "frozen"},
        r"models\.ehr-knowgen\.training: frozen trains nothing without series",
    ),
    "soft prompts in a phase": (
        {"models__flan-t5__soft_prompts": "reparametrised"},
        r"models\.flan-t5\.soft_prompts: reparametrised are learned by training joint or lora, not phase1",
    ),
    "soft prompts before a frozen model": (
        {"models__frozen__soft_prompts": "texts"},
        r"models\.frozen\.soft_prompts: texts are learned by training joint or lora, not frozen",
    ),
    "soft prompts before no text": (
        {"models__clinical-cot-tse__reads": ["series"], "models__clinical-cot-tse__soft_prompts": "texts"},
        r"models\.clinical-cot-tse\.soft_prompts: texts, but the model reads no text",
    ),
    "features without prompts": (
        {"models__promptehr__reads": ["note", "features"]},
        r"models\.promptehr\.soft_prompts: must be conditional \(the only way to read features\)",
    ),
    "prompts without features": (
        {"models__clinical-cot__soft_prompts": "conditional"},
        r"models\.clinical-cot\.soft_prompts: conditional requires features in models\.clinical-cot\.reads",
    ),
    "features in a phase": (
        {"models__flan-t5__reads": ["note", "features"]},
        r"models\.flan-t5\.training: phase1 reads note, not note and features; use joint",
    ),
    "a rationale first where there is none": (
        {"models__flan-t5__target_order": "rationale_first"},
        r"models\.flan-t5\.target_order: rationale_first, but target diagnoses has no rationale",
    ),
    "series without a way in": (
        {"models__frozen__series": None},
        r"models\.frozen\.series: must be attention, linear or qformer, not null",
    ),
    "a way in without series": (
        {"models__flan-t5__series": "linear"},
        r"models\.flan-t5\.series: must be null \(no series are read\), not linear",
    ),
    "a Q-Former without its BERT": (
        {"models__clinical-cot-tse__series": "qformer"},
        r"models\.clinical-cot-tse\.encoder: series qformer requires one of encoders \(a BERT\), not null",
    ),
    "a BERT without a Q-Former": (
        {"models__clinical-cot__encoder": "clinical-bert"},
        r"models\.clinical-cot\.encoder: series null requires null \(without a Q-Former\), not clinical-bert",
    ),
    "a Q-Former in the three phases": (
        {"models__without-reasoning__series": "qformer"},
        r"models\.without-reasoning\.series: qformer, but the three phases use attention; use training joint",
    ),
    "text encoder": (
        {"models__ehr-knowgen__encoder": "bert"},
        r"models\.ehr-knowgen\.encoder: 'bert' is not one of encoders \(clinical-bert, roberta-large\)",
    ),
    "a row and its way in": (
        {"models__clinical-cot-tse__series": "qformer"},
        r"models\.clinical-cot-tse\.series: row 'Clinical CoT -w/ TSE' promises linear, not qformer",
    ),
    "vocabulary without attention": (
        {"models__without-lab-know__vocabulary": "knowledge"},
        r"models\.without-lab-know\.vocabulary: series null requires null .*, not knowledge",
    ),
    "attention without vocabulary": (
        {"models__clinragen__vocabulary": None},
        r"models\.clinragen\.vocabulary: series attention requires a vocabulary, not null",
    ),
    "open demo without folder": (
        {"datasets__mimic3__source": "open-demo"},
        r"datasets\.mimic3\.raw: missing; set it to the directory of the open demo",
    ),
    "open demo of mimic4": ({"datasets__mimic4__source": "open-demo"}, r"datasets\.mimic4\.source: .*mimic3 only"),
    "notes of mimic4": ({"datasets__mimic4__notes": "synthetic"}, r"datasets\.mimic4\.notes: .*MIMIC-IV-Note"),
    "row": (
        {"models__without-know__row": "ClinRaGen"},
        r"models: clinragen and without-know are assigned to the same row 'ClinRaGen' of table 2",
    ),
    "row of a trained and an asked model": (
        {"asked__chatgpt-zero-shot__row": "ClinRaGen*"},
        r"models: clinragen-large and chatgpt-zero-shot are assigned to the same row 'ClinRaGen\*' of table 1",
    ),
    "llm of an asked row": (
        {"asked__llama-zero-shot__llm": "llama"},
        r"asked\.llama-zero-shot\.llm: 'llama' is not one of llms \(chatgpt, mistral",
    ),
    "diagnoses given and asked for": (
        {"asked__mistral-five-shot__question": {"task": "diagnose", "given_diagnoses": True, "label_list": False}},
        r"asked\.mistral-five-shot\.question\.given_diagnoses: task diagnose asks for the diagnoses; set it to false",
    ),
    "rationales without a task": (
        {"asked__mistral-five-shot__question": {"task": "diagnose", "given_diagnoses": True, "label_list": False}},
        r"asked\.mistral-five-shot\.table: table 4 compares rationales",
    ),
    "given diagnoses with a list": (
        {"asked__llama2-five-shot__question": {"task": "explain", "given_diagnoses": True, "label_list": True}},
        r"asked\.llama2-five-shot\.question\.label_list: with given_diagnoses there is nothing to choose",
    ),
    "given diagnoses scored": (
        {"asked__llama3-five-shot__table": [1, 4]},
        r"asked\.llama3-five-shot\.table: table 1 scores diagnoses, which given_diagnoses gives away",
    ),
    "table 1 on a sample": (
        {"asked__llama3-five-shot__table": [1, 4]},
        r"asked\.llama3-five-shot\.cases: the other models of table 1 are scored on the whole test split",
    ),
    "cases of table 4": (
        {"asked__llama2-five-shot__cases": "all"},
        r"asked: llama2-five-shot and \S+ are compared in table 4; set both to the same cases",
    ),
    "tf32 in training": (
        {"train__optimizer__precision": "tf32", "train__launch__device": "cpu"},
        r"train\.optimizer\.precision: tf32 requires a GPU, but train\.launch\.device is cpu; set fp32 or bf16",
    ),
    "tf32 in predictions": (
        {"evaluate__decoding__precision": "tf32", "evaluate__decoding__device": "cpu"},
        r"evaluate\.decoding\.precision: tf32, .* evaluate\.decoding\.device is cpu; set fp32 or bf16",
    ),
    "the row that all are compared with": (
        {"evaluate__reference": "ClinRAGen"},
        r"evaluate\.reference: 'ClinRAGen' is not a row of tables 1 and 2; rows: ClinRaGen; ClinRaGen\*; Clinical CoT",
    ),
    "seeds": ({"seeds": [1, 2, 1]}, r"seeds: \[1, 2, 1\] contains a seed twice"),
}


@pytest.mark.parametrize(("places", "pattern"), CROSS_CHECKS.values(), ids=CROSS_CHECKS.keys())
def test_settings_that_contradict_each_other(places, pattern, raw):
    assert re.search(pattern, message_of(changed(raw, **places)))


def test_adapters_are_not_trained_with_divided_weights(raw):
    launch = {"deepspeed": True, "zero_stage": 3, "fit_memory": False}
    message = message_of(changed(raw, **{"backbones__llama2-7b__launch": launch}))
    assert "models.llama-ft.training: lora, whose frozen weights zero_stage 3 would partition; set backbones." in message
    raw["models"]["llama-ft"]["training"] = "joint"
    raw["backbones"]["llama2-7b"]["launch"] = launch
    assert load_config(raw).launch_of("llama2-7b").zero_stage == 3


@pytest.mark.parametrize(
    ("launch", "message"),
    [
        ({"zero_stag": 3}, "launch.zero_stag: unknown key; did you mean backbones.llama2-7b.launch.zero_stage?"),
        ({"processes": 0}, "launch.processes: Input should be greater than or equal to 1"),
    ],
)
def test_launch_settings_of_a_language_model_are_validated_as_those_of_all(launch, message, raw):
    assert f"  - backbones.llama2-7b.{message}" in message_of(changed(raw, **{"backbones__llama2-7b__launch": launch}))


def test_a_language_model_has_settings_and_requests_of_its_own(raw):
    config = load_config(raw)
    general, own = config.launch_of("flan-t5-small"), config.launch_of("llama2-7b")
    assert general == config.train.launch and (general.deepspeed, general.gradient_checkpointing) == (True, False)
    assert (own.deepspeed, own.gradient_checkpointing) == (False, True)
    assert config.request_of("train", "flan-t5-small") == config.train.request
    assert config.request_of("evaluate", "flan-t5-small") == config.evaluate.request
    # The weights in fp32, which a process holds in memory before its GPU does, take 27 GB.
    assert config.request_of("evaluate", "llama2-7b").memory_mb > 2 * 27_000


def test_llama_is_fine_tuned_through_adapters_or_as_a_whole(raw):
    for training in ("lora", "joint"):
        raw["models"]["llama-ft"]["training"] = training
        assert load_config(raw).models["llama-ft"].training == training
    raw["models"]["llama-ft"]["training"] = "phase1"
    message = message_of(raw)
    assert "models.llama-ft.training: phase1 reads note, not note and captions; use joint or lora" in message


def test_adapters_need_a_layer(raw):
    message = message_of(changed(raw, train__lora__modules=[]))
    assert "  - train.lora.modules: lists no layer; list one, or set it to all" in message


def test_all_contradictions_stand_in_one_message(raw):
    places = {k: v for values, _ in CROSS_CHECKS.values() for k, v in values.items()}
    message = message_of(changed(raw, **places))
    for _, pattern in CROSS_CHECKS.values():
        assert re.search(rf"^  - {pattern}", message, re.MULTILINE), message


def test_all_problems_stand_in_one_message(raw):
    raw = changed(raw, benchmrk=1, extract__memory_limit_mb=1, seeds=[], student__fusion__lab_position="left")
    del raw["demo"]
    lines = message_of(raw).splitlines()
    assert lines[0] == "the configuration is not valid; correct config/local.yaml or your overlay:" and len(lines) == 6
    for place in ("benchmrk", "extract.memory_limit_mb", "seeds", "student.fusion.lab_position", "demo"):
        assert any(line.startswith(f"  - {place}: ") for line in lines)


def test_null_drops_a_model_and_a_backbone(raw):
    update_config(raw, {"models": {"clinragen-large": None}, "backbones": {"flan-t5-large": None}})
    config = load_config(raw)
    assert "clinragen-large" not in config.models and "clinragen" in config.models
    assert "flan-t5-large" not in config.backbones and "flan-t5-small" in config.backbones


def test_null_drops_a_row_that_is_asked(raw):
    update_config(raw, {"asked": {"mistral-five-shot": None}})
    assert list(load_config(raw).asked) == [
        *("chatgpt-zero-shot", "llama-zero-shot", "llama2-five-shot", "llama3-five-shot")
    ]


def test_a_trained_and_an_asked_model_have_different_names(raw):
    raw["asked"]["clinragen"] = raw["asked"].pop("chatgpt-zero-shot")
    assert "asked.clinragen: models has a row with the same name; rename one of them" in message_of(raw)


def test_null_leaves_a_dataset_out(raw):
    update_config(raw, {"datasets": {"mimic4": None}})
    assert load_config(raw).dataset_names() == ["mimic3"]


def test_one_dataset_at_least_is_configured(raw):
    message = message_of(changed(raw, datasets__mimic3=None, datasets__mimic4=None))
    assert "datasets: mimic3 and mimic4 are both null; configure at least one of them" in message


PATHS = [
    "datasets__mimic3__raw",
    "datasets__mimic4__notes",
    "datasets__mimic3__test_list",
    "datasets__mimic3__validation_list",
    "pathvars__results",
    "pathvars__logs",
    "pathvars__timings",
    "backbones__flan-t5-small__source",
    "encoders__clinical-bert__source",
]


@pytest.mark.parametrize("place", PATHS)
@pytest.mark.parametrize("bad", ["{", "}", "<", ">", "\n", "\x7f", "\0"])
def test_a_path_that_snakemake_cannot_use_is_refused(place, bad, raw):
    message = message_of(changed(raw, **{place: f"/data/a{bad}b"}))
    assert f"  - {place.replace('__', '.')}: '/data/a" in message
    assert f"contains {bad!r}, which Snakemake cannot use in a path; rename it or use a link" in message


@pytest.mark.parametrize("name", ["a/b", "..", "a{b", "a\nb"])
@pytest.mark.parametrize("section", ["models", "asked", "backbones", "encoders"])
def test_a_name_that_cannot_be_part_of_a_path_is_refused(section, name, raw):
    rows = raw[section] | {name: next(iter(raw[section].values()))}
    assert f"  - {section}: " in message_of(changed(raw, **{section: rows}))


def test_the_home_directory_is_expanded_where_snakemake_does_not_need_it(raw, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    for place in PATHS:
        new = changed(raw, **({"datasets__mimic3__test_list": "~/list"} | {place: "~/a b"}))
        if place.startswith("pathvars"):
            assert f"{place.replace('__', '.')}: Snakemake does not expand ~; set it to '/home/somebody/a b'" in message_of(
                new
            )
        else:
            value = load_config(new)
            for key in place.split("__"):
                value = value[key] if isinstance(value, dict) else getattr(value, key)
            assert value == "/home/somebody/a b"
    assert "datasets.mimic3.raw: '~nobody-here/a': unknown home" in message_of(
        changed(raw, datasets__mimic3__raw="~nobody-here/a")
    )


def test_dropping_a_backbone_that_a_model_uses_is_told(raw):
    update_config(raw, {"backbones": {"flan-t5-large": None}})
    assert "models.clinragen-large.backbone: 'flan-t5-large' is not one of backbones" in message_of(raw)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"llm_transport": {"tiny": {"server": None}}}, "llm_transport.tiny.server: missing; provider served"),
        ({"llm_transport": {"tiny": {"base_url": "http://x/v1"}}}, "llm_transport.tiny.base_url: provider served"),
        ({"llm_transport": {"chatgpt": {"base_url": None}}}, "llm_transport.chatgpt.base_url: missing; provider"),
        ({"llm_transport": {"tiny": {"server": {"command": ["vllm", "serve"]}}}}, 'no argument contains {port}'),
        ({"llm_transport": {"tiny": None}}, "llm_transport.tiny is missing"),
        ({"llms": {"tiny": {"revision": None}}}, "llms.tiny: revision: null"),
        ({"llms": {"chatgpt": {"server_arguments": ["--seed"]}}}, "provider openai starts no server"),
        ({"llms": {"chatgpt": {"extra": {"n": 2, "seed": 9}}}}, "llms.chatgpt.extra: n, seed cannot be set in extra"),
    ],
)  # fmt: skip
def test_a_served_model_has_a_server_and_no_other_model_has(change, told, raw):
    update_config(raw, read("tests/served.yaml"))
    assert "tiny" in load_config(raw).served_llms()
    update_config(raw, change)
    assert told in message_of(raw)


def test_notes_of_ones_own_make_open_data_restricted(raw):
    places = {"datasets__mimic3__source": "open-demo", "datasets__mimic3__raw": "demo"}
    for notes, source in ((None, "folder"), ("/my/notes", "folder"), ("synthetic", "open-demo")):
        config = load_config(changed(raw, **places, datasets__mimic3__notes=notes))
        assert config.datasets.mimic3.text_source == source


def test_settings_do_not_change_after_loading(raw):
    config = load_config(raw)
    with pytest.raises(ValueError, match="frozen"):
        config.benchmark.series.step_hours = 2.0


def keys_of(section: object, place: str = "") -> list[str]:
    """Dotted keys of a validated configuration, names chosen by the user written <name>."""
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
    update_config(raw, read("tests/served.yaml"))  # config.yaml has no served model
    raw["llm_transport"]["chatgpt"]["price"] = {"input": 1, "output": 1}  # a section that may be null
    raw["variants"]["suffix"] = {"student": {"fusion": {"lab_position": "suffix"}}}  # config.yaml has no variant
    raw["classifiers"] = read("config/beyond.yaml")["classifiers"]  # nor a classifier
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


@pytest.mark.parametrize(("key", "value"), [("benchmark__compat", True), ("extract__diagnoses__unlisted_codes", False)])
def test_a_synthetic_cohort_has_no_dictionary_of_codes(key, value, raw):
    message = message_of(changed(raw, **{"datasets__mimic4__source": "synthetic", key: value}))
    assert re.search(rf"  - {key.replace('__', '.')}: {str(value).lower()}: datasets\.mimic4 is synthetic", message)
    assert "datasets.mimic3" not in message
