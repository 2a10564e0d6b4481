"""The policy table itself: closed where nothing is said, and published as it is."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from domain.errors import Forbidden, LastAdmin, MfaRequired
from domain.identity import AccountStatus, Actor, Assurance, Principal, Role
from domain.policies import POLICIES, Action, Requirements, Target, refusal
from domain.posts import TRANSITIONS, PostStatus

SCRIPT = Path(__file__).parents[2] / "scripts" / "render_policies.py"
ADMIN = Actor(Principal(uuid4(), uuid4(), assurance=Assurance.AAL2), Role.ADMIN, AccountStatus.ACTIVE)


def test_what_no_row_names_is_denied_even_to_an_admin() -> None:
    assert isinstance(refusal(ADMIN, "vault.burn_everything"), Forbidden)  # type: ignore[arg-type]


@pytest.mark.parametrize("action", sorted({row.action for row in POLICIES if row.rules}))
def test_a_rule_refuses_where_its_fact_is_missing(action: Action) -> None:
    assert isinstance(refusal(ADMIN, action, Target()), Forbidden)


@pytest.mark.parametrize("action", sorted({row.action for row in POLICIES if row.of_vault}))
def test_the_vault_takes_a_second_factor_unless_the_deployment_says_otherwise(action: Action) -> None:
    admin = replace(ADMIN, principal=replace(ADMIN.principal, assurance=Assurance.AAL1))

    assert isinstance(refusal(admin, action), MfaRequired)
    assert refusal(admin, action, requirements=Requirements(Assurance.AAL1)) is None


@pytest.mark.parametrize("action", [Action.CHANGE_ROLE, Action.BAN_USER])
def test_the_last_admin_stays(action: Action) -> None:
    assert isinstance(refusal(ADMIN, action, Target(ADMIN.user_id, Role.ADMIN, other_admins=0)), LastAdmin)


def test_every_change_of_a_status_has_a_transition() -> None:
    assert set(TRANSITIONS) == {
        (one, other) for one in PostStatus for other in PostStatus if one is not other
    }


def test_the_published_tables_are_the_ones_in_force() -> None:
    checked = subprocess.run([sys.executable, SCRIPT, "--check"], check=False)

    assert checked.returncode == 0, "run: python scripts/render_policies.py"
