"""Advisory locks are numbers: two things under one number would wait for each other."""

import re
from collections import Counter
from pathlib import Path

LOCK = re.compile(r"^_?[A-Z_]*LOCK\b[^=\n]*= ([\d_]+)$", re.MULTILINE)


def test_each_lock_has_a_number_of_its_own() -> None:
    texts = (path.read_text() for path in (Path(__file__).parents[2] / "src").rglob("*.py"))
    numbers = Counter(int(number) for text in texts for number in LOCK.findall(text))

    assert len(numbers) >= 5
    assert max(numbers.values()) == 1
