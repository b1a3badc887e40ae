"""Language models and text encoders that cannot be used are reported before the first job of a run."""

import json
import re
from pathlib import Path

import pytest
import yaml
from paper_config import config_of
from runs import ROOT

from clinragen.config.root import Config
from clinragen.workflow import inputs
from clinragen.workflow.needs import ENCODER, Need, needs_of
from clinragen.workflow.preflight import backbone_problems, encoder_problems

T5 = {"model_type": "t5", "decoder_start_token_id": 0}
OPT = {"model_type": "opt", "max_position_embeddings": 2200}
TOKENIZER = {"eos_token": "</s>"}


def model_folder(directory: Path, config: object, tokenizer: object = TOKENIZER, weights: str = "model.safetensors"):
    """The small files of a language model, in a directory."""
    directory.mkdir(exist_ok=True)
    for name, content in {"config.json": config, "tokenizer_config.json": tokenizer, "tokenizer.json": {}}.items():
        (directory / name).write_text(json.dumps(content), encoding="utf-8")
    (directory / weights).touch()
    return directory


def backbone(source: Path | str, results: str = "results/none", **changes: object) -> list[str]:
    """Return the problems of the language model of a row that reads series."""
    own = {
        "backbones": {"b": {"source": str(source), "revision": "main"}},
        "models": {"clinragen": {"backbone": "b", "table": [6]}},
        "pathvars": {"results": results},
    }
    return backbone_problems("b", config_of(**(own | changes)))


def test_a_name_on_the_hub_is_not_checked_and_a_missing_directory_is():
    assert backbone("google/flan-t5-small") == backbone("tiny-opt") == []
    assert backbone("/no/where") == ["backbones.b.source: /no/where is not a directory"]


@pytest.mark.parametrize("source", ["tiny", "directory"])
def test_adapters_at_layers_that_a_model_lacks_are_refused_in_the_dry_run(source, tmp_path):
    """An encoder-decoder model, in place of the one whose layers the setting names."""
    given = tmp_path / "given" if source == "directory" else "tiny"
    if source == "directory":
        model_folder(tmp_path / "given", T5)
    rows = {"clinragen": {"backbone": "b", "table": [6]}, "llama-ft": {"backbone": "b", "table": [6]}}
    for modules, wrong in (("all", False), (["q", "wo"], False), (["q_proj"], True)):
        lines = backbone(given, models=rows, train={"lora": {"modules": modules}})
        assert lines == [
            f"backbones.b.source: {given} is of model_type t5, which has no layers q_proj (train.lora.modules), but "
            "q, k, v, o, wi, wi_0, wi_1, wo; set them or `all`, or use training joint for the rows with this model"
        ] * wrong  # fmt: skip


def test_llama_1_needs_a_shorter_note_with_captions(tmp_path):
    """2,048 positions for a note of 1,600 tokens, captions among them, 500 of a target and two marks."""
    llama = {"model_type": "llama", "max_position_embeddings": 2048}
    only = {"backbones": {"llama2-7b": {"source": str(model_folder(tmp_path, llama))}}}
    lines = backbone_problems("llama2-7b", config_of(**only))
    assert len(lines) == 1 and "max_note_tokens of its row in backbones to 1546 at most" in lines[0]
    only["backbones"]["llama2-7b"]["max_note_tokens"] = 1546
    assert backbone_problems("llama2-7b", config_of(**only)) == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"config": T5}, []),
        ({"config": OPT}, []),
        ({"config": {"model_type": "bert"}}, ["model_type bert; supported: t5, mt5, umt5, opt"]),
        ({"config": {"architectures": ["X"]}}, ["model_type None"]),
        ({"config": {"model_type": "t5"}}, ["set decoder_start_token_id in its config.json"]),
        ({"config": T5, "weights": "pytorch_model.bin"}, ["no weights in safetensors"]),
        ({"config": []}, ["not a readable language model: config.json"]),
        ({"config": OPT, "tokenizer": {"eos_token": None}}, ["no end mark; set eos_token in its tokenizer_config"]),
        ({"config": OPT, "tokenizer": {"tokenizer_class": "PreTrainedTokenizerFast"}}, ["has no end mark"]),
        ({"config": OPT, "tokenizer": {"tokenizer_class": "GPT2Tokenizer"}}, []),  # a class that has one by itself
        (
            {"config": OPT | {"max_position_embeddings": 2048}},
            ["has 2048 positions, but 2113 are needed: 1600 of a note (student.texts.max_note_tokens), 500 of"],
        ),
    ],
)
def test_a_directory_holds_a_model_that_can_be_trained(files, words, tmp_path):
    lines = backbone(model_folder(tmp_path, **files))
    assert len(lines) == len(words) and all(word in line for word, line in zip(words, lines, strict=True)), lines


def test_a_directory_without_tokenizer_is_refused(tmp_path):
    (model_folder(tmp_path, OPT) / "tokenizer.json").unlink()
    (line,) = backbone(tmp_path)
    assert "has no tokenizer (tokenizer.json, " in line


def test_positions_are_compared_with_what_the_settings_need(tmp_path):
    def longest(**changes: object) -> list[str]:
        """The longest note that the message names."""
        lines = backbone(tmp_path, **changes)
        return [re.search(r"max_note_tokens of its row in backbones to (-?\d+) at most", line)[1] for line in lines]

    model_folder(tmp_path, OPT | {"max_position_embeddings": 2048})
    encoder = {"student": {"fusion": {"series_encoder": {"token": "all"}}}}
    assert longest() == ["1535"]
    assert longest(**encoder) == ["171"]  # 125 patches for each of 11 variables
    notes_only = {
        "backbone": "b",
        "table": [6],
        "reads": ["note"],
        "series": None,
        "training": "phase1",
        "vocabulary": None,
    }
    assert longest(models={"clinragen": notes_only}) == ["1546"]
    assert longest(student={"texts": {"max_note_tokens": 1535}}) == []
    own = {"source": str(tmp_path), "revision": "main", "max_note_tokens": 1535}
    assert longest(backbones={"b": own}) == []
    assert longest(student={"texts": {"max_target_tokens": 501}}) == ["1534"]
    assert longest(evaluate={"decoding": {"max_new_tokens": 435}}) == ["1535"]


def test_a_note_is_as_long_as_both_student_and_language_model_take():
    config = config_of(
        backbones={"flan-t5-small": {"max_note_tokens": 900}, "flan-t5-large": {"max_note_tokens": 9000}}
    )
    found = [inputs.texts(config, name).max_note_tokens for name in ("flan-t5-small", "flan-t5-large", "opt-125m")]
    assert found == [900, 1600, 1500]


def test_t5_knows_distances_only(tmp_path):
    assert backbone(model_folder(tmp_path, T5 | {"n_positions": 512})) == []  # T5 knows distances only


def test_a_model_that_is_fetched_already_is_checked_where_it_is(tmp_path):
    (tmp_path / "backbones").mkdir()
    model_folder(tmp_path / "backbones/b", OPT | {"max_position_embeddings": 2048})
    (line,) = backbone("facebook/opt-125m", results=str(tmp_path))
    assert line.startswith("backbones.b.source: facebook/opt-125m has 2048 positions")


# --- Text encoders ---


BERT = {"model_type": "bert", "max_position_embeddings": 512}


def with_q_former(source: Path | str = "some/bert", results: str = "results/none") -> Config:
    """The paper's configuration with the rows of config/beyond.yaml."""
    beyond = yaml.safe_load((ROOT / "config/beyond.yaml").read_text(encoding="utf-8"))
    return config_of(
        **beyond | {"encoders": {"clinical-bert": {"source": str(source)}}, "pathvars": {"results": results}}
    )


@pytest.mark.parametrize(
    ("target", "needed"),
    [
        ("all", True),
        ("tables", True),
        ("backbones", True),
        ("{}/encoders/clinical-bert", True),
        ("{}/mimic3/train/flan-t5-small/diagnoses-note-qformer-clinical-bert/seed1/frozen", True),
        ("{}/mimic3/evaluate/frozen-qformer/seed1/scores.csv", True),
        ("{}/mimic3/train/flan-t5-small/diagnoses-note-linear/seed1/frozen", False),
        ("{}/mimic3/evaluate/frozen/seed1/scores.csv", False),
        ("knowledge", False),
        ("leakage", False),
    ],
)
def test_a_text_encoder_is_needed_where_a_q_former_is_built_of_it(target, needed, tmp_path):
    needs = needs_of([target.format(tmp_path)], with_q_former(results=str(tmp_path)))
    assert (Need(ENCODER, "clinical-bert") in needs) is needed


def test_the_papers_settings_need_a_text_encoder_for_bertscore_alone():
    needs = needs_of(["all", "backbones"], config_of())
    assert {need.name for need in needs if need.kind == ENCODER} == {"roberta-large"}
    for file, needed in (("mimic3/evaluate/bertscores.parquet", True), ("tables/table1.csv", False)):
        needs = needs_of([f"results/paper/{file}"], config_of())
        assert (Need(ENCODER, "roberta-large") in needs) is needed, file
    without = config_of(evaluate={"bertscore": None})
    assert ENCODER not in {need.kind for need in needs_of(["all", "backbones"], without)}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"config": BERT}, []),
        ({"config": T5}, ["is of model_type t5; supported text encoders: bert, roberta"]),
        ({"config": {"model_type": "bert"}}, ["set max_position_embeddings in its config.json"]),
        ({"config": BERT, "weights": "pytorch_model.bin"}, ["no weights in safetensors"]),
        ({"config": []}, ["not a readable language model: config.json"]),
    ],
)
def test_a_directory_holds_a_text_encoder(files, words, tmp_path):
    lines = encoder_problems("clinical-bert", with_q_former(model_folder(tmp_path, **files)))
    assert len(lines) == len(words) and all(word in line for word, line in zip(words, lines, strict=True)), lines


def test_bertscore_takes_a_roberta_and_trained_models_do_not(tmp_path):
    directory = model_folder(tmp_path, {"model_type": "roberta", "max_position_embeddings": 514})
    (line,) = encoder_problems("clinical-bert", with_q_former(directory))
    assert line.endswith("is of model_type roberta; trained models are built of bert only")
    assert encoder_problems("roberta-large", config_of(encoders={"roberta-large": {"source": str(directory)}})) == []


def test_a_text_encoder_that_is_no_directory_or_has_no_tokenizer_or_is_fetched(tmp_path):
    assert encoder_problems("clinical-bert", with_q_former()) == []  # a name on the hub
    (line,) = encoder_problems("clinical-bert", with_q_former("/no/where"))
    assert line == "encoders.clinical-bert.source: /no/where is not a directory"
    (tmp_path / "encoders").mkdir()
    fetched = model_folder(tmp_path / "encoders/clinical-bert", BERT)
    assert encoder_problems("clinical-bert", with_q_former(results=str(tmp_path))) == []
    (fetched / "tokenizer.json").rename(fetched / "vocab.txt")
    assert encoder_problems("clinical-bert", with_q_former(results=str(tmp_path))) == []
    (fetched / "vocab.txt").unlink()
    (line,) = encoder_problems("clinical-bert", with_q_former(results=str(tmp_path)))
    assert "has no tokenizer (tokenizer.json, vocab.txt); save it there with save_pretrained" in line


def test_the_tokens_of_a_q_former_count_among_the_positions():
    beyond = yaml.safe_load((ROOT / "config/beyond.yaml").read_text(encoding="utf-8"))["models"]
    rows = {"frozen-qformer": beyond["frozen-qformer"] | {"backbone": "opt-125m", "table": []}}
    synthetic = {"mimic3": {"source": "synthetic"}}
    assert inputs.lengths(config_of(datasets=synthetic, models=rows), "opt-125m").labs == 32
