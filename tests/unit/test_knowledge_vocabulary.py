"""Equation 5 on a small tokenizer of each kind."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from clinragen.config.knowledge import Vocabulary
from clinragen.knowledge.coverage import coverage
from clinragen.knowledge.pieces import Pieces, left_out, pieces
from clinragen.knowledge.sources import source_overlap, terms_of_source
from clinragen.knowledge.vocabulary import described, origins, standard_ids, token_ids
from clinragen.model.vocabulary import read_vocabulary
from clinragen.schemas.knowledge import COVERAGE, SOURCES

SPECIAL = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}


def unigram() -> PreTrainedTokenizerFast:
    """Like T5's: pieces that carry the blank before a word."""
    pieces = ["<pad>", "</s>", "<unk>", "▁fever", "▁heart", "▁rate", "▁", "s", "▁other"]
    tokenizer = Tokenizer(models.Unigram([(p, -float(i)) for i, p in enumerate(pieces)], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def bpe() -> PreTrainedTokenizerFast:
    """Like GPT's: another token for a word at the beginning of a text."""
    pieces = ["<pad>", "</s>", "<unk>", "h", "i", "Ġ", "hi", "Ġh", "Ġhi", "x"]
    merges = [("h", "i"), ("Ġ", "h"), ("Ġ", "hi")]
    tokenizer = Tokenizer(models.BPE(vocab={p: i for i, p in enumerate(pieces)}, merges=merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def term(name: str, *forms: str, phenotype: str = "Shock") -> dict:
    return {"phenotype": phenotype, "term": name, "forms": list(forms or (name,))}


def test_tokens_of_the_terms_without_special_ones():
    tokenizer = unigram()
    ids = list(origins(tokenizer, [term("heart rate"), term("fevers"), term("Ω")]))
    assert ids == sorted(ids) and not set(ids) & {0, 1, 2}
    assert {"▁heart", "▁rate", "▁fever", "s"} <= set(tokenizer.convert_ids_to_tokens(ids))
    assert "▁other" not in tokenizer.convert_ids_to_tokens(ids)
    assert set(ids) <= set(standard_ids(tokenizer))


def test_both_forms_of_a_word_count():
    tokenizer = bpe()
    assert tokenizer.convert_ids_to_tokens(sorted(token_ids(tokenizer, ["hi"])["hi"])) == ["hi", "Ġhi"]
    assert token_ids(tokenizer, []) == {}


def test_a_token_names_all_terms_and_phenotypes_that_it_comes_from():
    found = origins(unigram(), [term("fever", "fever", "fevers"), term("heart rate", phenotype="AF"),
                                term("heart", phenotype="AF"), term("heart")])  # fmt: skip
    by_token = dict(zip(unigram().convert_ids_to_tokens(list(found)), found.values(), strict=True))
    assert by_token["s"].terms == {"fever"} and by_token["s"].phenotypes == {"Shock"}
    assert by_token["▁heart"].terms == {"heart", "heart rate"} and by_token["▁heart"].phenotypes == {"AF", "Shock"}


@pytest.mark.parametrize("make", [unigram, bpe])
def test_the_standard_vocabulary_is_all_but_the_special_tokens(make):
    tokenizer = make()
    assert standard_ids(tokenizer) == list(range(3, len(tokenizer)))


def test_pieces_that_a_switch_leaves_out():
    kinds = pieces(unigram(), range(3, 9), frozenset({"other", "s", "the"}))
    names = {kind: set(unigram().convert_ids_to_tokens(sorted(ids))) for kind, ids in vars(kinds).items()}
    assert names == {"stop_words": {"▁other"}, "one_letter": {"▁", "s"}}
    for stop_words in (True, False):
        for one_letter in (True, False):
            settings = Vocabulary(stop_word_pieces=stop_words, one_letter_pieces=one_letter)
            expected = (set() if stop_words else kinds.stop_words) | (set() if one_letter else kinds.one_letter)
            assert left_out(kinds, settings) == expected


def test_the_description_names_the_tokenizer_and_no_place(tmp_path):
    found = origins(unigram(), [term("heart rate"), term("fever")])
    text = described(unigram(), "flan-t5-small", "knowledge", [3, 4], found)
    facts = json.loads(text)
    assert facts["ids"] == [3, 4]
    assert facts["tokens"] == [
        {"id": 3, "token": "▁fever", "terms": ["fever"], "phenotypes": ["Shock"]},
        {"id": 4, "token": "▁heart", "terms": ["heart rate"], "phenotypes": ["Shock"]},
    ]
    assert facts["tokenizer"]["tokens"] == 9 and len(facts["tokenizer"]["sha256"]) == 64
    other = json.loads(described(bpe(), "b", "standard", [3], {}))
    assert other["tokens"] == [{"id": 3, "token": "h"}]
    assert facts["tokenizer"]["sha256"] != other["tokenizer"]["sha256"]
    (tmp_path / "v.json").write_text(text, encoding="utf-8")
    assert read_vocabulary(tmp_path / "v.json", unigram()) == [3, 4]


def test_coverage_counts_what_each_phenotype_brings_and_shares():
    terms = [term("fever"), term("heart rate"), term("heart", phenotype="AF"), term("fevers", phenotype="AF")]
    found = origins(unigram(), terms)
    ids = dict(zip(unigram().convert_ids_to_tokens(list(found)), found, strict=True))
    kinds = Pieces(frozenset({ids["▁rate"]}), frozenset({ids["s"]}))
    rows = coverage(terms, found, kinds, frozenset()).to_pylist()
    assert [row["phenotype"] for row in rows] == ["Shock", "AF", "all"]
    shock, af, total = rows
    assert (shock["terms"], shock["tokens"], shock["only"], shock["share"]) == (2, 3, 1, 0.75)
    assert (af["tokens"], af["only"], af["nearest"], af["jaccard_max"]) == (3, 1, "Shock", 0.5)
    assert (total["tokens"], total["only"], total["share"], total["terms"]) == (4, 2, 1.0, 4)
    assert (total["stop_word_pieces"], total["one_letter_pieces"], total["without_both"]) == (1, 1, 2)
    shock, af, total = coverage(terms, found, kinds, kinds.stop_words).to_pylist()
    assert (shock["tokens"], shock["as_printed"], total["tokens"], total["as_printed"]) == (2, 3, 3, 4)


def test_one_phenotype_overlaps_with_none():
    terms = [term("fever")]
    table = coverage(terms, origins(unigram(), terms), Pieces(frozenset(), frozenset()), frozenset())
    assert [row["jaccard_mean"] for row in COVERAGE.check(table, "t").to_pylist()] == [None, None]


PHENOTYPES = st.sampled_from(["Shock", "AF", "COPD"])
TERM = st.builds(lambda name, p: term(name, phenotype=p), st.sampled_from(["fever", "heart", "rate", "s"]), PHENOTYPES)


@given(st.lists(TERM, min_size=1, max_size=8), st.sets(st.integers(3, 8)), st.sets(st.integers(3, 8)))
def test_the_parts_of_the_coverage_fit_together(terms, stop_words, one_letter):
    kinds = Pieces(frozenset(stop_words), frozenset(one_letter - stop_words))
    *rows, total = coverage(terms, origins(unigram(), terms), kinds, kinds.one_letter).to_pylist()
    assert total["only"] == sum(row["only"] for row in rows) <= total["tokens"]
    for row in (*rows, total):
        assert row["tokens"] == row["as_printed"] - row["one_letter_pieces"] <= total["tokens"]
        assert row["without_both"] == row["tokens"] - row["stop_word_pieces"]
        assert row["only"] <= row["tokens"]


# Key terms and which documents carry them.
KEY_TERMS = [term("fever", "fever", "fevers"), term("heart"), term("rate", phenotype="AF")]
MENTIONS = [
    {"phenotype": p, "term": t, "form": f, "source": s}
    for p, t, f, s in (
        ("Shock", "fever", "fever", "wikipedia"),
        ("Shock", "fever", "fevers", "pubmed"),
        ("Shock", "heart", "heart", "pubmed"),
        ("AF", "rate", "rate", "wikipedia"),
        ("AF", "other", "other", "pubmed"),  # no key term
    )
]


def test_sources_are_compared_by_the_documents_that_carry_a_key_term():
    tokens = {"tiny": token_ids(unigram(), [m["form"] for m in MENTIONS])}
    rows = SOURCES.check(source_overlap(KEY_TERMS, MENTIONS, tokens), "t").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("terms", "Shock", 1, 0, 1, 0.5),
        ("terms", "AF", 0, 1, 0, 0.0),
        ("terms", "all", 1, 1, 1, 0.3333),
        ("tokens of tiny", "Shock", 2, 0, 1, 0.3333),
        ("tokens of tiny", "AF", 0, 1, 0, 0.0),
        ("tokens of tiny", "all", 2, 1, 1, 0.25),
    ]


def test_the_part_of_one_source_holds_what_its_documents_carry_as_they_word_it():
    found = {
        source: [(row["phenotype"], row["term"], row["forms"]) for row in terms_of_source(KEY_TERMS, MENTIONS, source)]
        for source in ("pubmed", "wikipedia")
    }
    assert found["pubmed"] == [("Shock", "fever", ["fevers"]), ("Shock", "heart", ["heart"])]
    assert found["wikipedia"] == [("Shock", "fever", ["fever"]), ("AF", "rate", ["rate"])]
