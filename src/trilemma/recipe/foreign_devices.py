"""Where to compute and how precisely, as other projects' settings say it.

Their programs take the CPU where there is no GPU, so `cuda` and `cuda:0` become `auto` here, which
the run says; a further GPU, cuda:1, is that one or an error.
"""

from typing import Any

from trilemma.recipe.foreign_values import Reading, Setting, is_whole, plain

NAMES = {  # of a device: what it is here
    "": "auto",
    "auto": "auto",
    "cpu": "cpu",
    "cuda": "auto",
    "cuda:0": "auto",
    "gpu": "auto",
    "mps": "mps",
}
ANY_GPU = "a GPU, if there is one"
SEVERAL = "one of them; for more, torchrun starts a process for each"


def device(setting: Setting) -> Reading:
    """Read a device by name or number, or whether there is to be a GPU."""
    value = setting.value
    if isinstance(value, bool):
        return _on("auto" if value else "cpu")
    name = value.strip().lower() if isinstance(value, str) else value
    if name in NAMES:
        return _on(NAMES[name])
    if isinstance(name, str):
        number = name.removeprefix("cuda:").removeprefix("gpu:")
        name = int(number) if number.removeprefix("-").isdigit() else None
    if name is None or not is_whole(name):
        raise setting.wrong("auto, cpu, cuda, cuda:1, mps, or true (a GPU) and false")
    return _numbered(int(name))


def gpu(setting: Setting) -> Reading:
    """Read which GPU, how many of them, or whether one is to be used."""
    value: Any = setting.value
    if isinstance(value, str) and "," in value:
        value = value.split(",")
    if isinstance(value, list):
        chosen = [one for one in value if one not in ("", -1)]
        if len(chosen) > 1:
            return _on("auto", SEVERAL)
        value = chosen[0] if chosen else -1
    elif (
        is_whole(value)
        and "index" not in setting.words
        and ("count" in setting.words or setting.key.lower().endswith("s"))
    ):
        return _on("auto" if value > 0 else "cpu", SEVERAL if value > 1 else "")
    return device(Setting(key=setting.key, value=value, words=setting.words, where=setting.where))


def without_gpu(setting: Setting) -> Reading:
    """Read whether to do without a GPU."""
    if not isinstance(setting.value, bool):
        raise setting.wrong("true or false")
    return _on("cpu" if setting.value else "auto")


def precision(setting: Setting) -> Reading:
    """Read a precision by its bits or name, or whether half of it will do."""
    value = setting.value
    if isinstance(value, bool):
        return Reading(fields={"speed.precision": "auto" if value else "float32"})
    name = plain(str(value))
    if "16" in name:
        return Reading(fields={"speed.precision": "bf16"})
    if "32" in name or name in ("full", "float", "no", "none"):
        return Reading(fields={"speed.precision": "float32"})
    raise setting.wrong("true, false, 16, 32, or the name of a type such as bfloat16")


def _numbered(index: int) -> Reading:
    if index < 0:
        return _on("cpu")
    return _on(f"cuda:{index}" if index else "auto")


def _on(name: str, said: str = "") -> Reading:
    return Reading(fields={"speed.device": name}, said=said or (ANY_GPU if name == "auto" else ""))
