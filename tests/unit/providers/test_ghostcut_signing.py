"""GhostCut's signatures of requests and callbacks."""

import pytest
from pydantic import SecretStr

from tests.support.scripted_vendor import APP_SECRET
from videojobs.providers.ghostcut.callbacks import verify_signature
from videojobs.providers.ghostcut.signing import sign

# The fact sheet's test vector.
BODY, SECRET, SIGNATURE = b'{"idWorks":["521461135"]}', SecretStr(APP_SECRET), "ac93ef1734be4030ff2a2bb82e39a661"


def test_the_signature_matches_the_test_vector() -> None:
    assert sign(BODY, SECRET) == SIGNATURE


def test_other_bytes_of_the_same_json_have_another_signature() -> None:
    assert sign(b'{"idWorks": ["521461135"]}', SECRET) != SIGNATURE


@pytest.mark.parametrize("signature", [SIGNATURE, SIGNATURE.upper(), f" {SIGNATURE}\n"])
def test_a_callback_with_the_right_signature_is_genuine(signature: str) -> None:
    assert verify_signature(BODY, signature, SECRET)


@pytest.mark.parametrize("signature", [None, "", "0" * 32, SIGNATURE[:-1], "ünïcode"])
def test_a_callback_with_any_other_signature_is_not(signature: str | None) -> None:
    assert not verify_signature(BODY, signature, SECRET)


def test_a_changed_callback_is_not_genuine() -> None:
    assert not verify_signature(BODY + b" ", SIGNATURE, SECRET)


def test_a_missing_secret_proves_nothing() -> None:
    assert not verify_signature(BODY, sign(BODY, SecretStr("")), SecretStr(""))
