"""``.env.example`` names every variable of the settings, with its default, and nothing else."""

import re
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_core import PydanticUndefinedType

from deploy.image import ROOT
from infrastructure.settings import MigrationSettings, Settings

EXAMPLE = (ROOT / ".env.example").read_text()
GIVEN: dict[str, str] = dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))
FIELDS = {**MigrationSettings.model_fields, **Settings.model_fields}
OF_THE_INSTALLATION = {"LINGUALINK_RELEASE"}


def test_every_variable_is_there() -> None:
    assert {name.upper() for name in FIELDS} == set(GIVEN)


@pytest.mark.parametrize("name", sorted(set(GIVEN) - OF_THE_INSTALLATION))
def test_the_default_is_the_settings_own(name: str) -> None:
    assert GIVEN[name] == _written(
        FIELDS[name.lower()].get_default(call_default_factory=True, validated_data={})
    )


def _written(default: Any) -> str:
    match default:
        case None | [] | PydanticUndefinedType():
            return ""
        case bool():
            return str(default).lower()
        case list():
            return ", ".join(default)
        case SecretStr():
            return default.get_secret_value()
    return str(default)


def test_what_is_required_is_not_commented_out() -> None:
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}

    assert required == set(re.findall(r"^([A-Z][A-Z0-9_]+)=$", EXAMPLE, re.MULTILINE))
