"""`domain`: a small classifier with 64 features, one for each labelled source.

Two ship with the package, so that FD[domain] is one column on every machine; others are trained
on the spot (`domain_training`) and travel with the run. One is two files: NAME.safetensors with
the weights and NAME.json with what they are.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from trilemma.atomic import write_bytes, write_text
from trilemma.errors import RunError
from trilemma.features.extractor import Extractor, Features, Pixels
from trilemma.features.inputs import resized, to_channels, to_tensor
from trilemma.nets.classifier import Classifier

EMBEDDED: Mapping[str, str] = {  # name of a source -> classifier in the package
    "digits": "digits",
    "fashion-mnist": "fashion-mnist",
    "mnist": "digits",
}
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a classifier is and how good: the JSON beside its weights."""

    schema: int = SCHEMA
    source: str  # name of the images it was trained on
    classes: tuple[str, ...]
    channels: int  # 1 or 3
    height: int  # pixels; images of other sizes are resized to it
    width: int
    accuracy: float  # share of held-out images classified correctly, with the stored weights
    trained: int  # images
    held_out: int  # images
    licence: str  # of the images
    how: str = ""  # command, seed, versions
    sha256: str = ""  # of the weights' file


def save(path: Path, net: Classifier, facts: Facts) -> Path:
    """Write path.safetensors (16-bit floats) and path.json, each moved into place; give the first.

    Sixteen bits halve the file; `rounded` gives the network that a reader will get.
    """
    tensors = {name: _stored(tensor) for name, tensor in net.state_dict().items()}
    data = save_tensors(tensors)
    told = asdict(facts) | {"sha256": hashlib.sha256(data).hexdigest()}
    weights = path.with_name(path.name + ".safetensors")
    write_bytes(weights, data)
    facts_text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    write_text(weights.with_suffix(".json"), facts_text)
    return weights


def rounded(net: Classifier) -> Classifier:
    """Round every number of a network to the 16 bits of the file, in place."""
    net.load_state_dict({name: _stored(t).to(t.dtype) for name, t in net.state_dict().items()})
    return net


def embedded(source: str, *, device: torch.device) -> Extractor:
    """Load the classifier that ships for a source of EMBEDDED."""
    folder = files("trilemma.features") / "embedded"
    name = EMBEDDED[source]
    weights = (folder / f"{name}.safetensors").read_bytes()
    facts = (folder / f"{name}.json").read_text(encoding="utf-8")
    return _extractor(weights, facts, where=f"embedded {name}", device=device)


def from_file(path: Path, *, device: torch.device) -> Extractor:
    """Load a saved classifier by either of its two files. RunError says what is wrong with it."""
    weights, facts = path.with_suffix(".safetensors"), path.with_suffix(".json")
    for file in (weights, facts):
        if not file.is_file():
            raise RunError(
                f"{path}: no {file.name} there; a domain classifier is a .safetensors file "
                "with a .json of the same name beside it"
            )
    text = facts.read_text(encoding="utf-8")
    return _extractor(weights.read_bytes(), text, where=str(weights), device=device)


def _stored(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return tensor.half().contiguous() if tensor.is_floating_point() else tensor


def _read_facts(text: str, *, where: str) -> Facts:
    try:
        told = json.loads(text)
        if told["schema"] > SCHEMA:
            raise RunError(
                f"{where}: schema {told['schema']} is newer than {SCHEMA}; upgrade trilemma"
            )
        return Facts(**(told | {"classes": tuple(told["classes"])}))
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"{where}: its .json does not describe a domain classifier ({error}); train it again"
        ) from error


def _extractor(weights: bytes, text: str, *, where: str, device: torch.device) -> Extractor:
    facts = _read_facts(text, where=where)
    sha256 = hashlib.sha256(weights).hexdigest()
    if sha256 != facts.sha256:
        raise RunError(
            f"{where}: sha256 is {sha256[:8]}..., its .json says {facts.sha256[:8]}...; "
            "copy both files again"
        )
    net = Classifier(channels=facts.channels, classes=len(facts.classes))
    try:
        net.load_state_dict({k: v.float() for k, v in load_tensors(weights).items()})
    except (SafetensorError, RuntimeError) as error:
        raise RunError(
            f"{where}: not the weights of a domain classifier; train it again"
        ) from error
    net = net.to(device).eval().requires_grad_(False)
    colour = "grey (BT.601 luma)" if facts.channels == 1 else "colour"
    return Extractor(
        name="domain",
        id=f"domain-{facts.source}-{sha256[:8]}",
        weights_sha256=sha256,
        resize=f"{colour}, bicubic (Pillow, 8 bit) to {facts.width}x{facts.height}",
        features=net.head.in_features,
        classes=facts.classes,
        accuracy=facts.accuracy,
        licence=facts.licence,
        extract=lambda pixels: _extract(net, facts, pixels, device),
    )


@torch.inference_mode()
def _extract(net: Classifier, facts: Facts, pixels: Pixels, device: torch.device) -> Features:
    features, logits = net(prepared(facts, pixels, device))
    return Features(features.cpu().numpy(), logits.cpu().numpy())


def prepared(facts: Facts, pixels: Pixels, device: torch.device) -> Tensor:
    """Give the classifier's input [N, channels, height, width] in [-1, 1]."""
    pixels = resized(to_channels(pixels, facts.channels), height=facts.height, width=facts.width)
    return to_tensor(pixels, device) / 127.5 - 1
