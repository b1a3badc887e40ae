"""Functions of the rules that train, and of those that read trained models."""


def checkpoints():
    """Input: the checkpoints of every phase of every run."""
    return list(inputs.checkpoints(CONFIG))


def rows_of_checkpoints(wildcards):
    """Params: the rows of the tables that each of these checkpoints is part of."""
    names = ["; ".join(rows) for rows in inputs.checkpoints(CONFIG).values()]
    return RowNames(names=names).model_dump_json()


def last_checkpoints():
    """Input: the last checkpoint of every model on every dataset."""
    return [path for path, _ in inputs.trained(CONFIG)]


def trained_models(wildcards):
    """Params: the rows of these checkpoints."""
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
    """Params: the input and the architecture of a trained classifier."""
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
    """Resources: the most tokens that a language model must accept, which only decide whether it is refused."""
    return inputs.lengths(CONFIG, wildcards.backbone).model_dump_json()


def fetched_backbone(wildcards):
    """Params: the settings that determine the files of a language model."""
    return CONFIG.backbones[wildcards.backbone].model_dump_json(include={"source", "revision"})


fetched_backbone.place = "backbones.{backbone}"


def fetched_encoder(wildcards):
    """Params: the settings that determine the files of a text encoder."""
    return CONFIG.encoders[wildcards.encoder].model_dump_json(include={"source", "revision"})


fetched_encoder.place = "encoders.{encoder}"


def texts_of_student(wildcards):
    """Params: the maximum lengths of a student's texts; note (and captions) fit its language model."""
    config, parts = CONFIG.of_variant(variant_of(wildcards)), wildcards.get("parts")
    captions = bool(parts) and "captions" in inputs.parts(config, parts).reads
    return inputs.texts(config, wildcards.backbone, captions).model_dump_json()


texts_of_student.place = "student.texts"


def longest_note(wildcards):
    """Params: the maximum of tokens of a note."""
    config = CONFIG.of_variant(variant_of(wildcards))
    return inputs.texts(config, wildcards.backbone).max_note_tokens


longest_note.place = "student.texts.max_note_tokens"


def parts_of_model(wildcards):
    """Params: the inputs of a one-stage model, and the parts in front of its language model."""
    config = CONFIG.of_variant(variant_of(wildcards))
    return inputs.parts(config, wildcards.parts).model_dump_json()


def vocabulary_of_parts(wildcards):
    """Input: the vocabulary of the attention of a one-stage model, if it has one."""
    names = [row.vocabulary for row in CONFIG.models.values() if row.parts_name == wildcards.parts]
    return [inputs.vocabulary(name, wildcards.backbone) for name in names[:1] if name]


def text_encoder_of_parts(wildcards):
    """Input: the text encoder from which the Q-Former of a one-stage model is built, if it has one."""
    names = [row.encoder for row in CONFIG.models.values() if row.parts_name == wildcards.parts]
    return [f"<results>/encoders/{name}" for name in names[:1] if name]


def captions_of_parts(wildcards):
    """Input: the captions as tokens, if a one-stage model reads them."""
    reads = inputs.parts(CONFIG, wildcards.parts).reads
    pattern = "<results>/{dataset}/train/{backbone}{variant}/caption_tokens.arrow"
    return of_variant(*[pattern] * ("captions" in reads))(wildcards)


def series_of_parts(wildcards):
    """Input: the training and validation series, if a one-stage model reads them."""
    pattern = "<results>/{{dataset}}/benchmark{{variant}}/series_{split}.arrow"
    reads = inputs.parts(CONFIG, wildcards.parts).reads
    splits = ["train", "validation"] * ("series" in reads)
    return of_variant(*(pattern.format(split=split) for split in splits))(wildcards)


def features_of_parts(wildcards):
    """Input: age, sex and type of admission, if a one-stage model reads them."""
    reads = inputs.parts(CONFIG, wildcards.parts).reads
    return [f"<results>/{wildcards.dataset}/extract/features.parquet"] * ("features" in reads)


def start_of_frozen(wildcards):
    """Input: the frozen language model: that of phase 1 with the same target, or as it was fetched."""
    if wildcards.parts.endswith("untuned"):
        return "<results>/backbones/{backbone}"
    pattern = "<results>/{dataset}/train/{backbone}/{target}{variant}/seed{seed}/phase1"
    return of_variant(pattern)(wildcards)


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
    directory = "<results>/{dataset}/rationale/{teacher}{variant}/{part}".format(**wildcards)
    return [f"{directory}/{n}-of-{number}.parquet" for n in range(1, number + 1)]


def shard(wildcards):
    """Params: the name of the job's shard."""
    return wildcards.get("shard", "1-of-1")


def launch_of_backbone(wildcards):
    """Params: `train.launch` with the changes of a language model."""
    return CONFIG.launch_of(wildcards.backbone).model_dump_json()


launch_of_backbone.place = "train.launch"


def launcher(wildcards):
    """Params: the command that starts a training script."""
    backbone = next(iter(backbones_of_job(wildcards)), None)
    return launch.launcher(CONFIG.launch_of(backbone) if backbone else CONFIG.train.launch)


def backbones_of_job(wildcards):
    """Return the language model of a job, none for a classifier; without a job, as in `make check`, all in use."""
    if wildcards is None:
        return backbones_in_use()
    model = CONFIG.models.get(wildcards.get("model"))
    backbone = wildcards.get("backbone") or (model.backbone if model else None)
    return [backbone] if backbone else []


def processes(wildcards):
    """Threads, and part of resources: processes of a training job per node."""
    numbers = (CONFIG.launch_of(name).processes for name in backbones_of_job(wildcards))
    return max(numbers, default=CONFIG.train.launch.processes)


def training_job(name):
    """Resources of a training: nodes and GPUs, memory, time, and the directory of its TensorBoard events.

    That directory is named like the log, after the pattern `name`; it is empty where no events are written.
    """

    def tensorboard(wildcards):
        return str(Path(CONFIG.pathvars.logs, name.format(**wildcards)))

    return {
        **launch.gpu_request(CONFIG.train.launch, processes),
        "mem_mb": memory("train"),
        "runtime": minutes("train"),
        "tensorboard": tensorboard if CONFIG.train.report_to == "tensorboard" else "",
    }


def memory(stage):
    """Resources: the memory of a job of a stage that needs a language model; it grows with each attempt (`scaled`)."""

    def value(wildcards, attempt):
        amounts = (CONFIG.request_of(stage, name).memory_mb for name in backbones_of_job(wildcards))
        return attempt * max(amounts, default=getattr(CONFIG, stage).request.memory_mb)

    return value
