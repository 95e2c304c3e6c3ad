"""What only the data plane can say of a configuration: whether it takes a regex or a command operator.

Owns the calls to `ferryman._native` made while lowering. The data plane answers with its own engine, so that
whatever passes here compiles there. Without the native module (a build of the docs) nothing is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from ferryman.config.fields import refuse

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor


@cache
def _native(name: str) -> Callable[..., Any] | None:
    try:
        from ferryman import _native as native
    except ImportError:
        return None
    return getattr(native, name, None)


@lru_cache(maxsize=4096)
def regex_complaint(regex: str) -> str | None:
    """Why the data plane's engine does not take this RE2 pattern; None if it does."""
    check = _native("check_regex")
    return None if check is None else check(regex)


@lru_cache(maxsize=4096)
def operator_complaint(name: str, argument: str | None) -> str | None:
    """Why the data plane cannot fill this command operator; None if it can."""
    check = _native("check_operator")
    return None if check is None else check(name, argument)


def certificate_complaint(chain: bytes, key: bytes) -> tuple[str, str] | None:
    """Which of the two the data plane cannot use (`certificate_chain`, `private_key`), and why."""
    check = _native("check_certificate")
    return None if check is None else check(chain, key)


def trusted_ca_complaint(trusted_ca: bytes | None, crl: bytes | None) -> tuple[str, str] | None:
    """Which of the two the data plane cannot use (`trusted_ca`, `crl`), and why."""
    check = _native("check_trusted_ca")
    return None if check is None else check(trusted_ca, crl)


def check_regex(cursor: Cursor, regex: str, field: str = "regex") -> None:
    """Report a pattern that the data plane's engine does not take."""
    complaint = regex_complaint(regex)
    if complaint is not None:
        cursor.problem(f"`{regex}` is not a regular expression: {complaint}", field=field, code="regex")


def check_operator(cursor: Cursor, name: str, argument: str | None, field: str | None) -> None:
    """Report a command operator of Envoy's that the data plane cannot fill."""
    if operator_complaint(name, argument) is not None:
        shown = f"{name}({argument})" if argument else name
        refuse(cursor, f"%{shown}% is not supported yet", field=field)
