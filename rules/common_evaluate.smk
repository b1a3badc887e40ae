"""Functions of the rules that make tables and figures."""

FORMS = {
    ".csv": "CSV",
    ".md": "Markdown",
    ".tex": "LaTeX",
    ".html": "page",
    ".png": "picture",
    ".svg": "drawing",
}


def table_in_report(path, caption, table):
    """Output: one form of a table in Snakemake's report, with a caption of docs/captions."""
    return _in_report(path, caption, "Tables", {"table": table, "form": FORMS[Path(path).suffix]})


def figure_in_report(path, caption, figure):
    """Output: one form of a figure in the report."""
    return _in_report(
        path, caption, "Figures", {"figure": figure, "form": FORMS[Path(path).suffix]}
    )


def file_in_report(path, caption, category, file):
    """Output: any other file in the report."""
    return _in_report(path, caption, category, {"file": file})


def _in_report(path, caption, category, labels):
    return report(path, caption=f"../docs/captions/{caption}.rst", category=category, labels=labels)


def table_files():
    """Input: the tables, in each of their forms, and the cards and statistics that belong to them."""
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
    return tables + [
        f"<results>/tables/costs.{form}" for form in ("csv", "html") if answer_tables()
    ]


def figure_files():
    """Input: the paper's figures for which the configuration makes the data, in each of their forms, and their page."""
    forms = ["csv", "svg", "png"]
    figures = expand("<results>/figures/{name}.{form}", name=drawn_figures(), form=forms)
    figures += [f"<results>/figures/figure7-{name}.html" for name in datasets_with_cases()]
    return figures + ["<results>/figures/figures.html"] * bool(figures)


def drawn_figures():
    """Names of the figures that are drawn: sizes and scores, and the ratings."""
    return ["figure5"] * bool(diagnosed_predictions()) + [
        f"figure6{panel}" for panel in rated_panels()
    ]


def rated_panels():
    """Panels of figure 6 that have ratings: a by language models, b by people."""
    return ["a"] * bool(judge_files()) + ["b"] * bool(study_tables())


def ratings_of_panel(wildcards):
    """Input: the ratings that a panel of figure 6 shows."""
    return f"<results>/tables/{ {'a': 'judge', 'b': 'study'}[wildcards.panel] }.csv"


def title_of_panel(wildcards):
    """Params: the title of a panel of figure 6."""
    if wildcards.panel == "a":
        templates = all(
            CONFIG.llms[name].provider == "template" for name in CONFIG.evaluate.judge.llms
        )
        raters = "template LLMs" if templates else "language models"
    else:
        raters = "simulated raters" if CONFIG.simulates_raters() else "people"
    return f"Figure 6{wildcards.panel}: rationales rated by {raters}"


def rows_answered_by_templates(wildcards):
    """Params: the rows of table 1 that ask a template in place of an LLM."""
    asked = [row for row in CONFIG.asked.values() if 1 in row.table]
    rows = [row.row for row in asked if CONFIG.llms[row.llm].provider == "template"]
    return RowNames(names=rows).model_dump_json()


def datasets_with_cases():
    """Datasets whose cases figure 7 shows: all, if the student of the paper's recipe learns from rationales."""
    model = CONFIG.models.get(paper.CLINRAGEN)
    return CONFIG.dataset_names() if model and model.target == "rationales" else []


def statistics_files():
    """Input: intervals and tests of the scores of tables 1 and 2."""
    files = ["intervals.csv", "comparisons.csv", "phenotype_scores.csv", "statistics.html"]
    return [f"<results>/tables/{file}" for file in files]


def rationales_in_use():
    """Input: the rationales of every dataset and teacher."""
    return inputs.rationales_in_use(CONFIG)


def planted_files():
    """Input: the tables and the page of the planted evidence, if any dataset has it."""
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


def scores_of_table(wildcards):
    """Input: the scores of every run in a table."""
    return list(inputs.scores(CONFIG, int(wildcards.number)))


def rows_of_table(wildcards):
    """Params: the row of the paper's table that each of these scores belongs to."""
    rows = list(inputs.scores(CONFIG, int(wildcards.number)).values())
    return RowNames(names=rows).model_dump_json()


def rows_of_tables(wildcards):
    """Params: the rows of the paper's tables that this run has, by their names in the score files."""
    return named_rows(CONFIG.models, CONFIG.asked).model_dump_json()


def printed_values():
    """Input: the paper's printed values that its claims are about."""
    names = [*(f"paper_table{number}" for number in (1, 2, 3, 4, 6)), "paper_sizes"]
    return [f"resources/{name}.csv" for name in names]


def tables_behind_claims(wildcards):
    """Input: the tables behind the claims, if this run makes them."""
    names = {f"{name}.csv" for name in inputs.BEHIND_CLAIMS}
    return [path for path in table_files() if Path(path).name in names]


def diagnosed_predictions():
    """Input: the predictions of every run of every row of tables 1 and 2."""
    return [path for path, _ in shown.diagnosed_runs(CONFIG)]


def diagnosed_runs(wildcards):
    """Params: the runs that these predictions belong to."""
    runs = [run for _, run in shown.diagnosed_runs(CONFIG)]
    return Runs(datasets=titles(), runs=runs).model_dump_json()


def of_datasets(pattern):
    """Input: one file per dataset."""
    return expand(pattern, dataset=CONFIG.dataset_names())


def titles():
    """The datasets as the paper names them, in the order of `of_datasets`."""
    return [TITLES[dataset] for dataset in CONFIG.dataset_names()]


def has_student():
    """Whether the configuration has the student that the discussion is about."""
    return discussion.student_of(CONFIG) is not None


def discussed_predictions():
    """Input: the predictions of every run that answers a question of the discussion."""
    return discussion.discussion_rows(CONFIG)[0]


def discussed_rows(wildcards):
    """Params: the rows of these predictions, and the missing ones."""
    return discussion.discussion_rows(CONFIG)[1].model_dump_json()


def note_rationales_of_student():
    """Input: the note rationales of the teacher of the student that the discussion is about."""
    teacher = CONFIG.models[discussion.student_of(CONFIG)].teacher
    return of_datasets(f"<results>/{{dataset}}/rationale/{teacher}/notes.parquet")


def intervals():
    """Input: the intervals of all scores of tables 1 and 2, if any."""
    return ["<results>/tables/intervals.csv"] * bool(diagnosed_predictions())


def configured(table):
    """Params: the rows and datasets of a table of the paper in this configuration; None: the job's table."""

    def value(wildcards):
        return paper.configured(CONFIG, table or int(wildcards.number)).model_dump_json()

    return value


def configured_tables(wildcards):
    """Params: the same for each table that the claims are about."""
    tables = {number: paper.configured(CONFIG, number) for number in (1, 2, 3, 4, 6)}
    return ConfiguredTables(tables=tables).model_dump_json()


def run_options(wildcards):
    """Resources: how this run was started, which Snakemake does not compare: pages print commands that repeat it."""
    root = Path(workflow.basedir)
    files = [Path(file) for file in workflow.overwrite_configfiles]
    # Where other files are is private.
    names = [
        file.relative_to(root) if root in file.parents else Path("…", file.name) for file in files
    ]
    options = {} if workflow.local_exec else {"machine": "--profile slurm"}
    return RunOptions(files=[name.as_posix() for name in names], **options).model_dump_json()


def timed_outputs():
    """Input: one output of every job whose time counts in table 3."""
    return [path for path, _ in paper.timed_jobs(CONFIG)]


def timed_jobs(wildcards):
    """Params: the jobs of these outputs, and the teacher of the student."""
    jobs, model = [job for _, job in paper.timed_jobs(CONFIG)], CONFIG.models.get(paper.CLINRAGEN)
    return TimedJobs(jobs=jobs, teacher=model.teacher if model else None).model_dump_json()


def dataset_names(wildcards):
    """Params: the datasets as the paper names them, in the order of `of_datasets`."""
    return RowNames(names=titles()).model_dump_json()


def shown_student(pattern):
    """Input: a file of the student in figure 7, with the first seed."""

    def path(wildcards):
        return pattern.format(
            dataset=wildcards.dataset, model=paper.CLINRAGEN, seed=CONFIG.seeds[0]
        )

    return path


def file_of_shown_student(pattern):
    """Input: a file in the variant of that student."""
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
    """Input: the scores of every run of a variant (place 0), or of the same run without it (1)."""
    return [run[place] for run in inputs.compared_scores(CONFIG)]


def compared_rows(wildcards):
    """Params: the row of each of these runs."""
    names = [CONFIG.models[name].row for _, _, name in inputs.compared_scores(CONFIG)]
    return RowNames(names=names).model_dump_json()


def predictions_of_run(wildcards):
    """Input: the predictions of a trained, an asked or an untrained model."""
    return inputs.predictions(CONFIG, wildcards.dataset, wildcards.model, wildcards.run)


def samples_of_run(wildcards):
    """Input: the samples of a model's test split, which its variant may change."""
    if wildcards.model in CONFIG.models:
        return of_model("<results>/{dataset}/benchmark{variant}/samples.parquet")(wildcards)
    return f"<results>/{wildcards.dataset}/benchmark/samples.parquet"


def cases_of_run(wildcards):
    """Input: the selected cases, if a model is asked only about those."""
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
    """Params: the run behind each of these predictions, and the parts that it writes."""
    runs = list(compared.runs_by_predictions(CONFIG, wildcards.dataset).values())
    return ComparedRuns(runs=runs).model_dump_json()


def reference_rationales(part):
    """Input: the reference rationales on notes or on labs."""
    return f"<results>/{{dataset}}/rationale/{CONFIG.reference_teacher()}/{part}.parquet"


def encoder_of_bertscore():
    """Input: the text encoder of BERTScore."""
    settings = CONFIG.evaluate.bertscore
    return f"<results>/encoders/{settings.encoder}" if settings else []


def bertscores_in_use(wildcards):
    """Input: the BERTScore of the compared rationales, if configured."""
    file = f"<results>/{wildcards.dataset}/evaluate/bertscores.parquet"
    return [file] * (CONFIG.evaluate.bertscore is not None)


def terms_of_compared():
    """Input: the key terms, if a compared model attends to a vocabulary made from them."""
    return ["<results>/knowledge/terms.parquet"] * compared.compares_terms(CONFIG)


def text_scores():
    """Input: the measures of the rationales of every dataset."""
    return expand("<results>/{dataset}/evaluate/texts.csv", dataset=CONFIG.dataset_names())
