"""What a recipe is called: its digest, the run's name, and how two recipes differ."""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from trilemma.recipe.overrides import leaves
from trilemma.recipe.recipe import Recipe

DIGEST_LENGTH = 8  # characters of the digest in a run's name
NOT_IN_DIGEST = frozenset(
    {
        "preset",  # where the recipe came from
        "data.source",  # the fingerprint stands in their place
        "data.root",
        "data.low",  # the fingerprint of pairs counts how their small side is made
        "family.features_file",
        "data.attributes",
        "data.on_error",
        "train.checkpoint_images",  # what is written when, and what is shown
        "train.keep",
        "watch.grid",
        "watch.grid_epochs",
        "watch.tensorboard",
        "speed.device",  # where it is computed
        "speed.compile",
        "speed.threads",
        "speed.shard",
    }
)


def flat(recipe: Recipe) -> dict[str, Any]:
    """Give every plain field by its dotted name, such as train.batch_size, in order."""
    return dict(leaves(recipe))


def canonical(recipe: Recipe, fingerprint: str) -> str:
    """Write out as JSON all that decides what a training gives, always in the same way.

    fingerprint: of the images; it stands in the place of their path.
    """
    kept = {name: value for name, value in flat(recipe).items() if name not in NOT_IN_DIGEST}
    kept["data.fingerprint"] = fingerprint
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(recipe: Recipe, fingerprint: str) -> str:
    """Give the sha256 of the canonical JSON, 64 hexadecimal characters."""
    return sha256(canonical(recipe, fingerprint).encode("ascii")).hexdigest()


def run_name(recipe: Recipe, fingerprint: str) -> str:
    """Name a run PRESET-sSEED-DIGEST8; characters that some file systems refuse become hyphens."""
    preset = re.sub(r"[^\w.]+", "-", recipe.preset).strip("-.") or "recipe"
    return f"{preset}-s{recipe.seed}-{digest(recipe, fingerprint)[:DIGEST_LENGTH]}"


def differences(first: Recipe, second: Recipe) -> list[tuple[str, Any, Any]]:
    """List (dotted field, first's value, second's) where they differ; None: no such field."""
    return table_differences(flat(first), flat(second))


def table_differences(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> list[tuple[str, Any, Any]]:
    """List (name, first's value, second's value) where two flat tables differ; None: absent."""
    names = [*first, *(name for name in second if name not in first)]
    pairs = ((name, first.get(name), second.get(name)) for name in names)
    return [(name, one, other) for name, one, other in pairs if one != other]
