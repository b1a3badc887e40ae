"""The configuration: the shipped files are valid, and a mistake is reported with its key and a remedy."""

import re

import pytest
import yaml
from config_files import ROOT, changed, message_of, read_yaml
from snakemake.utils import update_config

from clinragen.config.root import load_config
from clinragen.registry.raw import declaration

# Overlays with a separate results tree; those named local* are site settings for the paper's tree.
OVERLAYS = sorted(p for p in (ROOT / "config").glob("*.yaml") if not p.name.startswith("local"))
# Overlays that are applied on top of others.
BELOW = {
    "demo-full.yaml": ["demo.yaml"],
    "open-demo.yaml": ["demo.yaml"],
    "planted.yaml": ["demo.yaml"],
    "planted-backbones.yaml": ["demo.yaml", "planted.yaml"],
    "planted-baselines.yaml": ["demo.yaml", "planted.yaml"],
}

# Overlays that add rows to the results tree of others.
MORE_ROWS = ("demo-full.yaml", "table6.yaml", "sensitivity.yaml", "as-printed.yaml", "beyond.yaml", "discussion.yaml")


@pytest.fixture
def raw() -> dict:
    return read_yaml("config.yaml")


def test_the_settings_of_the_paper_are_valid(raw):
    config = load_config(raw)
    assert config.dataset_names() == ["mimic3", "mimic4"] and len(config.seeds) == 5


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda p: p.name)
def test_every_overlay_is_valid(overlay, raw):
    for name in [*BELOW.get(overlay.name, []), overlay.name]:
        update_config(raw, read_yaml(f"config/{name}"))
    config = load_config(raw)
    if overlay.name in MORE_ROWS:
        return
    assert config.pathvars.results != read_yaml("config.yaml")["pathvars"]["results"], (
        "runs must not overwrite each other"
    )


def test_the_example_of_local_settings_is_valid_and_lists_all_site_settings(raw):
    example = read_yaml("config/local.example.yaml")
    update_config(raw, example)
    config = load_config(raw)
    assert config.pathvars.results == read_yaml("config.yaml")["pathvars"]["results"]
    assert config.datasets.mimic3.raw and config.datasets.mimic4.raw and config.datasets.mimic4.notes
    for name, release in (("mimic3", config.datasets.mimic3.release), ("mimic4", config.datasets.mimic4.release)):
        assert release in declaration()[name]["releases"]
    transport = config.llm_transport["chatgpt"]
    assert transport.data_use == "none", "copying the example must not permit sending MIMIC text"
    assert {"base_url", "api_key_variable", "data_use", "allowed_hosts"} <= set(example["llm_transport"]["chatgpt"])
    assert "email" in example["knowledge"]["pubmed"] and "model" in example["llms"]["chatgpt"]


@pytest.mark.parametrize(
    ("place", "nearest"),
    [
        ("benchmrk", "benchmark"),
        ("pathvars__result", "pathvars.results"),
        ("benchmark__series__step_hour", "benchmark.series.step_hours"),
        ("extract__cohort__minage", "extract.cohort.min_age"),
        ("datasets__mimic4__note", "datasets.mimic4.notes"),
        ("models__clinragen__back_bone", "models.clinragen.backbone"),
        ("backbones__flan-t5-small__reversion", "backbones.flan-t5-small.revision"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(place, nearest, raw):
    message = message_of(changed(raw, **{place: 1}))
    assert f"  - {place.replace('__', '.')}: unknown key; did you mean {nearest}?" in message, message


def test_an_unknown_key_that_resembles_none_names_the_known_ones(raw):
    message = message_of(changed(raw, llms__chatgpt__api_key=1))
    assert "  - llms.chatgpt.api_key: unknown key; there are " in message and " repairs," in message


def test_a_model_may_have_the_name_of_a_setting(raw):
    model = raw["models"]["clinragen"] | {"bakbone": "x"}
    assert "models.row.bakbone: unknown key; did you mean models.row.backbone?" in message_of(
        changed(raw, models__row=model)
    )


@pytest.mark.parametrize(
    ("text", "date"), [("2026-01-05", "2026-01-05"), ("'2026-01-05'", "2026-01-05"), ("null", None)]
)
def test_a_date_may_be_quoted_or_not(text, date, raw):
    assert load_config(changed(raw, knowledge__refresh=yaml.safe_load(text))).knowledge.refresh == date


@pytest.mark.parametrize(
    ("value", "words"),
    [("tomorrow", "is not a date"), (True, "is not a date"), ("2026-13-01", "is not a date"), ("9999-01-01", "future")],
)
def test_an_invalid_or_future_date_is_refused(value, words, raw):
    assert re.search(rf"knowledge\.refresh: .*{words}", message_of(changed(raw, knowledge__refresh=value)))


@pytest.mark.parametrize("release", [1.4, 2])
def test_a_release_without_quotes_is_refused(release, raw):
    said = message_of(changed(raw, datasets__mimic3__release=release))
    assert f"  - datasets.mimic3.release: put {release} in quotes" in said


def test_a_seed_below_zero_is_refused(raw):
    assert "  - seeds: -1 is below 0" in message_of(changed(raw, seeds=[-1]))


def test_a_row_of_a_language_model_may_be_short_but_names_its_server(raw):
    raw["llms"]["mine"] = {"provider": "openai", "model": "m"}
    assert "  - llm_transport.mine is missing: llms.mine is on a server; add a row with its base_url" in message_of(raw)
    raw["llm_transport"]["mine"] = {"data_use": "local-server"}
    assert "  - llm_transport.mine.base_url: missing" in message_of(raw)
    raw["llm_transport"]["mine"] = {"base_url": "http://localhost:8000/v1"}
    config = load_config(raw)
    assert config.llms["mine"].parameters == {} and config.llms["mine"].endpoint == "chat"
    transport = config.llm_transport["mine"]
    assert (transport.data_use, transport.allowed_hosts, transport.local_hosts) == ("none", [], [])
    # A key is sent only to a server for which it is named.
    assert transport.api_key_variable is None
    del raw["llms"]["mine"]["model"]
    assert "  - llms.mine.model: missing" in message_of(raw)


def test_a_key_in_place_of_the_name_of_its_variable_is_not_printed(raw):
    said = message_of(changed(raw, llm_transport__chatgpt__api_key_variable="sk-proj-s3cr3t"))
    assert "llm_transport.chatgpt.api_key_variable: not the name of an environment variable" in said
    assert "s3cr3t" not in said


def test_a_missing_key_is_named(raw):
    del raw["benchmark"]["series"]["fill"], raw["seeds"]
    message = message_of(raw)
    assert "  - benchmark.series.fill: missing; copy it from config.yaml" in message
    assert "  - seeds: missing" in message


@pytest.mark.parametrize("place", ["benchmark", "models__clinragen__row", "datasets__mimic3__raw"])
def test_every_key_is_required(place, raw):
    *way, last = place.split("__")
    section = raw
    for key in way:
        section = section[key]
    del section[last]
    assert f"  - {place.replace('__', '.')}: missing" in message_of(raw)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("benchmark__series__variables", 12, "11 or 17"),
        ("benchmark__series__step_hours", 0, "greater than 0"),
        ("benchmark__series__fill", "linear", "'nearest' or 'previous'"),
        ("benchmark__split__test", 1.0, "less than 1"),
        ("benchmark__course__keep_negation", "maybe", "boolean"),
        ("extract__memory_limit_mb", "lots", "integer"),
        ("extract", None, "valid dictionary"),
        ("datasets__mimic3__source", "web", "'synthetic'"),
        ("train__phase1__epochs", 2.5, "integer"),
        ("evaluate__bootstrap__replicates", 999, "greater than or equal to 1000"),
        ("seeds", [], "at least 1 item"),
        ("seeds", 1, "list"),
        ("models", [], "dictionary"),
        ("llm_transport__chatgpt__data_use", "yes", "'none'"),
        ("models__clinragen__training", "phase2", "phase1"),
    ],
)
def test_a_wrong_value_is_named_with_the_allowed_ones(place, value, words, raw):
    message = message_of(changed(raw, **{place: value}))
    assert f"  - {place.replace('__', '.')}: " in message and words in message


def test_one_message_lists_all_problems(raw):
    raw = changed(raw, benchmrk=1, extract__memory_limit_mb=1, seeds=[], student__fusion__lab_position="left")
    del raw["demo"]
    lines = message_of(raw).splitlines()
    assert lines[0] == "the configuration is not valid; correct config/local.yaml or your overlay:" and len(lines) == 6
    for place in ("benchmrk", "extract.memory_limit_mb", "seeds", "student.fusion.lab_position", "demo"):
        assert any(line.startswith(f"  - {place}: ") for line in lines)


def test_null_drops_a_model_and_a_backbone(raw):
    update_config(raw, {"models": {"clinragen-large": None}, "backbones": {"flan-t5-large": None}})
    config = load_config(raw)
    assert "clinragen-large" not in config.models and "clinragen" in config.models
    assert "flan-t5-large" not in config.backbones and "flan-t5-small" in config.backbones


def test_null_drops_a_row_that_is_asked(raw):
    update_config(raw, {"asked": {"mistral-five-shot": None}})
    assert list(load_config(raw).asked) == [
        *("chatgpt-zero-shot", "llama-zero-shot", "llama2-five-shot", "llama3-five-shot")
    ]


def test_null_omits_a_dataset(raw):
    update_config(raw, {"datasets": {"mimic4": None}})
    assert load_config(raw).dataset_names() == ["mimic3"]


def test_one_dataset_at_least_is_configured(raw):
    message = message_of(changed(raw, datasets__mimic3=None, datasets__mimic4=None))
    assert "datasets: mimic3 and mimic4 are both null; configure at least one of them" in message


PATHS = [
    "datasets__mimic3__raw",
    "datasets__mimic4__notes",
    "datasets__mimic3__test_list",
    "datasets__mimic3__validation_list",
    "pathvars__results",
    "pathvars__logs",
    "pathvars__timings",
    "backbones__flan-t5-small__source",
    "encoders__clinical-bert__source",
]


@pytest.mark.parametrize("place", PATHS)
@pytest.mark.parametrize("bad", ["{", "}", "<", ">", "\n", "\x7f", "\0"])
def test_a_path_that_snakemake_cannot_use_is_refused(place, bad, raw):
    message = message_of(changed(raw, **{place: f"/data/a{bad}b"}))
    assert f"  - {place.replace('__', '.')}: '/data/a" in message
    assert f"contains {bad!r}, which Snakemake cannot use in a path; rename it or use a link" in message


@pytest.mark.parametrize("name", ["a/b", "..", "a{b", "a\nb"])
@pytest.mark.parametrize("section", ["models", "asked", "backbones", "encoders"])
def test_a_name_that_cannot_be_part_of_a_path_is_refused(section, name, raw):
    rows = raw[section] | {name: next(iter(raw[section].values()))}
    assert f"  - {section}: " in message_of(changed(raw, **{section: rows}))


def test_the_home_directory_is_expanded_where_snakemake_does_not_need_it(raw, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    for place in PATHS:
        new = changed(raw, **({"datasets__mimic3__test_list": "~/list"} | {place: "~/a b"}))
        if place.startswith("pathvars"):
            assert (
                f"{place.replace('__', '.')}: Snakemake does not expand ~; set it to '/home/somebody/a b'"
                in message_of(new)
            )
        else:
            value = load_config(new)
            for key in place.split("__"):
                value = value[key] if isinstance(value, dict) else getattr(value, key)
            assert value == "/home/somebody/a b"
    assert "datasets.mimic3.raw: '~nobody-here/a': unknown home" in message_of(
        changed(raw, datasets__mimic3__raw="~nobody-here/a")
    )


def test_dropping_a_backbone_that_a_model_uses_is_an_error(raw):
    update_config(raw, {"backbones": {"flan-t5-large": None}})
    assert "models.clinragen-large.backbone: 'flan-t5-large' is not one of backbones" in message_of(raw)


def test_your_own_notes_make_open_data_restricted(raw):
    places = {"datasets__mimic3__source": "open-demo", "datasets__mimic3__raw": "demo"}
    for notes, source in ((None, "folder"), ("/my/notes", "folder"), ("synthetic", "open-demo")):
        config = load_config(changed(raw, **places, datasets__mimic3__notes=notes))
        assert config.datasets.mimic3.text_source == source


def test_settings_do_not_change_after_loading(raw):
    config = load_config(raw)
    with pytest.raises(ValueError, match="frozen"):
        config.benchmark.series.step_hours = 2.0
