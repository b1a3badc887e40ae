"""Arguments and inputs that the rules for note and lab rationales share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clinragen.config.llms import Llm, Transport
from clinragen.llm.ask import LanguageModel
from clinragen.llm.request import Request
from clinragen.rationale.claims import Wordings, read_wordings
from clinragen.rationale.generate import Ask, Sample, Shard, corpus, gather
from clinragen.rationale.prompts import Example, read_examples
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES
from clinragen.schemas.rationale import RATIONALES


@dataclass(frozen=True)
class TeacherJob:
    """A job that asks a teacher about the samples of a shard."""

    samples: Path
    courses: Path
    labels: Path
    prompt: Path
    examples: Path
    wordings: Path
    dataset: str
    shard: str
    teacher: str
    llm: Llm
    transport: Transport | None
    weights: list[Path]
    answers: str

    def read_samples(self, captions: Path | None = None, notes: Path | None = None) -> list[Sample]:
        """Return the samples of the shard (`gather`), with captions and note rationales if these are given."""
        return gather(
            SAMPLES.read(self.samples),
            COURSES.read(self.courses),
            LABELS.read(self.labels),
            Shard.named(self.shard),
            self.llm.max_note_characters,
            captions=CAPTIONS.read(captions) if captions else None,
            notes=RATIONALES.read(notes) if notes else None,
        )

    def read_examples(self) -> list[Example]:
        """Return the worked examples of the prompt."""
        return read_examples(self.examples)

    def read_corpus(self) -> list[str]:
        """Return the notes of all samples of the dataset (`corpus`)."""
        return corpus(SAMPLES.read(self.samples), COURSES.read(self.courses))

    def ask(self, check: Callable[[Wordings, Request, str], list[str]], *texts: Path) -> Ask:
        """Return a function that asks the teacher and checks its answers.

        `texts` are files that supply text of the prompts in addition to those of the job.
        """
        model = LanguageModel(self.teacher, self.llm, self.transport, Path(self.answers), self.weights)
        inputs = [self.samples, self.courses, self.labels, *texts, self.examples]
        return partial(model.ask, data=self.dataset, inputs=inputs, check=partial(check, read_wordings(self.wordings)))
