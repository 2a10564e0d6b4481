"""``.env.example`` names every variable of the settings, with its default, and nothing else."""

import re
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from deploy.image import ROOT
from infrastructure.settings import Settings

EXAMPLE = (ROOT / ".env.example").read_text()
GIVEN: dict[str, str] = dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))
NOT_THE_SERVERS = {"MIGRATION_DATABASE_URL"}


def test_every_variable_is_there() -> None:
    assert {name.upper() for name in Settings.model_fields} == set(GIVEN) - NOT_THE_SERVERS


@pytest.mark.parametrize("name", sorted(set(GIVEN) - NOT_THE_SERVERS))
def test_the_default_is_the_settings_own(name: str) -> None:
    field = Settings.model_fields[name.lower()]
    default: Any = field.get_default(call_default_factory=True, validated_data={})

    said = str(default).lower() if isinstance(default, bool) else str(default)
    assert GIVEN[name] == ("" if default in (None, [], PydanticUndefined) else said)


def test_what_is_required_is_not_commented_out() -> None:
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}

    assert required == set(re.findall(r"^([A-Z][A-Z0-9_]+)=$", EXAMPLE, re.MULTILINE))
