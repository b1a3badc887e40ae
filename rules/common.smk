"""Helper functions for the rules; defines no rules. What they compute is in scripts/clinragen/workflow/."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir, "scripts")))

from clinragen.audit import verify
from clinragen.config.evaluate import ComparedRuns
from clinragen.config.llms import Stages
from clinragen.config.models import TrainedModels
from clinragen.config.paper import ConfiguredTables, TimedJobs
from clinragen.config.rows import RowNames, Runs, name_of, named_rows
from clinragen.workflow.captions import RecordedOutput
from clinragen.registry.raw import TITLES, raw_path
from clinragen.provenance.digest import code_digest
from clinragen.runner import screen
from clinragen.runner.failures import limit_retries
from clinragen.workflow import (
    check,
    compared,
    discussion,
    inputs,
    judged,
    launch,
    paper,
    preflight,
    shown,
)
from snakemake.logging import logger

TABLE_FORMS = ("csv", "md", "tex", "html")


def start_of_run():
    """Remove the logs of earlier runs of the jobs to come, and show the run on the screen."""
    jobs = list(workflow.dag.needrun_jobs())
    if not workflow.touch:
        # Otherwise the log of an earlier success would be shown as that of a job that SLURM refuses.
        for log in (Path(log) for job in jobs for log in job.log):
            log.unlink(missing_ok=True)
    quiet = {kind.name.lower() for kind in workflow.output_settings.quiet or ()}
    if "all" not in quiet and not workflow.output_settings.verbose:
        screen.show(logger, len(jobs), progress="progress" not in quiet)


def setting(place):
    """Params: one value or one section of the configuration, a section as JSON.

    `{wildcard}` in the place is replaced by the job's wildcard, as in `datasets.{dataset}.source`. Jobs of a variant
    have its values.
    """

    def value(wildcards):
        # A name in place of a wildcard may contain dots.
        keys = [key.format(**wildcards) for key in place.split(".")]
        node = CONFIG.of_variant(variant_of(wildcards)).at(keys)
        return node.model_dump_json() if hasattr(node, "model_dump_json") else node

    value.place = place  # for scripts/why.py
    return value


def variant_of(wildcards):
    """Name of the job's variant, which its paths have as `+<name>`; empty for none."""
    return wildcards.get("variant", "").removeprefix("+")


def of_variant(*patterns):
    """Input: files as the job's variant has them, its own where it changes them, else those that all share."""

    def paths(wildcards):
        others = {name: value for name, value in wildcards.items() if name != "variant"}
        variant = variant_of(wildcards)
        return [inputs.of_variant(CONFIG, pattern, variant, **others) for pattern in patterns]

    return paths


def of_model(pattern):
    """Input: a file as the variant of the job's model has it."""
    return lambda wildcards: inputs.model_files(CONFIG, pattern, **wildcards)


def sources(wildcards, **job):
    """Params: content hash of the inputs that no rule makes, so that their modification times decide nothing.

    Snakemake does not compare what a function derives from a parameter called `input`, so it comes by keyword.
    """
    return inputs.source_digest(CONFIG, job["input"])


def llm_name(place, wildcards):
    """The language model that the configuration names at this place, or that is a `{wildcard}` of the job."""
    return wildcards[place[1:-1]] if place.startswith("{") else setting(place)(wildcards or {})


def transport(place):
    """Resources: how a language model is reached, which Snakemake does not compare; null for the template.

    `place` is where the configuration names the model, or `{wildcard}`.
    """

    def value(wildcards):
        found = CONFIG.llm_transport.get(llm_name(place, wildcards))
        return found.model_dump_json() if found else "null"

    return value


def weights_of(place):
    """Input: the weights of the language model at this place, if the job serves it."""

    def paths(wildcards):
        name = llm_name(place, wildcards)
        return [f"<results>/llms/{name}"] if CONFIG.is_served(name) else []

    return paths


def serving(place):
    """Resources: all of a job that serves the language model at this place itself.

    Without a job, as in `make check`, they are the most that any of these models requests.
    """

    def most(amount):
        def value(wildcards, attempt):
            every = wildcards is None and "{" in place
            names = CONFIG.served_llms() if every else [llm_name(place, wildcards)]
            return max(amount(CONFIG.llm_transport[name].server, attempt) for name in names)

        return value

    return {
        "gpu": most(lambda server, attempt: server.gpus),
        "mem_mb": most(lambda server, attempt: server.request.memory_mb * attempt),
        "runtime": most(lambda server, attempt: server.request.minutes),
        "transport": transport(place),
        "answers": setting("answers"),
    }


def one_job_per_server(place):
    """Resources: one unit of each server that the job asks, of which there is one, so that limits hold for a run.

    `place` is where the configuration names the model, or `{wildcard}`. Not for servers that a job starts itself.
    """

    def units(name):
        return lambda wildcards: int(llm_name(place, wildcards) == name)

    servers = {
        n: f"server_{i}" for i, n in enumerate(CONFIG.llms) if CONFIG.llms[n].provider == "openai"
    }
    for resource in servers.values():
        workflow.register_resource(resource, 1)
    return {resource: units(name) for name, resource in servers.items()}


def llm(place):
    """Params: what decides the answers of the language model that the configuration names at this place."""

    def value(wildcards):
        return CONFIG.llms[setting(place)(wildcards)].model_dump_json()

    value.place = place  # for scripts/why.py
    return value


def raw_release(wildcards):
    """Params: the expected release of the raw tables; empty if it is not checked."""
    return getattr(CONFIG.datasets, wildcards.dataset).release or ""


def refresh_date(wildcards):
    """Params: the date before which stored responses of services do not count; empty if all do."""
    return CONFIG.knowledge.refresh or ""


def raw_tables(*tables):
    """Input: raw tables of the job's dataset; `sources` compares those of your own copy."""

    def paths(wildcards):
        own = getattr(CONFIG.datasets, wildcards.dataset).source == "folder"
        files = inputs.raw_tables(CONFIG, wildcards.dataset, tables)
        return [ancient(path) for path in files] if own else files

    return paths


def diagnosis_tables(wildcards):
    """Input: the billing codes, and their dictionary if it decides which of them count."""
    tables = ["diagnoses_icd"] + ["d_icd_diagnoses"] * (not CONFIG.extract.diagnoses.unlisted_codes)
    return raw_tables(*tables)(wildcards)


def split_lists(wildcards):
    """Input: the user's lists of the test and validation patients."""
    dataset = getattr(CONFIG.datasets, wildcards.dataset)
    return [path for path in (dataset.test_list, dataset.validation_list) if path]


def authored_texts(source):
    """Input: the offline texts that replace PubMed or Wikipedia, one per phenotype."""
    return inputs.authored_texts(source)


def offline(files):
    """Input: files that are read only if the knowledge does not come from the network."""
    return files if CONFIG.knowledge.source == "offline" else []


def knowledge_documents():
    """Input: the documents of the sources that the key terms come from."""
    return expand("<results>/knowledge/{source}.parquet", source=CONFIG.knowledge.terms.sources)


def mentions_of_source(wildcards):
    """Input: which documents carry the key terms, where the vocabulary is the part that one source brings."""
    return [] if wildcards.documents == "vocab" else "<results>/knowledge/mentions.parquet"


def backbones_with_knowledge():
    """Names of the language models whose vocabulary V^k some trained model attends to."""
    return sorted({m.backbone for m in CONFIG.models.values() if m.uses_knowledge})


def knowledge_files():
    """Input: the key terms, the vocabularies, and the tables and the picture about them."""
    files = ["terms.csv", "convergence.csv", "convergence.png", "sources.csv"]
    files += [
        f"vocab/{name}.{kind}" for name in backbones_with_knowledge() for kind in ("json", "csv")
    ]
    return expand("<results>/knowledge/{file}", file=files)


def knowledge_files_in_use():
    """Input: the same, if some trained model attends to a vocabulary V^k."""
    return knowledge_files() if backbones_with_knowledge() else []


def vocabulary_of_student(wildcards):
    """Input: the vocabulary of the attention: V^k, the part of one source, or all tokens."""
    return inputs.vocabulary(wildcards.vocabulary, wildcards.backbone)


def open_demo_to_download():
    """Whether the open demo is configured and none of its files exists."""
    return preflight.to_download(CONFIG.datasets.mimic3)


def table_files():
    """Input: the tables, in each of their forms, and about rationales, trainings, sizes and costs behind them."""
    tables = expand("<results>/tables/table{n}.{form}", n=range(1, 7), form=TABLE_FORMS)
    tables += expand("<results>/tables/table{n}.png", n=paper.SCORED_TABLES)
    about = (
        ["training"]
        + ["tokens"] * bool(CONFIG.models)
        + ["rationales"] * bool(rationales_in_use() or asked_predictions())
    )
    about += ["sensitivity"] * bool(CONFIG.variant_rows()) + ["beyond"] * bool(CONFIG.classifiers)
    about += ["texts"] * bool(CONFIG.compared_models())
    tables += expand("<results>/tables/{name}.{form}", name=about, form=["csv", "html"])
    tables += ["<results>/tables/parameters.csv"] * bool(CONFIG.models)
    tables += [
        f"<results>/tables/{file}" for file in ("claims.csv", "contradictions.csv", "claims.html")
    ]
    tables += statistics_files() * bool(diagnosed_predictions())
    tables += [f"<results>/tables/discussion.{form}" for form in ("csv", "html") if has_student()]
    tables += judge_files()
    tables += study_tables()
    return tables + ["<results>/tables/costs.csv"] * bool(answer_tables())


def figure_files():
    """Input: the paper's figures, in each of their forms, as far as the configuration makes what they show."""
    names = ["figure5"] * bool(diagnosed_predictions())
    names += [f"figure6{panel}" for panel in rated_panels()]
    figures = expand("<results>/figures/{name}.{form}", name=names, form=["csv", "svg", "png"])
    return figures + [f"<results>/figures/figure7-{name}.html" for name in datasets_with_cases()]


def rated_panels():
    """Panels of figure 6 of which there are ratings: a by language models, b by people."""
    return ["a"] * bool(judge_files()) + ["b"] * bool(study_tables())


def ratings_of_panel(wildcards):
    """Input: the ratings that a panel of figure 6 shows."""
    return f"<results>/tables/{ {'a': 'judge', 'b': 'study'}[wildcards.panel] }.csv"


def title_of_panel(wildcards):
    """Params: the title of a panel of figure 6."""
    raters = {"a": "language models", "b": "people"}[wildcards.panel]
    return f"Figure 6{wildcards.panel}: rationales rated by {raters}"


def datasets_with_cases():
    """Datasets of which figure 7 shows cases: all, if there is a student with the paper's recipe and its teacher."""
    model = CONFIG.models.get(paper.CLINRAGEN)
    return CONFIG.dataset_names() if model and model.target == "rationales" else []


def statistics_files():
    """Input: how certain the scores of tables 1 and 2 are."""
    files = ["intervals.csv", "comparisons.csv", "phenotype_scores.csv", "statistics.html"]
    return [f"<results>/tables/{file}" for file in files]


def rationales_in_use():
    """Input: the rationales of every dataset and teacher."""
    return inputs.rationales_in_use(CONFIG)


def asked_predictions():
    """Input: the predictions of the models that are asked."""
    return inputs.asked_predictions(CONFIG)


def answer_tables():
    """Input: the tables of answers of language models behind the results."""
    return [path for path, _ in judged.answers(CONFIG)]


def estimate_files():
    """Input: what the requests to language models are made of, so far as no model has to be asked for it."""
    texts = inputs.texts_of_teachers(CONFIG)
    cases = expand("<results>/{dataset}/evaluate/cases.parquet", dataset=CONFIG.dataset_names())
    sampled = bool(judges()) or any(row.cases == "sampled" for row in CONFIG.asked.values())
    return (
        texts * bool(CONFIG.teachers() or CONFIG.asked or judges())
        + cases * sampled
        + knowledge_documents() * bool(backbones_with_knowledge())
    )


def asked_stages(wildcards):
    """Params: whose answers these tables hold, and at what price: what `costs.csv` shows of `llm_transport`."""
    return Stages(rows=[stage for _, stage in judged.answers(CONFIG)]).model_dump_json()


def planted_files():
    """Input: the tables and the page of the planted evidence, where there is any."""
    files = ["planted.csv", "planted_statements.csv", "planted.html"]
    return [f"<results>/tables/{file}" for file in files if CONFIG.planted_datasets()]


def planted_of_runs(file):
    """Input: one file of every run on planted evidence."""
    return expand(
        f"<results>/{{dataset}}/planted/{{model}}/seed{{seed}}/{file}.csv",
        dataset=CONFIG.planted_datasets(),
        model=[*CONFIG.models, *CONFIG.trained_classifiers()],
        seed=CONFIG.seeds,
    )


def study_files():
    """Input: the kit of the human study, and what its ratings say if there are any."""
    kit = [f"<results>/study/{file}" for file in ("forms", "key.csv", "study.html")]
    return (kit if CONFIG.study else []) + study_tables()


def study_tables():
    """Input: what the ratings of the human study say, if there are any, by people or by simulated raters."""
    rated = judged.people_rate(CONFIG)
    files = [
        "study.csv",
        "study_agreement.csv",
        "study_model.csv",
        "study_raters.csv",
        "study.html",
    ]
    return [f"<results>/tables/{file}" for file in files] if rated else []


def parts_of_form():
    """Input: style and program of the raters' forms, and the page about them."""
    names = ["study_form.css", "study_form.js", "study_kit.html"]
    return [f"scripts/clinragen/pages/templates/{name}" for name in names]


def of_study(file):
    """Input: a file of the dataset of the human study."""
    return f"<results>/{CONFIG.study.dataset}/{file}"


def teacher_of_study():
    """Input: the rationales of the teacher of the student in the human study, on notes and on labs."""
    return judged.teacher_of_study(CONFIG)


def predictions_of_study():
    """Input: the predictions of every other system of the human study."""
    return list(judged.systems_of_study(CONFIG))


def systems_of_study(wildcards):
    """Params: the rows of the paper's tables that these predictions are of."""
    return RowNames(names=list(judged.systems_of_study(CONFIG).values())).model_dump_json()


def reference_of_study(wildcards):
    """Params: the row with which the others are compared: the student."""
    return name_of(CONFIG.models[CONFIG.study.trained])


def ratings_of_judges_in_study():
    """Input: the ratings of the judges, with which those of people are compared."""
    return judged.ratings_of_study(CONFIG)


def title_of_study(wildcards):
    """Params: the name of the dataset of the human study in the paper."""
    return TITLES[CONFIG.study.dataset]


def source_of_study(wildcards):
    """Params: where the texts of the human study come from, which decides who may read them."""
    return CONFIG.study_source()


def responses_of_study(wildcards):
    """Input: the files that raters exported, or the simulated ones."""
    if CONFIG.study.responses is None:
        return "<results>/study/simulated"
    return [ancient(str(path)) for path in sorted(Path(CONFIG.study.responses).glob("*.csv"))]


def page_templates(page):
    """Input: the templates of a page: those that all pages share, and its own."""
    names = ["base.html", "style.css", "macros.html", f"{page}.html"]
    return [f"scripts/clinragen/pages/templates/{name}" for name in names]


def backbones_in_use():
    """Names of the language models that some trained model needs."""
    return sorted({model.backbone for model in CONFIG.models.values()})


def encoders_in_use():
    """Names of the text encoders of which some trained model is built."""
    return CONFIG.used_encoders()


def data_files():
    """Input: data summaries of every dataset."""
    return expand(
        "<results>/{dataset}/{file}", dataset=CONFIG.dataset_names(), file=inputs.data_summaries()
    )


def scores_of_table(wildcards):
    """Input: the scores of every run of a table."""
    return list(inputs.scores(CONFIG, int(wildcards.number)))


def rows_of_table(wildcards):
    """Params: the rows of the paper's table that these scores are of."""
    rows = list(inputs.scores(CONFIG, int(wildcards.number)).values())
    return RowNames(names=rows).model_dump_json()


def rows_of_tables(wildcards):
    """Params: the rows of the paper's tables that this run has, by their names in the scores."""
    return named_rows(CONFIG.models, CONFIG.asked).model_dump_json()


def printed_values():
    """Input: the paper's printed values that its claims are about."""
    names = [*(f"paper_table{number}" for number in (1, 2, 3, 4, 6)), "paper_sizes"]
    return [f"resources/{name}.csv" for name in names]


def tables_behind_claims(wildcards):
    """Input: those of the tables that the claims are about, as far as this run makes them."""
    names = {f"{name}.csv" for name in inputs.BEHIND_CLAIMS}
    return [path for path in table_files() if Path(path).name in names]


def diagnosed_predictions():
    """Input: the predictions of every run of every row of tables 1 and 2."""
    return [path for path, _ in shown.diagnosed_runs(CONFIG)]


def diagnosed_runs(wildcards):
    """Params: which runs these predictions are of."""
    runs = [run for _, run in shown.diagnosed_runs(CONFIG)]
    return Runs(datasets=titles(), runs=runs).model_dump_json()


def of_datasets(pattern):
    """Input: a file of every dataset."""
    return expand(pattern, dataset=CONFIG.dataset_names())


def titles():
    """The names of the datasets in the paper, in the order of `of_datasets`."""
    return [TITLES[dataset] for dataset in CONFIG.dataset_names()]


def has_student():
    """Whether a model is configured that the questions of the discussion are about."""
    return discussion.student_of(CONFIG) is not None


def discussed_predictions():
    """Input: the predictions of every run of the rows that answer a question of the discussion."""
    return discussion.discussion_rows(CONFIG)[0]


def discussed_rows(wildcards):
    """Params: which rows these are, and which are not there."""
    return discussion.discussion_rows(CONFIG)[1].model_dump_json()


def note_rationales_of_student():
    """Input: the note rationales of the teacher of the student that the discussion is about."""
    teacher = CONFIG.models[discussion.student_of(CONFIG)].teacher
    return of_datasets(f"<results>/{{dataset}}/rationale/{teacher}/notes.parquet")


def intervals():
    """Input: the intervals of all scores of tables 1 and 2, if there are any."""
    return ["<results>/tables/intervals.csv"] * bool(diagnosed_predictions())


def configured(table):
    """Params: what the configuration has of one of the paper's tables; None is that of the job."""

    def value(wildcards):
        return paper.configured(CONFIG, table or int(wildcards.number)).model_dump_json()

    return value


def configured_tables(wildcards):
    """Params: what the configuration has of each of the paper's tables that its claims are about."""
    tables = {number: paper.configured(CONFIG, number) for number in (1, 2, 3, 4, 6)}
    return ConfiguredTables(tables=tables).model_dump_json()


def timed_outputs():
    """Input: an output of every job that the paper's Table 3 has the time of."""
    return [path for path, _ in paper.timed_jobs(CONFIG)]


def timed_jobs(wildcards):
    """Params: which jobs these outputs are of, and whose rationales the students learn from."""
    jobs, model = [job for _, job in paper.timed_jobs(CONFIG)], CONFIG.models.get(paper.CLINRAGEN)
    return TimedJobs(jobs=jobs, teacher=model.teacher if model else None).model_dump_json()


def dataset_names(wildcards):
    """Params: the datasets, as the paper calls them, in the order of `of_datasets`."""
    return RowNames(names=titles()).model_dump_json()


def shown_student(pattern):
    """Input: a file of the student whose cases figure 7 shows, of the first seed."""

    def path(wildcards):
        return pattern.format(
            dataset=wildcards.dataset, model=paper.CLINRAGEN, seed=CONFIG.seeds[0]
        )

    return path


def file_of_shown_student(pattern):
    """Input: a file as the variant of that student has it."""
    return lambda wildcards: inputs.model_files(
        CONFIG, pattern, model=paper.CLINRAGEN, dataset=wildcards.dataset
    )


def rationales_of_shown_teacher(part):
    """Input: the rationales on notes (0) or labs (1) of the teacher of that student."""

    def path(wildcards):
        row = CONFIG.models[paper.CLINRAGEN]
        return inputs.rationales(CONFIG, wildcards.dataset, inputs.target(row), row.variant)[part]

    return path


def terms_of_shown_student():
    """Input: the key terms, if that student attends to them."""
    model = CONFIG.models.get(paper.CLINRAGEN)
    return ["<results>/knowledge/terms.parquet"] * bool(model and model.uses_knowledge)


def compared_scores(place):
    """Input: the scores of every run of a model with a variant (place 0), and of the same run without it (1)."""
    return [run[place] for run in inputs.compared_scores(CONFIG)]


def compared_rows(wildcards):
    """Params: the rows of the models with a variant, run by run."""
    names = [CONFIG.models[name].row for _, _, name in inputs.compared_scores(CONFIG)]
    return RowNames(names=names).model_dump_json()


def predictions_of_run(wildcards):
    """Input: the predictions of a training, of a model that is asked, or of what learns nothing."""
    return inputs.predictions(CONFIG, wildcards.dataset, wildcards.model, wildcards.run)


def samples_of_run(wildcards):
    """Input: the samples as a model is tested on them, other ones where its variant changes the split."""
    if wildcards.model in CONFIG.models:
        return of_model("<results>/{dataset}/benchmark{variant}/samples.parquet")(wildcards)
    return f"<results>/{wildcards.dataset}/benchmark/samples.parquet"


def cases_of_run(wildcards):
    """Input: the selected cases, where a model is asked about those alone."""
    sampled = wildcards.run == "asked" and CONFIG.asked[wildcards.model].cases == "sampled"
    return [f"<results>/{wildcards.dataset}/evaluate/cases.parquet"] * sampled


def row_of_run(wildcards):
    """Params: the row of the paper's tables that a model is."""
    if wildcards.get("run") == "asked":
        return CONFIG.asked[wildcards.model].row
    if wildcards.model in CONFIG.classifiers:
        return CONFIG.classifiers[wildcards.model].row
    return name_of(CONFIG.models[wildcards.model])


def compared_predictions(wildcards):
    """Input: the predictions of the runs whose rationales are compared."""
    return list(compared.runs_by_predictions(CONFIG, wildcards.dataset))


def compared_runs(wildcards):
    """Params: which runs these predictions are of, and what each writes."""
    runs = list(compared.runs_by_predictions(CONFIG, wildcards.dataset).values())
    return ComparedRuns(runs=runs).model_dump_json()


def reference_rationales(part):
    """Input: the rationales on notes, or on labs, with which others are compared."""
    return f"<results>/{{dataset}}/rationale/{CONFIG.reference_teacher()}/{part}.parquet"


def encoder_of_bertscore():
    """Input: the text encoder whose vectors BERTScore compares."""
    settings = CONFIG.evaluate.bertscore
    return f"<results>/encoders/{settings.encoder}" if settings else []


def bertscores_in_use(wildcards):
    """Input: the BERTScore of the compared rationales, where it is wanted."""
    wanted = CONFIG.evaluate.bertscore is not None
    return [f"<results>/{wildcards.dataset}/evaluate/bertscores.parquet"] * wanted


def terms_of_compared():
    """Input: the key terms, where a compared model attends to a vocabulary that comes from them."""
    return ["<results>/knowledge/terms.parquet"] * compared.compares_terms(CONFIG)


def text_scores():
    """Input: the measures of the rationales of every dataset."""
    return expand("<results>/{dataset}/evaluate/texts.csv", dataset=CONFIG.dataset_names())


def asked_files():
    """Input: predictions and scores of the models that are asked."""
    return inputs.asked(CONFIG)


def served_rows():
    """Names of the rows of `asked` whose model is served by the job that asks it."""
    return [name for name, row in CONFIG.asked.items() if CONFIG.is_served(row.llm)]


def cases_of_asked(wildcards):
    """Input: the selected cases, where a model is asked about those alone."""
    sampled = CONFIG.asked[wildcards.asked].cases == "sampled"
    return f"<results>/{wildcards.dataset}/evaluate/cases.parquet" if sampled else []


def prompts_of_asked(wildcards):
    """Input: the prompts of a model that is asked, in the order of its questions."""
    return inputs.prompts_of_asked(CONFIG.asked[wildcards.asked])


def examples_of_asked(wildcards):
    """Input: the worked examples, for models that are shown any."""
    explains = CONFIG.asked[wildcards.asked].question.task == "explain"
    return CONFIG.rationale.examples if explains else []


def judges():
    """Names of the language models that rate rationales."""
    return judged.judges(CONFIG)


def served_judges():
    """Those of them that are served by the job that asks them."""
    return [name for name in judges() if CONFIG.is_served(name)]


def judged_rationales(wildcards):
    """Input: the teacher's rationales that are rated."""
    return judged.rationales(CONFIG, wildcards.dataset)


def judged_predictions(wildcards):
    """Input: the predictions of the other systems whose rationales are rated."""
    return list(judged.systems(CONFIG, wildcards.dataset))


def judged_rows(wildcards):
    """Params: the rows of the paper's tables that these systems are."""
    rows = list(judged.systems(CONFIG, wildcards.dataset).values())
    return RowNames(names=rows).model_dump_json()


def judge_ratings():
    """Input: the ratings of every dataset and judge."""
    return judged.ratings(CONFIG)


def judge_files():
    """Input: what the judges say, where there are any."""
    files = ["judge.csv", "judge_agreement.csv", "judge_effects.csv", "judge.html"]
    return [f"<results>/tables/{file}" for file in files if judges()]


def checkpoints():
    """Input: the checkpoints of every phase of every run."""
    return inputs.checkpoints(CONFIG)


def last_checkpoints():
    """Input: the last checkpoint of every model on every dataset."""
    return [path for path, _ in inputs.trained(CONFIG)]


def trained_models(wildcards):
    """Params: which models these checkpoints are."""
    return TrainedModels(rows=[model for _, model in inputs.trained(CONFIG)]).model_dump_json()


def checkpoint_of(wildcards):
    """Input: the last checkpoint of a model."""
    return inputs.checkpoint(CONFIG, wildcards.dataset, wildcards.model, wildcards.seed)


def base_of_model(wildcards):
    """Input: the language model behind a checkpoint that holds only adapters."""
    return inputs.base(CONFIG, wildcards.model)


def note_tokens_of_model(wildcards):
    """Input: the notes as tokens of a model's backbone."""
    backbone = CONFIG.models[wildcards.model].backbone
    pattern = "<results>/{dataset}/train/{backbone}{variant}/note_tokens.arrow"
    return inputs.model_files(CONFIG, pattern, **wildcards, backbone=backbone)


def captions_of_model(wildcards):
    """Input: the captions as tokens of a model's backbone, for models that read them."""
    row = CONFIG.models[wildcards.model]
    pattern = "<results>/{dataset}/train/{backbone}{variant}/caption_tokens.arrow"
    paths = [inputs.model_files(CONFIG, pattern, **wildcards, backbone=row.backbone)]
    return paths * ("captions" in row.reads)


def series_of_model(wildcards):
    """Input: the series of the test split, for models that read them."""
    if "series" not in CONFIG.models[wildcards.model].reads:
        return []
    return of_model("<results>/{dataset}/benchmark{variant}/series_test.arrow")(wildcards)


def features_of_model(wildcards):
    """Input: age, sex and type of admission, for models that read them."""
    reads = CONFIG.models[wildcards.model].reads
    return [f"<results>/{wildcards.dataset}/extract/features.parquet"] * ("features" in reads)


def checkpoint_of_classifier(wildcards):
    """Input: the checkpoint of a trained classifier."""
    return inputs.classifier(wildcards.dataset, wildcards.model, wildcards.seed)


def encoder_of_classifier(wildcards):
    """Input: the text encoder that a classifier starts from, if it reads notes."""
    name = CONFIG.classifiers[wildcards.model].encoder
    return [f"<results>/encoders/{name}"] if name else []


def notes_of_classifier(wildcards):
    """Input: the notes as tokens of the text encoder of a classifier, if it reads them."""
    name = CONFIG.classifiers[wildcards.model].encoder
    return [f"<results>/{wildcards.dataset}/train/{name}/encoder_tokens.arrow"] if name else []


def series_of_classifier(*splits):
    """Input: the series of these splits, for classifiers that read them."""

    def paths(wildcards):
        read = CONFIG.classifiers[wildcards.model].reads_series
        return [
            f"<results>/{wildcards.dataset}/benchmark/series_{split}.arrow"
            for split in splits * read
        ]

    return paths


def reader_of_classifier(wildcards):
    """Params: what a trained classifier reads, and through what."""
    return inputs.reader(CONFIG, wildcards.model).model_dump_json()


reader_of_classifier.place = "classifiers.{model}"


def classifier_scores():
    """Input: the scores of every run of the baselines beyond the paper."""
    return inputs.classifier_scores(CONFIG)


def local_files_of_backbone(wildcards):
    """Input: the files of a language model that is a directory; none if it comes from the hub."""
    return [ancient(p) for p in inputs.backbone_files(CONFIG.backbones[wildcards.backbone].source)]


def local_files_of_encoder(wildcards):
    """Input: the files of a text encoder that is a directory; none if it comes from the hub."""
    return [ancient(p) for p in inputs.backbone_files(CONFIG.encoders[wildcards.encoder].source)]


def local_files_of_llm(wildcards):
    """Input: the files of a served language model that is a directory; none if it comes from the hub."""
    return [ancient(p) for p in inputs.backbone_files(CONFIG.llms[wildcards.llm].model)]


def lengths_of_backbone(wildcards):
    """Resources: the most tokens that a language model has before it, which only decide whether it is refused."""
    return inputs.lengths(CONFIG, wildcards.backbone).model_dump_json()


def fetched_backbone(wildcards):
    """Params: what decides the files of a language model."""
    return CONFIG.backbones[wildcards.backbone].model_dump_json(include={"source", "revision"})


fetched_backbone.place = "backbones.{backbone}"


def fetched_encoder(wildcards):
    """Params: what decides the files of a text encoder."""
    return CONFIG.encoders[wildcards.encoder].model_dump_json(include={"source", "revision"})


fetched_encoder.place = "encoders.{encoder}"


def texts_of_student(wildcards):
    """Params: the longest texts of a student, its note (and captions) no longer than its language model takes."""
    config, parts = CONFIG.of_variant(variant_of(wildcards)), wildcards.get("parts")
    captions = bool(parts) and "captions" in inputs.parts(config, parts).reads
    return inputs.texts(config, wildcards.backbone, captions).model_dump_json()


texts_of_student.place = "student.texts"


def longest_note(wildcards):
    """Params: most tokens of a note."""
    config = CONFIG.of_variant(variant_of(wildcards))
    return inputs.texts(config, wildcards.backbone).max_note_tokens


longest_note.place = "student.texts.max_note_tokens"


def parts_of_model(wildcards):
    """Params: what a model with a stage of its own reads, what stands before its language model, and how."""
    config = CONFIG.of_variant(variant_of(wildcards))
    return inputs.parts(config, wildcards.parts).model_dump_json()


def vocabulary_of_parts(wildcards):
    """Input: the vocabulary of the attention of a model with a stage of its own, if it has any."""
    names = [row.vocabulary for row in CONFIG.models.values() if row.parts_name == wildcards.parts]
    return [inputs.vocabulary(name, wildcards.backbone) for name in names[:1] if name]


def text_encoder_of_parts(wildcards):
    """Input: the text encoder of which a model with a stage of its own has a Q-Former, if it has any."""
    names = [row.encoder for row in CONFIG.models.values() if row.parts_name == wildcards.parts]
    return [f"<results>/encoders/{name}" for name in names[:1] if name]


def captions_of_parts(wildcards):
    """Input: the captions as tokens, if a model with a stage of its own reads them."""
    reads = inputs.parts(CONFIG, wildcards.parts).reads
    pattern = "<results>/{dataset}/train/{backbone}{variant}/caption_tokens.arrow"
    return of_variant(*[pattern] * ("captions" in reads))(wildcards)


def series_of_parts(wildcards):
    """Input: the series of the splits that are learned from, if a model with a stage of its own reads them."""
    pattern = "<results>/{{dataset}}/benchmark{{variant}}/series_{split}.arrow"
    reads = inputs.parts(CONFIG, wildcards.parts).reads
    splits = ["train", "validation"] * ("series" in reads)
    return of_variant(*(pattern.format(split=split) for split in splits))(wildcards)


def features_of_parts(wildcards):
    """Input: age, sex and type of admission, if a model with a stage of its own reads them."""
    reads = inputs.parts(CONFIG, wildcards.parts).reads
    return [f"<results>/{wildcards.dataset}/extract/features.parquet"] * ("features" in reads)


def start_of_frozen(wildcards):
    """Input: what a frozen language model is: that of phase 1 with the same target, or as it was fetched."""
    if not starts_from_phase1(wildcards):
        return "<results>/backbones/{backbone}"
    pattern = "<results>/{dataset}/train/{backbone}/{target}{variant}/seed{seed}/phase1"
    return of_variant(pattern)(wildcards)


def starts_from_phase1(wildcards):
    """Params: whether a frozen language model is that of phase 1."""
    return not wildcards.parts.endswith("untuned")


def rationales_of(wildcards):
    """Input: the teacher's rationales on notes and on labs, if the target has them."""
    return inputs.rationales(CONFIG, wildcards.dataset, wildcards.target, variant_of(wildcards))


def rationale_first(wildcards):
    """Params: whether the rationales of a target precede its diagnoses."""
    return inputs.rationale_first(wildcards.target)


def sharded(pattern):
    """Output, input, log or benchmark of a shard: the pattern itself if there is only one."""
    stem, _, suffix = pattern.rpartition(".")
    return f"{stem}/{{shard}}.{suffix}" if CONFIG.rationale.shards > 1 else pattern


def shards_of(wildcards):
    """Input: the rationales of all shards."""
    number = CONFIG.rationale.shards
    folder = "<results>/{dataset}/rationale/{teacher}{variant}/{part}".format(**wildcards)
    return [f"{folder}/{n}-of-{number}.parquet" for n in range(1, number + 1)]


def shard(wildcards):
    """Params: the name of the job's shard."""
    return wildcards.get("shard", "1-of-1")


def title(wildcards):
    """Params: the dataset's name in the paper."""
    return TITLES[wildcards.dataset]


def scratch(pattern):
    """Params: a file or directory in the results that is not an output: killed jobs and reruns keep it."""
    return lambda wildcards: str(Path(CONFIG.pathvars.results, pattern.format(**wildcards)))


def output_record(pattern):
    """Params: an output of the job whose record the captions of the report read."""
    return lambda wildcards: RecordedOutput(
        Path(CONFIG.pathvars.results, pattern.format(**wildcards))
    )


def tensorboard_folder(pattern):
    """Resources: the directory of a training's TensorBoard events, named like its log; empty for none."""

    def folder(wildcards):
        return str(Path(CONFIG.pathvars.logs, pattern.format(**wildcards)))

    return folder if CONFIG.train.report_to == "tensorboard" else ""


def launch_of_backbone(wildcards):
    """Params: how trainings of a language model are started."""
    return CONFIG.launch_of(wildcards.backbone).model_dump_json()


launch_of_backbone.place = "train.launch"


def launcher(wildcards):
    """Params: the command that starts a training script."""
    backbone = next(iter(backbones_of_job(wildcards)), None)
    return launch.launcher(CONFIG.launch_of(backbone) if backbone else CONFIG.train.launch)


def backbones_of_job(wildcards):
    """The language model that a job needs, none for a classifier; without a job, as in `make check`, all in use."""
    if wildcards is None:
        return backbones_in_use()
    model = CONFIG.models.get(wildcards.get("model"))
    backbone = wildcards.get("backbone") or (model.backbone if model else None)
    return [backbone] if backbone else []


def processes(wildcards):
    """Threads, and part of resources: processes of a training job on a node."""
    found = (CONFIG.launch_of(name).processes for name in backbones_of_job(wildcards))
    return max(found, default=CONFIG.train.launch.processes)


def gpus():
    """Resources: nodes and GPUs of a training job."""
    return launch.gpu_request(CONFIG.train.launch, processes)


def memory(stage):
    """Resources: the memory of a job of a stage that needs a language model; it grows with each attempt (`scaled`)."""

    def value(wildcards, attempt):
        found = (CONFIG.request_of(stage, name).memory_mb for name in backbones_of_job(wildcards))
        return attempt * max(found, default=getattr(CONFIG, stage).request.memory_mb)

    return value


def minutes(stage):
    """Resources: the time of a job of a stage that needs a language model."""

    def value(wildcards):
        found = (CONFIG.request_of(stage, name).minutes for name in backbones_of_job(wildcards))
        return max(found, default=getattr(CONFIG, stage).request.minutes)

    return value


def decoded_together(wildcards):
    """Resources: how many samples are decoded at once."""
    found = (CONFIG.backbones[name].batch for name in backbones_of_job(wildcards))
    return min((n for n in found if n), default=CONFIG.evaluate.batch)


def scaled(amount):
    """Resources: an amount of memory that grows with each attempt, because a job may have failed for lack of it.

    Time does not grow: a partition with a time limit refuses more, and a training resumes from its checkpoint.
    """

    def value(wildcards, attempt):
        return amount * attempt

    return value


def memory_of_extraction():
    """Resources: the memory limit of an extraction step, and a margin for what the system counts with it."""
    return CONFIG.extract.memory_limit_mb + 500


def any_of(names):
    """Wildcard constraint: one of the names, or nothing at all if there are none."""
    return "|".join(re.escape(name) for name in names) or "(?!)"
