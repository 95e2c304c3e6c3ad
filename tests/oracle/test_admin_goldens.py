"""The golden files of the admin pages are still what the real Envoy says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from admin import record


@pytest.fixture(scope="module")
def envoy() -> Iterator[str]:
    with record.envoy() as address:
        yield address


@pytest.mark.oracle
def test_envoy_says_the_same(envoy: str) -> None:
    differing = []
    # All in one test: the pages of the first list change what the later ones say.
    for name, method, path in record.PAGES + record.PYTHON_PAGES:
        kept, said = (record.HERE / "golden" / name).read_text(), record.answer(envoy, method, path)
        if name == "runtime":
            # Envoy leaves the order of its entries to chance.
            kept, said = "".join(sorted(kept)), "".join(sorted(said))
        if kept != said:
            differing.append(name)
    assert not differing
