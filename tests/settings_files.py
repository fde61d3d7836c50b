"""Settings files in the styles of projects that are around, and what each means, by hand."""

from typing import Any, NamedTuple


class File(NamedTuple):
    """One settings file: its values, the preset closest to it, and fields of the recipe."""

    settings: dict[str, Any]
    preset: str
    fields: dict[str, Any]


def both(field: str, value: Any) -> dict[str, Any]:
    """Give a field of both optimizers."""
    return {f"family.{side}_optimizer.{field}": value for side in ("generator", "critic")}


GP = "folder-wgan-gp"
PAPER = {**both("lr", 1e-4), **both("beta1", 0.0), **both("beta2", 0.9)}
FILES: dict[str, File] = {
    "flat": File(
        {"dataset_path": "pics", "image_size": 64, "channels": 3, "latent_dim": 100}
        | {"batch_size": 32, "epochs": 50, "lr": 0.0001, "b1": 0.0, "b2": 0.9, "n_critic": 5}
        | {"lambda_gp": 10, "sample_dir": "samples", "log_file": "log.txt"},
        GP,
        PAPER
        | {"data.root": "pics", "train.batch_size": 32, "train.epochs": 50.0, "train.images": 0}
        | {"family.gp": 10.0, "family.critic_updates": 5, "family.generator.latent": 100},
    ),
    "capitals": File(
        {"DEVICE": "cuda", "LEARNING_RATE": 1e-4, "BATCH_SIZE": 64, "IMAGE_SIZE": 64}
        | {"CHANNELS_IMG": 1, "Z_DIM": 100, "NUM_EPOCHS": 100, "FEATURES_CRITIC": 16}
        | {"FEATURES_GEN": 32, "CRITIC_ITERATIONS": 5, "LAMBDA_GP": 10},
        GP,
        {"data.channels": 1, "family.critic.width": 16, "family.generator.width": 32}
        | {"speed.device": "auto", "family.gp": 10.0, "train.epochs": 100.0},
    ),
    "capitals, clipped": File(
        {"LEARNING_RATE": 5e-5, "BATCH_SIZE": 64, "IMAGE_SIZE": 64, "Z_DIM": 128}
        | {"NUM_EPOCHS": 5, "CRITIC_ITERATIONS": 5, "WEIGHT_CLIP": 0.02},
        "folder-wgan",
        both("lr", 5e-5) | {"family.clip_weights": 0.02, "family.gp": 0.0},
    ),
    "camel case": File(
        {"dataRoot": "x", "batchSize": 16, "imageSize": 32, "numEpochs": 3, "learningRate": 2e-4}
        | {"nCritic": 3, "lambdaGP": 5.5, "zDim": 64, "numWorkers": 2, "manualSeed": 7},
        GP,
        both("lr", 2e-4)
        | {"data.root": "x", "data.size": "32", "family.critic_updates": 3, "family.gp": 5.5}
        | {"family.generator.latent": 64, "seed": 7},
    ),
    "kebab case": File(
        {"data-dir": "x", "batch-size": 16, "gradient-penalty-weight": 10, "critic-iterations": 4}
        | {"learning-rate-g": 1e-4, "learning-rate-d": 3e-4, "num-epochs": 3},
        GP,
        {"family.generator_optimizer.lr": 1e-4, "family.critic_optimizer.lr": 3e-4}
        | {"family.critic_updates": 4},
    ),
    "sections": File(
        {
            "generator": {"lr": 1e-4, "hidden_dim": 32, "latent_dim": 64},
            "critic": {"lr": 3e-4, "hidden_dim": 48, "iterations": 5},
            "training": {"batch_size": 16, "epochs": 2, "gradient_penalty": {"lambda": 12}},
            "optimizer": {"name": "Adam", "betas": [0, 0.9]},
            "data": {"path": "x", "image": {"size": 32, "channels": 1}, "num_workers": 4},
            "logging": {"dir": "logs", "interval": 10, "sample_interval": 1},
        },
        GP,
        {"family.generator_optimizer.lr": 1e-4, "family.critic_optimizer.lr": 3e-4}
        | {"family.generator.width": 32, "family.critic.width": 48, "family.gp": 12.0}
        | {"family.critic_optimizer.beta1": 0.0, "data.size": "32", "data.channels": 1}
        | {"family.generator.latent": 64, "family.critic_updates": 5, "train.epochs": 2.0},
    ),
    "optimizers in sections": File(
        {
            "model": {"name": "WGAN-GP", "generator": {"z_dim": 50}, "critic": {"ndf": 32}},
            "optimizers": {
                "generator": {"type": "Adam", "lr": 2e-4, "betas": [0.5, 0.9]},
                "discriminator": {"type": "Adam", "params": {"lr": 4e-4, "betas": [0.0, 0.99]}},
            },
            "dataset": {"name": "folder", "root": "x"},
        },
        GP,
        {"family.generator_optimizer.lr": 2e-4, "family.critic_optimizer.lr": 4e-4}
        | {"family.generator_optimizer.beta1": 0.5, "family.critic_optimizer.beta2": 0.99}
        | {"family.generator.latent": 50, "family.critic.width": 32, "data.root": "x"},
    ),
    "paths in a section": File(
        {"paths": {"dataset": "x", "samples": "out/s", "logs": "out/l", "checkpoints": "out/c"}}
        | {"hyperparameters": {"n_critic": 5, "gp_weight": 10, "num_epochs": 9}},
        GP,
        {"data.root": "x", "train.epochs": 9.0, "family.gp": 10.0},
    ),
    "dcgan options": File(
        {"dataset": "folder", "dataroot": "x", "workers": 2, "batchSize": 64, "imageSize": 64}
        | {"nz": 100, "ngf": 32, "ndf": 16, "niter": 25, "lr": 0.0002, "beta1": 0.5}
        | {"cuda": False, "ngpu": 1, "netG": "", "netD": "", "outf": ".", "manualSeed": None},
        "folder-dcgan",
        both("lr", 2e-4)
        | {"family.loss": "bce", "train.epochs": 25.0, "family.generator.width": 32}
        | {"family.critic.width": 16},
    ),
    "wasserstein options": File(
        {"dataroot": "x", "nc": 3, "lrD": 5e-5, "lrG": 6e-5, "clamp_lower": -0.01}
        | {"clamp_upper": 0.01, "Diters": 5, "noBN": False, "adam": False, "experiment": None},
        "folder-wgan",
        {"family.generator_optimizer.lr": 6e-5, "family.critic_optimizer.lr": 5e-5}
        | {"family.clip_weights": 0.01}
        | both("rule", "rmsprop"),
    ),
    "argument names": File(
        {"n_epochs": 200, "batch_size": 64, "lr": 0.0002, "b1": 0.5, "b2": 0.999, "n_cpu": 8}
        | {"latent_dim": 100, "img_size": 28, "channels": 1, "n_critic": 5, "clip_value": 0.01}
        | {"sample_interval": 400},
        "folder-wgan",
        both("beta2", 0.999) | {"data.size": "28", "data.channels": 1, "family.clip_weights": 0.01},
    ),
    "a penalty beside clipping": File(
        {"lambda_gp": 10, "clip_value": 0.01, "epochs": 3},
        GP,
        {"family.gp": 10.0, "family.clip_weights": 0.0},
    ),
    "side letters first": File(
        {"g_lr": 1e-4, "d_lr": 4e-4, "g_conv_dim": 32, "d_conv_dim": 16, "lambda_gp": 10}
        | {"total_step": 1000, "d_iters": 5, "batch_size": 8, "imsize": 64, "adv_loss": "wgan-gp"}
        | {"sample_path": "./s", "model_save_path": "./m", "log_path": "./l", "image_path": "x"}
        | {"log_step": 10, "sample_step": 100, "model_save_step": 1.0, "parallel": False},
        GP,
        {"train.images": 1000 * 8 * 5, "train.epochs": 0.0, "data.root": "x"}
        | {"family.critic_optimizer.lr": 4e-4, "family.generator.width": 32},
    ),
    "capitals of a first code": File(
        {"DATA_DIR": "x", "MODE": "wgan-gp", "DIM": 32, "CRITIC_ITERS": 5, "BATCH_SIZE": 50}
        | {"ITERS": 2000, "LAMBDA": 10},
        GP,
        {"family.generator.width": 32, "family.critic.width": 32, "train.images": 2000 * 50 * 5},
    ),
    "course names": File(
        {"n_epochs": 100, "z_dim": 64, "display_step": 50, "batch_size": 128, "lr": 0.0002}
        | {"beta_1": 0.5, "beta_2": 0.999, "c_lambda": 10, "crit_repeats": 5, "device": "cuda:0"},
        GP,
        both("lr", 2e-4) | both("beta1", 0.5) | {"family.critic_updates": 5, "family.gp": 10.0},
    ),
    "keras names": File(
        {"IMG_SHAPE": [28, 28, 1], "BATCH_SIZE": 512, "noise_dim": 128, "epochs": 20}
        | {"discriminator_extra_steps": 3, "gp_weight": 10.0, "learning_rate": 0.0002}
        | {"beta_1": 0.5, "beta_2": 0.9},
        GP,
        {"data.size": "28x28", "data.channels": 1, "family.critic_updates": 3}
        | {"family.generator.latent": 128},
    ),
    "lightning names": File(
        {"trainer": {"max_epochs": 7, "accelerator": "gpu", "devices": 1, "precision": 32}}
        | {"trainer.log_every_n_steps": 20, "data": {"data_dir": "x", "batch_size": 8}}
        | {"model": {"latent_dim": 32, "lr": 1e-4, "b1": 0.0, "b2": 0.9, "lambda_gp": 10}},
        GP,
        PAPER | {"train.epochs": 7.0, "speed.device": "auto", "speed.precision": "float32"},
    ),
    "image to image names": File(
        {"dataroot": "x", "gan_mode": "wgangp", "lambda_gp": 10.0, "n_epochs": 9, "beta1": 0.5}
        | {"lr_policy": "linear", "input_nc": 3, "crop_size": 32, "load_size": 32, "gpu_ids": "0"}
        | {"name": "mine", "checkpoints_dir": "./c", "continue_train": False, "no_flip": True}
        | {"num_threads": 4, "init_type": "normal", "print_freq": 100, "save_epoch_freq": 5},
        GP,
        both("schedule", "linear") | {"data.size": "32", "data.flip": False, "data.channels": 3},
    ),
    "hinge": File(
        {"loss": "hinge", "lr": 2e-4, "epochs": 3, "spectral_norm": True},
        "folder-dcgan",
        {"family.loss": "hinge", "family.critic.spectral_norm": True},
    ),
    "lsgan": File(
        {"gan_mode": "lsgan", "epochs": 3}, "folder-dcgan", {"family.loss": "least-squares"}
    ),
    "a model's name alone": File({"model": "WGAN", "epochs": 3}, "folder-wgan", {"family.gp": 0.0}),
    "a switch": File(
        {"use_gp": True, "epochs": 1, "optimizer": "adam"},
        GP,
        {"family.gp": 10.0} | both("rule", "adam"),
    ),
    "betas alone": File({"betas": [0.0, 0.9], "epochs": 3}, GP, PAPER),
    "critic iterations alone": File(
        {"n_critic": 2, "epochs": 3}, GP, {"family.critic_updates": 2, "family.gp": 10.0}
    ),
    "nothing telling": File({"epochs": 3, "lr": 1e-3}, "folder-dcgan", both("lr", 1e-3)),
    "a named set": File(
        {"dataset": "MNIST", "lambda_gp": 10, "epochs": 3},
        "mnist-wgan-gp",
        {"data.source": "mnist", "data.size": "28x28", "data.channels": 1},
    ),
    "heights and widths": File(
        {"img_height": 32, "img_width": 48, "grayscale": True, "lambda_gp": 10, "epochs": 3},
        GP,
        {"data.size": "48x32", "data.channels": 1},
    ),
    "averaging and stopping": File(
        {
            "lambda_gp": 10,
            "ema": {"decay": 0.999},
            "early_stopping": {"enabled": True, "patience": 4},
        }
        | {"seed": 3, "batch_size": 128, "epochs": 3, "sample_every_n_epochs": 5},
        GP,
        {"train.ema_images": 88_700, "train.early_stop": True, "train.patience": 4, "seed": 3}
        | {"watch.grid_epochs": 5.0},
    ),
    "diffusion": File(
        {"model": "ddpm", "timesteps": 300, "beta_schedule": "cosine", "lr": 2e-4, "epochs": 3}
        | {"grad_clip": 0.5, "sampling_steps": 25, "loss_fn": None, "dim_mults": [1, 2, 4]},
        "folder-ddpm",
        {"family.timesteps": 300, "family.schedule": "cosine", "family.optimizer.clip": 0.5}
        | {"family.steps": 25, "family.optimizer.lr": 2e-4}
        | {"family.generator.multipliers": (1, 2, 4), "watch.grid_epochs": 0.0},
    ),
    "residual networks": File(
        {"architecture": "resnet", "lambda_gp": 10, "z_dim": 32, "features_d": 16, "epochs": 3},
        GP,
        {"family.generator.name": "residual", "family.critic.name": "residual"}
        | {"family.generator.latent": 32, "family.critic.width": 16},
    ),
    "remarks": File(
        {"_comment": "mine", "author": "me", "lambda_gp": 10, "epochs": 3, "wandb": False}
        | {"normalize_mean": [0.5], "std": 0.5, "transforms": {"resize": 32, "center_crop": True}},
        GP,
        {"data.size": "32"},
    ),
}
