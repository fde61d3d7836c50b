"""One generator for each place that draws: the seed, a name, and the clock."""

import hashlib

import torch


def rng(seed: int, name: str, images_seen: int) -> torch.Generator:
    """Make the CPU generator of one place: `rng(0, "latents", 12_800)`.

    Equal words give equal draws, on every machine and in every process; the rank is no part of it,
    so that a global draw may be sliced. The words are mixed with sha256 into a seed of 63 bits.
    torch's CPU generator keeps only 32 of them (among 200,000 seeds 5 pairs collide); image i of
    a grid is therefore seeded with its seed itself, not here.
    """
    return torch.Generator().manual_seed(mixed(seed, name, images_seen))


def mixed(seed: int, name: str, images_seen: int) -> int:
    """Mix the words into an integer in [0, 2^63)."""
    words = f"{seed}\n{name}\n{images_seen}".encode()
    return int.from_bytes(hashlib.sha256(words).digest()[:8], "big") >> 1
