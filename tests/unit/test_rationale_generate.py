"""From tables to requests and back, with the shipped prompts and examples."""

from pathlib import Path

import pyarrow as pa
import pytest

from clinragen.errors import UserError
from clinragen.llm.request import Answer
from clinragen.llm.template import compose
from clinragen.rationale.checks import check_lab, check_note
from clinragen.rationale.claims import read_wordings
from clinragen.rationale.generate import WHOLE, Shard, corpus, gather, join, lab_rationales, note_rationales
from clinragen.rationale.prompts import (
    lab_request,
    named,
    note_request,
    read_examples,
    read_lab_prompt,
    read_note_prompt,
)
from clinragen.registry.phenotypes import read_phenotypes
from clinragen.runtime.context import Facts
from clinragen.schemas.benchmark import CAPTIONS, COURSES, LABELS, SAMPLES
from clinragen.schemas.rationale import RATIONALES

RESOURCES = Path(__file__).resolve().parents[2] / "resources"
EXAMPLES = read_examples(RESOURCES / "prompts" / "examples.yaml")
NOTE_PROMPT = read_note_prompt(RESOURCES / "prompts" / "note_rationale.txt")
LAB_PROMPT = read_lab_prompt(RESOURCES / "prompts" / "lab_rationale.txt")
WORDINGS = read_wordings(RESOURCES / "phenotype_wordings.csv")
PHENOTYPES = read_phenotypes(RESOURCES / "phenotypes.csv")


def table(kind, **columns):
    return pa.table(columns).cast(kind.schema)


@pytest.fixture
def samples():
    return {
        "samples": table(SAMPLES, stay_id=[3, 1], subject_id=[7, 8], hadm_id=[7, 8], split=["test", "train"]),
        "courses": table(COURSES, stay_id=[1, 3, 9], heading=["h"] * 3, text=["fever cough", "melena $5 shock", "x"]),
        "labels": table(LABELS, stay_id=[1, 3, 9], phenotypes=[[], ["Shock"], []]),
        "captions": table(CAPTIONS, stay_id=[1, 3, 9], text=["ph is lower than normal one times."] * 3),
    }


def template(requests):
    return [Answer(str(i), text) for i, text in enumerate(compose(requests))], Facts()


def both(samples, shard=WHOLE, most=None):
    """Return R^m and R^t of a shard, written by the template."""
    captions = samples["captions"]
    rest = {name: samples[name] for name in ("samples", "courses", "labels")}
    words = corpus(samples["samples"], samples["courses"])
    notes, _ = note_rationales(
        gather(**rest, shard=shard, max_note_characters=most), NOTE_PROMPT, EXAMPLES, template, words
    )
    with_notes = gather(**rest, shard=shard, max_note_characters=most, captions=captions, notes=notes)
    return notes, lab_rationales(with_notes, LAB_PROMPT, EXAMPLES, template)[0]


def test_every_sample_gets_both_rationales(samples):
    notes, labs = both(samples)
    for result in (notes, labs):
        assert RATIONALES.check(result, "here")["stay_id"].to_pylist() == [1, 3]
    assert "no disease was diagnosed" in notes["text"][0].as_py() and "Shock" in notes["text"][1].as_py()
    assert labs["text"][1].as_py().startswith("Lab test shows that ph is lower than normal one times")


@pytest.mark.parametrize("name", ["courses", "labels", "captions"])
def test_a_sample_without_its_part_is_an_error(samples, name):
    samples[name] = samples[name].slice(1)
    with pytest.raises(UserError, match="1 of 2 samples have no"):
        gather(**samples, shard=WHOLE, max_note_characters=None)


def many(number):
    """Return tables of `number` stays whose notes share some of their words."""
    stays = [3 * n + 1 for n in range(number)]
    texts = [" ".join(f"finding{chr(97 + (n * k) % 23)}word" for k in range(1, 12)) for n in stays]
    facts = {"subject_id": stays, "hadm_id": stays, "split": ["train"] * number}
    return {
        "samples": table(SAMPLES, stay_id=stays, **facts),
        "courses": table(COURSES, stay_id=stays, heading=["h"] * number, text=texts),
        "labels": table(LABELS, stay_id=stays, phenotypes=[PHENOTYPES[n % 5 : n % 5 + n % 3] for n in stays]),
        "captions": table(CAPTIONS, stay_id=stays, text=["pH is lower than normal 1 times."] * number),
    }


@pytest.mark.parametrize("number", [2, 3, 7, 50])
def test_shards_divide_the_samples_and_change_no_answer(number, tmp_path):
    samples = many(41)
    whole = both(samples)
    shards = [both(samples, Shard.named(f"{n}-of-{number}")) for n in range(1, number + 1)]
    for one, parts in zip(whole, zip(*shards, strict=True), strict=True):
        assert sorted(stay for part in parts for stay in part["stay_id"].to_pylist()) == one["stay_id"].to_pylist()
        drop = [part.drop_columns("request") for part in parts]  # the stand-in here numbers them per call
        assert join(drop) == one.drop_columns("request")
    # The shard of a stay depends only on its number, and the joined file does not depend on the number of shards.
    fewer = both({**samples, "samples": samples["samples"].slice(5)}, Shard(1, number))[0]["stay_id"].to_pylist()
    assert set(fewer) <= set(shards[0][0]["stay_id"].to_pylist())
    files = [tmp_path / name for name in ("joined.parquet", "one.parquet")]
    RATIONALES.write(join([part for part in reversed([table for table, _ in shards])]), files[0])
    again = join([whole[0]])
    RATIONALES.write(again.set_column(1, "request", join(p for p, _ in shards)["request"]), files[1])
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("text", ["", "0-of-2", "3-of-2", "1of2", "1-of-2-of-3", "-1-of-2"])
def test_an_invalid_shard_is_refused(text):
    with pytest.raises(UserError, match="expected a shard such as 2-of-4"):
        Shard.named(text)


def test_a_long_note_is_cut_and_the_cut_is_counted(samples, caplog):
    with caplog.at_level("INFO"):
        notes, labs = both(samples, most=7)
    assert notes["note_cut"].to_pylist() == labs["note_cut"].to_pylist() == [6, 9]
    assert "2 of 2 notes are cut, by 15 characters in total" in caplog.text
    assert both(samples)[0]["note_cut"].to_pylist() == [0, 0]
    seen = []
    cases = gather(samples["samples"], samples["courses"], samples["labels"], WHOLE, 7)
    _, facts = note_rationales(cases, NOTE_PROMPT, EXAMPLES, lambda r: (seen.extend(r), template(r))[1], [])
    assert "Medical note: fever\n" in seen[0].prompt and "cough" not in seen[0].prompt.rpartition("Input:")[2]
    assert facts.values["notes cut"] == {"2 of 2"}


def test_the_slots_of_the_prompts_are_in_the_paper_s_order():
    note = note_request(NOTE_PROMPT, EXAMPLES, "THE $NOTE", ["Shock", "X; y"]).prompt
    lab = lab_request(LAB_PROMPT, EXAMPLES, "THE $NOTE", "CAPTIONS", ["X y"], "R OF NOTE").prompt
    for text, parts in (
        (note, ["Example 1", "Example 5", "THE $NOTE", "Shock; X, y", "100-word", "Response:"]),
        (lab, ["Example 1", "Example 5", "THE $NOTE", "CAPTIONS", "X y", "R OF NOTE", "max 50 words", "Response:"]),
    ):
        places = [text.rindex(part) for part in parts]
        assert places == sorted(places)
    assert named([]) == "no disease was diagnosed"


def test_the_examples_pass_the_checks():
    assert len(EXAMPLES) == 5
    for e in EXAMPLES:
        assert set(e.diagnoses) <= set(PHENOTYPES)
        assert check_note(WORDINGS, note_request(NOTE_PROMPT, EXAMPLES, e.note, e.diagnoses), e.note_rationale) == []
        request = lab_request(LAB_PROMPT, EXAMPLES, e.note, e.captions, e.diagnoses, e.note_rationale)
        assert check_lab(WORDINGS, request, e.lab_rationale) == []


def test_template_rationales_pass_the_checks():
    note = " ".join(f"finding{chr(97 + i)}word" for i in range(20))
    for diagnoses in ([], PHENOTYPES[:1], PHENOTYPES[:4]):
        requests = [
            note_request(NOTE_PROMPT, EXAMPLES, note, diagnoses),
            lab_request(LAB_PROMPT, EXAMPLES, note, "heart rate is higher than normal two times.", diagnoses, "r"),
        ]
        note_text, lab_text = compose(requests)
        assert check_note(WORDINGS, requests[0], note_text) == []
        assert check_lab(WORDINGS, requests[1], lab_text) == []
        assert 15 <= len(note_text.split()) <= 60


@pytest.mark.parametrize(("asked", "quoted"), [("100-word", 6), ("200-word", 12), ("long", 6)])
def test_the_template_writes_as_much_as_the_prompt_asks_for(tmp_path, asked, quoted):
    path = tmp_path / "prompt.txt"
    text = (RESOURCES / "prompts" / "note_rationale.txt").read_text(encoding="utf-8")
    path.write_text(text.replace("100-word", asked), encoding="utf-8")
    note = " ".join(f"finding{chr(97 + i)}word" for i in range(20))
    (text,) = compose([note_request(read_note_prompt(path), EXAMPLES, note, PHENOTYPES[:1])])
    assert text.count("finding") == quoted


@pytest.mark.parametrize(
    "text",
    [
        *("a: 1", "[]", "- note: x", "- {note: x, captions: c, diagnoses: d}", "- [", "\t- x"),
        "- {note: 1, captions: c, diagnoses: [], note_rationale: r, lab_rationale: r}",
        "- {note: x, captions: c, diagnoses: [1], note_rationale: r, lab_rationale: r}",
    ],
)
def test_examples_with_missing_parts_are_refused(tmp_path, text):
    path = tmp_path / "e.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"e\.yaml"):
        read_examples(path)
