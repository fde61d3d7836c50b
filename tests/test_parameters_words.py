"""Names of settings in the spellings that people use, each against what it means, by hand."""

import itertools

import pytest

from trilemma.errors import RecipeError
from trilemma.recipe.foreign_keys import MEANINGS, USUAL, readers, vocabulary
from trilemma.recipe.foreign_reading import nearest
from trilemma.recipe.foreign_values import Reading, Setting
from trilemma.recipe.foreign_vocabulary import FILLERS, GROWING, PHRASES, SHORT, WORDS
from trilemma.recipe.foreign_words import is_word, words

OURS = {  # a field: a value, and names that mean it; dots part sections
    "family.critic_updates": (
        5,
        "n_critic nCritic N_CRITIC n-critic ncritic critic_iterations CRITIC_ITERS "
        "criticIterations d_iters Diters d_steps disc_steps n_dis num_critic_updates "
        "discriminator_extra_steps "
        "crit_repeats critic_steps_per_generator_step d_updates_per_g_update critic.iterations "
        "training.critic.n_updates discriminator.steps train_generator_every critic_ratio",
    ),
    "family.gp": (
        10,
        "lambda_gp lambdaGP LAMBDA LAMBDA_GP gp_lambda gp_weight gpWeight gradient_penalty "
        "gradient_penalty_weight gradientPenaltyWeight grad_penalty_coef gp_coeff penalty_weight "
        "c_lambda lambda_ lambd lambda_term λ gp gradient_penalty.weight loss.lambda_gp gp.lambda "
        "wgan.gradient_penalty_factor w_gp gp_scale regularization.gradient_penalty_weight",
    ),
    "family.generator.latent": (
        100,
        "latent_dim latentDim latent_size latent z_dim Z_DIM zDim zdim nz noise_dim noiseSize "
        "dim_z latent_vector_size code_dim generator.input_dim model.latent_dim latent.dim",
    ),
    "data.size": (
        64,
        "image_size img_size imageSize imsize IMG_SIZE resolution size img_resolution input_size "
        "data.image_size dataset.resolution image.size image_dim picture_size",
    ),
    "data.channels": (
        3,
        "channels nc num_channels CHANNELS_IMG img_channels nChannels in_channels input_nc "
        "output_nc image.channels generator.out_channels critic.in_channels color_channels",
    ),
    "train.batch_size": (
        64,
        "batch_size batchSize BATCH_SIZE batchsize bs batch mini_batch_size training.batch_size "
        "dataloader.batch_size train_batch_size images_per_batch batch.size",
    ),
    "train.epochs": (
        20,
        "epochs num_epochs nEpochs n_epochs NUM_EPOCHS max_epochs epoch niter training.epochs "
        "nepochs number_of_epochs total_epochs",
    ),
    "@iterations": (20000, "iterations n_iters ITERS total_steps max_iter generator_iters"),
    "*optimizer.lr": (1e-4, "lr learning_rate learningRate LR base_lr optimizer.lr alpha adam_lr"),
    "family.generator_optimizer.lr": (
        1e-4,
        "lr_g g_lr lrG LR_G lrg learning_rate_g gen_lr generator_learning_rate netG.lr "
        "optimizer.generator.lr generator.optimizer.lr learningRateG generator.lr",
    ),
    "family.critic_optimizer.lr": (
        4e-4,
        "lr_d d_lr lrD critic_lr lr_disc learning_rate_critic discriminator.learning_rate "
        "optimizers.discriminator.lr netD.lr critic.lr",
    ),
    "*optimizer.beta1": (0.5, "b1 beta1 beta_1 BETA1 adam_b1 adamBeta1 optimizer.beta1 β1"),
    "*optimizer.beta2": (0.9, "b2 beta2 beta_2 adam_beta2 optimizer.adam.beta_2"),
    "family.critic_optimizer.beta1": (0.5, "beta1_d d_beta1 critic.beta1 discriminator.adam_b1"),
    "*optimizer.weight_decay": (0.1, "weight_decay weightDecay optimizer.weight_decay wd"),
    "*optimizer.rule": ("RMSprop", "optimizer optim optimizer_name optimizer.type"),
    "*optimizer.clip": (1.0, "grad_clip max_grad_norm clip_grad_norm gradient_clip_val"),
    "@clip": (
        0.01,
        "clip_value weight_clip WEIGHT_CLIP clipValue clamp_upper critic.clip_value",
    ),
    "*net.width": (64, "features hidden_dim base_channels DIM num_filters model.base_channels"),
    "family.generator.width": (
        64,
        "ngf FEATURES_GEN g_conv_dim generator.hidden_dim gf_dim features_g generator.channels",
    ),
    "family.critic.width": (64, "ndf FEATURES_CRITIC d_conv_dim critic.base_channels features_d"),
    "@path": (
        "pictures",
        "dataset_path data_dir dataroot dataRoot data_path image_dir images_dir root path "
        "train_dir data.path dataset.root image_folder DATA_DIR paths.dataset training_data_path",
    ),
    "@data": ("faces", "dataset dataset_name data.name DATASET data_set dataset.type"),
    "@model": ("wgan-gp", "model model_name model.type gan"),
    "@loss": ("wgan-gp", "loss gan_mode gan_type loss.name adversarial_loss loss_fn"),
    "watch.grid": (
        16,
        "num_samples n_samples sample_size num_examples_to_generate samples.count "
        "n_sample_images num_images_to_generate samples_per_epoch sample_batch_size "
        "samples_per_grid",
    ),
    "watch.grid_epochs": (
        5,
        "sample_interval_epochs sample_every_n_epochs sample_epoch_interval sample_epochs",
    ),
    "speed.device": ("cpu", "device DEVICE accelerator training.device hardware.device"),
    "seed": (3, "seed manual_seed manualSeed manualseed random_seed random_state SEED"),
    "@ema": (0.99, "ema ema_decay ema.decay emaDecay ema_rate moving_average_decay"),
    "train.early_stop": (True, "early_stopping earlyStop early_stopping.enabled"),
    "train.patience": (4, "patience early_stopping_patience early_stopping.patience"),
    "data.flip": (True, "flip random_flip horizontal_flip augmentation.horizontal_flip hflip"),
}
EXPLAINED = {  # a value that stands for no field, and names that mean such a thing
    4: "num_workers workers n_cpu nThreads dataloader.num_workers data.workers",
    True: "pin_memory drop_last shuffle persistent_workers data.shuffle download save_best",
    "out": "output_dir results_dir save_dir outf experiment_name run_name name paths.output "
    "sample_dir samples_dir samples sample_folder generated_images_dir paths.samples "
    "log_dir log_file logging.dir logfile logs log_path tb_dir "
    "checkpoint_dir model_dir ckpt_dir weights_path checkpoint.dir model_save_dir "
    "description _comment author version",
    100: "log_interval print_every print_freq display_step logging.interval "
    "save_interval checkpoint_interval save_every checkpoint.every model_save_step "
    "sample_interval sample_every save_image_every sampling.interval sample_step "
    "eval_interval num_fid_samples evaluation.interval n_classes",
    0: "resume load_model continue_train pretrained use_wandb multi_gpu cudnn_benchmark "
    "self_attention distributed start_epoch dropout local_rank "
    "lr_decay_epochs warmup_steps",
}
UNKNOWN = (
    "hello lamda_gp n_critc batch_sise learing_rate lambda_cls dropout_x truncation encoder.lr "
    "batch_sz_2 epcohs latnet_dim beta3 critic_momentum_x generator.style_dim ite critc_iters"
)


def reading(name: str, value: object) -> Reading:
    path = name.split(".")
    found = readers(path)
    assert len(found) == 1, f"{name}: {words(name)} is known {len(found)} times"
    spoken = tuple(word for part in path for word in words(part))
    return found[0](Setting(key=name, value=value, words=spoken, where="p.json"))


@pytest.mark.parametrize("field", OURS)
def test_spellings_mean_their_field(field: str) -> None:
    value, names = OURS[field]
    wrong = {
        name: got for name in names.split() if field not in (got := reading(name, value).fields)
    }
    assert wrong == {}


@pytest.mark.parametrize("value", EXPLAINED)
def test_what_has_no_counterpart_is_explained(value: object) -> None:
    for name in EXPLAINED[value].split():
        read = reading(name, value)
        assert (read.fields, bool(read.said)) == ({}, True), name


@pytest.mark.parametrize("name", UNKNOWN.split())
def test_unknown_names_are_known_by_nobody(name: str) -> None:
    assert readers(name.split(".")) == ()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lamda_gp", "lambda_gp"),
        ("n_critc", "n_critic"),
        ("batch_sise", "batch_size"),
        ("learing-rate", "learning_rate"),
        ("latnetDim", "latent_dim"),
        ("epcohs", "epochs"),
    ],
)
def test_the_closest_known_name(name: str, meant: str) -> None:
    assert nearest(name) == meant


def test_usual_names_are_known() -> None:
    assert [name for name in USUAL.split() if len(readers([name])) != 1] == []


@pytest.mark.parametrize("number", [1, 2])
def test_no_two_words_mean_two_things(number: int) -> None:
    """Whatever is made of so many words has one meaning, or none."""
    known = sorted({word for row in vocabulary().values() for word in row})
    several = [
        pair
        for pair in itertools.combinations([word for word in known if word in WORDS], number)
        if len(readers(["_".join(WORDS[word].split()[0] for word in pair)])) > 1
    ]
    assert several == []


def test_tables_hold_together() -> None:
    """Rows ask for words that names can have; no spelling stands for two words."""
    assert [w for row in vocabulary().values() for w in row if not is_word(w)] == []
    spelled = [
        one for table in (WORDS, FILLERS) for several in table.values() for one in several.split()
    ]
    assert sorted(spelled) == sorted(set(spelled))
    assert {*GROWING.split()} <= {*spelled}
    assert not {*SHORT} & {*spelled}
    assert {word for phrase in PHRASES for word in phrase.split()} <= {*WORDS, *FILLERS}
    assert len({pattern for pattern, _ in MEANINGS}) == len(MEANINGS)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("nCritic", ("count", "critic")),
        ("LAMBDA_GP", ("lambda", "gp")),
        ("lrG", ("lr", "generator")),
        ("Diters", ("critic", "iteration")),
        ("GPWeight", ("gp", "weight")),
        ("learning-rate.d", ("lr", "critic")),
        ("beta1", ("beta", "1")),
        ("clip_grad_norm", ("gradclip", "norm")),
        ("batch_norm", ("batchnorm",)),
        ("datasets", ("data",)),
        ("critc", ("critc",)),
    ],
)
def test_a_name_is_cut_into_words(name: str, parts: tuple[str, ...]) -> None:
    assert words(name) == parts


@pytest.mark.parametrize(
    ("name", "value", "fields"),
    [
        ("image_size", [48, 64], {"data.size": "64x48"}),
        ("image_size", "64x48", {"data.size": "64x48"}),
        ("img_shape", [28, 28, 1], {"data.size": "28x28", "data.channels": 1}),
        ("img_shape", [3, 32, 64], {"data.size": "64x32", "data.channels": 3}),
        ("batch_size", 64.0, {"train.batch_size": 64}),
        ("betas", [0, 0.9], {"*optimizer.beta1": 0.0, "*optimizer.beta2": 0.9}),
        (
            "betas_d",
            [0.5, 0.9],
            {"family.critic_optimizer.beta1": 0.5, "family.critic_optimizer.beta2": 0.9},
        ),
        ("weight_clip", [-0.01, 0.01], {"@clip": 0.01}),
        ("clamp_lower", -0.02, {"@clip": 0.02}),
        ("weight_clipping", False, {"@clip": 0.0}),
        ("use_gp", True, {"@gp": True}),
        ("gradient_penalty", False, {"family.gp": 0.0}),
        ("grayscale", True, {"data.channels": 1}),
        ("rgb", True, {"data.channels": 3}),
        ("color_mode", "L", {"data.channels": 1}),
        ("use_cuda", True, {"speed.device": "auto"}),
        ("no_cuda", True, {"speed.device": "cpu"}),
        ("device", "cuda:1", {"speed.device": "cuda:1"}),
        ("device", "cuda", {"speed.device": "auto"}),
        ("gpu_ids", "-1", {"speed.device": "cpu"}),
        ("gpu_ids", [2], {"speed.device": "cuda:2"}),
        ("gpu_id", 1, {"speed.device": "cuda:1"}),
        ("ngpu", 0, {"speed.device": "cpu"}),
        ("n_gpus", 2, {"speed.device": "auto"}),
        ("precision", 16, {"speed.precision": "bf16"}),
        ("fp16", False, {"speed.precision": "float32"}),
        ("amp", True, {"speed.precision": "auto"}),
        ("label_smoothing", 0.1, {"family.label_real": 0.9}),
        ("label_smoothing", 0.9, {"family.label_real": 0.9}),
        ("noBN", True, {"*net.batchnorm": False}),
        ("critic_norm", "layer", {"family.critic.batchnorm": False}),
        ("norm_g", "batch", {"family.generator.batchnorm": True}),
        ("batch_norm", True, {"family.generator.batchnorm": True}),
        ("adam", False, {"*optimizer.rule": "rmsprop"}),
        ("lr_decay", True, {"*optimizer.schedule": "linear"}),
        ("lr_scheduler", "none", {"*optimizer.schedule": "constant"}),
        ("lr_scheduler", "step", {}),
        ("generator_steps", 1, {}),
        ("critic.out_channels", 1, {"data.channels": 1}),
        ("classes", ["cat", "dog"], {"data.classes": ["cat", "dog"]}),
        ("mode", "train", {}),
        ("mode", "wgan-gp", {"@model": "wgan-gp"}),
        ("is_train", True, {}),
        ("conditional", False, {"@condition": False}),
        ("architecture", "ResNet", {"*net.name": "residual"}),
        ("critic.type", "resnet", {"family.critic.name": "residual"}),
        ("noise_type", "gaussian", {}),
        ("flip_prob", 0.5, {"data.flip": True}),
    ],
)
def test_values_in_the_forms_people_write(name: str, value: object, fields: object) -> None:
    assert reading(name, value).fields == fields


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("batch_size", "64", "a whole number, 1 or more"),
        ("batch_size", 0, "a whole number"),
        ("batch_size", 1.5, "a whole number"),
        ("batch_size", True, "a whole number"),
        ("epochs", -1, "more than 0"),
        ("lr", "1e-4", "a number, more than 0"),
        ("lr", 0, "more than 0"),
        ("lr", True, "a number"),
        ("beta1", 1.0, "less than 1"),
        ("betas", [0.5], "two numbers"),
        ("betas", [0.5, 1.5], "less than 1"),
        ("lambda_gp", -1, "0 or more"),
        ("lambda_gp", "ten", "a number"),
        ("channels", 4, "1 (grey) or 3 (colour)"),
        ("image_size", 0, "pixels"),
        ("image_size", "large", "pixels"),
        ("img_shape", [64, 64, 4], "channels (1 or 3)"),
        ("n_critic", 2.5, "a whole number"),
        ("dataset_path", 3, "text"),
        ("dataset_path", "", "text"),
        ("seed", -1, "0 or more"),
        ("device", "tpu", "cuda"),
        ("optimizer", "sgd", "adam, adamw, rmsprop"),
        ("model", "stylegan", "wgan-gp"),
        ("architecture", "transformer", "dcgan"),
        ("condition", "x", "true or false"),
        ("mode", "test", "train"),
        ("alpha", 0.2, "less than 0.05"),
        ("clip_value", [-0.1, 0.2], "such as 0.01"),
        ("resume", "generator.pth", "weights of other projects"),
        ("noise_type", "uniform", "normal"),
        ("generator_iters", 5, "100 or more"),
        ("use_cuda", "perhaps", "true"),
        ("shuffle_x", 1, ""),
    ],
)
def test_a_wrong_value_is_refused_with_key_and_file(name: str, value: object, allowed: str) -> None:
    if not allowed:
        assert readers([name]) == ()
        return
    with pytest.raises(RecipeError) as caught:
        reading(name, value)
    message = str(caught.value)
    assert message.startswith(f"p.json: {name} = ")
    assert allowed in message
    assert "\n" not in message
