"""trilemma presets: list the presets."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """List the presets: what each is for, and what was measured."""

    json: bool = False  # as JSON


def run(arguments: Arguments) -> None:
    """Print every preset, shipped and own."""
    from trilemma.recipe.presets import presets

    known = presets()
    if arguments.json:
        print(json.dumps({p.name: {"about": p.about, "measured": dict(p.measured)} for p in known}))
        return
    width = max(len(preset.name) for preset in known)
    for preset in known:
        print(f"{preset.name:{width}}  {preset.about}")
    print("\ntrilemma train PRESET --help shows all its settings")
