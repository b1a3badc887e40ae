"""Wording of the forms: the statements, the scale, the attention check and the practice item."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError, model_validator

from clinragen.config.base import Section
from clinragen.errors import UserError
from clinragen.schemas.ratings import CRITERIA


class PracticeText(Section):
    """A text of the practice item, with the model answer and its reason for each criterion."""

    note: str
    lab: str
    answers: dict[str, tuple[Annotated[int, Field(ge=1, le=5)], str]]


class Practice(Section):
    """The item that does not count."""

    note: str
    labs: str
    diagnoses: list[str]
    texts: list[PracticeText]


class Wording(Section):
    """The content of resources/study.yaml."""

    criteria: dict[str, str]
    scale: list[str] = Field(min_length=5, max_length=5)
    attention: str
    practice: Practice

    @model_validator(mode="after")
    def _complete(self) -> "Wording":
        orders = [tuple(self.criteria), *(tuple(text.answers) for text in self.practice.texts)]
        if any(order != CRITERIA for order in orders):
            raise ValueError(f"expected the criteria {', '.join(CRITERIA)}, in this order")
        if "{answer}" not in self.attention:
            raise ValueError("attention: {answer} is missing")
        return self


def read_wording(path: Path) -> Wording:
    """Read resources/study.yaml; UserError if it is invalid."""
    try:
        return Wording.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise UserError(f"{path}: {error}; restore it with git checkout") from None
