"""Variants and rows of the paper's tables in the configuration: accepted ones, and messages for the others."""

from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from clinragen.config.root import Config, load_config
from clinragen.config.rows import BEYOND, RECIPES, name_of, row_in
from clinragen.errors import UserError
from clinragen.evaluate.paper.comparison import read_paper
from clinragen.workflow import inputs
from clinragen.workflow.machine import checkpoint_bytes
from clinragen.workflow.preflight import row_problems

ROOT = Path(__file__).parents[2]


def read(*names: str, **overlay: object) -> Config:
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for name in names:
        update_config(merged, yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8")))
    update_config(merged, overlay)
    return load_config(merged)


def refusal(*names: str, **overlay: object) -> str:
    with pytest.raises(UserError) as error:
        read(*names, **overlay)
    return str(error.value)


def with_variant(model: str = "clinragen", **sections: object) -> dict[str, object]:
    """An overlay with a variant `v` and a row `v` that has it."""
    return {"variants": {"v": sections}, "models": {"v": {"like": model, "row": "with v", "variant": "v"}}}


def test_a_variant_keeps_all_other_settings():
    config = read(**with_variant(student={"fusion": {"attention": {"prototypes": 0}}}))
    own = config.of_variant("v")
    assert own.student.fusion.attention.prototypes == 0 and config.student.fusion.attention.prototypes == 24
    assert own.student.fusion.attention.heads == config.student.fusion.attention.heads
    assert own.train == config.train and config.of_variant("") is config.of_variant(None) is config
    assert config.changes("v", "student.fusion") and not config.changes("v", "student.texts")


def test_a_row_tested_on_other_samples_is_not_in_tables_1_and_2():
    overlay = with_variant(benchmark={"split": {"seed": 3}})
    read(**overlay)
    overlay["models"]["v"] |= {"table": [1], "row": "PROMPTEHR"}
    overlay["models"]["promptehr"] = None
    refused = "models.v.table: rows of tables 1 and 2 are compared on the same test samples, which variant 'v' changes"
    assert f"{refused} (benchmark.split); set it to []" in refusal(**overlay)


def test_an_override_with_the_same_value_changes_nothing():
    config = read(**with_variant(student={"fusion": {"attention": {"prototypes": 24}}}))
    assert inputs.checkpoint(config, "mimic3", "v", "1") == inputs.checkpoint(config, "mimic3", "clinragen", "1")


@pytest.mark.parametrize(
    ("model", "sections", "changed"),
    [
        ("ehr-knowgen", {"benchmark": {"captions": {"fences": "released_code"}}}, True),
        ("ehr-knowgen", {"student": {"max_note_and_captions_tokens": 900}}, True),
        ("ehr-knowgen", {"student": {"soft_prompt": 5}}, True),
        ("ehr-knowgen", {"student": {"fusion": {"lab_position": "suffix"}}}, False),
        ("clinical-cot-tse", {"benchmark": {"captions": {"fences": "released_code"}}}, False),
        ("clinical-cot-tse", {"student": {"max_note_and_captions_tokens": 900}}, False),
        ("clinical-cot-tse", {"student": {"soft_prompt": 5}}, False),
        ("clinical-cot-tse", {"student": {"fusion": {"lab_position": "suffix"}}}, True),
        ("frozen", {"benchmark": {"series": {"variables": 17}}}, True),
        ("promptehr", {"benchmark": {"series": {"variables": 17}}}, False),
        ("promptehr", {"benchmark": {"split": {"seed": 2}}}, True),
    ],
)
def test_a_variant_changes_only_models_that_read_what_it_changes(model, sections, changed):
    config = read(**with_variant(model, **sections))
    of_variant, plain = (inputs.checkpoint(config, "mimic3", name, "1") for name in ("v", model))
    assert (of_variant != plain) == changed and ("+v/" in of_variant) == changed


def test_captions_have_a_separate_limit():
    longest = {"student": {"max_note_and_captions_tokens": 2000}, "backbones": {"llama2-7b": {"max_note_tokens": 1546}}}
    config = read(**longest)
    found = {
        (name, captions): inputs.texts(config, name, captions).max_note_tokens
        for name in ("flan-t5-small", "llama2-7b")
        for captions in (False, True)
    }
    small, llama = "flan-t5-small", "llama2-7b"
    assert found == {(small, False): 1600, (small, True): 2000, (llama, False): 1546, (llama, True): 1546}
    assert inputs.lengths(config, small).note == 2000  # EHR-KnowGen reads captions
    assert inputs.texts(read(), small, captions=True) == read().student.texts


def test_a_row_like_another_copies_its_values_except_the_table():
    row = read(**with_variant()).models["v"]
    assert row.recipe == read().models["clinragen"].recipe and row.table == [] and row.row == "with v"


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"student": {"fusion": {"lab_positon": "suffix"}}},
            "variants.v.student.fusion.lab_positon: unknown key; did you mean variants.v.student.fusion.lab_position?",
        ),
        ({"studnt": {}}, "variants.v.studnt: unknown key; did you mean variants.v.student?"),
        ({"train": {"phase1": {"epochs": 0}}}, "variants.v.train.phase1.epochs: "),
        ({"student": {"fusion": 3}}, "variants.v.student.fusion: "),
        ({"train": {"launch": {"nodes": 2}}}, "variants.v.train.launch: the same for all variants; set train.launch"),
        ({"benchmark": {"compat": True}}, "variants.v.benchmark.compat: the same for all variants"),
        ({"benchmark": {"series": {"max_steps": 1001}}}, "variants.v.benchmark.series.max_steps (1001) must be a mul"),
    ],
)
def test_a_variant_is_validated_as_the_sections_are(sections, message):
    assert f"  - {message}" in refusal(**with_variant(**sections))


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"clinragen": {"variant": "w"}}, "models.clinragen.variant: 'w' is not one of variants (none is configured)"),
        ({"v": {"like": "clinragn"}}, "v.like: 'clinragn' is not a row without `like`"),
        ({"flan-t5": {"table": []}}, "models.flan-t5.table: empty, so its scores would be in no table"),
        ({"flan-t5": {"row": "FROZEN"}}, "models.flan-t5.training: row 'FROZEN' promises frozen, not phase1"),
        ({"clinragen-large": {"backbone": "flan-t5-small"}}, "models.clinragen-large.backbone: row 'ClinRaGen*' promi"),
        ({"without-know": {"vocabulary": "knowledge"}}, "models.without-know.vocabulary: row 'w/o KNOW' promises stan"),
        (
            {
                "without-lab-know": {
                    "reads": ["note", "series"],
                    "series": "attention",
                    "training": "phases",
                    "vocabulary": "knowledge",
                }
            },
            "models.without-lab-know.training: row 'w/o LAB&KNOW' promises phase1, not phases",
        ),
        (
            {"clinragen": {"target_order": "rationale_first"}},
            "models.clinragen.target_order: row 'ClinRaGen' promises diagnoses_first, not rationale_first",
        ),
        (
            {"promptehr": {"soft_prompts": None}},
            "models.promptehr.soft_prompts: row 'PROMPTEHR' promises reparametrised, not None",
        ),
        (
            {"promptehr": {"reads": ["note", "captions"]}},
            "models.promptehr.reads: row 'PROMPTEHR' promises ['note'], not ['note', 'captions']",
        ),
        (
            {"clinical-cot": {"target": "rationales"}},
            "models.clinical-cot.target: row 'Clinical CoT -w/o TSE' promises note_rationale, not rationales",
        ),
        (
            {"clinical-cot-tse": {"target": "diagnoses", "teacher": None}},
            "models.clinical-cot-tse.target: row 'Clinical CoT -w/ TSE' promises note_rationale or rationales, not",
        ),
        ({"frozen": {"training": "joint"}}, "models.frozen.training: row 'FROZEN' promises frozen, not joint"),
        (
            {"without-reasoning": {"target": "rationales", "teacher": "chatgpt"}},
            "models.without-reasoning.target: row 'w/o REASONING' promises diagnoses, not rationales",
        ),
        (
            {"clinragen": {"reads": ["note"], "series": None, "training": "phase1", "vocabulary": None}},
            "models.clinragen.training: row 'ClinRaGen' promises phases, not phase1",
        ),
        (
            {"flan-t5": {"target": "rationales", "teacher": "chatgpt"}},
            "models.flan-t5.target: row 'Flan-T5' promises diagnoses, not rationales",
        ),
    ],
)
def test_a_row_whose_recipe_contradicts_its_name_is_refused(models, message):
    assert message in refusal(models=models)


def test_a_variant_needs_the_same_model_without_it():
    overlay = with_variant()
    overlay["models"]["v"] |= {"vocabulary": "standard", "backbone": "flan-t5-large"}
    assert "models.v.variant: there is no row of models with the same backbone" in refusal(**overlay)


def test_two_variants_need_two_names():
    overlay = with_variant()
    overlay["models"]["w"] = overlay["models"]["v"]
    assert "v and w are assigned to the same row 'with v' of table sensitivity" in refusal(**overlay)


def test_models_that_share_a_row_have_unique_names():
    names = [name_of(model) for model in read("table6.yaml", "sensitivity.yaml").models.values()]
    assert len(set(names)) == len(names) > 30 and {"ClinRaGen", "OPT-0.1B, ClinRaGen, DeepSeek"} < set(names)


def test_the_name_of_a_variant_fits_into_paths():
    assert "contains '+'" in refusal(variants={"a+b": {}})
    assert "cannot be part of a path" in refusal(variants={"a/b": {}})


def test_stand_ins_may_have_the_name_of_the_model_they_replace():
    assert read(backbones={"flan-t5-large": {"source": "tiny"}}).models["clinragen-large"].row == "ClinRaGen*"


def test_every_row_of_tables_1_and_2_has_a_recipe_or_is_reported_missing():
    paper = {c.model for n in (1, 2) for c in read_paper(ROOT / f"resources/paper_table{n}.csv")}
    asked = {row.row for row in read().asked.values()}
    assert paper | set(BEYOND) == set(RECIPES) | {name for name in paper if name in asked}


def test_table_6_has_a_model_for_every_row_of_the_paper():
    config = read("table6.yaml")
    paper = read_paper(ROOT / "resources/paper_table6.csv")
    rows = [row_in(model, 6) for model in config.models.values() if 6 in model.table]
    assert len(paper) == 64 and sorted(rows) == sorted({cell.model for cell in paper})
    assert row_problems(config, ROOT / "resources") == []
    assert sorted(set(inputs.scores(config, 6).values())) == sorted(rows)
    # Every training is one of the paper's tables or of another backbone or teacher.
    first = {path for path in inputs.checkpoints(config) if path.endswith("/seed1/phase1") and "/mimic3/" in path}
    # Clinical CoT without series is of table 1 and learns R^m alone.
    assert len(first) == 4 * 2 + 2


def test_every_size_has_a_name_of_its_own_with_table_6():
    """Figure 5 and a claim look sizes up by the name of the row."""
    rows = [(one.dataset, one.row) for _, one in inputs.trained(read("table6.yaml"))]
    assert len(rows) == len(set(rows)) and ("MIMIC-III", "ClinRaGen") in rows


def test_a_teacher_that_table_6_does_not_have_is_named():
    row = read("table6.yaml").models["clinragen"].model_copy(update={"teacher": "mine"})
    assert row_in(row, 6) == "Flan-T5-0.1B, ClinRaGen, mine"


def test_a_recipe_that_table_6_does_not_have_is_refused():
    config = read("table6.yaml", models={"clinragen-opt-125m-chatgpt": {"vocabulary": "standard", "row": "w/o KNOW"}})
    (line,) = row_problems(config, ROOT / "resources")
    assert line.startswith("models.clinragen-opt-125m-chatgpt.row: 'OPT-0.1B, w/o KNOW, ChatGPT' is not a row")


def test_checkpoints_of_variants_count_for_the_disk():
    sizes = {"flan-t5-small": 1, "flan-t5-large": 0}
    plain = checkpoint_bytes(read(), sizes)
    varied = checkpoint_bytes(read(**with_variant(train={"freeze_encoder_in_phase3": True})), sizes)
    assert varied - plain == 10  # one phase, two datasets, five seeds
