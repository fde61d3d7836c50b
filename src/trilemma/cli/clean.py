"""trilemma clean: delete what the cache and the runs no longer need."""

import json
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Delete cached pixels, features and images (they are made again) and files of crashes.

    Nothing is asked. Runs, bundles, downloaded data and weights stay.
    """

    runs: bool = False  # of finished runs also the checkpoints but the last and the best
    dry_run: bool = False  # only list what would go
    json: bool = False  # list it as JSON


def run(arguments: Arguments) -> None:
    """List or delete, and say how many bytes that makes."""
    from trilemma import housekeeping
    from trilemma.live import say

    found = housekeeping.rubbish(old_checkpoints=arguments.runs)
    gone = found if arguments.dry_run else housekeeping.delete(found)
    total = sum(item.bytes for item in gone)
    if arguments.json:
        rows = [{"path": str(i.path), "why": i.why, "bytes": i.bytes} for i in gone]
        print(json.dumps({"deleted": not arguments.dry_run, "bytes": total, "files": rows}))
        return
    if arguments.dry_run:
        for item in gone:
            print(f"{item.path}  ({item.why}, {item.bytes:,} bytes)")
    for why, count in Counter(item.why for item in gone).items():
        print(f"{count:,} x {why}: {sum(i.bytes for i in gone if i.why == why):,} bytes")
    print(f"{total:,} bytes {'would be freed' if arguments.dry_run else 'freed'}")
    if len(gone) < len(found):
        say(
            f"{len(found) - len(gone):,} files stay: another program holds them, or they are not "
            "ours to delete"
        )
