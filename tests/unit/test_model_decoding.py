"""Where outputs end, and that ending them after the diagnoses changes no diagnosis."""

from functools import partial
from types import SimpleNamespace

import pytest
from dictated import Dictated
from toy_student import PHENOTYPES, files, student, tokenizer, write_tables

from clinragen.model.decoding import Output, _output, decode
from clinragen.model.inputs import read_samples
from clinragen.model.student import Student
from clinragen.model.target_codec import parse_output, write_target

TEXT = [
    write_target(["Shock", "Essential hypertension"], "Based on the medical notes, cold.", "Lab test shows level 2."),
    write_target([], "Based on the medical notes, calm."),
    write_target(["Conduction disorders"]),
    "Note rationale: first. Diagnoses: Shock. Lab rationale: Shock",
    "Diagnoses: Shock: cold: calm. Diagnoses: Conduction disorders.",
    "no section at all: nothing",
    write_target(["Shock"], "Based on the medical notes, cold.", rationale_first=True),
]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Samples with notes of one length, so that they are decoded in their order."""
    directory = write_tables(tmp_path_factory.mktemp("decoding"), test=len(TEXT))
    samples = read_samples(files(directory, None), "test")
    return [row | {"input_ids": samples[0]["input_ids"]} for row in samples]


def decoded(rows, texts=tuple(TEXT), size: int = 4, beams: int = 1, limit: int = 120, **options):
    dictated = Dictated([tokenizer()(text)["input_ids"] for text in texts], beams)
    write = partial(decode, student("both"), rows, tokenizer(), size, max_new_tokens=limit, num_beams=beams)
    return write(logits_processor=[dictated], **options)


@pytest.mark.parametrize("beams", [1, 2])
def test_stopping_after_the_diagnoses_changes_none_of_them(rows, beams):
    whole, stopped = decoded(rows, beams=beams), decoded(rows, beams=beams, diagnoses_only=True)
    assert [output.text for output in whole] == TEXT and {output.end for output in whole} == {"end_mark"}
    for full, short in zip(whole, stopped, strict=True):
        one, other = (parse_output(output.text, PHENOTYPES) for output in (full, short))
        assert (one.phenotypes, one.unknown, one.readable) == (other.phenotypes, other.unknown, other.readable)
    ends = ["stopped", "stopped", "end_mark", "stopped", "stopped", "end_mark", "end_mark"]
    assert [output.end for output in stopped] == ends
    assert stopped[0].text == "Diagnoses: Shock, Essential hypertension."
    assert stopped[3].text == "Note rationale: first. Diagnoses: Shock."
    assert [output.text for output in stopped[2::3]] == TEXT[2::3]
    assert stopped[6].text == TEXT[6]  # what follows the rationale are the diagnoses


def test_tokens_are_counted_to_the_end_mark_the_marker_or_the_limit(rows):
    ids = [len(tokenizer()(text)["input_ids"]) for text in TEXT]
    assert [output.tokens for output in decoded(rows)] == ids
    up_to_the_marker = len(tokenizer()("Diagnoses: Shock, Essential hypertension. Note rationale:")["input_ids"]) - 1
    assert decoded(rows, diagnoses_only=True)[0].tokens == up_to_the_marker
    cut = decoded(rows, limit=6)
    ends = [("end_mark", n) if n <= 6 else ("limit", 6) for n in ids]
    assert [(output.end, output.tokens) for output in cut] == ends and len(set(ends)) > 1


def test_a_batch_ends_with_the_longest_of_its_diagnoses(rows, monkeypatch):
    """What is saved: no step is made for rationales."""
    generate, made = Student.generate, []
    monkeypatch.setattr(Student, "generate", lambda *a, **o: made.append(generate(*a, **o)) or made[-1])
    outputs = decoded(rows[:2], TEXT[:2], diagnoses_only=True)
    assert [ids.shape[1] for ids in made] == [max(output.tokens for output in outputs)]


def test_long_diagnoses_are_decoded_apart_and_whole(rows, monkeypatch):
    many = "Diagnoses: " + ", ".join(PHENOTYPES[:20]) + ". Note rationale: x"
    endless = "Diagnoses:" + " Shock" * 300
    texts = [TEXT[0], many, TEXT[1], endless]
    # In the order in which they are decoded: all, those longer than 64 tokens, than 128.
    asked = [*texts, many, endless, endless]
    generate, made = Student.generate, []
    monkeypatch.setattr(Student, "generate", lambda *a, **o: made.append(generate(*a, **o)) or made[-1])
    outputs = decoded(rows[:4], asked, limit=200, diagnoses_only=True)
    assert [tuple(ids.shape) for ids in made] == [(4, 64), (2, 128), (1, 200)]
    assert [output.end for output in outputs] == ["stopped", "stopped", "stopped", "limit"]
    assert outputs[1].text == many.removesuffix(" Note rationale: x") and outputs[3].tokens == 200


@pytest.mark.parametrize(
    ("ids", "output"),
    [
        (("Diagnoses: Shock. Note rationale:", 0, 3), ("Diagnoses: Shock.", "stopped")),
        (("Diagnoses: Shock.", 1, 3), ("Diagnoses: Shock.", "end_mark")),
        (("Diagnoses: Shock.", 0, 0), ("Diagnoses: Shock.", "limit")),
    ],
)
def test_the_padding_may_be_the_end_mark(ids, output):
    """As with Qwen: a text that was stopped has no end mark, although end marks follow it."""
    text, ended, padded = ids
    end = tokenizer().eos_token_id
    written = tokenizer()(text)["input_ids"][:-1]
    like_qwen = SimpleNamespace(decode=tokenizer().decode, eos_token_id=end, pad_token_id=end)
    expected = Output(*output, len(written) + ended)
    assert _output(written + [end] * (ended + padded), like_qwen, diagnoses_only=True) == expected
