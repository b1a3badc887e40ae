"""Which rationales are compared, and with what."""

from typing import Literal

from clinragen.config.evaluate import Compared
from clinragen.config.root import Config
from clinragen.workflow.inputs import predictions


def runs_by_predictions(config: Config, dataset: str) -> dict[str, Compared]:
    """Return the runs whose rationales are compared, by the path of their predictions: trainings, then asked rows."""
    parts: dict[str, list[Literal["note", "lab"]]] = {"rationales": ["note", "lab"], "note_rationale": ["note"]}
    runs = {
        predictions(config, dataset, name, run): Compared(model=model.row, run=run, parts=parts[model.target])
        for name, model in config.compared_models().items()
        for run in (f"seed{seed}" for seed in config.seeds)
    }
    for name in (name for name, row in config.asked.items() if row.is_compared):
        own = Compared(model=config.asked[name].row, run="asked", parts=["note", "lab"])
        runs[predictions(config, dataset, name, "asked")] = own
    return runs


def compares_terms(config: Config) -> bool:
    """Return whether rationales are compared with key terms: some compared model attends to their vocabulary."""
    return any(model.uses_knowledge for model in config.compared_models().values())
