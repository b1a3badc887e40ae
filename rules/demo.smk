# Stage demo: stand-ins, made only if the configuration asks for them.
#
# takes  resources/demo/*, resources/raw_tables.yaml, resources/items.csv    for the synthetic cohort
#        the directories datasets.*.raw                                      for the notes of the open demos
# makes  <results>/{dataset}/raw/*                    raw tables of a synthetic MIMIC-III or MIMIC-IV
#        <results>/encoders/{encoder}                 tiny text encoder in place of a clinical BERT
#        <results>/{dataset}/demo/*                   stand-in notes of an open demo
#        <results>/backbones/{backbone}               tiny language model in place of Flan-T5, OPT, Qwen2.5 or LLaMA
#        the directories datasets.*.raw               the open demos themselves, if they are missing
#
# Each takes seconds, and one needs the network: all run where Snakemake runs.


rule demo_backbone:
    """A tiny language model in the shape of a real one, trained on sentences about lab findings."""
    input:
        evidence="resources/demo/evidence.yaml",
        texts=[
            "resources/phenotypes.csv",
            "resources/variables.csv",
            *authored_texts("pubmed"),
            *authored_texts("wikipedia"),
            "resources/prompts/examples.yaml",
        ],
    output:
        backbone=directory("<results>/backbones/{backbone}"),
    log:
        "<logs>/demo_backbone/{backbone}.log",
    benchmark:
        "<timings>/demo_backbone/{backbone}.jsonl"
    wildcard_constraints:
        backbone=any_of(name for name, b in CONFIG.backbones.items() if b.is_stand_in),
    localrule: True
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
        lengths=lengths_of_backbone,
    params:
        code=code_digest("demo_backbone"),
        sources=sources,
        shape=setting("backbones.{backbone}.source"),
        lessons=setting("demo.lessons"),
        seed=setting("demo.seed"),
    shell:
        "python scripts/demo_backbone.py --texts {input.texts:q} --evidence {input.evidence:q}"
        " --lessons {params.lessons:q} --seed {params.seed:q} --shape {params.shape:q}"
        " --lengths {resources.lengths:q} --backbone {output.backbone:q} > {log:q} 2>&1"


rule demo_text_encoder:
    """A tiny text encoder in the shape of a BERT, with random weights."""
    input:
        texts=["resources/phenotypes.csv", "resources/variables.csv", *authored_texts("wikipedia")],
    output:
        encoder=directory("<results>/encoders/{encoder}"),
    log:
        "<logs>/demo_text_encoder/{encoder}.log",
    benchmark:
        "<timings>/demo_text_encoder/{encoder}.jsonl"
    wildcard_constraints:
        encoder=any_of(name for name, e in CONFIG.encoders.items() if e.is_stand_in),
    localrule: True
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code_digest("demo_text_encoder"),
        sources=sources,
        seed=setting("demo.seed"),
    shell:
        "python scripts/demo_text_encoder.py --texts {input.texts:q} --seed {params.seed:q}"
        " --encoder {output.encoder:q} > {log:q} 2>&1"


rule demo_raw_mimic3:
    """Raw files of a synthetic cohort as its release has them, with evidence planted for every phenotype."""
    input:
        evidence="resources/demo/evidence.yaml",
        variable_items="resources/items.csv",
        raw_tables="resources/raw_tables.yaml",
    output:
        patients="<results>/{dataset}/raw/PATIENTS.csv.gz",
        admissions="<results>/{dataset}/raw/ADMISSIONS.csv.gz",
        icustays="<results>/{dataset}/raw/ICUSTAYS.csv.gz",
        diagnoses_icd="<results>/{dataset}/raw/DIAGNOSES_ICD.csv.gz",
        chartevents="<results>/{dataset}/raw/CHARTEVENTS.csv.gz",
        labevents="<results>/{dataset}/raw/LABEVENTS.csv.gz",
        noteevents="<results>/{dataset}/raw/NOTEEVENTS.csv.gz",
    log:
        "<logs>/demo_raw/{dataset}.log",
    benchmark:
        "<timings>/demo_raw/{dataset}.jsonl"
    wildcard_constraints:
        dataset=any_of(synthetic_datasets("mimic3")),
    # Seconds for the demo, up to hours for a rehearsal.
    localrule: CONFIG.demo.share is None
    conda:
        "../envs/extract.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10 if CONFIG.demo.share is None else 240,
    params:
        code=code_digest("demo_raw"),
        sources=sources,
        number=setting("demo.patients.{dataset}"),
        share=share_of_rehearsal,
        seed=setting("demo.seed"),
    shell:
        "python scripts/demo_raw.py --evidence {input.evidence:q} --items {input.variable_items:q}"
        " --raw-tables {input.raw_tables:q} --dataset {wildcards.dataset:q}"
        " --number {params.number:q} --share={params.share:q} --seed {params.seed:q}"
        " --patients {output.patients:q}"
        " --admissions {output.admissions:q}"
        " --icustays {output.icustays:q}"
        " --diagnoses-icd {output.diagnoses_icd:q}"
        " --chartevents {output.chartevents:q}"
        " --labevents {output.labevents:q}"
        " --noteevents {output.noteevents:q}"
        " > {log:q} 2>&1"


# The same script; the release has other paths.
use rule demo_raw_mimic3 as demo_raw_mimic4 with:
    output:
        patients="<results>/{dataset}/raw/hosp/patients.csv.gz",
        admissions="<results>/{dataset}/raw/hosp/admissions.csv.gz",
        icustays="<results>/{dataset}/raw/icu/icustays.csv.gz",
        diagnoses_icd="<results>/{dataset}/raw/hosp/diagnoses_icd.csv.gz",
        chartevents="<results>/{dataset}/raw/icu/chartevents.csv.gz",
        labevents="<results>/{dataset}/raw/hosp/labevents.csv.gz",
        noteevents="<results>/{dataset}/raw/note/discharge.csv.gz",
    wildcard_constraints:
        dataset=any_of(synthetic_datasets("mimic4")),
    localrule: CONFIG.demo.share is None  # which `use rule` does not inherit


if synthetic_notes("mimic3", "mimic4"):

    rule demo_notes_mimic3:
        """Stand-in discharge notes from the structured record, for the open demos, which lack notes."""
        input:
            admissions=raw_tables("admissions"),
            icustays=raw_tables("icustays"),
            labevents=raw_tables("labevents"),
            outputevents=raw_tables("outputevents"),
            d_items=raw_tables("d_items"),
            d_labitems=raw_tables("d_labitems"),
            phenotypes="resources/phenotypes.csv",
            raw_tables="resources/raw_tables.yaml",
        output:
            notes="<results>/{dataset}/demo/NOTEEVENTS.csv.gz",
        log:
            "<logs>/demo_notes/{dataset}.log",
        benchmark:
            "<timings>/demo_notes/{dataset}.jsonl"
        wildcard_constraints:
            dataset=any_of(synthetic_notes("mimic3")),
        localrule: True
        conda:
            "../envs/extract.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            code=code_digest("demo_notes"),
            sources=sources,
            source=setting("datasets.{dataset}.source"),
        shell:
            "python scripts/demo_notes.py --admissions {input.admissions:q} --icustays {input.icustays:q}"
            " --labevents {input.labevents:q} --outputevents {input.outputevents:q}"
            " --d-items {input.d_items:q} --d-labitems {input.d_labitems:q}"
            " --phenotypes {input.phenotypes:q} --raw-tables {input.raw_tables:q} --dataset {wildcards.dataset:q}"
            " --source {params.source:q} --notes {output.notes:q} > {log:q} 2>&1"

    use rule demo_notes_mimic3 as demo_notes_mimic4 with:
        output:
            notes="<results>/{dataset}/demo/note/discharge.csv.gz",
        wildcard_constraints:
            dataset=any_of(synthetic_notes("mimic4")),
        localrule: True  # which `use rule` does not inherit


if open_demos_to_download():

    rule demo_download_mimic3:
        """The tables of an open demo from PhysioNet, checked and compressed."""
        input:
            pinned="resources/demo/open_demo_sha256.txt",
            raw_tables="resources/raw_tables.yaml",
        output:
            patients=open_demo_table("mimic3", "patients"),
            admissions=open_demo_table("mimic3", "admissions"),
            icustays=open_demo_table("mimic3", "icustays"),
            diagnoses_icd=open_demo_table("mimic3", "diagnoses_icd"),
            chartevents=open_demo_table("mimic3", "chartevents"),
            labevents=open_demo_table("mimic3", "labevents"),
            outputevents=open_demo_table("mimic3", "outputevents"),
            d_items=open_demo_table("mimic3", "d_items"),
            d_labitems=open_demo_table("mimic3", "d_labitems"),
        log:
            "<logs>/demo_download/mimic3.log",
        benchmark:
            "<timings>/demo_download/mimic3.jsonl"
        localrule: True
        conda:
            "../envs/extract.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=30,
        params:
            code=code_digest("demo_download"),
            sources=sources,
            dataset="mimic3",
            base_url="https://physionet.org/files/mimiciii-demo/1.4",
        shell:
            "python scripts/demo_download.py --pinned {input.pinned:q} --raw-tables {input.raw_tables:q}"
            " --dataset {params.dataset:q} --base-url {params.base_url:q}"
            " --patients {output.patients:q}"
            " --admissions {output.admissions:q}"
            " --icustays {output.icustays:q}"
            " --diagnoses-icd {output.diagnoses_icd:q}"
            " --chartevents {output.chartevents:q}"
            " --labevents {output.labevents:q}"
            " --outputevents {output.outputevents:q}"
            " --d-items {output.d_items:q}"
            " --d-labitems {output.d_labitems:q}"
            " > {log:q} 2>&1"

    use rule demo_download_mimic3 as demo_download_mimic4 with:
        output:
            patients=open_demo_table("mimic4", "patients"),
            admissions=open_demo_table("mimic4", "admissions"),
            icustays=open_demo_table("mimic4", "icustays"),
            diagnoses_icd=open_demo_table("mimic4", "diagnoses_icd"),
            chartevents=open_demo_table("mimic4", "chartevents"),
            labevents=open_demo_table("mimic4", "labevents"),
            outputevents=open_demo_table("mimic4", "outputevents"),
            d_items=open_demo_table("mimic4", "d_items"),
            d_labitems=open_demo_table("mimic4", "d_labitems"),
        log:
            "<logs>/demo_download/mimic4.log",
        benchmark:
            "<timings>/demo_download/mimic4.jsonl"
        localrule: True  # which `use rule` does not inherit
        params:
            dataset="mimic4",
            base_url="https://physionet.org/files/mimic-iv-demo/2.2",
