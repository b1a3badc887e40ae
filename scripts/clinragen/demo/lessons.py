"""Lessons for the tiny language model that replaces Flan-T5: which findings go with which disease.

A pretrained language model has read that a low blood pressure goes with shock; a random one has not, and cannot learn
it while it is frozen, as in phase 2. The lessons are composed from resources/demo/evidence.yaml alone: no lesson is a
patient of the cohort.
"""

import numpy as np

from clinragen.benchmark.captions import caption
from clinragen.demo.cohort import draw_phenotypes
from clinragen.demo.evidence import Evidence
from clinragen.llm.template import lab_rationale
from clinragen.model.target_codec import write_target

MOST_TIMES = 40
"""Values beyond the fences that a caption reports at most."""
STRAY = 0.1
"""Share of the variables without evidence that have one or two values beyond the fences nevertheless."""


def compose_lessons(evidence: Evidence, number: int, seed: int) -> list[tuple[str, str]]:
    """Compose pairs of texts: abnormal variables of imagined patients in words, and their target text, as in phase 2.

    The findings say variable and direction only, as much as a lab token does; the target also counts. Only phenotypes
    with evidence in the labs occur: the labs of others look like those of the healthy.
    """
    rng = np.random.default_rng(seed)
    visible = [name for name, planted in evidence.phenotypes.items() if planted.shifts]
    return [_lesson(evidence, visible, rng) for _ in range(number)]


def _lesson(evidence: Evidence, visible: list[str], rng: np.random.Generator) -> tuple[str, str]:
    drawn = draw_phenotypes(str(rng.choice(visible)), visible, evidence, rng)
    phenotypes = [name for name in visible if name in drawn]
    findings, captions = [], []
    for variable in evidence.variables:
        shift = max((evidence.shift(p, variable) for p in phenotypes), key=abs, default=0.0)
        high, low = (int(rng.integers(1, 3)) if rng.random() < STRAY / 2 else 0 for _ in range(2))
        if shift:
            times = int(rng.integers(2, MOST_TIMES + 1))
            high, low = (times, low) if shift > 0 else (high, times)
        if high or low:
            findings.append(f"{variable} {'both' if high and low else 'high' if high else 'low'}")
            captions.append(caption(variable, high, low))
    target = write_target(phenotypes, None, lab_rationale(" ".join(captions), phenotypes))
    return ", ".join(findings) or "all normal", target
