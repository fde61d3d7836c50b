"""Networks and losses of a user's own: found, trusted, imported, and tried before a training."""

import hashlib
import py_compile
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from trilemma import trusted
from trilemma.errors import RecipeError
from trilemma.families import build, own
from trilemma.families.family import At, Batch
from trilemma.families.trial import tried
from trilemma.maths.gan_losses import GAN_LOSSES
from trilemma.recipe.checking import check
from trilemma.recipe.networks import (
    OwnCritic,
    OwnDenoiser,
    OwnGenerator,
    PerceptronCritic,
    PerceptronGenerator,
)
from trilemma.recipe.own import Own, arguments, as_typed, named
from trilemma.recipe.recipe import AdversarialRecipe, DiffusionRecipe, Recipe

NAMES = ("net:Generator", "net:Critic", "net:loss")
HEAD = """
import torch
from torch import Tensor, nn
from trilemma.maths.gan_losses import GanLoss
"""
GENERATOR = """
class Generator(nn.Module):
    def __init__(self, *, size, channels, latent, width=8):
        super().__init__()
        self.shape = (channels, *size)
        self.one = nn.Linear(latent, width)
        self.two = nn.Linear(width, channels * size[0] * size[1])

    def forward(self, z):
        return self.two(self.one(z).relu()).tanh().reshape(-1, *self.shape)
"""
CRITIC = """
class Critic(nn.Module):
    def __init__(self, *, size, channels, width=8):
        super().__init__()
        self.one = nn.Linear(channels * size[0] * size[1], width)
        self.two = nn.Linear(width, 1)

    def forward(self, images):
        return self.two(self.one(images.flatten(1)).tanh()).flatten()
"""
LOSS = """
def loss(*, real, fake):
    return (1 - real).relu() + (1 + fake).relu(), -fake
"""
DENOISER = """
class Denoiser(nn.Module):
    def __init__(self, *, size, channels):
        super().__init__()
        self.one = nn.Conv2d(channels + 1, channels, 3, padding=1)

    def forward(self, images, level):
        levels = level[:, None, None, None].expand_as(images[:, :1])
        return self.one(torch.cat([images, levels], 1))
"""
WHOLE = HEAD + GENERATOR + CRITIC + LOSS


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder, as a process that trusts `net` and has imported nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trusted, "_ALLOWED", {name: set() for name in NAMES})
    trusted.allow("net:Denoiser")
    yield tmp_path
    for name in [name for name in sys.modules if "@" in name or name.partition(".")[0] == "more"]:
        del sys.modules[name]


def write(text: str, place: Path = Path("net.py")) -> str:
    """Write a module; give the digest that a recipe records."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text.encode())
    return hashlib.sha256(text.encode()).hexdigest()


def recipe(**family: Any) -> Recipe:
    """Give a recipe of 14x14 grey images, with a generator, critic and loss of `net`."""
    parts: dict[str, Any] = {
        "generator": OwnGenerator(name="net:Generator", latent=6),
        "critic": OwnCritic(name="net:Critic"),
        "loss": "net:loss",
    }
    made = tiny.recipe("x", AdversarialRecipe(**{**parts, **family}))
    return replace(made, data=replace(made.data, size="14x14"))


def denoising(**family: Any) -> Recipe:
    made = tiny.recipe(
        "x", DiffusionRecipe(process="edm", generator=OwnDenoiser(name="net:Denoiser"), **family)
    )
    return replace(made, data=replace(made.data, size="14x14"))


def losses(made: Recipe) -> dict[str, Tensor]:
    """Give the losses of a fresh family on fixed images and noise."""
    family = build(made)
    rng = torch.Generator().manual_seed(5)
    batch = Batch(torch.rand(4, 1, 14, 14, generator=rng) * 2 - 1)
    noise = {name: draw(4, rng) for name, draw in family.phases[0].noise.items()}
    clock = At(torch.zeros(()), torch.zeros(()))
    return {p.name: p.loss(batch, noise, clock)[0].detach() for p in family.phases}


@pytest.mark.parametrize("loss", ["hinge", "relativistic"])
def test_our_own_networks_under_other_names_are_the_same_to_the_bit(loss: str) -> None:
    """By path, with settings, as by name; a function that gives both losses is as good as a row."""
    write(
        "from trilemma.nets.perceptron import PerceptronGenerator as Generator\n"
        "from trilemma.nets.perceptron import PerceptronCritic as Critic\n"
        "from trilemma.maths.gan_losses import GAN_LOSSES\n"
        f"row = GAN_LOSSES['{loss}']\n"
        "def loss(*, real, fake):\n"
        "    return row.critic(real=real, fake=fake), row.generator(real=real, fake=fake)\n"
    )
    settings = ("width=5", "depth=2")
    ours = recipe(
        generator=OwnGenerator(name="net:Generator", latent=6, settings=settings),
        critic=OwnCritic(name="net:Critic", settings=(*settings, "spectral_norm=false")),
        r1=1.0,
    )
    theirs = recipe(
        generator=PerceptronGenerator(latent=6, width=5, depth=2),
        critic=PerceptronCritic(width=5, depth=2),
        loss=loss,
        r1=1.0,
    )
    found, expected = losses(ours), losses(theirs)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    tried(ours)


def test_a_spectral_norm_around_a_critic_of_ones_own() -> None:
    write(WHOLE)
    critic = build(recipe(critic=OwnCritic(name="net:Critic", spectral_norm=True))).nets["critic"]
    critic.eval()
    for layer in (critic.one, critic.two):
        largest = torch.linalg.matrix_norm(layer.weight, 2).item()
        assert largest == pytest.approx(1, abs=0.2)
    tried(recipe(critic=OwnCritic(name="net:Critic", spectral_norm=True)))


def test_settings_are_toml_and_else_text() -> None:
    words = ("a=3", "b=0.5", "c=true", "d=[1, 2]", "e=leaky", 'f="3"', "g=", "h=1\ni = 2", "j=a=b")
    assert arguments("x", words) == {
        "a": 3,
        "b": 0.5,
        "c": True,
        "d": [1, 2],
        "e": "leaky",
        "f": "3",
        "g": "",
        "h": "1\ni = 2",
        "j": "a=b",
    }
    assert type(arguments("x", ("a=3",))["a"]) is int


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ({"loss": "net.py:loss"}, "without .py, a colon and what is taken from it, such as net:l"),
        ({"loss": "net:"}, "family.loss is 'net:'; allowed: the module's name"),
        ({"loss": "a/net:loss"}, "such as a.net:loss"),
        ({"loss": "../net:loss"}, "family.loss is '../net:loss'; allowed"),
        ({"generator": OwnGenerator(name="")}, "family.generator is ''; allowed"),
        ({"generator": OwnGenerator(name="net:G", latent=0)}, "family.generator.latent is 0"),
        ({"critic": OwnCritic(name="net:C", settings=("width",))}, "has 'width'; allowed: name="),
        ({"critic": OwnCritic(name="net:C", settings=("a=1", "a=2"))}, "each name once"),
        ({"critic": OwnCritic(name="net:C", settings=("size=2",))}, "which the recipe gives"),
    ],
)
def test_what_is_spelled_wrong_is_refused(family: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(said)):
        check(recipe(**family))


def test_labels_and_a_denoiser_of_ones_own_do_not_go_together() -> None:
    with pytest.raises(RecipeError, match=r"set family\.condition = 'none' or family\.generator"):
        check(denoising(condition="labels"))


def test_what_nobody_typed_is_not_run(here: Path) -> None:
    write("open('ran', 'w').close()\n" + WHOLE, Path("other.py"))
    for family in (
        {"loss": "other:loss"},
        {"generator": OwnGenerator(name="other:Generator")},
        {"critic": OwnCritic(name="other:Critic")},
    ):
        write(WHOLE)
        for act in (build, tried, own.recorded, own.kept):
            with pytest.raises(RecipeError, match="nobody typed, so it is not run; if you trust"):
                act(recipe(**family))
    assert not (here / "ran").exists()
    trusted.allow(trusted.ALL)
    build(recipe(loss="other:loss"))
    assert (here / "ran").exists()


def test_a_path_that_leads_elsewhere_is_refused_where_it_is_opened_too(here: Path) -> None:
    write(LOSS, here.parent / "up.py")
    trusted.allow(trusted.ALL)
    for path in ("../up:loss", "..up:loss", f"{here.parent}/up:loss"):
        with pytest.raises(RecipeError, match="allowed: the module's name"):
            own.code_of(Own("family.loss", path, ""), None)


def test_the_digest_is_that_of_the_file_with_line_ends_as_on_linux() -> None:
    digest = write(WHOLE)
    known = own.recorded(recipe())
    assert {one.digest for one in named(known)} == {digest}
    Path("net.py").write_bytes(WHOLE.replace("\n", "\r\n").encode())
    assert own.recorded(recipe()) == known
    build(known)


def test_a_digest_of_another_loss_is_not_kept() -> None:
    write(WHOLE)
    family = own.recorded(recipe(loss="hinge", loss_digest="ab")).family
    assert isinstance(family, AdversarialRecipe)
    assert family.loss_digest == ""


def test_what_is_typed_has_no_digest_of_a_file() -> None:
    old = recipe(loss_digest="ab", critic=OwnCritic(name="net:Critic", digest="cd"))
    fresh, paths = as_typed(old, {"family.loss"})
    assert paths == ("net:loss",)
    assert [one.digest for one in named(fresh)] == ["", "cd", ""]


def test_a_file_that_has_changed_is_refused_trusted_or_not() -> None:
    write(WHOLE)
    known = own.recorded(recipe())
    write(WHOLE + "# another\n")
    trusted.allow(trusted.ALL)
    with pytest.raises(RecipeError, match=r"net\.py has changed since the training \(sha256 "):
        build(known)


def test_the_file_of_then_is_found_beside_the_recipe(here: Path) -> None:
    write(WHOLE, here / "run" / "net.py")
    known = own.recorded(recipe(), here / "run")
    write(WHOLE.replace("width=8", "width=9"))
    assert build(known, beside=here / "run").nets["critic"].one.out_features == 8
    assert build(recipe(), beside=here / "run").nets["critic"].one.out_features == 9
    assert build(known, beside=here / "run").nets["critic"].one.out_features == 8  # both at once


def test_another_file_of_a_name_that_was_typed_is_not_run(here: Path) -> None:
    write(WHOLE)
    build(recipe())
    marked = 'open("ran", "w").close()\n' + WHOLE
    write(marked, here / "theirs" / "net.py")
    digest = hashlib.sha256(marked.encode()).hexdigest()
    family: Any = recipe().family
    theirs = replace(
        recipe(),
        family=replace(
            family,
            loss_digest=digest,
            generator=replace(family.generator, digest=digest),
            critic=replace(family.critic, digest=digest),
        ),
    )
    with pytest.raises(RecipeError, match="other code than what was run under this name"):
        build(theirs, beside=here / "theirs")
    assert not (here / "ran").exists()


def test_a_compiled_file_is_not_run_in_place_of_the_source(here: Path) -> None:
    """Its digest would say nothing of what ran."""
    write(WHOLE.replace("width=8", "width=7"))
    place = here / "__pycache__" / f"net.{sys.implementation.cache_tag}.pyc"
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile("net.py", str(place), invalidation_mode=mode)
    write(WHOLE)
    assert build(recipe()).nets["critic"].one.out_features == 8


@pytest.mark.parametrize("name", ["more.neighbour_of_net", ".neighbour_of_net"])
def test_dots_are_folders_and_neighbours_can_be_imported(here: Path, name: str) -> None:
    write("WIDTH = 3\n", here / "more" / "neighbour_of_net.py")
    text = WHOLE.replace("width=8", "width=WIDTH")
    write(f"from {name} import WIDTH\n" + text, here / "more" / "net.py")
    trusted.allow("more.net:Critic")
    write(WHOLE)
    before = list(sys.path)
    made = build(recipe(critic=OwnCritic(name="more.net:Critic")))
    assert made.nets["critic"].one.out_features == 3
    assert sys.path == before


BROKEN = [
    ("loss", "no_such_name\n", r"net\.py, line 1: NameError: name 'no_such_name' is not def"),
    ("loss", "\ndef f(:\n", r"net\.py, line 2: SyntaxError: invalid syntax"),
    ("loss", "import sys\nsys.exit(3)\n", r"net\.py, line 2: SystemExit: 3"),
    ("loss", "import no_such_module_at_all\n", r"line 1: ModuleNotFoundError"),
    ("loss", "from .x import y\n", r"line 1: ImportError"),
    ("loss", "Loss = 1\nlos = 2\n", r"unknown name in .*net\.py 'loss'; allowed: Loss, los; did"),
    ("loss", "loss = 3\n", r"which is no class and no function"),
    ("loss", "def loss(real, fakes): ...\n", r"TypeError: .*unexpected keyword argument 'fake'"),
    ("loss", "def loss(*, real, fake):\n    return -fake\n", r"gives Tensor; allowed: two tensors"),
    (
        "loss",
        "def loss(*, real, fake):\n    return (fake - real).mean(), -fake\n",
        r"gives the critic \[\] for 8 scores; allowed: \[8\], one value an image, not averaged",
    ),
    (
        "loss",
        "def loss(*, real, fake):\n    return fake - real, -fake[:, None]\n",
        r"gives the generator \[8, 1\] for 8 scores",
    ),
    (
        "loss",
        "from trilemma.maths.gan_losses import GanLoss\n"
        "def side(*, real, fake):\n    return fake - real\n"
        "loss = GanLoss(side, side)\n",
        r"reads the real scores; say so: GanLoss\(\.\.\., paired=True\)",
    ),
    (
        "loss",
        "def loss(*, real, fake):\n    return 1 / 0\n",
        r"line 2: ZeroDivisionError: division",
    ),
]


@pytest.mark.parametrize(("name", "text", "said"), BROKEN)
def test_a_mistake_in_the_file_is_one_line_with_its_place(name: str, text: str, said: str) -> None:
    write(text)
    with pytest.raises(RecipeError, match=said) as refused:
        build(recipe(generator=PerceptronGenerator(), critic=PerceptronCritic()))
    assert str(refused.value).startswith("family.loss")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("shown", ["function", "row"])
def test_a_generators_loss_that_reads_real_scores_is_given_them(shown: str) -> None:
    """A function need not say so: it is found out."""
    row = "GanLoss(c, g, paired=True, distance=True)"
    write(
        HEAD + "def c(*, real, fake):\n    return fake - real\n"
        "def g(*, real, fake):\n    return real - fake\n"
        + (f"loss = {row}" if shown == "row" else "def loss(**s):\n    return c(**s), g(**s)\n")
    )
    found = own.rows(recipe(generator=PerceptronGenerator(), critic=PerceptronCritic()))["net:loss"]
    assert found.paired
    assert found.distance == (shown == "row")
    assert found.generator(real=torch.tensor([3.0]), fake=torch.tensor([1.0])) == 2


def test_a_loss_that_does_not_is_not_paired() -> None:
    write(WHOLE)
    assert not own.rows(recipe())["net:loss"].paired


UNTRAINABLE = [  # what is replaced in WHOLE, by what, and the line
    ("latent, width=8", "width=8", "unexpected keyword argument 'latent'"),
    (", *self.shape)", ", 196)", "family.generator is 'net:Generator', which gives [2, 196] for 2"),
    (".tanh().reshape", ".log().reshape", "not finite floats for latents [2, 6]"),
    ("self.one(z)", "self.one(z * 0)", "draws the same image from two different latents"),
    ("self.one(z)", "self.one(z + torch.randn_like(z))", "draws two images from one latent"),
    ("self.one(z)", "self.one(z).detach()", "the loss of the generator reaches 2 of its 4 weights"),
    ("self.one(z)", "self.one(z, 1)", "TypeError"),
    (".tanh()).flatten()", ".tanh())", "'net:Critic', which gives [2, 1] for 2 images, one score"),
    ("images.flatten(1)", "0 * images.flatten(1)", "gives two different images the same score"),
    ("self.two = nn.Linear(width, 1)\n", "self.two = self.no\n", "AttributeError: 'Critic' obje"),
    ("images.flatten(1)", "images", "RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
    (
        "self.two = nn.Linear(width, 1)\n",
        "self.two = nn.Linear(width, 1); self.three = nn.Linear(1, 1)\n",
        "critic reaches 4 of its 6 weights, but not three.weight, three.bias; use them, or",
    ),
    (
        "self.two = nn.Linear(width, 1)\n",
        "self.two = nn.Linear(width, 1); self.same = self.two.weight\n",
        "share memory, which no file can hold",
    ),
    (
        "-fake\n",
        "-fake.detach()\n",
        "family.loss 'net:loss' the loss of the generator has no gradient",
    ),
    ("(1 + fake)", "(1 + fake).detach()", ""),  # the real half is left: the critic can be trained
    ("-fake\n", "0 * fake\n", "the loss of the generator has a gradient that is 0 everywhere"),
    ("-fake\n", "-fake / 0\n", "the loss of the generator is not finite at the start"),
    ("class Critic(nn.Module)", "class Critic(object)", "which makes no torch.nn.Module"),
]


@pytest.mark.parametrize(("old", "new", "said"), UNTRAINABLE)
def test_what_cannot_be_trained_is_said_before(old: str, new: str, said: str) -> None:
    assert old in WHOLE
    text = WHOLE.replace(old, new)
    if "class Critic(object)" in text:
        text = HEAD + GENERATOR + LOSS + "class Critic:\n    def __init__(self, **kw): pass\n"
    write(text)
    check(recipe())
    if not said:
        tried(recipe())
        return
    with pytest.raises(RecipeError, match=re.escape(said)) as refused:
        tried(recipe())
    assert "\n" not in str(refused.value)


def test_batch_norm_and_a_penalty_on_the_critics_slope_do_not_go_together() -> None:
    layer = "self.one = nn.Sequential(self.one, nn.BatchNorm1d(width))\n"
    write(WHOLE.replace("        self.two = nn.Linear(width, 1)\n", f"        {layer}") + "")
    text = WHOLE.replace(
        "        self.two = nn.Linear(width, 1)\n",
        f"        {layer}        self.two = nn.Linear(width, 1)\n",
    )
    write(text)
    tried(recipe())
    assert not build(recipe()).splits
    with pytest.raises(RecipeError, match=r"normalises over the batch: r1 and gp need the slope"):
        tried(recipe(r1=1.0, gp=1.0))


def test_nothing_that_is_tried_leaves_a_mark() -> None:
    """Neither in the networks of the training nor in the process's random numbers."""
    write(WHOLE)
    torch.manual_seed(3)
    expected = (torch.rand(3), build(recipe()).nets.state_dict())
    torch.manual_seed(3)
    tried(recipe())
    assert torch.equal(torch.rand(3), expected[0])
    fresh = build(recipe()).nets.state_dict()
    assert all(torch.equal(fresh[name], weight) for name, weight in expected[1].items())


@pytest.mark.parametrize(
    ("condition", "lacks"), [("projection", True), ("auxiliary", True), ("concat", False)]
)
def test_a_critic_in_one_piece_is_told_labels_only_as_a_channel(
    condition: str, lacks: bool
) -> None:
    write(WHOLE)
    made = recipe(condition=condition, condition_width=4)
    made = replace(made, data=replace(made.data, labels=("a", "b", "c")))
    if lacks:
        with pytest.raises(RecipeError, match=r"'net:Critic' lacks features, score, width_of"):
            tried(made)
    else:
        tried(made)


def test_a_denoiser_of_ones_own() -> None:
    write(HEAD + DENOISER)
    tried(denoising())
    assert losses(denoising())["denoise"].shape == (4,)
    write(HEAD + DENOISER.replace("padding=1", "padding=0"))
    with pytest.raises(RecipeError, match=r"gives \[2, 1, 12, 12\] for 2 noisy images"):
        tried(denoising())


def test_our_own_networks_and_losses_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trilemma.families.trial.build", None)
    tried(tiny.recipe("x"))


def test_the_example_s_loss_is_the_hinge_of_the_table() -> None:
    example = Path(__file__).resolve().parents[1] / "examples"
    trusted.allow("own_gan:loss")
    made = recipe(generator=PerceptronGenerator(), critic=PerceptronCritic(), loss="own_gan:loss")
    found = own.rows(made, example)["own_gan:loss"]
    real, fake = torch.randn(2, 50, generator=torch.Generator().manual_seed(1))
    for side in ("critic", "generator"):
        theirs = getattr(GAN_LOSSES["hinge"], side)(real=real, fake=fake)
        assert torch.equal(getattr(found, side)(real=real, fake=fake), theirs)


def test_no_import_by_the_current_folder_alone(here: Path) -> None:
    """Where nothing of the name lies, the line names the places."""
    with pytest.raises(
        RecipeError, match=r"in the current folder, in .*run and where Python looks"
    ):
        build(recipe(), beside=here / "run")
