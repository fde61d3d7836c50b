"""The errors a user can meet, and the exit status of each.

TrilemmaError               2   the user's input
├── RecipeError             2   a field, a preset, a settings file
├── DataError               2   images, folders, archives, data sets
├── RunError                2   a run folder, a checkpoint, a bundle
├── MachineError            3   the environment
│   ├── NoSpaceError        3   the disk is full or cannot be written
│   ├── OfflineError        3   something has to be downloaded and cannot be
│   ├── MissingExtraError   3   an optional package is not installed
│   └── MemoryTooSmallError 3   the largest batch that fits is named
├── DivergedError           4   training gave non-finite losses more often than allowed
└── StoppedError     130, 143   Ctrl-C, SIGTERM; what was trained is saved

0 is success, 1 a mistake of ours.
"""


class TrilemmaError(Exception):
    """Say in one line what was found, what is allowed and what to do."""

    status = 2
    everywhere = False  # of several processes each has it, so that the first alone says it


class RecipeError(TrilemmaError):
    """A field, a preset or a settings file asks for what does not exist."""

    everywhere = True  # all have one recipe


class DataError(TrilemmaError):
    """Images, folders, archives or data sets cannot be used as they are."""


class RunError(TrilemmaError):
    """A run folder, a checkpoint or a bundle cannot be used as it is."""


class MachineError(TrilemmaError):
    """The environment lacks something: disk, network, memory, a package, a device."""

    status = 3


class NoSpaceError(MachineError):
    """The disk is full, or the place cannot be written."""


class OfflineError(MachineError):
    """Something has to be downloaded and cannot be."""


class MissingExtraError(MachineError):
    """An optional package is not installed."""


class MemoryTooSmallError(MachineError):
    """The batch does not fit into memory and may not be computed in parts."""


class DivergedError(TrilemmaError):
    """Training gave non-finite losses more often than it may."""

    status = 4


class StoppedError(TrilemmaError):
    """Ctrl-C or SIGTERM came; the training is saved and goes on with the same command."""

    def __init__(self, message: str, *, signal: int) -> None:
        super().__init__(message)
        self.status = 128 + signal
