"""Text that crosses between participants: valid Unicode of bounded length, checked here and nowhere else.

`check_text` is what every parser of foreign bytes asks; `make_text` is what every writer of text that an app, a
library or an operating system has made asks. A lone surrogate, which JSON can spell and nothing can encode, passes
neither. What may be shown at a terminal is another question (`printable`).
"""

__all__ = ["check_text", "is_encodable", "make_text"]


def is_encodable(text: str) -> bool:
    """Whether ``text`` can be written as UTF-8: it holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_text(value: object, limit: int) -> str:
    """``value``, if it is encodable text of at most ``limit`` characters; else a ``ValueError`` with the reason."""
    if not isinstance(value, str):
        raise ValueError("a text is missing")
    if len(value) > limit:
        raise ValueError(f"a text has more than {limit} characters")
    if not is_encodable(value):
        raise ValueError("a text cannot be encoded")
    return value


def make_text(text: str, limit: int) -> str:
    """``text`` so that `check_text` takes it: lone surrogates spelled out, cut at ``limit`` characters."""
    return text[:limit].encode(errors="backslashreplace").decode()[:limit]
