"""The signing key: made once, kept privately, never accepting what another key signed."""

from pathlib import Path

import jwt
import pytest

from devstack.keys import KEY_FILE, SigningKey


def test_the_key_outlives_the_process_in_its_folder(tmp_path: Path) -> None:
    token = SigningKey.load(tmp_path / "keys").sign({"sub": "somebody"})
    assert SigningKey.load(tmp_path / "keys").read(token) == {"sub": "somebody"}


def test_the_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    SigningKey.load(tmp_path)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_every_key_without_a_folder_is_a_new_one() -> None:
    with pytest.raises(jwt.InvalidSignatureError):
        SigningKey.load(None).read(SigningKey.load(None).sign({}))


def test_an_unsigned_or_symmetric_token_is_refused() -> None:
    key = SigningKey.generate()
    for forged in (jwt.encode({}, "", algorithm="none"), jwt.encode({}, "s" * 32, algorithm="HS256")):
        with pytest.raises(jwt.InvalidAlgorithmError):
            key.read(forged)
