"""Contradictions between settings: each is refused with its key and a remedy, all in one message."""

import re

import pytest
from config_files import changed, message_of, read_yaml
from snakemake.utils import update_config

from clinragen.config.root import load_config


@pytest.fixture
def raw() -> dict:
    return read_yaml("config.yaml")


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
    "a rehearsal that would pay": (
        {"demo__share": 0.1},
        r"models\.clinragen\.teacher: 'chatgpt' is on a server that may cost money, and a rehearsal",
    ),
    "a setting that is the same for all": (
        {"backbones__opt-125m__launch": {"nodes": 2}},
        r"backbones\.opt-125m\.launch\.nodes: the same for all; set train\.launch\.nodes",
    ),
    "memory that cannot be probed": (
        {"backbones__flan-t5-large__launch": {"zero_stage": 3}},
        r"backbones\.flan-t5-large\.launch\.fit_memory: true, but memory cannot be probed while zero_stage 3",
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
        r"models\.flan-t5\.soft_prompts: reparametrised requires training joint or lora, not phase1",
    ),
    "soft prompts before a frozen model": (
        {"models__frozen__soft_prompts": "texts"},
        r"models\.frozen\.soft_prompts: texts requires training joint or lora, not frozen",
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
    "series without an entry": (
        {"models__frozen__series": None},
        r"models\.frozen\.series: must be attention, linear or qformer, not null",
    ),
    "an entry without series": (
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
    "a row and its entry": (
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
    "open demo without a directory": (
        {"datasets__mimic3__source": "open-demo"},
        r"datasets\.mimic3\.raw: missing; set it to the directory of the open demo",
    ),
    "open demo of mimic4 without a directory": (
        {"datasets__mimic4__source": "open-demo"},
        r"datasets\.mimic4\.raw: missing; set it to the directory of the open demo",
    ),
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
        r"evaluate\.decoding\.precision: tf32 .* evaluate\.decoding\.device is cpu; set fp32 or bf16",
    ),
    "the reference row": (
        {"evaluate__reference": "ClinRAGen"},
        r"evaluate\.reference: 'ClinRAGen' is not a row of tables 1 and 2; rows: ClinRaGen; ClinRaGen\*; Clinical CoT",
    ),
    "seeds": ({"seeds": [1, 2, 1]}, r"seeds: \[1, 2, 1\] contains a seed twice"),
}


@pytest.mark.parametrize(("places", "pattern"), CROSS_CHECKS.values(), ids=CROSS_CHECKS.keys())
def test_settings_that_contradict_each_other(places, pattern, raw):
    assert re.search(pattern, message_of(changed(raw, **places)))


def test_adapters_are_not_trained_with_partitioned_weights(raw):
    launch = {"deepspeed": True, "zero_stage": 3, "fit_memory": False}
    message = message_of(changed(raw, **{"backbones__llama2-7b__launch": launch}))
    assert "models.llama-ft.training: lora, whose frozen weights zero_stage 3 would partition; set " in message
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


def test_a_language_model_may_override_launch_and_request(raw):
    config = load_config(raw)
    general, llama = config.launch_of("flan-t5-small"), config.launch_of("llama2-7b")
    assert general == config.train.launch and (general.deepspeed, general.gradient_checkpointing) == (True, False)
    assert (llama.deepspeed, llama.gradient_checkpointing) == (False, True)
    assert config.request_of("train", "flan-t5-small") == config.train.request
    assert config.request_of("evaluate", "flan-t5-small") == config.evaluate.request
    # The fp32 weights, which a process loads into memory before they go to the GPU, take 27 GB.
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


def test_one_message_lists_all_contradictions(raw):
    places = {k: v for values, _ in CROSS_CHECKS.values() for k, v in values.items()}
    message = message_of(changed(raw, **places))
    for _, pattern in CROSS_CHECKS.values():
        assert re.search(rf"^  - {pattern}", message, re.MULTILINE), message


def test_a_trained_and_an_asked_model_have_different_names(raw):
    raw["asked"]["clinragen"] = raw["asked"].pop("chatgpt-zero-shot")
    assert "asked.clinragen: models has a row with the same name; rename one of them" in message_of(raw)


@pytest.mark.parametrize(
    ("change", "problem"),
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
def test_a_served_model_has_a_server_and_no_other_model_has(change, problem, raw):
    update_config(raw, read_yaml("tests/served.yaml"))
    assert "tiny" in load_config(raw).served_llms()
    update_config(raw, change)
    assert problem in message_of(raw)


@pytest.mark.parametrize(("key", "value"), [("benchmark__compat", True), ("extract__diagnoses__unlisted_codes", False)])
def test_a_synthetic_cohort_has_no_dictionary_of_codes(key, value, raw):
    message = message_of(changed(raw, **{"datasets__mimic4__source": "synthetic", key: value}))
    assert re.search(rf"  - {key.replace('__', '.')}: {str(value).lower()}: datasets\.mimic4 is synthetic", message)
    assert "datasets.mimic3" not in message
