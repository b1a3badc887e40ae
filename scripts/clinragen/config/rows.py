"""Rows of the paper's tables: the recipe that the name of a row promises."""

from collections.abc import Iterator, Mapping

from clinragen.config.asked import Asked
from clinragen.config.base import Section
from clinragen.config.models import Model

Recipe = dict[str, object]
"""Values of keys of a model. A tuple lists the values that the paper leaves open."""

ORDER: Recipe = {"target_order": "diagnoses_first"}
WHOLE: Recipe = {"training": "phases", "target": "rationales", "vocabulary": "knowledge"} | ORDER
NOTES_ONLY: Recipe = {"training": "phase1", "target": "rationales"} | ORDER
LINEAR: Recipe = {"reads": ["note", "series"], "series": "linear"}
QFORMER: Recipe = {"series": "qformer"}
CAPTIONED: Recipe = {"reads": ["note", "captions"], "soft_prompts": "texts"}
AS_TEXT: Recipe = {"reads": ["note", "captions"], "soft_prompts": None}
# The paper does not say whether R^t belongs to the target.
RATIONALES = ("note_rationale", "rationales")
PROMPTED: Recipe = {"reads": ["note"], "soft_prompts": "reparametrised"}
OF_FEATURES: Recipe = {"reads": ["note", "features"], "soft_prompts": "conditional"}
SMALL, LARGE, LLAMA = "flan-t5-small", "flan-t5-large", "llama2-7b"

# Tables 1 and 2. Backbones are recognised by name, so that a stand-in may have the name of the model it replaces.
RECIPES: dict[str, Recipe] = {
    "ClinRaGen": {"backbone": SMALL} | WHOLE,
    "ClinRaGen*": {"backbone": LARGE} | WHOLE,
    "w/o LAB&KNOW": {"backbone": SMALL} | NOTES_ONLY,
    "w/o KNOW": {"backbone": SMALL} | WHOLE | {"vocabulary": "standard"},
    "w/o REASONING": {"backbone": SMALL} | WHOLE | {"target": "diagnoses"},
    "Flan-T5": {"backbone": SMALL, "training": "phase1", "target": "diagnoses"},
    "Clinical CoT -w/o TSE": {"backbone": SMALL, "training": "phase1", "target": "note_rationale"},
    "Clinical CoT -w/ TSE": {"backbone": SMALL, "training": "joint", "target": RATIONALES} | LINEAR,
    "FROZEN": {"backbone": SMALL, "training": "frozen", "target": "diagnoses"} | LINEAR,
    "FROZEN, Q-Former": {"backbone": SMALL, "training": "frozen", "target": "diagnoses"} | LINEAR | QFORMER,
    "FROZEN, never tuned": {"backbone": SMALL, "training": "frozen-untuned", "target": "diagnoses"} | LINEAR,
    "EHR-KnowGen": {"backbone": SMALL, "training": "joint", "target": "diagnoses"} | CAPTIONED,
    "PROMPTEHR": {"backbone": SMALL, "training": "joint", "target": "diagnoses"} | PROMPTED,
    "PROMPTEHR, features": {"backbone": SMALL, "training": "joint", "target": "diagnoses"} | OF_FEATURES,
    # Fine-tuned through adapters or as a whole (joint): the paper does not say which.
    "LLaMA-ft": {"backbone": LLAMA, "training": ("lora", "joint"), "target": "diagnoses"} | AS_TEXT,
}
# Rows below those of the paper's table 1, which has no values for them.
BEYOND = ("FROZEN, Q-Former", "FROZEN, never tuned", "PROMPTEHR, features")

# Table 6 names a row by its parts; its Clinical-COT is phase 1 with rationales, the row w/o LAB&KNOW of table 2.
TABLE_OF_PARTS = 6
BACKBONES = {SMALL: "Flan-T5-0.1B", LARGE: "Flan-T5-0.7B", "opt-125m": "OPT-0.1B", "qwen2.5-0.5b": "QWEN-2.5-0.5B"}
TEACHERS = {"chatgpt": "ChatGPT", "deepseek": "DeepSeek"}
METHODS: dict[str, Recipe] = {"ClinRaGen": WHOLE, "Clinical-COT": NOTES_ONLY}


class RowNames(Section):
    """Names of rows, one for each of a list of files."""

    names: list[str]
    """The names, in the order of the files."""


class Run(Section):
    """One run of a row: a training, or the answers of a model that is asked."""

    dataset: str
    """Name of the dataset in the paper."""
    row: str
    """Name of the row in the paper's tables."""
    seed: int | None
    """Seed of the training; null for a model that is asked."""

    @property
    def name(self) -> str:
        """Name of the run in paths."""
        return "asked" if self.seed is None else f"seed{self.seed}"


class Runs(Section):
    """Runs, one for each of a list of files, and their datasets."""

    datasets: list[str]
    """Names of the datasets in the paper, in the order of the files per dataset."""
    runs: list[Run]
    """The runs, in the order of the files."""


def row_in(model: Model, table: int) -> str:
    """Return the name of a model's row in one of the paper's tables: `row`; in table 6 backbone, method and teacher."""
    if table != TABLE_OF_PARTS:
        return model.row
    method = next((name for name, recipe in METHODS.items() if not _differences(model, recipe)), model.row)
    teacher = TEACHERS.get(model.teacher, model.teacher) if model.teacher else "no teacher"
    return ", ".join((BACKBONES.get(model.backbone, model.backbone), method, teacher))


def name_of(model: Model) -> str:
    """Return a unique name of a model: its row, or its name in table 6, where rows share `row`, if only in that."""
    return row_in(model, TABLE_OF_PARTS) if set(model.table) == {TABLE_OF_PARTS} else model.row


def is_of_parts(row: str) -> bool:
    """Return whether a name in the scores is that of a row of table 6, which lists the parts of a model."""
    return row.split(", ")[0] in BACKBONES.values()


def recipe_problems(models: Mapping[str, Model]) -> Iterator[str]:
    """Yield rows of tables 1 and 2 whose settings contradict their name."""
    for name, model in models.items():
        if not {1, 2} & set(model.table):
            continue
        for key, promised in _differences(model, RECIPES.get(model.row, {})).items():
            choice = " or ".join(map(str, promised)) if isinstance(promised, tuple) else promised
            yield (
                f"models.{name}.{key}: row {model.row!r} promises {choice}, not {getattr(model, key)}; "
                "correct one of the two, or leave it out of the paper's tables"
            )


def _differences(model: Model, recipe: Recipe) -> Recipe:
    allowed = {key: value if isinstance(value, tuple) else (value,) for key, value in recipe.items()}
    return {key: recipe[key] for key, values in allowed.items() if getattr(model, key) not in values}


class RowsOfTables(Section):
    """Names of the rows of this run in its scores and in the paper's tables."""

    names: dict[str, dict[str, str]]
    """For `table1`, `table2` and `table6`: the name in the table by the name in the scores."""


def named_rows(models: Mapping[str, Model], asked: Mapping[str, Asked]) -> RowsOfTables:
    """Return the configured rows of the paper's tables of scores."""
    names: dict[str, dict[str, str]] = {"table1": {}, "table2": {}, "table6": {}}
    for model in models.values():
        for number in model.table:
            names[f"table{number}"][name_of(model)] = row_in(model, number)
    for row in asked.values():
        if 1 in row.table:
            names["table1"][row.row] = row.row
    return RowsOfTables(names=names)
