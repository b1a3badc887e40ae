"""Reproduction of ClinRaGen: from raw MIMIC files to the paper's tables, and back."""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/common_train.smk"
include: "rules/common_rated.smk"
include: "rules/common_evaluate.smk"
include: "rules/common_site.smk"


if workflow.is_main_process:
    settings_files.stop_if_wrong(
        workflow.configfiles, config, Path(workflow.basedir, "config").glob("*.yaml")
    )
CONFIG = preflight.valid_config(config, Path(workflow.basedir, "resources"))
if workflow.is_main_process:
    preflight.stop_unless_ready(CONFIG)


report: "docs/captions/workflow.rst"


wildcard_constraints:
    dataset="mimic3|mimic4",
    backbone="[^/+]+",
    target=any_of(inputs.targets(CONFIG)),
    teacher=any_of(CONFIG.llms),
    variant=r"(\+[^/]+)?",
    llm="[^/]+",
    shard=r"\d+-of-\d+",
    vocabulary="knowledge|pubmed|wikipedia|standard",
    parts=any_of(inputs.parts_names(CONFIG)),
    model="[^/]+",
    asked="[^/]+",
    run=r"seed\d+|asked|untrained",
    seed=r"\d+",
    number=r"\d+",


localrules:
    all,
    tables,
    figures,
    asked,
    planted,
    study,
    leakage,
    knowledge,
    estimate,
    export_benchmark,
    backbones,
    weights,
    audit,
    site,


limit_retries()


onstart:
    start_of_run()


rule all:
    """Everything: the tables, the audit and all their inputs."""
    input:
        table_files(),
        figure_files(),
        asked_files(),
        planted_files(),
        knowledge_files_in_use(),
        "<results>/audit/lineage.csv",
        site_files(),


rule tables:
    """The paper's tables next to our values."""
    input:
        table_files(),


rule figures:
    """The paper's figures with our values."""
    input:
        figure_files(),


rule asked:
    """Predictions and scores of the models that are asked, not trained."""
    input:
        asked_files(),


rule planted:
    """Planted evidence: what each model finds in notes and labs; synthetic data only."""
    input:
        planted_files(),


rule study:
    """Human study: the forms for raters, and the results once there are ratings."""
    input:
        study_files(),


rule leakage:
    """Label leakage: how well phenotype names in the hospital course predict the labels."""
    input:
        expand("<results>/{dataset}/benchmark/leakage.csv", dataset=CONFIG.dataset_names()),


rule knowledge:
    """The key terms of every phenotype and the vocabularies V^k: needs network access and the teacher LLM."""
    input:
        knowledge_files(),


rule export_benchmark:
    """The samples in the layout of mimic3-benchmarks, for tools that read it."""
    input:
        expand("<results>/{dataset}/export/phenotyping", dataset=CONFIG.dataset_names()),


rule estimate:
    """The inputs from which `make estimate` counts requests to language models; sends none itself."""
    input:
        estimate_files(),


rule backbones:
    """The language models to be trained, and the text encoders: needs network access."""
    input:
        expand("<results>/backbones/{backbone}", backbone=backbones_in_use()),
        expand("<results>/encoders/{encoder}", encoder=encoders_in_use()),


rule weights:
    """The language models that jobs serve themselves: needs network access."""
    input:
        expand("<results>/llms/{llm}", llm=CONFIG.served_llms()),


rule audit:
    """Provenance of every output behind the tables."""
    input:
        "<results>/audit/lineage.csv",


rule site:
    """The front page of the results, and every page that it lists."""
    input:
        site_files(),


include: "rules/demo.smk"
include: "rules/extract.smk"
include: "rules/benchmark.smk"
include: "rules/llm.smk"
include: "rules/knowledge.smk"
include: "rules/rationale.smk"
include: "rules/asked.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/statistics.smk"
include: "rules/texts.smk"
include: "rules/judge.smk"
include: "rules/study.smk"
include: "rules/paper.smk"
include: "rules/discussion.smk"
include: "rules/claims.smk"
include: "rules/planted.smk"
include: "rules/audit.smk"
include: "rules/site.smk"


preflight.stop_if_tracked_inputs_are_missing(
    path for rule in workflow.rules for path in rule.input if not callable(path)
)

if workflow.is_main_process:
    check.stop_unless_machine_is_ready(CONFIG, workflow)

# Snakemake checks neither intermediates nor records while the targets exist, and calls no handler if there is nothing to
# do. So both are checked by their records, before the first job and after the last.
if workflow.is_main_process and preflight.is_audited():
    records.warn_before_run(Path(CONFIG.pathvars.results))


onsuccess:
    if preflight.is_audited():
        records.report_after_run(Path(CONFIG.pathvars.results))
