"""The closed lists of the code are those of the database, and every named constraint is accounted for."""

import re
from enum import StrEnum

import pytest

from domain.identity import AccountStatus, Role
from domain.posts import PostKind, PostStatus
from domain.rewards import RewardedAction
from domain.wallet import TransactionKind
from domain.withdrawals import WithdrawalStatus
from support.database import Database

pytestmark = pytest.mark.anyio

_WORDS = re.compile(r"'([a-z_]+)'")


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("profiles_role_known", Role),
        ("posts_kind_known", PostKind),
        ("posts_status_known", PostStatus),
        ("wallet_transactions_kind_shape", TransactionKind),
        ("wallet_withdrawals_status_known", WithdrawalStatus),
        ("reward_rates_action_known", RewardedAction),
    ],
)
async def test_an_enum_has_the_words_of_its_check(
    database: Database, constraint: str, words: type[StrEnum]
) -> None:
    [row] = await database.fetch(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = $1", constraint
    )

    assert set(_WORDS.findall(row[0])) == {word.value for word in words}


async def test_an_account_status_has_the_words_of_its_function(database: Database) -> None:
    [row] = await database.fetch("select prosrc from pg_proc where proname = 'account_status'")

    assert set(_WORDS.findall(row[0])) == {status.value for status in AccountStatus}
