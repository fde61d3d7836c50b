"""Upscalers whose networks are not ours: through spandrel or ONNX Runtime, extras both."""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from trilemma.errors import MissingExtraError, RunError
from trilemma.places import Say, quiet

PROBE = 32  # pixels of the image by which an ONNX file shows its scale


class Other(NamedTuple):
    """A network of others: images [N, 3, h, w] -> [N, 3, scale h, scale w]."""

    net: nn.Module
    scale: int
    multiple: int  # pixels: what sides are filled up to, so that tiles begin at multiples of it


class Described(nn.Module):
    """What spandrel recognised: it fills up the sides and cuts them off again, and clamps."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.descriptor = descriptor
        self.inner = descriptor.model  # a submodule, so that it moves with this one

    def forward(self, images: Tensor) -> Tensor:
        """Enlarge."""
        large: Tensor = self.descriptor(images)
        return large


class EachChannel(nn.Module):
    """A network of one channel, over each of three."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        """Enlarge [N, 3, h, w] as 3 N images of one channel."""
        large: Tensor = self.inner(images.flatten(0, 1)[:, None])
        return large.reshape(*images.shape[:2], *large.shape[2:])


def recognised(tensors: dict[str, Tensor], path: Path, *, device: torch.device) -> Other:
    """Let spandrel find the network that the tensors are of.

    MissingExtraError: spandrel is not there or cannot be imported. RunError: it does not know them,
    or they are none of an upscaler of one or three channels.
    """
    if find_spec("spandrel") is None:
        raise MissingExtraError(
            f"{path}: {len(tensors)} tensors of a network that is none of ours (RRDBNet, "
            "SRVGGNetCompact, SRGAN); for others: pip install 'trilemma[models]'"
        )
    try:
        import spandrel
    except (ImportError, RuntimeError) as error:  # such as a torchvision of another torch
        said = str(error).partition("\n")[0]
        raise MissingExtraError(
            f"spandrel cannot be imported ({said}); pip install -U torch torchvision spandrel"
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Any = spandrel.ModelLoader(device=device).load_from_state_dict(tensors)
    except Exception as error:  # its architectures raise what they like at shapes that do not fit
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise RunError(
            f"{path}: spandrel does not know this network ({said[:120]}); give another file"
        ) from error
    if not isinstance(found, spandrel.ImageModelDescriptor):
        raise RunError(f"{path}: {found.architecture.name} is no upscaler; give another file")
    net = coloured(Described(found.eval()), found.input_channels, found.output_channels, str(path))
    return Other(net, found.scale, found.size_requirements.multiple_of)


def coloured(net: nn.Module, before: int, after: int, what: str) -> nn.Module:
    """Make a network of one channel one of three. RunError: it has other numbers of them."""
    if before != after or before not in (1, 3):
        raise RunError(
            f"{what}: takes {before} channels and gives {after}, must be 3 and 3 or 1 and 1; give "
            "another file"
        )
    return EachChannel(net) if before == 1 else net


class OnnxNet(nn.Module):
    """An ONNX file's network; it computes where its session does, whatever `to` says."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session
        (given,) = session.get_inputs()
        self.given = given.name
        self.float16 = given.type == "tensor(float16)"
        self.alone = given.shape[0] == 1  # takes one image at a time

    def forward(self, images: Tensor) -> Tensor:
        """Enlarge."""
        each = images[:, None] if self.alone else images[None]
        return torch.cat([self.part(part) for part in each]).to(images)

    def part(self, images: Tensor) -> Tensor:
        """Enlarge on the CPU, in the file's own precision; give float32."""
        pixels = images.detach().float().cpu().numpy()
        pixels = pixels.astype(np.float16) if self.float16 else pixels
        (large,) = self.session.run(None, {self.given: pixels})[:1]
        return torch.from_numpy(np.asarray(large, dtype=np.float32))


def onnx(path: Path, *, device: torch.device, say: Say = quiet) -> Other:
    """Open an ONNX file with ONNX Runtime, on the device where this build can, else on the CPU.

    MissingExtraError: ONNX Runtime is not there. RunError: no file that it can run, sides that are
    fixed, or no upscaler of one or three channels.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file; give an .onnx file")
    if find_spec("onnxruntime") is None:
        raise MissingExtraError(
            f"{path} needs ONNX Runtime, which is not installed; pip install 'trilemma[onnx]'"
        )
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors; what counts is said below
    cuda = device.type == "cuda" and "CUDAExecutionProvider" in runtime.get_available_providers()
    if device.type != "cpu" and not cuda:
        say(f"{path}: this ONNX Runtime has no {device.type}, so it computes on the CPU")
    providers = ["CUDAExecutionProvider"] if cuda else ["CPUExecutionProvider"]
    try:
        session = runtime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # its own classes, which have no common base but this
        raise _refused(path, error) from error
    return _probed(path, session)


def _probed(path: Path, session: Any) -> Other:
    """Read the channels off an ONNX file, and its scale off what it makes of a grey image."""
    given = session.get_inputs()
    shape = given[0].shape if given else []
    if len(given) != 1 or len(shape) != 4 or "float" not in given[0].type:
        raise RunError(f"{path}: takes no images [N, 3, h, w]; give the .onnx file of an upscaler")
    if any(isinstance(side, int) for side in shape[2:]):
        raise RunError(
            f"{path}: takes {shape[3]} x {shape[2]} pixels alone; export it with dynamic height "
            "and width"
        )
    channels = shape[1] if isinstance(shape[1], int) else 3
    net = OnnxNet(session)
    try:
        large = net(torch.full((1, channels, PROBE, PROBE), 0.5))
    except Exception as error:  # as above
        raise _refused(path, error) from error
    scale = large.shape[-1] // PROBE
    if large.dim() != 4 or not scale or tuple(large.shape[2:]) != (scale * PROBE, scale * PROBE):
        raise RunError(
            f"{path}: makes {tuple(large.shape)} of {PROBE} x {PROBE} pixels; give an upscaler"
        )
    return Other(coloured(net, channels, large.shape[1], str(path)), scale, 1)


def _refused(path: Path, error: Exception) -> RunError:
    said = str(error).strip().partition("\n")[0]
    return RunError(f"{path}: ONNX Runtime cannot run it ({said[:160]}); give another file")
