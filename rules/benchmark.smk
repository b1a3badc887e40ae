# Stage benchmark: from the cohort to samples that a model can read.
#
# takes  <results>/{dataset}/extract/*
# makes  <results>/{dataset}/benchmark/split.parquet        split of every stay, by patient
#        <results>/{dataset}/benchmark/labels.parquet       25 phenotypes per stay
#        <results>/{dataset}/benchmark/prevalence.csv       how often, next to the published benchmark
#        <results>/{dataset}/benchmark/unlabelled_codes.csv codes without a phenotype
#        <results>/{dataset}/benchmark/courses.parquet      cleaned hospital courses
#        <results>/{dataset}/benchmark/headings.csv         headings under which they were found
#        <results>/{dataset}/benchmark/leakage.csv          how well the phenotypes' names in them predict labels
#        <results>/{dataset}/benchmark/samples.parquet      stays that have all, in their splits
#        <results>/{dataset}/benchmark/attrition.csv        rows remaining after every step since the raw files
#        <results>/{dataset}/benchmark/series_{split}.arrow  regular, gapless, scaled series, mapped by readers
#        <results>/{dataset}/benchmark/scales.csv           means and standard deviations of the training split
#        <results>/{dataset}/benchmark/captions.parquet     anomalies in words
#        <results>/{dataset}/benchmark/fences.csv           limits of normal, from the training split
#        <results>/{dataset}/benchmark/card.html            data card: summary statistics on one page
#        <results>/{dataset}/benchmark/majority.parquet     predictions: the same phenotypes for all stays
#        <results>/{dataset}/benchmark/names.parquet        predictions: the phenotypes that the courses name
#        <results>/{dataset}/export/phenotyping             samples in the layout of mimic3-benchmarks
#
# Splits, courses, samples, series and captions that a variant (config.yaml, `variants`) changes are in
# <results>/{dataset}/benchmark+<variant>/.


rule benchmark_split:
    """Train/validation/test split of stays, by patient."""
    input:
        stays="<results>/{dataset}/extract/stays.parquet",
        lists=split_lists,
    output:
        split="<results>/{dataset}/benchmark{variant}/split.parquet",
        attrition="<results>/{dataset}/benchmark{variant}/attrition_split.csv",
    log:
        "<logs>/benchmark_split/{dataset}{variant}.log",
    benchmark:
        "<timings>/benchmark_split/{dataset}{variant}.jsonl"
    conda:
        "../envs/benchmark.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_digest("benchmark_split"),
        sources=sources,
        split=setting("benchmark.split"),
    shell:
        "python scripts/benchmark_split.py --stays {input.stays:q} --lists {input.lists:q}"
        " --settings {params.split:q} --split {output.split:q} --attrition {output.attrition:q}"
        " > {log:q} 2>&1"


rule benchmark_labels:
    """Phenotypes of every stay."""
    input:
        diagnoses="<results>/{dataset}/extract/diagnoses.parquet",
        stays="<results>/{dataset}/extract/stays.parquet",
        phenotypes="resources/phenotypes.csv",
        icd10="resources/phenotype_icd10.csv",
    output:
        labels="<results>/{dataset}/benchmark/labels.parquet",
        prevalence=report(
            "<results>/{dataset}/benchmark/prevalence.csv",
            caption="../docs/captions/prevalence.rst",
            category="Data",
            labels={"dataset": "{dataset}", "file": "prevalence"},
        ),
        codes="<results>/{dataset}/benchmark/unlabelled_codes.csv",
    log:
        "<logs>/benchmark_labels/{dataset}.log",
    benchmark:
        "<timings>/benchmark_labels/{dataset}.jsonl"
    conda:
        "../envs/benchmark.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("benchmark_labels"),
        sources=sources,
        record=output_record("{dataset}/benchmark/prevalence.csv"),
    shell:
        "python scripts/benchmark_labels.py --diagnoses {input.diagnoses:q} --stays {input.stays:q}"
        " --phenotypes {input.phenotypes:q} --icd10 {input.icd10:q}"
        " --labels {output.labels:q} --prevalence {output.prevalence:q}"
        " --codes {output.codes:q} > {log:q} 2>&1"


rule benchmark_courses:
    """Cleaned hospital course of every stay that has one."""
    input:
        notes="<results>/{dataset}/extract/notes.parquet",
        stays="<results>/{dataset}/extract/stays.parquet",
        stop_words="resources/stop_words.txt",
    output:
        courses="<results>/{dataset}/benchmark{variant}/courses.parquet",
        headings="<results>/{dataset}/benchmark{variant}/headings.csv",
    log:
        "<logs>/benchmark_courses/{dataset}{variant}.log",
    benchmark:
        "<timings>/benchmark_courses/{dataset}{variant}.jsonl"
    conda:
        "../envs/benchmark.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code_digest("benchmark_courses"),
        sources=sources,
        course=setting("benchmark.course"),
    shell:
        "python scripts/benchmark_courses.py --notes {input.notes:q} --stays {input.stays:q}"
        " --stop-words {input.stop_words:q} --settings {params.course:q}"
        " --courses {output.courses:q} --headings {output.headings:q} > {log:q} 2>&1"


rule benchmark_samples:
    """Stays with measurements, a diagnosis and a hospital course, in their splits, and the whole attrition."""
    input:
        split=of_variant("<results>/{dataset}/benchmark{variant}/split.parquet"),
        events="<results>/{dataset}/extract/events.parquet",
        labels="<results>/{dataset}/benchmark/labels.parquet",
        courses=of_variant("<results>/{dataset}/benchmark{variant}/courses.parquet"),
        attrition=of_variant(
            "<results>/{dataset}/extract/attrition_stays.csv",
            "<results>/{dataset}/extract/attrition_diagnoses.csv",
            "<results>/{dataset}/extract/attrition_events.csv",
            "<results>/{dataset}/extract/attrition_notes.csv",
            "<results>/{dataset}/benchmark{variant}/attrition_split.csv",
        ),
    output:
        samples="<results>/{dataset}/benchmark{variant}/samples.parquet",
        attrition=report(
            "<results>/{dataset}/benchmark{variant}/attrition.csv",
            caption="../docs/captions/attrition.rst",
            category="Data",
            labels={"dataset": "{dataset}{variant}", "file": "attrition"},
        ),
    log:
        "<logs>/benchmark_samples/{dataset}{variant}.log",
    benchmark:
        "<timings>/benchmark_samples/{dataset}{variant}.jsonl"
    retries: 1
    conda:
        "../envs/benchmark.yaml"
    threads: 1
    resources:
        # 12 bytes an event, measured, for fifty million of them.
        mem_mb=scaled(2000),
        runtime=30,
    params:
        code=code_digest("benchmark_samples"),
        record=output_record("{dataset}/benchmark{variant}/attrition.csv"),
    shell:
        "python scripts/benchmark_samples.py --split {input.split:q} --events {input.events:q}"
        " --labels {input.labels:q} --courses {input.courses:q} --attrition {input.attrition:q}"
        " --samples {output.samples:q} --total {output.attrition:q} > {log:q} 2>&1"


rule benchmark_series:
    """Regular, gapless, scaled series of every stay, a file per split."""
    input:
        split=of_variant("<results>/{dataset}/benchmark{variant}/split.parquet"),
        stays="<results>/{dataset}/extract/stays.parquet",
        events="<results>/{dataset}/extract/events.parquet",
        variables="resources/variables.csv",
    output:
        train="<results>/{dataset}/benchmark{variant}/series_train.arrow",
        validation="<results>/{dataset}/benchmark{variant}/series_validation.arrow",
        test="<results>/{dataset}/benchmark{variant}/series_test.arrow",
        scales="<results>/{dataset}/benchmark{variant}/scales.csv",
    log:
        "<logs>/benchmark_series/{dataset}{variant}.log",
    benchmark:
        "<timings>/benchmark_series/{dataset}{variant}.jsonl"
    conda:
        "../envs/benchmark.yaml"
    threads: 1
    resources:
        # A block of stays at a time: 250 MB, measured, for two million events as for thirty.
        mem_mb=1000,
        runtime=30,
    params:
        code=code_digest("benchmark_series"),
        sources=sources,
        series=setting("benchmark.series"),
    shell:
        "python scripts/benchmark_series.py --split {input.split:q} --stays {input.stays:q}"
        " --events {input.events:q} --variables {input.variables:q} --settings {params.series:q}"
        " --train {output.train:q} --validation {output.validation:q} --test {output.test:q}"
        " --scales {output.scales:q} > {log:q} 2>&1"


rule benchmark_captions:
    """Anomalies of every stay in words, by fences of the training split or fixed ones."""
    input:
        split=of_variant("<results>/{dataset}/benchmark{variant}/split.parquet"),
        events="<results>/{dataset}/extract/events.parquet",
        variables="resources/variables.csv",
        fixed="resources/fences_of_released_code.csv",
    output:
        captions="<results>/{dataset}/benchmark{variant}/captions.parquet",
        fences="<results>/{dataset}/benchmark{variant}/fences.csv",
    log:
        "<logs>/benchmark_captions/{dataset}{variant}.log",
    benchmark:
        "<timings>/benchmark_captions/{dataset}{variant}.jsonl"
    retries: 1
    conda:
        "../envs/benchmark.yaml"
    threads: 1
    resources:
        # 35 bytes an event, measured, for fifty million of them.
        mem_mb=scaled(3000),
        runtime=60,
    params:
        code=code_digest("benchmark_captions"),
        sources=sources,
        number=setting("benchmark.series.variables"),
        captions=setting("benchmark.captions"),
    shell:
        "python scripts/benchmark_captions.py --split {input.split:q} --events {input.events:q}"
        " --variables {input.variables:q} --fixed {input.fixed:q} --number {params.number:q} --settings {params.captions:q}"
        " --captions {output.captions:q} --fences {output.fences:q} > {log:q} 2>&1"


rule benchmark_export:
    """The samples in the layout of mimic3-benchmarks, without notes."""
    input:
        stays="<results>/{dataset}/extract/stays.parquet",
        split="<results>/{dataset}/benchmark/split.parquet",
        labels="<results>/{dataset}/benchmark/labels.parquet",
        events="<results>/{dataset}/extract/events.parquet",
        phenotypes="resources/phenotypes.csv",
        variables="resources/variables.csv",
    output:
        export=directory("<results>/{dataset}/export/phenotyping"),
    log:
        "<logs>/benchmark_export/{dataset}.log",
    benchmark:
        "<timings>/benchmark_export/{dataset}.jsonl"
    conda:
        "../envs/benchmark.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        code=code_digest("benchmark_export"),
        sources=sources,
    shell:
        "python scripts/benchmark_export.py --stays {input.stays:q} --split {input.split:q}"
        " --labels {input.labels:q} --events {input.events:q} --phenotypes {input.phenotypes:q}"
        " --variables {input.variables:q} --export {output.export:q} > {log:q} 2>&1"


rule benchmark_leakage:
    """Label leakage: how well phenotype names in the hospital course predict the labels."""
    input:
        courses="<results>/{dataset}/benchmark/courses.parquet",
        labels="<results>/{dataset}/benchmark/labels.parquet",
        samples="<results>/{dataset}/benchmark/samples.parquet",
        phenotypes="resources/phenotypes.csv",
        stop_words="resources/stop_words.txt",
    output:
        leakage="<results>/{dataset}/benchmark/leakage.csv",
        predictions="<results>/{dataset}/benchmark/names.parquet",
    log:
        "<logs>/benchmark_leakage/{dataset}.log",
    benchmark:
        "<timings>/benchmark_leakage/{dataset}.jsonl"
    conda:
        "../envs/benchmark.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("benchmark_leakage"),
        sources=sources,
        course=setting("benchmark.course"),
    shell:
        "python scripts/benchmark_leakage.py --courses {input.courses:q} --labels {input.labels:q}"
        " --samples {input.samples:q} --phenotypes {input.phenotypes:q}"
        " --stop-words {input.stop_words:q} --settings {params.course:q}"
        " --leakage {output.leakage:q} --predictions {output.predictions:q} > {log:q} 2>&1"


rule benchmark_majority:
    """Majority baseline: the same most frequent phenotypes for every test stay."""
    input:
        labels="<results>/{dataset}/benchmark/labels.parquet",
        samples="<results>/{dataset}/benchmark/samples.parquet",
        phenotypes="resources/phenotypes.csv",
    output:
        predictions="<results>/{dataset}/benchmark/majority.parquet",
    log:
        "<logs>/benchmark_majority/{dataset}.log",
    benchmark:
        "<timings>/benchmark_majority/{dataset}.jsonl"
    conda:
        "../envs/benchmark.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_digest("benchmark_majority"),
        sources=sources,
    shell:
        "python scripts/benchmark_majority.py --labels {input.labels:q} --samples {input.samples:q}"
        " --phenotypes {input.phenotypes:q} --predictions {output.predictions:q} > {log:q} 2>&1"


rule benchmark_card:
    """Data card: summary statistics of one dataset."""
    input:
        stays="<results>/{dataset}/extract/stays.parquet",
        events="<results>/{dataset}/extract/events.parquet",
        samples="<results>/{dataset}/benchmark/samples.parquet",
        courses="<results>/{dataset}/benchmark/courses.parquet",
        attrition="<results>/{dataset}/benchmark/attrition.csv",
        prevalence="<results>/{dataset}/benchmark/prevalence.csv",
        headings="<results>/{dataset}/benchmark/headings.csv",
        leakage="<results>/{dataset}/benchmark/leakage.csv",
        unlabelled="<results>/{dataset}/benchmark/unlabelled_codes.csv",
        variables="resources/variables.csv",
        templates=page_templates("card"),
    output:
        card=report(
            "<results>/{dataset}/benchmark/card.html",
            caption="../docs/captions/card.rst",
            category="Data",
            labels={"dataset": "{dataset}", "file": "card"},
        ),
    log:
        "<logs>/benchmark_card/{dataset}.log",
    benchmark:
        "<timings>/benchmark_card/{dataset}.jsonl"
    conda:
        "../envs/benchmark.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code_digest("benchmark_card"),
        sources=sources,
        record=output_record("{dataset}/benchmark/card.html"),
        dataset=title,
        source=setting("datasets.{dataset}.source"),
        series=setting("benchmark.series"),
    shell:
        "python scripts/benchmark_card.py --stays {input.stays:q} --events {input.events:q}"
        " --samples {input.samples:q} --courses {input.courses:q} --attrition {input.attrition:q}"
        " --prevalence {input.prevalence:q} --headings {input.headings:q} --leakage {input.leakage:q}"
        " --unlabelled {input.unlabelled:q} --variables {input.variables:q} --templates {input.templates:q}"
        " --dataset {params.dataset:q} --source {params.source:q} --settings {params.series:q}"
        " --card {output.card:q} > {log:q} 2>&1"
