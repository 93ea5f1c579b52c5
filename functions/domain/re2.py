r"""Whether RE2, the engine of Envoy, takes a regular expression. A reader of its syntax, which builds nothing.

Source: RE2's syntax page (github.com/google/re2/wiki/Syntax), its parser, and what Envoy 1.40 refuses. What this cannot
tell is whether a pattern's program outgrows RE2's memory, as \pL{1000} does.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

RUNTIME = {"re2.max_program_size.error_level": 2**32 - 1}
"""What the bootstrap of an Envoy has to say in its runtime, for by default it refuses all but tiny patterns."""
MOST_REPEATS = 1000
LARGEST = 0xFF
"""Envoy has RE2 compare bytes: there are no greater characters, and a letter such as é is two."""
CATEGORIES = r"Any|C[cfos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?"
SCRIPTS = frozenset(
    """
    Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki
    Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee
    Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan
    Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi
    Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited
    Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi
    Khitan_Small_Script Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani
    Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui
    Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari
    New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian
    Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong
    Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian
    Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le
    Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai
    Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square
    """.split()  # noqa: SIM905
)
POSIX_CLASSES = frozenset(
    "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit".split()  # noqa: SIM905
)
GROUP_NAME = r"\?P?<(\w+)>"
FLAGS = r"\?(?:[imsU]*|[imsU]*-[imsU]+)([:)])"
REPEAT = r"\{(0|[1-9]\d{0,8})(?:(,)(0|[1-9]\d{0,8})?)?\}"
HEX = r"x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))"
OCTAL = r"0[0-7]{0,2}|[1-7][0-7]{1,2}"
UNICODE = r"(?s)[pP](?:\{\^?([^}]*)\}|(.))"
CONTROL = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}


class Refusal(Exception):
    """RE2 does not take it; the message says what."""


@dataclass
class Reader:
    """A place in a pattern."""

    text: str
    at: int = 0

    def rest(self, pattern: str) -> re.Match[str] | None:
        """Read what fits a pattern, here and on. Patterns are compiled when they are first needed: it takes long."""
        found = re.compile(pattern).match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def sees(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def next(self) -> str:
        if self.at >= len(self.text):
            raise Refusal("it ends too early")
        self.at += 1
        return self.text[self.at - 1]


def check_regex(pattern: str) -> str | None:
    r"""Say what RE2 has against a pattern, or None.

    >>> check_regex("/v[0-9]+/.*"), check_regex("(?!x)"), check_regex(r"(a)\1")
    (None, 'RE2 knows no group that begins with (?!', 'RE2 knows no escape \\1')
    """
    reader = Reader(pattern.encode().decode("latin-1"))
    try:
        read_alternatives(reader)
        if reader.at < len(reader.text):
            raise Refusal("it closes a group that it did not open")
    except Refusal as refusal:
        return str(refusal)
    return None


def read_alternatives(reader: Reader) -> int:
    """Read up to the end, or the parenthesis that closes a group; give back how often its parts are repeated inside."""
    most, last, repeated = 1, 0, False
    while reader.at < len(reader.text) and not reader.sees(")"):
        begin = reader.at
        if reader.sees("|"):
            reader.at, last, repeated = reader.at + 1, 0, False
            continue
        times = repetition(reader)
        if times is None:
            found = read_atom(reader)
            last, repeated = (found, False) if found else (last, False)
            most = max(most, last)
            continue
        operator = reader.text[begin : reader.at]
        if not last:
            raise Refusal(f"{operator} has nothing to repeat")
        if repeated:
            raise Refusal(f"{operator} repeats a repetition; put that into parentheses")
        last *= max(times, 1)
        if times > 1 and last > MOST_REPEATS:
            raise Refusal(f"{operator} repeats more than {MOST_REPEATS} times")
        most, repeated = max(most, last), True
    return most


def repetition(reader: Reader) -> int | None:
    """Read a repetition; give back how often a counted one repeats, 1 for the others, None if there is none."""
    times = 1
    if reader.sees("{"):
        found = reader.rest(REPEAT)
        if not found:
            return None
        least, most = int(found[1]), int(found[3]) if found[3] else None
        if max(least, most or 0) > MOST_REPEATS or (most is not None and most < least):
            raise Refusal(f"{found[0]} is no range from 0 to {MOST_REPEATS}")
        times = most if most is not None else least
    elif reader.at < len(reader.text) and reader.text[reader.at] in "*+?":
        reader.at += 1
    else:
        return None
    if reader.sees("?"):
        reader.at += 1
    return times


def read_atom(reader: Reader) -> int:
    """Read one thing that may be repeated; give back how often its parts repeat inside, 0 if it is nothing."""
    character = reader.next()
    if character == "(":
        return read_group(reader)
    if character == "[":
        read_class(reader)
    elif character == "\\":
        return read_escape(reader)
    return 1


def read_group(reader: Reader) -> int:
    """Read a group up to its end; setting flags is a group that holds nothing."""
    if reader.sees("?"):
        named, begin = reader.rest(GROUP_NAME), reader.at
        if not named:
            flags = reader.rest(FLAGS)
            if not flags:
                raise Refusal(f"RE2 knows no group that begins with ({reader.text[begin : begin + 2]}")
            if flags[1] == ")":
                return 0
    inside = read_alternatives(reader)
    if not reader.sees(")"):
        raise Refusal("it does not close a group")
    reader.at += 1
    return inside


def read_escape(reader: Reader) -> int:
    """Read what a backslash means outside of a class; \\Q…\\E is nothing when it holds nothing."""
    if reader.at < len(reader.text) and reader.text[reader.at] in "AbBzCdDsSwW":
        reader.at += 1
    elif reader.sees("Q"):
        end = reader.text.find("\\E", reader.at)
        held = (len(reader.text) if end < 0 else end) - reader.at - 1
        reader.at = len(reader.text) if end < 0 else end + 2
        return 1 if held else 0
    elif reader.sees("p") or reader.sees("P"):
        read_unicode(reader)
    else:
        read_character(reader)
    return 1


def read_unicode(reader: Reader) -> None:
    found = reader.rest(UNICODE)
    name = (found[1] or found[2] or "") if found else ""
    if name not in SCRIPTS and not re.fullmatch(CATEGORIES, name):
        raise Refusal(f"RE2 knows no characters \\p{{{name}}}")


def read_character(reader: Reader) -> int:
    """Read an escaped character, in or outside of a class; give back its code."""
    for pattern, code in ESCAPES:
        found = reader.rest(pattern)
        if found:
            value = code(found)
            if value > LARGEST:
                raise Refusal(f"\\{found[0]} is no character")
            return value
    raise Refusal(f"RE2 knows no escape \\{reader.text[reader.at : reader.at + 1]}")


ESCAPES: tuple[tuple[str, Callable[[re.Match[str]], int]], ...] = (
    (OCTAL, lambda found: int(found[0], 8)),
    (HEX, lambda found: int(found[1] or found[2], 16)),
    ("[afnrtv]", lambda found: CONTROL[found[0]]),
    (r"(?s)[^A-Za-z0-9\x80-\U0010ffff]", lambda found: ord(found[0])),
)


def read_class(reader: Reader) -> None:
    """Read a class of characters up to its bracket."""
    if reader.sees("^"):
        reader.at += 1
    first = True
    while first or not reader.sees("]"):
        first = False
        named = reader.text.find(":]", reader.at + 2) if reader.sees("[:") else -1
        if named >= 0:
            name = reader.text[reader.at + 2 : named].removeprefix("^")
            if name not in POSIX_CLASSES:
                raise Refusal(f"RE2 knows no class [:{name}:]")
            reader.at = named + 2
        elif reader.sees("\\") and reader.text[reader.at + 1 : reader.at + 2] in ("p", "P"):
            reader.at += 1
            read_unicode(reader)
        elif reader.sees("\\") and reader.text[reader.at + 1 : reader.at + 2] in tuple("dDsSwW"):
            reader.at += 2
        else:
            read_range(reader)
    reader.at += 1


def read_range(reader: Reader) -> None:
    least = read_member(reader)
    if reader.sees("-") and not reader.sees("-]") and reader.at + 1 < len(reader.text):
        begin = reader.at
        reader.at += 1
        if read_member(reader) < least:
            raise Refusal(f"{reader.text[begin - 1 : reader.at]} is a range that ends before it begins")


def read_member(reader: Reader) -> int:
    if reader.at >= len(reader.text):
        raise Refusal("it does not close a class")
    character = reader.next()
    return read_character(reader) if character == "\\" else ord(character)
