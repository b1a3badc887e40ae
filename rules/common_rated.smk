"""Functions for the rules that query language models and people: rows of `asked`, judges, the human study."""


def asked_predictions():
    """Input: the predictions of the rows of `asked`."""
    return inputs.asked_predictions(CONFIG)


def answer_tables():
    """Input: the tables of responses of language models behind the results."""
    return [path for path, _ in judged.answers(CONFIG)]


def estimate_files():
    """Input: the files that requests to language models are made from, if no model is needed to make them."""
    texts = inputs.texts_of_teachers(CONFIG)
    cases = expand("<results>/{dataset}/evaluate/cases.parquet", dataset=CONFIG.dataset_names())
    sampled = bool(judges()) or any(row.cases == "sampled" for row in CONFIG.asked.values())
    return (
        texts * bool(CONFIG.teachers() or CONFIG.asked or judges())
        + cases * sampled
        + documents_of_terms() * bool(backbones_with_knowledge())
    )


def asked_stages(wildcards):
    """Params: the stages and prices behind these tables: the part of `llm_transport` that `costs.csv` shows."""
    return Stages(rows=[stage for _, stage in judged.answers(CONFIG)]).model_dump_json()


def study_files():
    """Input: the kit of the human study, and the tables of its ratings, if any."""
    kit = [f"<results>/study/{file}" for file in ("forms", "key.csv", "study.html")]
    return (kit if CONFIG.study else []) + study_tables()


def study_tables():
    """Input: the tables of the ratings of the human study, by people or simulated raters, if any."""
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
    """Input: stylesheet and script of the raters' forms, and the template of the organizer's page."""
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
    """Params: the rows of the paper's tables of these predictions."""
    return RowNames(names=list(judged.systems_of_study(CONFIG).values())).model_dump_json()


def reference_of_study(wildcards):
    """Params: the row with which the others are compared: the student."""
    return name_of(CONFIG.models[CONFIG.study.trained])


def ratings_of_judges_in_study():
    """Input: the ratings of the judges to compare with those of people."""
    return judged.ratings_of_study(CONFIG)


def title_of_study(wildcards):
    """Params: the name of the dataset of the human study in the paper."""
    return TITLES[CONFIG.study.dataset]


def source_of_study(wildcards):
    """Params: the source of the texts of the human study, which decides who may read them."""
    return CONFIG.study_source()


def responses_of_study(wildcards):
    """Input: the files that raters exported, or the simulated ones."""
    if CONFIG.study.responses is None:
        return "<results>/study/simulated"
    return [ancient(str(path)) for path in sorted(Path(CONFIG.study.responses).glob("*.csv"))]


def asked_files():
    """Input: predictions and scores of the rows of `asked`."""
    return inputs.asked(CONFIG)


def served_rows():
    """Names of the rows of `asked` whose job serves the model itself."""
    return [name for name, row in CONFIG.asked.items() if CONFIG.is_served(row.llm)]


def cases_of_asked(wildcards):
    """Input: the selected cases, if a model is asked only about those."""
    sampled = CONFIG.asked[wildcards.asked].cases == "sampled"
    return f"<results>/{wildcards.dataset}/evaluate/cases.parquet" if sampled else []


def prompts_of_asked(wildcards):
    """Input: the prompts of a model that is asked, in the order of its questions."""
    return inputs.prompts_of_asked(CONFIG.asked[wildcards.asked])


def examples_of_asked(wildcards):
    """Input: the worked examples, for models that explain."""
    explains = CONFIG.asked[wildcards.asked].question.task == "explain"
    return CONFIG.rationale.examples if explains else []


def judges():
    """Names of the language models that rate rationales."""
    return judged.judges(CONFIG)


def served_judges():
    """Names of the judges whose job serves the model itself."""
    return [name for name in judges() if CONFIG.is_served(name)]


def judged_rationales(wildcards):
    """Input: the teacher's rationales that are rated."""
    return judged.rationales(CONFIG, wildcards.dataset)


def judged_predictions(wildcards):
    """Input: the predictions of the other systems whose rationales are rated."""
    return list(judged.systems(CONFIG, wildcards.dataset))


def judged_rows(wildcards):
    """Params: the rows of the paper's tables of these systems."""
    rows = list(judged.systems(CONFIG, wildcards.dataset).values())
    return RowNames(names=rows).model_dump_json()


def judge_ratings():
    """Input: the ratings of every dataset and judge."""
    return judged.ratings(CONFIG)


def judge_files():
    """Input: the tables and the page of the judges, if any."""
    files = ["judge.csv", "judge_agreement.csv", "judge_effects.csv", "judge.html"]
    return [f"<results>/tables/{file}" for file in files if judges()]
