# Stage train: the language models, the three phases of distillation, and the single stages of the other rows.
#
# takes  <results>/{dataset}/benchmark/*, <results>/{dataset}/rationale/*, <results>/knowledge/{vocab,standard}/*
# makes  <results>/backbones/{backbone}                                           fetched language model
#        <results>/encoders/{encoder}                                             fetched text encoder
#        <results>/{dataset}/train/{backbone}/note_tokens.arrow                   notes as its tokens
#        <results>/{dataset}/train/{backbone}/caption_tokens.arrow                captions as its tokens
#        <results>/{dataset}/train/{backbone}/{target}/target_tokens.arrow        targets as its tokens;
#                                                     lab_target_tokens.arrow     without R^m: targets of phase 2
#        <results>/{dataset}/train/{backbone}/{target}/seed{seed}/phase1          notes
#        <results>/{dataset}/train/{backbone}/{target}-{vocabulary}/seed{seed}/phase2   labs
#        <results>/{dataset}/train/{backbone}/{target}-{vocabulary}/seed{seed}/phase3   both
#        <results>/{dataset}/train/{backbone}/{target}-{parts}/seed{seed}/joint         all parts at once
#        <results>/{dataset}/train/{backbone}/{target}-{parts}/seed{seed}/lora          likewise, with adapters of the
#                                                                                       language model
#        <results>/{dataset}/train/{backbone}/{target}-{parts}/seed{seed}/frozen        parts in front of a frozen
#                                                                                       language model
#        <results>/{dataset}/train/{encoder}/encoder_tokens.arrow                 notes as tokens of a text encoder
#        <results>/{dataset}/train/{classifier}/phenotypes/seed{seed}/classifier  a row of `classifiers`
#
# {target} is `diagnoses`, or `rationales-` and the name of the teacher, or `note-rationales-` for R^m alone; `first-`
# precedes the latter two where the rationale comes before the diagnoses.
# {parts} names what a one-stage model reads, and how: `note-linear`, `note-captions-soft`.
# A file that a variant changes has `+<variant>` after the directory of its last part: vocabulary, target or backbone.
# The path of a checkpoint names everything that it depends on, so models that agree in a phase share it.
# The directory of TensorBoard events, which are not outputs, is a resource, because Snakemake does not compare those.
# Priorities put earlier phases first, and training before evaluation: the longest chain of jobs determines the run time.


localrules:
    train_backbone,
    train_text_encoder,


rule train_backbone:
    """Copy a language model and its tokenizer into the results, so that no job needs a network."""
    input:
        local=local_files_of_backbone,
    output:
        backbone=directory("<results>/backbones/{backbone}"),
    log:
        "<logs>/train_backbone/{backbone}.log",
    benchmark:
        "<timings>/train_backbone/{backbone}.jsonl"
    wildcard_constraints:
        backbone=any_of(name for name, b in CONFIG.backbones.items() if not b.is_stand_in),
    # A model that cannot be trained is refused here, before a teacher is asked.
    priority: 10
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
        lengths=lengths_of_backbone,
    params:
        code=code_digest("train_backbone"),
        sources=sources,
        settings=fetched_backbone,
    shell:
        "python scripts/train_backbone.py --settings {params.settings:q} --local {input.local:q}"
        " --lengths {resources.lengths:q} --backbone {output.backbone:q} > {log:q} 2>&1"


rule train_text_encoder:
    """Copy a text encoder and its tokenizer into the results, so that no job needs a network."""
    input:
        local=local_files_of_encoder,
    output:
        encoder=directory("<results>/encoders/{encoder}"),
    log:
        "<logs>/train_text_encoder/{encoder}.log",
    benchmark:
        "<timings>/train_text_encoder/{encoder}.jsonl"
    wildcard_constraints:
        encoder=any_of(name for name, e in CONFIG.encoders.items() if not e.is_stand_in),
    # An unsuitable model is refused here, before a teacher is asked.
    priority: 10
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=code_digest("train_text_encoder"),
        sources=sources,
        settings=fetched_encoder,
    shell:
        "python scripts/train_text_encoder.py --settings {params.settings:q} --local {input.local:q}"
        " --encoder {output.encoder:q} > {log:q} 2>&1"


rule train_note_tokens:
    """Write notes as tokens of a language model, in a file that trainings and predictions map into memory."""
    input:
        backbone="<results>/backbones/{backbone}",
        samples=of_variant("<results>/{dataset}/benchmark{variant}/samples.parquet"),
        courses=of_variant("<results>/{dataset}/benchmark{variant}/courses.parquet"),
    output:
        tokens="<results>/{dataset}/train/{backbone}{variant}/note_tokens.arrow",
    log:
        "<logs>/train_note_tokens/{dataset}-{backbone}{variant}.log",
    benchmark:
        "<timings>/train_note_tokens/{dataset}-{backbone}{variant}.jsonl"
    priority: 4
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code_digest("train_note_tokens"),
        longest=longest_note,
    shell:
        "python scripts/train_note_tokens.py --backbone {input.backbone:q} --samples {input.samples:q}"
        " --courses {input.courses:q} --longest {params.longest:q} --tokens {output.tokens:q} > {log:q} 2>&1"


rule train_caption_tokens:
    """Write captions as tokens of a language model, for models that read the series as sentences."""
    input:
        backbone="<results>/backbones/{backbone}",
        samples=of_variant("<results>/{dataset}/benchmark{variant}/samples.parquet"),
        captions=of_variant("<results>/{dataset}/benchmark{variant}/captions.parquet"),
    output:
        tokens="<results>/{dataset}/train/{backbone}{variant}/caption_tokens.arrow",
    log:
        "<logs>/train_caption_tokens/{dataset}-{backbone}{variant}.log",
    benchmark:
        "<timings>/train_caption_tokens/{dataset}-{backbone}{variant}.jsonl"
    priority: 4
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code_digest("train_caption_tokens"),
    shell:
        "python scripts/train_caption_tokens.py --backbone {input.backbone:q} --samples {input.samples:q}"
        " --captions {input.captions:q} --tokens {output.tokens:q} > {log:q} 2>&1"


rule train_target_tokens:
    """Write the targets of a language model, diagnoses and rationales, as its tokens."""
    input:
        backbone="<results>/backbones/{backbone}",
        samples=of_variant("<results>/{dataset}/benchmark{variant}/samples.parquet"),
        labels="<results>/{dataset}/benchmark/labels.parquet",
        rationales=rationales_of,
    output:
        targets="<results>/{dataset}/train/{backbone}/{target}{variant}/target_tokens.arrow",
        lab_targets="<results>/{dataset}/train/{backbone}/{target}{variant}/lab_target_tokens.arrow",
    log:
        "<logs>/train_target_tokens/{dataset}-{backbone}-{target}{variant}.log",
    benchmark:
        "<timings>/train_target_tokens/{dataset}-{backbone}-{target}{variant}.jsonl"
    priority: 4
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code_digest("train_target_tokens"),
        longest=setting("student.texts.max_target_tokens"),
        rationale_first=rationale_first,
    shell:
        "python scripts/train_target_tokens.py --backbone {input.backbone:q} --samples {input.samples:q}"
        " --labels {input.labels:q} --rationales {input.rationales:q} --longest {params.longest:q}"
        " --rationale-first {params.rationale_first:q} --targets {output.targets:q} --lab-targets {output.lab_targets:q} > {log:q} 2>&1"


rule train_phase1:
    """Distil rationales from notes into the language model (equation 4)."""
    input:
        backbone="<results>/backbones/{backbone}",
        labels="<results>/{dataset}/benchmark/labels.parquet",
        notes=of_variant("<results>/{dataset}/train/{backbone}{variant}/note_tokens.arrow"),
        targets=of_variant(
            "<results>/{dataset}/train/{backbone}/{target}{variant}/target_tokens.arrow"
        ),
    output:
        model=directory("<results>/{dataset}/train/{backbone}/{target}{variant}/seed{seed}/phase1"),
    log:
        "<logs>/train_phase1/{dataset}-{backbone}-{target}{variant}-seed{seed}.log",
    benchmark:
        "<timings>/train_phase1/{dataset}-{backbone}-{target}{variant}-seed{seed}.jsonl"
    priority: 3
    retries: 2
    conda:
        "../envs/train.yaml"
    threads: processes
    resources:
        **training_job("train_phase1/{dataset}-{backbone}-{target}{variant}-seed{seed}"),
    params:
        code=code_digest("train_phase1"),
        texts=texts_of_student,
        phase=setting("train.phase1"),
        optimizer=setting("train.optimizer"),
        launch=launch_of_backbone,
        launcher=launcher,
        checkpoints=scratch(
            "{dataset}/train/{backbone}/{target}{variant}/seed{seed}/checkpoints-phase1"
        ),
    shell:
        "TENSORBOARD_LOGGING_DIR={resources.tensorboard:q}"
        " {params.launcher} scripts/train_phase1.py --backbone {input.backbone:q}"
        " --labels {input.labels:q} --notes {input.notes:q} --targets {input.targets:q}"
        " --texts {params.texts:q} --phase {params.phase:q} --optimizer {params.optimizer:q}"
        " --launch {params.launch:q} --seed {wildcards.seed:q} --checkpoints {params.checkpoints:q}"
        " --model {output.model:q} > {log:q} 2>&1"


rule train_phase2:
    """Distil rationales from labs through the knowledge-augmented attention (equation 7)."""
    input:
        phase1=of_variant(
            "<results>/{dataset}/train/{backbone}/{target}{variant}/seed{seed}/phase1"
        ),
        vocabulary=vocabulary_of_student,
        labels="<results>/{dataset}/benchmark/labels.parquet",
        targets=of_variant(
            "<results>/{dataset}/train/{backbone}/{target}{variant}/lab_target_tokens.arrow"
        ),
        series=of_variant(
            "<results>/{dataset}/benchmark{variant}/series_train.arrow",
            "<results>/{dataset}/benchmark{variant}/series_validation.arrow",
        ),
    output:
        model=directory(
            "<results>/{dataset}/train/{backbone}/{target}-{vocabulary}{variant}/seed{seed}/phase2"
        ),
    log:
        "<logs>/train_phase2/{dataset}-{backbone}-{target}-{vocabulary}{variant}-seed{seed}.log",
    benchmark:
        "<timings>/train_phase2/{dataset}-{backbone}-{target}-{vocabulary}{variant}-seed{seed}.jsonl"
    priority: 2
    retries: 2
    conda:
        "../envs/train.yaml"
    threads: processes
    resources:
        **training_job(
            "train_phase2/{dataset}-{backbone}-{target}-{vocabulary}{variant}-seed{seed}"
        ),
    params:
        code=code_digest("train_phase2"),
        fusion=setting("student.fusion"),
        instruction=setting("train.instruction_in_phase2"),
        steps=setting("benchmark.series.max_steps"),
        phase=setting("train.phase2"),
        optimizer=setting("train.optimizer"),
        launch=launch_of_backbone,
        launcher=launcher,
        checkpoints=scratch(
            "{dataset}/train/{backbone}/{target}-{vocabulary}{variant}/seed{seed}/checkpoints-phase2"
        ),
    shell:
        "TENSORBOARD_LOGGING_DIR={resources.tensorboard:q}"
        " {params.launcher} scripts/train_phase2.py --phase1 {input.phase1:q}"
        " --vocabulary {input.vocabulary:q}"
        " --labels {input.labels:q} --targets {input.targets:q} --series {input.series:q}"
        " --fusion {params.fusion:q} --steps {params.steps:q} --instruction {params.instruction:q}"
        " --phase {params.phase:q} --optimizer {params.optimizer:q}"
        " --launch {params.launch:q} --seed {wildcards.seed:q} --checkpoints {params.checkpoints:q}"
        " --model {output.model:q} > {log:q} 2>&1"


rule train_phase3:
    """Distil rationales from notes and labs together (equation 8)."""
    input:
        phase2=of_variant(
            "<results>/{dataset}/train/{backbone}/{target}-{vocabulary}{variant}/seed{seed}/phase2"
        ),
        labels="<results>/{dataset}/benchmark/labels.parquet",
        notes=of_variant("<results>/{dataset}/train/{backbone}{variant}/note_tokens.arrow"),
        targets=of_variant(
            "<results>/{dataset}/train/{backbone}/{target}{variant}/target_tokens.arrow"
        ),
        series=of_variant(
            "<results>/{dataset}/benchmark{variant}/series_train.arrow",
            "<results>/{dataset}/benchmark{variant}/series_validation.arrow",
        ),
    output:
        model=directory(
            "<results>/{dataset}/train/{backbone}/{target}-{vocabulary}{variant}/seed{seed}/phase3"
        ),
    log:
        "<logs>/train_phase3/{dataset}-{backbone}-{target}-{vocabulary}{variant}-seed{seed}.log",
    benchmark:
        "<timings>/train_phase3/{dataset}-{backbone}-{target}-{vocabulary}{variant}-seed{seed}.jsonl"
    priority: 1
    retries: 2
    conda:
        "../envs/train.yaml"
    threads: processes
    resources:
        **training_job(
            "train_phase3/{dataset}-{backbone}-{target}-{vocabulary}{variant}-seed{seed}"
        ),
    params:
        code=code_digest("train_phase3"),
        phase=setting("train.phase3"),
        optimizer=setting("train.optimizer"),
        launch=launch_of_backbone,
        launcher=launcher,
        freeze=setting("train.freeze_encoder_in_phase3"),
        checkpoints=scratch(
            "{dataset}/train/{backbone}/{target}-{vocabulary}{variant}/seed{seed}/checkpoints-phase3"
        ),
    shell:
        "TENSORBOARD_LOGGING_DIR={resources.tensorboard:q}"
        " {params.launcher} scripts/train_phase3.py --phase2 {input.phase2:q}"
        " --labels {input.labels:q} --notes {input.notes:q} --targets {input.targets:q}"
        " --series {input.series:q}"
        " --phase {params.phase:q} --optimizer {params.optimizer:q}"
        " --launch {params.launch:q} --freeze-encoder {params.freeze:q} --seed {wildcards.seed:q}"
        " --checkpoints {params.checkpoints:q} --model {output.model:q} > {log:q} 2>&1"


rule train_joint:
    """Distil rationales, or diagnoses alone, into all parts of a model at once."""
    input:
        base="<results>/backbones/{backbone}",
        vocabulary=vocabulary_of_parts,
        text_encoder=text_encoder_of_parts,
        labels="<results>/{dataset}/benchmark/labels.parquet",
        notes=of_variant("<results>/{dataset}/train/{backbone}{variant}/note_tokens.arrow"),
        captions=captions_of_parts,
        features=features_of_parts,
        series=series_of_parts,
        targets=of_variant(
            "<results>/{dataset}/train/{backbone}/{target}{variant}/target_tokens.arrow"
        ),
    output:
        model=directory(
            "<results>/{dataset}/train/{backbone}/{target}-{parts}{variant}/seed{seed}/joint"
        ),
    log:
        "<logs>/train_joint/{dataset}-{backbone}-{target}-{parts}{variant}-seed{seed}.log",
    benchmark:
        "<timings>/train_joint/{dataset}-{backbone}-{target}-{parts}{variant}-seed{seed}.jsonl"
    priority: 2
    retries: 2
    conda:
        "../envs/train.yaml"
    threads: processes
    resources:
        **training_job("train_joint/{dataset}-{backbone}-{target}-{parts}{variant}-seed{seed}"),
    params:
        code=code_digest("train_joint"),
        script="scripts/train_joint.py",
        texts=texts_of_student,
        parts=parts_of_model,
        phase=setting("train.joint"),
        optimizer=setting("train.optimizer"),
        launch=launch_of_backbone,
        launcher=launcher,
        checkpoints=scratch(
            "{dataset}/train/{backbone}/{target}-{parts}{variant}/seed{seed}/checkpoints-joint"
        ),
    shell:
        "TENSORBOARD_LOGGING_DIR={resources.tensorboard:q}"
        " {params.launcher} {params.script:q} --base {input.base:q}"
        " --vocabulary {input.vocabulary:q} --text-encoder {input.text_encoder:q} --labels {input.labels:q}"
        " --notes {input.notes:q} --captions {input.captions:q} --features {input.features:q}"
        " --series {input.series:q} --targets {input.targets:q}"
        " --texts {params.texts:q} --parts {params.parts:q}"
        " --phase {params.phase:q} --optimizer {params.optimizer:q}"
        " --launch {params.launch:q} --seed {wildcards.seed:q} --checkpoints {params.checkpoints:q}"
        " --model {output.model:q} > {log:q} 2>&1"


# The rules made from train_joint have scripts with the same arguments.
use rule train_joint as train_lora with:
    """Distil rationales, or diagnoses alone, into adapters of a language model with frozen weights."""
    output:
        model=directory(
            "<results>/{dataset}/train/{backbone}/{target}-{parts}{variant}/seed{seed}/lora"
        ),
    log:
        "<logs>/train_lora/{dataset}-{backbone}-{target}-{parts}{variant}-seed{seed}.log",
    benchmark:
        "<timings>/train_lora/{dataset}-{backbone}-{target}-{parts}{variant}-seed{seed}.jsonl"
    resources:
        **training_job("train_lora/{dataset}-{backbone}-{target}-{parts}{variant}-seed{seed}"),
    params:
        code=code_digest("train_lora"),
        script="scripts/train_lora.py",
        phase=setting("train.lora"),
        checkpoints=scratch(
            "{dataset}/train/{backbone}/{target}-{parts}{variant}/seed{seed}/checkpoints-lora"
        ),


use rule train_joint as train_frozen with:
    """Train the parts in front of a frozen language model."""
    input:
        base=start_of_frozen,
        vocabulary=vocabulary_of_parts,
        text_encoder=text_encoder_of_parts,
        labels="<results>/{dataset}/benchmark/labels.parquet",
        notes=of_variant("<results>/{dataset}/train/{backbone}{variant}/note_tokens.arrow"),
        captions=captions_of_parts,
        features=features_of_parts,
        series=series_of_parts,
        targets=of_variant(
            "<results>/{dataset}/train/{backbone}/{target}{variant}/target_tokens.arrow"
        ),
    output:
        model=directory(
            "<results>/{dataset}/train/{backbone}/{target}-{parts}{variant}/seed{seed}/frozen"
        ),
    log:
        "<logs>/train_frozen/{dataset}-{backbone}-{target}-{parts}{variant}-seed{seed}.log",
    benchmark:
        "<timings>/train_frozen/{dataset}-{backbone}-{target}-{parts}{variant}-seed{seed}.jsonl"
    resources:
        **training_job("train_frozen/{dataset}-{backbone}-{target}-{parts}{variant}-seed{seed}"),
    params:
        code=code_digest("train_frozen"),
        script="scripts/train_frozen.py",
        phase=setting("train.frozen"),
        checkpoints=scratch(
            "{dataset}/train/{backbone}/{target}-{parts}{variant}/seed{seed}/checkpoints-frozen"
        ),


rule train_encoder_tokens:
    """Write notes as tokens of a text encoder, cut where its positions end."""
    input:
        encoder="<results>/encoders/{encoder}",
        samples="<results>/{dataset}/benchmark/samples.parquet",
        courses="<results>/{dataset}/benchmark/courses.parquet",
    output:
        tokens="<results>/{dataset}/train/{encoder}/encoder_tokens.arrow",
    log:
        "<logs>/train_encoder_tokens/{dataset}-{encoder}.log",
    benchmark:
        "<timings>/train_encoder_tokens/{dataset}-{encoder}.jsonl"
    priority: 4
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code_digest("train_encoder_tokens"),
    shell:
        "python scripts/train_encoder_tokens.py --encoder {input.encoder:q} --samples {input.samples:q}"
        " --courses {input.courses:q} --tokens {output.tokens:q} > {log:q} 2>&1"


rule train_classifier:
    """Train a baseline that classifies each phenotype."""
    input:
        encoder=encoder_of_classifier,
        samples="<results>/{dataset}/benchmark/samples.parquet",
        labels="<results>/{dataset}/benchmark/labels.parquet",
        notes=notes_of_classifier,
        series=series_of_classifier("train", "validation"),
        phenotypes="resources/phenotypes.csv",
    output:
        model=directory("<results>/{dataset}/train/{model}/phenotypes/seed{seed}/classifier"),
    log:
        "<logs>/train_classifier/{dataset}-{model}-seed{seed}.log",
    benchmark:
        "<timings>/train_classifier/{dataset}-{model}-seed{seed}.jsonl"
    wildcard_constraints:
        model=any_of(CONFIG.trained_classifiers()),
    priority: 2
    retries: 2
    conda:
        "../envs/train.yaml"
    threads: processes
    resources:
        **training_job("train_classifier/{dataset}-{model}-seed{seed}"),
    params:
        code=code_digest("train_classifier"),
        sources=sources,
        reader=reader_of_classifier,
        phase=setting("classifiers.{model}.schedule"),
        optimizer=setting("train.optimizer"),
        launch=setting("train.launch"),
        launcher=launcher,
        checkpoints=scratch("{dataset}/train/{model}/phenotypes/seed{seed}/checkpoints-classifier"),
    shell:
        "TENSORBOARD_LOGGING_DIR={resources.tensorboard:q}"
        " {params.launcher} scripts/train_classifier.py --reader {params.reader:q}"
        " --encoder {input.encoder:q} --samples {input.samples:q} --labels {input.labels:q}"
        " --notes {input.notes:q} --series {input.series:q} --phenotypes {input.phenotypes:q}"
        " --phase {params.phase:q} --optimizer {params.optimizer:q}"
        " --launch {params.launch:q} --seed {wildcards.seed:q} --checkpoints {params.checkpoints:q}"
        " --model {output.model:q} > {log:q} 2>&1"
