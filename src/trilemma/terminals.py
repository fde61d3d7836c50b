"""Text for a terminal: what would steer it is written out."""

import re

# Control characters but tabs and ends of lines; what turns the direction of writing; other ends.
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    r"""Write out what steers a terminal, as \x1b; letters of all languages stay."""
    return STEERING.sub(lambda found: ascii(found[0])[1:-1], text)
