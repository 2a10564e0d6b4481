"""Rows go to the wire as they are stored: here they are held against the structs that document them."""

import msgspec
import pytest

from domain.identity import Role
from vault.factories import Factories
from web.profile import ProfileOut
from web.vault.audit_log import AuditEntryOut
from web.vault.posts import PostCountsOut, PostOut
from web.vault.rewards import RewardRateOut
from web.vault.users import UserOut
from web.wallet.statement import TransactionOut
from web.wallet.wallet import PostedTransactionOut, WalletOut
from web.wallet.withdrawals import PostedWithdrawalOut, WithdrawalOut

pytestmark = pytest.mark.anyio


async def test_every_answer_has_the_shape_that_is_documented(factories: Factories) -> None:
    admin, learner = await factories.make_user(Role.ADMIN, name="Shaped"), await factories.make_user()
    post = await factories.post(learner)
    async with factories.client(admin) as vault, factories.client(learner) as wallet:
        bonus = await vault.post(
            f"/vault/users/{learner.id}/transactions",
            json={"kind": "bonus", "amount": "5", "note": "n"},
            headers={"Idempotency-Key": "bonus"},
        )
        taken = await wallet.post(
            "/wallet/withdrawals", json={"amount": "1"}, headers={"Idempotency-Key": "taken"}
        )
        rate = await vault.put("/vault/reward-rates/post_approved", json={"amount": "0.005"})
        settled = await vault.post(
            f"/vault/withdrawals/{taken.json()['withdrawal']['id']}/settlement", json={"outcome": "completed"}
        )
        pages = {
            "/vault/posts": (vault, PostOut),
            "/vault/users": (vault, UserOut),
            "/vault/audit-log": (vault, AuditEntryOut),
            "/vault/withdrawals": (vault, WithdrawalOut),
            "/vault/reward-rates": (vault, RewardRateOut),
            "/wallet/transactions": (wallet, TransactionOut),
            "/wallet/withdrawals": (wallet, WithdrawalOut),
        }
        one = {
            "/profile": (wallet, ProfileOut),
            "/wallet": (wallet, WalletOut),
            f"/vault/posts/{post}": (vault, PostOut),
            "/vault/posts/counts": (vault, PostCountsOut),
            f"/vault/users/{learner.id}": (vault, UserOut),
        }
        listed = {path: (await http.get(path)).json()["items"][0] for path, (http, _) in pages.items()}
        found = {path: (await http.get(path)).json() for path, (http, _) in one.items()}

    answers = [
        (bonus.json(), PostedTransactionOut),
        (taken.json(), PostedWithdrawalOut),
        (rate.json(), RewardRateOut),
        (settled.json(), WithdrawalOut),
        *((listed[path], shape) for path, (_, shape) in pages.items()),
        *((found[path], shape) for path, (_, shape) in one.items()),
    ]
    for answer, shape in answers:
        read = msgspec.convert(answer, shape)
        assert msgspec.json.decode(msgspec.json.encode(read)) == answer, shape.__name__
