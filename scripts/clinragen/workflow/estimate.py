"""Calls, tokens, money and time that language models will still take, before anything is asked.

The requests are built by the code that asks them, from what is in the results tree, and compared with the journal.
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
from clinragen.llm.journal import FILE, Entry, Experience, Journal
from clinragen.llm.prompt import read_prompt
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
COUNTED_TOGETHER = 1000
UNKNOWN_WEIGHTS = "its weights are not fetched (`snakemake weights`): as if none of its answers were in the journal"


class NotYet(Exception):
    """A table that the requests are made from is missing."""


@dataclass(frozen=True)
class Questions:
    """What one stage asks: how many requests, which of them wait (with the answers so far), and for whose check."""

    requests: int
    waiting: list[tuple[Request, list[Entry]]]
    least: int
    """Requests that will be asked in any case."""
    longer: float = 0.0
    """Tokens to be added to each request, for a part of it that is still to be written."""
    whole: bool = True
    """Whether no request can be longer than that."""
    remark: str | None = None
    task: str | None = None
    """Whose earlier answers tell how long one is, if not those of the stage's own name."""


class Estimate:
    """The estimate of one configuration; use it with `with`."""

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
        """A row per stage, dataset and model (ESTIMATE); `first` is the command that makes what is missing."""
        rows = [self._row(stage, first) for _, stage in answers(self._config)]
        return pa.Table.from_pylist(rows, schema=ESTIMATE.schema)

    def budgets(self) -> Iterator[tuple[str, float, float]]:
        """Of each model with a budget: its name, the budget and what is spent of it, in US dollars."""
        for name, transport in self._config.llm_transport.items():
            if transport.budget is not None:
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
        # Repairs have been counted where there are answers; the schema of an answer never is.
        repeated = llm.repairs > 0 and not past
        bound = questions.whole and not (past or repeated or llm.json_schema) and tokenizer.exact and bool(llm.limit)
        calls = round(per_request * len(questions.waiting))
        tokens_out = None if output is None and calls else round(calls * (output or 0))
        known = stage.price is not None and tokens_out is not None
        return {
            "requests": questions.requests,
            "answered": questions.requests - len(questions.waiting),
            "calls": calls,
            "calls_least": round(per_request * questions.least),
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "dollars": stage.price.of(tokens_in, tokens_out) if known else 0.0 if not calls else None,
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
        """The judgement of answers only: it is never connected."""
        llm, transport = self._config.llms[name], self._config.llm_transport[name]
        weights = self._weights(name) if llm.provider == "served" else None
        return Client(name, llm, transport, None, self._journal, check, weights=weights)

    def _weights(self, name: str) -> Path | None:
        """The weights of a model that is served; None before those that the configuration names are fetched."""
        folder, llm = self._results / "llms" / name, self._config.llms[name]
        if not folder.is_dir():
            return None
        source = read_source(folder)
        return folder if (source["source"], source["revision"]) == (llm.model, llm.revision) else None

    # --- The requests of each stage ---

    def terms(self, stage: Stage, client: Client) -> Questions:
        """Key terms, of all documents if their sets never become stable."""
        settings = self._config.knowledge.terms
        files = [self._made(f"knowledge/{source}.parquet") for source in settings.sources]
        documents = [document for path in files for document in documents_of(DOCUMENTS.read(path))]
        prompt = read_prompt(PROMPTS / "terms.txt", terms.PROMPT_SLOTS)
        abbreviations = read_abbreviations(Path("resources/knowledge/abbreviations.csv"))

        def known(request: Request) -> Answer | None:
            return client.settled(request, client.chain(request))

        waiting, least = terms.still_to_ask(documents, settings, prompt, abbreviations, known)
        answered = sum(known(terms.request_for(document, settings, prompt)) is not None for document in documents)
        sooner = least < len(waiting)
        remark = f"{least} to {len(waiting)} requests, by when the terms become stable" if sooner else None
        return Questions(answered + len(waiting), [(r, client.chain(r)) for r in waiting], least, remark=remark)

    def notes(self, stage: Stage, client: Client) -> Questions:
        """Note rationales."""
        samples = self._samples(stage, client)
        prompt, examples = read_note_prompt(PROMPTS / "note_rationale.txt"), read_examples(self._examples)
        return _waiting(note_requests(samples, prompt, examples), client)

    def labs(self, stage: Stage, client: Client) -> Questions:
        """Lab rationales; before there are note rationales, without them, and with their expected length."""
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
        """The questions of a row of `asked`: as its step asks them, so far as the journal has the answers."""
        row = self._config.asked[stage.stage.partition("/")[2]]
        files = [
            self._made(f"{stage.dataset}/benchmark/{n}.parquet") for n in ("samples", "courses", "captions", "labels")
        ]
        cases = [self._made(f"{stage.dataset}/evaluate/cases.parquet")] if row.cases == "sampled" else []
        parts: list[Questions] = []

        def known(requests: list[Request], check: Check) -> list[Answer]:
            judging = replace(client, check=check)
            parts.append(_waiting(requests, judging))
            found = [judging.settled(request, judging.chain(request)) for request in requests]
            return [a or Answer(judging.key(r), "", "empty") for r, a in zip(requests, found, strict=True)]

        chosen = read_cases(Files(*files, cases, []), client.llm.max_note_characters)
        prompts, examples = map(Path, prompts_of_asked(row)), [self._examples]
        names, wordings = read_phenotypes(PHENOTYPES), read_wordings(WORDINGS)
        predict(chosen, row.question, list(prompts), examples, names, wordings, known)
        requests, waiting, least = (
            sum(part.requests for part in parts),
            [each for part in parts for each in part.waiting],
            sum(part.least for part in parts),
        )
        early = len(parts) > 1 and parts[0].waiting
        remark = "the second question without the answer to the first" if early else None
        task = "diagnosis" if row.question.task == "diagnose" else "note_rationale"
        return Questions(requests, waiting, least, whole=not early, remark=remark, task=task)

    def judge(self, stage: Stage, client: Client) -> Questions:
        """The ratings of a judge; texts that are not written count with the longest that their systems may write."""
        settings, folder = self._config.evaluate.judge.question, f"{stage.dataset}/benchmark"
        tables = [self._made(f"{folder}/{name}.parquet") for name in ("samples", "courses", "captions", "labels")]
        cases = self._made(f"{stage.dataset}/evaluate/cases.parquet")
        rationales, predictions, longest = self._judged_files(str(stage.dataset))
        stays = chosen_cases(cases, settings)
        # Each has a text of its own, so that each is a request.
        unwritten = {name: {stay: Text(f"{name} {stay}", "") for stay in stays} for name in longest}
        files = RatedFiles(*tables, cases, rationales, predictions)
        items = read_items(files, settings, client.llm.max_note_characters, unwritten)
        asked, requests = judge_requests(items, judge_question.read_judge_prompt(PROMPTS / "judge.txt"), settings.seed)
        found = _waiting(requests, client)
        tokens = sum(longest.get(item.system) or 0 for item in asked)
        return replace(
            found,
            longer=tokens / max(len(found.waiting), 1),
            whole=None not in longest.values(),
            remark=f"before {', '.join(longest)} have written: as if their texts were the longest" if longest else None,
        )

    def _judged_files(self, dataset: str) -> tuple[list[Path], dict[str, Path], dict[str, int | None]]:
        """The teacher's rationales and the predictions by row, and the most tokens of what is not written yet."""
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
        """Of each stage that asks a language model: what builds its requests, and what checks the answers."""
        worded = read_wordings(WORDINGS)
        return {
            "terms": (self.terms, terms.check),
            "note_rationale": (self.notes, partial(check_note, worded)),
            "lab_rationale": (self.labs, partial(check_lab, worded)),
            "asked": (self.asked, _no_check),
            "judge": (self.judge, judge_question.check_ratings),
        }

    @property
    def _examples(self) -> Path:
        return Path(self._config.rationale.examples)

    def _samples(self, stage: Stage, client: Client, **more: pa.Table | None) -> list[Sample]:
        kinds = {"samples": SAMPLES, "courses": COURSES, "labels": LABELS}
        tables = (kind.read(self._of_stage(stage, f"benchmark{{variant}}/{n}.parquet")) for n, kind in kinds.items())
        return gather(*tables, WHOLE, client.llm.max_note_characters, **more)

    def _of_stage(self, stage: Stage, pattern: str) -> Path:
        return self._made(self._path(stage, pattern))

    def _path(self, stage: Stage, pattern: str) -> str:
        """A file of a dataset, as the variant that a stage of rationales may name has it."""
        variant = stage.stage.partition("/")[2]
        return of_variant(self._config, f"{{dataset}}/{pattern}", variant, dataset=str(stage.dataset))

    def _made(self, file: str) -> Path:
        path = self._results / file
        if not path.is_file():
            raise NotYet(f"{path} is missing")
        return path


def _waiting(requests: list[Request], client: Client) -> Questions:
    """The requests that the journal does not answer, each once."""
    unique = {client.key(request): request for request in requests}
    chains = ((request, client.chain(request)) for request in unique.values())
    waiting = [(request, chain) for request, chain in chains if client.settled(request, chain) is None]
    return Questions(len(unique), waiting, len(waiting))


def _count(texts: Iterator[str], tokenizer: Tokenizer) -> int:
    total = 0
    while part := list(itertools.islice(texts, COUNTED_TOGETHER)):
        total += tokenizer.count(part)
    return total


def _output(past: Experience | None, limit: int | None) -> tuple[float | None, str]:
    """Tokens of an answer, and where the number is from."""
    if past:
        return past.output_tokens / past.answers, f"mean of {past.answers} answers"
    return (limit, "the longest answer allowed, an upper bound") if limit else (None, "unknown: no answers, no limit")


def _hours(calls: int, tokens: int, past: Experience | None, client: Client) -> float | None:
    """Time at the slowest of the configured rates and the concurrency; None if none is known."""
    transport = client.transport
    hours = [calls / per_minute / 60 for per_minute in [transport.requests_per_minute] if per_minute]
    hours += [tokens / per_minute / 60 for per_minute in [transport.tokens_per_minute] if per_minute]
    if past and past.timed:
        hours.append(calls * past.seconds / past.timed / transport.concurrency / 3600)
    return max(hours) if hours else None if calls else 0.0


def _no_check(request: Request, text: str) -> list[str]:
    return []
