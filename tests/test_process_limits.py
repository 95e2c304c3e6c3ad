"""The limit of file descriptors."""

from __future__ import annotations

import resource

import pytest
from ferryman import process_limits
from ferryman.errors import StartError


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Soft and hard limit of an imagined process."""
    kept = [1024, 4096]
    monkeypatch.setattr(resource, "getrlimit", lambda which: tuple(kept))
    monkeypatch.setattr(resource, "setrlimit", lambda which, pair: kept.__setitem__(slice(None), pair))
    return kept


def test_the_soft_limit_is_raised(limits: list[int]) -> None:
    process_limits.raise_descriptor_limit(2, 1)
    assert limits == [4096, 4096]


def test_too_few(limits: list[int]) -> None:
    limits[:] = [50, 100]
    with pytest.raises(StartError, match=r"^too few file descriptors: 100 are allowed.*ulimit -n\)$"):
        process_limits.raise_descriptor_limit(4, 2)


def test_no_limit(limits: list[int]) -> None:
    limits[:] = [1024, resource.RLIM_INFINITY]
    process_limits.raise_descriptor_limit(1000, 1000)
    assert limits[0] == resource.RLIM_INFINITY
