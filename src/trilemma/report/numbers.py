"""Numbers as a reader wants them: rounded to their error, in the language's own marks."""

import math

NOTHING = "—"  # a value that cannot be had


def localised(text: str, language: str) -> str:
    """Use a real minus; swap decimal point and thousands comma where the language does (pt)."""
    marks = str.maketrans("-,.", "−.,") if language == "pt" else str.maketrans("-", "−")
    return text.translate(marks)


def decimals(error: float) -> int:
    """Say how many decimals an error deserves; negative: tens, hundreds.

    Two digits of an error that starts with 10 to 35, otherwise one. Source: Particle Data Group,
    Review of Particle Physics, introduction 5.3 (Rounding).
    """
    exponent = math.floor(math.log10(error))
    lead = round(error / 10**exponent * 10)
    return -exponent + (1 if lead <= 35 else 0)


def fixed(value: float, places: int) -> str:
    """Write a number with that many decimals; a negative count rounds to tens, hundreds."""
    return f"{round(value, places):,.{max(places, 0)}f}"


def plain(value: float, *, language: str, digits: int = 3) -> str:
    """Write a number with so many significant digits."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if not -4 <= exponent < 15:
        return localised(f"{value:.{digits - 1}e}", language)
    text = fixed(value, digits - 1 - exponent)
    return localised(text, language)


def with_error(value: float, error: float, *, language: str, least: int = -15) -> str:
    """Write value ± error, both rounded to what the error allows; the value alone without one.

    An error of exactly 0 is no knowledge of the error: the value stands alone, too. least: decimals
    that are written in any case.
    """
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return plain(value, language=language)
    if error < 1e-5 * abs(value):  # of no use to a reader
        return plain(value, language=language)
    places = max(decimals(error), least)
    if places > 5 and abs(value) < 1e-3:
        shift = -math.floor(math.log10(max(abs(value), error)))
        value, error, places = value * 10.0**shift, error * 10.0**shift, places - shift
        text = f"{fixed(value, places)}e-{shift} ± {fixed(error, places)}e-{shift}"
    else:
        text = f"{fixed(value, places)} ± {fixed(error, places)}"
    return localised(text, language)


def rounded(value: float, error: float, *, language: str) -> str:
    """Write the value alone, to what its error allows."""
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return plain(value, language=language)
    places = decimals(error)
    if places > 5:
        return plain(value, language=language)
    return localised(fixed(value, places), language)


def count(number: float, *, language: str) -> str:
    """Write a whole number with marks between the thousands."""
    return NOTHING if not math.isfinite(number) else localised(f"{round(number):,}", language)


def short(number: float, *, language: str) -> str:
    """Write a large number briefly: 439 k, 1.2 M."""
    if not math.isfinite(number):
        return NOTHING
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(number) >= limit:
            return localised(f"{number / limit:.3g}", language) + unit
    return localised(f"{number:.3g}", language)


def duration(seconds: float, *, language: str) -> str:
    """Write seconds as a person says them: 42 s, 5 min 3 s, 2 h 10 min."""
    if not math.isfinite(seconds):
        return NOTHING
    if seconds < 10:
        return localised(f"{seconds:.2g}", language) + " s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def percent(share: float, *, language: str, places: int = 0) -> str:
    """Write a share of one as per cent."""
    if not math.isfinite(share):
        return NOTHING
    return localised(f"{100 * share:.{places}f}", language) + " %"
