"""Settings that mean one thing or another, depending on their value or on their name."""

from typing import Any

from trilemma.recipe.foreign_values import (
    Reader,
    Reading,
    Setting,
    is_number,
    number,
    placed,
    plain,
    switched,
    whole,
)

EVERY_EPOCH = "samples are drawn after every epoch: --watch.grid-epochs 5 after every fifth"
MODELS = {  # how a model, or its loss, is called: a preset's kind or a loss of ours
    "wgangp": "wgan-gp",
    "wassersteingp": "wgan-gp",
    "wassersteingangp": "wgan-gp",
    "wassersteingradientpenalty": "wgan-gp",
    "improvedwgan": "wgan-gp",
    "wgangradientpenalty": "wgan-gp",
    "gp": "wgan-gp",
    "wgan": "wgan",
    "wgancp": "wgan",
    "wganclip": "wgan",
    "wganclipping": "wgan",
    "wasserstein": "wgan",
    "wassersteingan": "wgan",
    "dcgan": "dcgan",
    "gan": "dcgan",
    "vanilla": "dcgan",
    "vanillagan": "dcgan",
    "standard": "dcgan",
    "bce": "dcgan",
    "bceloss": "dcgan",
    "bcewithlogits": "dcgan",
    "bcewithlogitsloss": "dcgan",
    "crossentropy": "dcgan",
    "binarycrossentropy": "dcgan",
    "minimax": "dcgan",
    "nonsaturating": "dcgan",
    "ns": "dcgan",
    "hinge": "hinge",
    "hingeloss": "hinge",
    "lsgan": "least-squares",
    "mse": "least-squares",
    "mseloss": "least-squares",
    "l2": "least-squares",
    "leastsquares": "least-squares",
    "relativistic": "relativistic",
    "rgan": "relativistic",
    "rsgan": "relativistic",
    "ddpm": "ddpm",
    "diffusion": "ddpm",
    "diffusionmodel": "ddpm",
    "denoisingdiffusion": "ddpm",
    "unet": "ddpm",
}
KINDS = "wgan-gp, wgan, dcgan, hinge, lsgan, relativistic, ddpm"


def model(name: str) -> Reader:
    """Read the name of a model or of a loss."""

    def read(setting: Setting) -> Reading:
        kind = MODELS.get(plain(setting.value)) if isinstance(setting.value, str) else None
        if kind is None:
            raise setting.wrong(KINDS)
        return Reading(fields={name: kind})

    return read


def mode(setting: Setting) -> Reading:
    """Read what the program is to do, or which model it is to train."""
    if isinstance(setting.value, str) and plain(setting.value) in ("train", "training"):
        return Reading(said="what `trilemma train` does")
    if isinstance(setting.value, str) and plain(setting.value) in MODELS:
        return model("@model")(setting)
    raise setting.wrong(f"train, or a model: {KINDS}")


def is_train(setting: Setting) -> Reading:
    """Read whether to train, or where the images for it lie."""
    if setting.value is True:
        return Reading(said="what `trilemma train` does")
    if isinstance(setting.value, str) and setting.value:
        return Reading(fields={"@path": setting.value})
    raise setting.wrong("true, or a path; to draw images: trilemma sample RUN")


def crop(setting: Setting) -> Reading:
    """Read a size that images are cropped or scaled to, where no other is named."""
    if isinstance(setting.value, bool):
        said = "images are cropped to the shape of data.size, from the centre, and scaled to it"
        return Reading(said=said)
    if isinstance(setting.value, list | tuple) and len(setting.value) == 2:
        sides = "x".join(str(side) for side in reversed(setting.value))
        return Reading(fields={"@crop": sides})
    return Reading(fields={"@crop": str(whole("size")(setting).fields["size"])})


def one_side(setting: Setting) -> Reading:
    """Read the height or the width of the images."""
    name = "@height" if "height" in setting.words else "@width"
    return whole(name)(setting)


def classes(setting: Setting) -> Reading:
    """Read which classes to keep; how many there are, the folders say."""
    value = setting.value
    if is_number(value):
        return Reading(said="the folders of the data set are its classes")
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return Reading(fields={"data.classes": value})
    raise setting.wrong("names of classes to keep, such as ['cat', 'dog']")


def conditional(setting: Setting) -> Reading:
    """Read whether networks are told the labels."""
    if not isinstance(setting.value, bool):
        raise setting.wrong("true or false")
    return Reading(fields={"@condition": setting.value})


def features(setting: Setting) -> Reading:
    """Read what is a width of a network, unless it is 1 or 3: then it is colour."""
    if is_number(setting.value) and setting.value in (1, 3):
        return Reading(fields={"data.channels": int(setting.value)})
    return whole("*net.width")(setting)


def multipliers(setting: Setting) -> Reading:
    """Read the widths of a U-Net at its resolutions, as multiples of the first."""
    value = setting.value
    if not isinstance(value, list) or not all(type(one) is int and one > 0 for one in value):
        raise setting.wrong("whole numbers, such as [1, 2, 4]")
    return Reading(fields={"family.generator.multipliers": value})


def batchnorm(setting: Setting) -> Reading:
    """Read where batches are normalised; said of neither network, true is the generator's."""
    if not isinstance(setting.value, bool):
        return norm(setting)
    side = setting.side or ("generator" if setting.value else "")
    return Reading(fields={placed("*net.batchnorm", side): setting.value})


def without_batchnorm(setting: Setting) -> Reading:
    """Read where batches are not normalised."""
    if not isinstance(setting.value, bool):
        raise setting.wrong("true or false")
    name = placed("*net.batchnorm", setting.side)
    return Reading(fields={name: False}) if setting.value else Reading(said="as in the preset")


def norm(setting: Setting) -> Reading:
    """Read the kind of a network's normalisation."""
    kind = "none" if setting.value is False else plain(str(setting.value))
    if "batch" in kind:
        side = setting.side or "generator"
        return Reading(fields={placed("*net.batchnorm", side): True})
    name = placed("*net.batchnorm", setting.side)
    if "spectral" in kind:
        return Reading(fields={name: False, "family.critic.spectral_norm": True})
    if any(word in kind for word in ("none", "identity", "instance", "layer", "no")):
        instead = "" if "no" in kind else "there is no such normalisation here: none in its place"
        return Reading(fields={name: False}, said=instead)
    raise setting.wrong("batch, spectral or none (layer and instance become none)")


def clip(setting: Setting) -> Reading:
    """Read the bound of a critic's weights: 0.01, [-0.01, 0.01], or the lower one, -0.01."""
    value = setting.value
    if isinstance(value, list) and len(value) == 2 and all(map(is_number, value)):
        value = max(value) if max(value) == -min(value) else None
    if value is True:
        return Reading(fields={"@clip": 0.01}, said="the bound of the paper")
    if value is False:
        return Reading(fields={"@clip": 0.0})
    if not is_number(value) or (value < 0 and "lower" not in setting.words):
        raise setting.wrong("a number, 0 or more, such as 0.01, or [-0.01, 0.01]")
    return Reading(fields={"@clip": abs(float(value))})


def adam(setting: Setting) -> Reading:
    """Read whether Adam is used, in place of RMSProp."""
    if not isinstance(setting.value, bool):
        raise setting.wrong("true (Adam) or false (RMSProp)")
    return Reading(fields={"*optimizer.rule": "adam" if setting.value else "rmsprop"})


def schedule(setting: Setting) -> Reading:
    """Read the course of the learning rate."""
    value = setting.value
    named = plain(value) if isinstance(value, str) else value
    if value is True or named in ("linear", "lineardecay", "cosine", "cosineannealing"):
        course = "cosine" if "cosine" in str(named) else "linear"
        return Reading(fields={"*optimizer.schedule": course})
    if not value or named in ("none", "constant", "fixed", "null"):
        return Reading(fields={"*optimizer.schedule": "constant"})
    said = "not there: the rate is as in the preset; constant, linear and cosine are there"
    return Reading(said=said)


def generator_iterations(setting: Setting) -> Reading:
    """Read 1 as the updates of a round, more as those of the training."""
    if setting.value == 1:
        return Reading(said="one update of the generator a round, as always")
    return whole("@iterations", least=100)(setting)


def keep(setting: Setting) -> Reading:
    """Read how many checkpoints stay."""
    said = "the best one and the last two stay"
    return switched(whole("train.keep"), true=Reading(said=said), false=Reading(said=said))(setting)


def sample_interval(setting: Setting) -> Reading:
    """Read how often images are drawn, where that is said in epochs."""
    if isinstance(setting.value, bool):
        return Reading(said=EVERY_EPOCH)
    if "epoch" in setting.words:
        return number("watch.grid_epochs", above=0)(setting)
    whole("@")(setting)
    batches = {"batch", "iteration"} & {*setting.words}
    said = "not in batches: " if batches else "in batches or epochs, it does not say: "
    return Reading(said=said + EVERY_EPOCH)


def sampled(setting: Setting) -> Reading:
    """Say where samples lie; a number would be lost."""
    if is_number(setting.value):
        raise setting.wrong("true, or a folder; num_samples says how many images are drawn")
    return Reading(said="samples lie in RUN/samples, RUN being the folder of the run (--out)")


def tensorboard(setting: Setting) -> Reading:
    """Read whether the log is also written for TensorBoard, or where."""
    if isinstance(setting.value, bool):
        return Reading(fields={"watch.tensorboard": setting.value})
    return Reading(said="events lie in the folder of the run, with --watch.tensorboard")


def resume(setting: Setting) -> Reading:
    """Say how a training goes on; weights of other projects are not read."""
    value: Any = setting.value
    if not value or value is True or plain(str(value)) in ("none", "auto", "last", "latest", "1"):
        return Reading(said="the same command again goes on where the training stopped")
    raise setting.wrong(
        "true, false or null: weights of other projects are not read here, and a run of ours goes "
        "on by its own command"
    )


def only(*names: str, said: str) -> Reader:
    """Explain a setting that has one of these values; another one cannot be had."""

    def read(setting: Setting) -> Reading:
        if plain(str(setting.value)) not in names:
            raise setting.wrong(", ".join(names))
        return Reading(said=said)

    return read
