"""A small human study whose texts identify their system and stay."""

from raw_folders import RESOURCES

from clinragen.config.study import StudyDesign, rater_names
from clinragen.evaluate.study.forms import Case, Study, plan_study
from clinragen.evaluate.study.wording import read_wording
from clinragen.evaluate.written import Text

SYSTEMS = ("GT", "LLaMA3", "LLaMA2", "Mistral", "ClinRaGen")
# Words that identify the systems in the texts without their names.
WORDS = dict(zip(SYSTEMS, ("amber", "birch", "cedar", "dune", "ember"), strict=True))
WORDING = read_wording(RESOURCES / "study.yaml")
SCRIPT = "</script><script>window.broken = true</script>"


def design(**changes: object) -> StudyDesign:
    values = {"cases": 12, "raters": 3, "raters_per_case": None, "repeats": 0.1, "attention_checks": 2, "seed": 1}
    return StudyDesign(**(values | changes))


def study(
    systems=SYSTEMS, empty: frozenset[tuple[str, int]] = frozenset(), note: str = "the note", **changes: object
) -> Study:
    """A study of 40 stays, two of each patient; `empty` are the systems and stays without text."""
    stays = range(200001, 200041)
    patients = {stay: stay // 2 for stay in stays}
    cases = {stay: Case(f"{note} of {stay % 100}", "Glucose is normal all the time.", ["Shock"]) for stay in stays}
    texts = {
        (system, stay): Text("", "")
        if (system, stay) in empty
        else Text(f"Because of {WORDS[system]} {stay % 100}.", "Lab test shows nothing.")
        for system in systems
        for stay in stays
    }
    return plan_study(list(stays), patients, cases, systems, texts, WORDING, design(**changes))


def raters(number: int) -> list[str]:
    return rater_names(number)
