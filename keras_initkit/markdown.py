"""The user's own names in Markdown."""

import re

# Characters that start a cell, an image, a link, a tag or an emphasis.
_SPECIAL = re.compile(r"[|!\[\]<>&`*\\]")


def escaped(text: str) -> str:
    """The text in one line that Markdown and HTML show as it is.

    Examples:

    >>> escaped("a|b")
    'a&#124;b'
    """
    line = " ".join(text.split())
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", line)
