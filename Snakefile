"""Reproduction of ClinRaGen: from raw MIMIC files to the paper's tables, and back."""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


include: "rules/common.smk"


CONFIG = validated(config)


report: "docs/captions/workflow.rst"


wildcard_constraints:
    dataset="mimic3|mimic4",
    backbone="[^/]+",
    target="rationales|diagnoses",
    vocabulary="knowledge|standard",
    model="[^/]+",
    seed=r"\d+",
    number=r"\d+",


localrules:
    all,
    tables,
    leakage,
    knowledge,
    export_benchmark,
    backbones,
    audit,


limit_retries()


onstart:
    start_of_run()


rule all:
    """Everything: tables, audit, and what stands behind them."""
    input:
        table_files(),
        "<results>/audit/lineage.csv",


rule tables:
    """The paper's tables with our values beside them."""
    input:
        table_files(),


rule leakage:
    """How far the names of the phenotypes in the hospital courses already diagnose."""
    input:
        expand("<results>/{dataset}/benchmark/leakage.csv", dataset=CONFIG.dataset_names()),


rule knowledge:
    """The terms of every phenotype: needs the network, and the teacher LLM."""
    input:
        "<results>/knowledge/terms.parquet",


rule export_benchmark:
    """The samples in the layout of mimic3-benchmarks, for tools that read it."""
    input:
        expand("<results>/{dataset}/export/phenotyping", dataset=CONFIG.dataset_names()),


rule backbones:
    """The language models: needs the network."""
    input:
        expand("<results>/backbones/{backbone}", backbone=backbones_in_use()),


rule audit:
    """What made every output behind the tables."""
    input:
        "<results>/audit/lineage.csv",


include: "rules/demo.smk"
include: "rules/extract.smk"
include: "rules/benchmark.smk"
include: "rules/knowledge.smk"
include: "rules/rationale.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/audit.smk"
