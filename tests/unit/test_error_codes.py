"""The error codes that programs can rely on."""

import re
from collections import Counter

from videojobs import errors

CLASSES = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, errors.VideoJobError)]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = Counter(vars(cls).get("code") for cls in CLASSES)
    assert [code for code, count in codes.items() if count > 1 or code is None] == []


def test_codes_are_snake_case() -> None:
    own = [value for name, value in vars(errors).items() if name.endswith("_CODE")]
    assert [
        code for code in [*own, *(cls.code for cls in CLASSES)] if not re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    ] == []
