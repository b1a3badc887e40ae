"""Calls, tokens, money and time that language models will still take, before any request is sent.

The requests are built from the results tree, by the code that sends them, and compared with the journal.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from clinragen.asked.predict import Files, predict, read_cases
from clinragen.config.llms import Stage
from clinragen.config.root import Config
from clinragen.errors import UserError
from clinragen.evaluate.judge import question as judge_question
from clinragen.evaluate.judge.files import chosen_cases, read_items
from clinragen.evaluate.judge.rate import judge_requests
from clinragen.evaluate.rated_files import RatedFiles
from clinragen.evaluate.written import Text
from clinragen.knowledge import terms
from clinragen.knowledge.abbreviations import read_abbreviations
from clinragen.knowledge.documents import documents_of
from clinragen.llm.client import Client
from clinragen.llm.guard import Destination
from clinragen.llm.journal import FILE, Entry, Experience, Journal
from clinragen.llm.request import Answer, Check, Request
from clinragen.llm.tokens import Tokenizer, tokenizer_of
from clinragen.rationale.checks import check_lab, check_note
from clinragen.rationale.claims import read_wordings
from clinragen.rationale.generate import WHOLE, Sample, gather, lab_requests, note_requests
from clinragen.rationale.prompts import read_examples, read_lab_prompt, read_note_prompt
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.registry.snapshot import read_source
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES
from clinragen.schemas.costs import ESTIMATE, STAND_IN
from clinragen.schemas.knowledge import DOCUMENTS
from clinragen.schemas.ratings import TEACHER
from clinragen.schemas.rationale import RATIONALES
from clinragen.workflow import judged
from clinragen.workflow.inputs import of_variant, prompts_of_asked
from clinragen.workflow.judged import answers

PROMPTS = Path("resources/prompts")
PHENOTYPES, WORDINGS = Path("resources/phenotypes.csv"), Path("resources/phenotype_wordings.csv")
TEXTS_AT_ONCE = 1000  # texts whose tokens are counted in one call
NOWHERE = Destination(host="", addresses=(), local=False, https=False)
UNKNOWN_WEIGHTS = (
    "its weights are not fetched (`snakemake weights --cores 1 --configfile <your files>`): as if none of its answers "
    "were in the journal"
)


class NotYet(Exception):
    """A table from which requests are built is missing."""


@dataclass(frozen=True)
class Questions:
    """The requests of one stage; waiting ones come with their previous answers."""

    requests: int
    waiting: list[tuple[Request, list[Entry]]]
    least: int
    """Requests that will be sent in any case."""
    longer: float = 0.0
    """Tokens to add to each request for text that has not been written yet."""
    whole: bool = True
    """Whether this is the maximum length of every request."""
    remark: str | None = None
    task: str | None = None
    """Task whose past answers give the expected length; None: that of the stage's name."""


class Estimate:
    """The estimate of one configuration, a context manager that holds the journal open."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._results = Path(config.pathvars.results)
        self._journal = Journal(Path(config.answers, FILE))

    def __enter__(self) -> "Estimate":
        self._journal.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._journal.__exit__(*error)

    def table(self, first: str) -> pa.Table:
        """Return a row per stage, dataset and model (ESTIMATE); `first` is the command that makes missing inputs."""
        rows = [self._row(stage, first) for _, stage in answers(self._config)]
        return pa.Table.from_pylist(rows, schema=ESTIMATE.schema)

    def budgets(self) -> Iterator[tuple[str, float, float]]:
        """Yield name, budget and expenses so far, in US dollars, of each model with a budget."""
        for name, transport in self._config.llm_transport.items():
            if transport.budget is not None and transport.price is not None:
                _, *tokens = self._journal.spent(self._client(name, _no_check).model)
                yield name, transport.budget, transport.price.of(*tokens)

    def _row(self, stage: Stage, first: str) -> dict[str, Any]:
        place = {"stage": stage.stage, "dataset": stage.dataset, "llm": stage.llm}
        empty = dict.fromkeys(ESTIMATE.schema.names) | place | {"bound": False}
        if stage.provider == "template":
            nothing = {"calls": 0, "calls_least": 0, "dollars": 0.0, "hours": 0.0, "bound": True}
            return empty | nothing | {"remark": STAND_IN}
        try:
            build, check = self._builders()[stage.stage.partition("/")[0]]
            client = self._client(stage.llm, check)
            questions = build(stage, client)
        except (NotYet, UserError) as error:
            return empty | {"remark": f"{error}; run `{first}` first" if isinstance(error, NotYet) else str(error)}
        return empty | self._amounts(questions, stage, client)

    def _amounts(self, questions: Questions, stage: Stage, client: Client) -> dict[str, Any]:
        llm, transport = client.llm, client.transport
        past = self._journal.experience(client.model).get(questions.task or stage.stage.partition("/")[0])
        per_request = past.answers / past.requests if past else 1.0
        texts = (
            "\n".join(message["content"] for message in client.messages(request, chain))
            for request, chain in questions.waiting
        )
        tokenizer = tokenizer_of(llm.model, [Path(llm.model), self._results / "llms" / client.name])
        tokens_in = round(per_request * (_count(texts, tokenizer) + questions.longer * len(questions.waiting)))
        output, output_from = _output(past, llm.limit)
        # Past answers include repairs; the JSON schema is never counted.
        repeated = llm.repairs > 0 and not past
        bound = questions.whole and not (past or repeated or llm.json_schema) and tokenizer.exact and bool(llm.limit)
        calls = round(per_request * len(questions.waiting))
        tokens_out = None if output is None and calls else round(calls * (output or 0))
        dollars = None if calls else 0.0
        if stage.price is not None and tokens_out is not None:
            dollars = stage.price.of(tokens_in, tokens_out)
        return {
            "requests": questions.requests,
            "answered": questions.requests - len(questions.waiting),
            "calls": calls,
            "calls_least": round(per_request * questions.least),
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "dollars": dollars,
            "hours": None if transport.batch and calls else _hours(calls, tokens_in + (tokens_out or 0), past, client),
            "counted_with": tokenizer.name,
            "output_from": output_from + ("; repairs come on top" if repeated else ""),
            "bound": not calls or bound,
            "remark": "; ".join(self._remarks(questions, client)) or None,
        }

    def _remarks(self, questions: Questions, client: Client) -> Iterator[str]:
        if questions.remark:
            yield questions.remark
        if client.transport.batch and questions.waiting:
            yield "in batches: within a day each"
        if client.llm.provider == "served" and client.weights is None:
            yield UNKNOWN_WEIGHTS

    def _client(self, name: str, check: Check) -> Client:
        """Return a client that only judges answers; it never connects."""
        llm, transport = self._config.llms[name], self._config.llm_transport[name]
        weights = self._weights(name) if llm.provider == "served" else None
        return Client(name, llm, transport, NOWHERE, self._journal, check, weights=weights)

    def _weights(self, name: str) -> Path | None:
        """Return the fetched weights of a served model; None if they are missing or of another source or revision."""
        directory, llm = self._results / "llms" / name, self._config.llms[name]
        if not directory.is_dir():
            return None
        source = read_source(directory)
        return directory if (source["source"], source["revision"]) == (llm.model, llm.revision) else None

    # --- The requests of each stage ---

    def terms(self, stage: Stage, client: Client) -> Questions:
        """Return the requests for key terms: of all documents if the term sets never become stable."""
        settings = self._config.knowledge.terms
        files = [self._existing(f"knowledge/{source}.parquet") for source in settings.sources]
        documents = [document for path in files for document in documents_of(DOCUMENTS.read(path))]
        prompt = terms.read_terms_prompt(PROMPTS / "terms.txt")
        abbreviations = read_abbreviations(Path("resources/knowledge/abbreviations.csv"))

        def answer_to(request: Request) -> Answer | None:
            return client.accepted_answer(request, client.chain(request))

        waiting, least = terms.still_to_ask(documents, settings, prompt, abbreviations, answer_to)
        answered = sum(answer_to(terms.request_for(document, settings, prompt)) is not None for document in documents)
        sooner = least < len(waiting)
        remark = f"{least} to {len(waiting)} requests, by when the terms become stable" if sooner else None
        return Questions(answered + len(waiting), [(r, client.chain(r)) for r in waiting], least, remark=remark)

    def notes(self, stage: Stage, client: Client) -> Questions:
        """Return the requests for note rationales."""
        samples = self._samples(stage, client)
        prompt, examples = read_note_prompt(PROMPTS / "note_rationale.txt"), read_examples(self._examples)
        return _waiting(note_requests(samples, prompt, examples), client)

    def labs(self, stage: Stage, client: Client) -> Questions:
        """Return the requests for lab rationales; missing note rationales count with their expected length."""
        captions = CAPTIONS.read(self._of_stage(stage, "benchmark{variant}/captions.parquet"))
        notes = self._results / self._path(stage, f"rationale/{stage.llm}{{variant}}/notes.parquet")
        written = RATIONALES.read(notes) if notes.is_file() else None
        samples = self._samples(stage, client, captions=captions, notes=written)
        prompt, examples = read_lab_prompt(PROMPTS / "lab_rationale.txt"), read_examples(self._examples)
        questions = _waiting(lab_requests(samples, prompt, examples), client)
        if written is not None:
            return questions
        past = self._journal.experience(client.model).get("note_rationale")
        length, source = _output(past, client.llm.limit)
        remark = f"before the note rationales are written; their length: {source}"
        return replace(questions, longer=length or 0.0, whole=not past and bool(length), remark=remark)

    def asked(self, stage: Stage, client: Client) -> Questions:
        """Return the requests of a row of `asked`, as far as its step gets with the answers in the journal."""
        row = self._config.asked[stage.stage.partition("/")[2]]
        texts = self._texts(stage)
        cases = [self._existing(f"{stage.dataset}/evaluate/cases.parquet")] if row.cases == "sampled" else []
        parts: list[Questions] = []

        def answers_to(requests: list[Request], check: Check) -> list[Answer]:
            judging = replace(client, check=check)
            parts.append(_waiting(requests, judging))
            answers = [judging.accepted_answer(request, judging.chain(request)) for request in requests]
            return [a or Answer(judging.key(r), "", "empty") for r, a in zip(requests, answers, strict=True)]

        selected = read_cases(Files(**texts, cases=cases, examples=[]), client.llm.max_note_characters)
        prompts, examples = map(Path, prompts_of_asked(row)), [self._examples]
        names, wordings = read_phenotypes(PHENOTYPES), read_wordings(WORDINGS)
        predict(selected, row.question, list(prompts), examples, names, wordings, answers_to)
        requests = sum(part.requests for part in parts)
        waiting = [request for part in parts for request in part.waiting]
        least = sum(part.least for part in parts)
        early = len(parts) > 1 and parts[0].waiting
        remark = "the second question without the answer to the first" if early else None
        task = "diagnosis" if row.question.task == "diagnose" else "note_rationale"
        return Questions(requests, waiting, least, whole=not early, remark=remark, task=task)

    def judge(self, stage: Stage, client: Client) -> Questions:
        """Return the requests to a judge; texts not written yet count with the longest that their systems may write."""
        settings, texts = self._config.evaluate.judge.question, self._texts(stage)
        cases = self._existing(f"{stage.dataset}/evaluate/cases.parquet")
        rationales, predictions, longest = self._judged_files(str(stage.dataset))
        stays = chosen_cases(cases, settings)
        # Distinct texts, because equal ones would be a single request.
        unwritten = {name: {stay: Text(f"{name} {stay}", "") for stay in stays} for name in longest}
        files = RatedFiles(**texts, cases=cases, rationales=rationales, predictions=predictions)
        items = read_items(files, settings, client.llm.max_note_characters, unwritten)
        asked, requests = judge_requests(items, judge_question.read_judge_prompt(PROMPTS / "judge.txt"), settings.seed)
        questions = _waiting(requests, client)
        tokens = sum(longest.get(item.system) or 0 for item in asked)
        return replace(
            questions,
            longer=tokens / max(len(questions.waiting), 1),
            whole=None not in longest.values(),
            remark=f"before {', '.join(longest)} have written: as if their texts were the longest" if longest else None,
        )

    def _judged_files(self, dataset: str) -> tuple[list[Path], dict[str, Path], dict[str, int | None]]:
        """Return the teacher's rationales, the predictions by row, and the most tokens of each unwritten row."""
        config = self._config
        rationales = [self._below(path) for path in judged.rationales(config, dataset)]
        predictions = {row: self._below(path) for path, row in judged.systems(config, dataset).items()}
        longest = {row: judged.longest(config, row) for row, path in predictions.items() if not path.is_file()}
        if not all(path.is_file() for path in rationales):
            longest, rationales = {TEACHER: judged.longest(config, TEACHER)} | longest, []
        return rationales, {row: path for row, path in predictions.items() if row not in longest}, longest

    def _below(self, path: str) -> Path:
        return self._results / path.removeprefix("<results>/")

    def _builders(self) -> dict[str, tuple[Callable[[Stage, Client], Questions], Check]]:
        """Return, for each stage, what builds its requests and what checks the answers."""
        wordings = read_wordings(WORDINGS)
        return {
            "terms": (self.terms, terms.check),
            "note_rationale": (self.notes, partial(check_note, wordings)),
            "lab_rationale": (self.labs, partial(check_lab, wordings)),
            "asked": (self.asked, _no_check),
            "judge": (self.judge, judge_question.check_ratings),
        }

    @property
    def _examples(self) -> Path:
        return Path(self._config.rationale.examples)

    def _texts(self, stage: Stage) -> dict[str, Path]:
        """Return the tables of a dataset from which questions are built, by name."""
        names = ("samples", "courses", "captions", "labels")
        return {name: self._existing(f"{stage.dataset}/benchmark/{name}.parquet") for name in names}

    def _samples(
        self, stage: Stage, client: Client, captions: pa.Table | None = None, notes: pa.Table | None = None
    ) -> list[Sample]:
        samples, courses, labels = (
            table.read(self._of_stage(stage, f"benchmark{{variant}}/{name}.parquet"))
            for name, table in {"samples": SAMPLES, "courses": COURSES, "labels": LABELS}.items()
        )
        return gather(samples, courses, labels, WHOLE, client.llm.max_note_characters, captions, notes)

    def _of_stage(self, stage: Stage, pattern: str) -> Path:
        return self._existing(self._path(stage, pattern))

    def _path(self, stage: Stage, pattern: str) -> str:
        """Return the path of a dataset's file for the variant that a stage of rationales may name."""
        variant = stage.stage.partition("/")[2]
        return of_variant(self._config, f"{{dataset}}/{pattern}", variant, dataset=str(stage.dataset))

    def _existing(self, file: str) -> Path:
        path = self._results / file
        if not path.is_file():
            raise NotYet(f"{path} is missing")
        return path


def _waiting(requests: list[Request], client: Client) -> Questions:
    """Return the requests that the journal does not answer, each once."""
    unique = {client.key(request): request for request in requests}
    chains = ((request, client.chain(request)) for request in unique.values())
    waiting = [(request, chain) for request, chain in chains if client.accepted_answer(request, chain) is None]
    return Questions(len(unique), waiting, len(waiting))


def _count(texts: Iterator[str], tokenizer: Tokenizer) -> int:
    total = 0
    while batch := list(itertools.islice(texts, TEXTS_AT_ONCE)):
        total += tokenizer.count(batch)
    return total


def _output(past: Experience | None, limit: int | None) -> tuple[float | None, str]:
    """Return the expected tokens of an answer, and the origin of this number."""
    if past:
        return past.output_tokens / past.answers, f"mean of {past.answers} answers"
    return (limit, "the longest answer allowed, an upper bound") if limit else (None, "unknown: no answers, no limit")


def _hours(calls: int, tokens: int, past: Experience | None, client: Client) -> float | None:
    """Return the hours that the calls take, by the slowest of rate limits and past durations; None if unknown."""
    transport = client.transport
    hours = [calls / per_minute / 60 for per_minute in [transport.requests_per_minute] if per_minute]
    hours += [tokens / per_minute / 60 for per_minute in [transport.tokens_per_minute] if per_minute]
    if past and past.timed:
        hours.append(calls * past.seconds / past.timed / transport.concurrency / 3600)
    return max(hours) if hours else None if calls else 0.0


def _no_check(request: Request, text: str) -> list[str]:
    return []
