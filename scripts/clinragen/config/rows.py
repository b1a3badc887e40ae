"""What the rows of the paper's tables are: the recipe that the name of a row promises."""

from collections.abc import Iterator, Mapping

from clinragen.config.base import Section
from clinragen.config.models import Model

ORDER = {"target_order": "diagnoses_first"}
WHOLE = {"training": "phases", "target": "rationales", "vocabulary": "knowledge"} | ORDER
NOTES_ONLY = {"training": "phase1", "target": "rationales"} | ORDER
LINEAR = {"reads": ["note", "series"], "series": "linear"}
QFORMER = {"series": "qformer"}
CAPTIONED = {"reads": ["note", "captions"], "soft_prompts": "texts"}
AS_TEXT = {"reads": ["note", "captions"], "soft_prompts": None}
# A tuple lists what the paper leaves open: whether R^t belongs to the target.
RATIONALES = ("note_rationale", "rationales")
PROMPTED = {"reads": ["note"], "soft_prompts": "reparametrised"}
OF_FEATURES = {"reads": ["note", "features"], "soft_prompts": "conditional"}
SMALL, LARGE, LLAMA = "flan-t5-small", "flan-t5-large", "llama2-7b"

# Tables 1 and 2. Backbones are recognised by name, so that a stand-in may have that of the model it replaces.
RECIPES: dict[str, dict[str, object]] = {
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
# Rows that stand below those of the paper's table 1, which has no values for them.
BEYOND = ("FROZEN, Q-Former", "FROZEN, never tuned", "PROMPTEHR, features")

# Table 6 names a row by its parts; its Clinical-COT is phase 1 with rationales, the row w/o LAB&KNOW of table 2.
TABLE_OF_PARTS = 6
BACKBONES = {SMALL: "Flan-T5-0.1B", LARGE: "Flan-T5-0.7B", "opt-125m": "OPT-0.1B", "qwen2.5-0.5b": "QWEN-2.5-0.5B"}
TEACHERS = {"chatgpt": "ChatGPT", "deepseek": "DeepSeek"}
METHODS = {"ClinRaGen": WHOLE, "Clinical-COT": NOTES_ONLY}


class RowNames(Section):
    """Names of rows, one for each of a list of files."""

    names: list[str]
    """The names, in the order of the files."""


class Run(Section):
    """One run of a row: a training, or what a model that is asked has answered."""

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
    """Runs, one for each of a list of files, and the datasets that they are of."""

    datasets: list[str]
    """Names of the datasets in the paper, in the order of the files of a dataset."""
    runs: list[Run]
    """The runs, in the order of the files."""


def row_in(model: Model, table: int) -> str:
    """Name of a model's row in one of the paper's tables: `row`, and in table 6 backbone, method and teacher."""
    if table != TABLE_OF_PARTS:
        return model.row
    method = next((name for name, recipe in METHODS.items() if not _differences(model, recipe)), model.row)
    return ", ".join((BACKBONES.get(model.backbone, model.backbone), method, TEACHERS.get(model.teacher, "no teacher")))


def name_of(model: Model) -> str:
    """Name of a model among all: its row, and that of table 6 for one that is only there, where many share a `row`."""
    return row_in(model, TABLE_OF_PARTS) if set(model.table) == {TABLE_OF_PARTS} else model.row


def recipe_problems(models: Mapping[str, Model]) -> Iterator[str]:
    """Rows of tables 1 and 2 whose name says one thing and whose recipe another."""
    for name, model in models.items():
        if not {1, 2} & set(model.table):
            continue
        for key, promised in _differences(model, RECIPES.get(model.row, {})).items():
            choice = " or ".join(map(str, promised)) if isinstance(promised, tuple) else promised
            yield (
                f"models.{name}.{key}: row {model.row!r} promises {choice}, not {getattr(model, key)}; "
                "correct one of the two, or leave it out of the paper's tables"
            )


def _differences(model: Model, recipe: Mapping[str, object]) -> dict[str, object]:
    allowed = {key: value if isinstance(value, tuple) else (value,) for key, value in recipe.items()}
    return {key: recipe[key] for key, values in allowed.items() if getattr(model, key) not in values}
