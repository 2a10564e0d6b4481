"""What a decision on a post promises, on every adapter."""

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from application.vault.posts import ValidatePost
from contract.backend import Backend
from domain.audit import AuditAction, RequestInfo
from domain.errors import Forbidden, OwnPost, PostNotFound, PreconditionRequired, VersionMismatch
from domain.identity import Principal, Role
from domain.money import Money
from domain.posts import Decision, Post, PostStatus
from domain.wallet import TransactionKind

pytestmark = pytest.mark.anyio

ORIGIN = RequestInfo("request", "127.0.0.1")


async def decide(
    backend: Backend,
    moderator: Principal,
    post: Post,
    status: PostStatus,
    *,
    seen: int | None = None,
    reason: str | None = None,
) -> Post:
    decision = Decision(status, reason, seen)
    return await ValidatePost(backend.transactions)(moderator, post.id, decision, ORIGIN)


async def test_an_approval_pays_the_author_records_and_tells(backend: Backend) -> None:
    await backend.rate("2.50")
    author, moderator = await backend.user(), await backend.user(Role.MODERATOR)
    post = await backend.post(author)

    approved = await decide(backend, moderator, post, PostStatus.APPROVED, seen=1)

    [earning] = await backend.ledger(author)
    assert (approved.validation_status, approved.version) == (PostStatus.APPROVED, 2)
    assert approved == await backend.read_post(post.id)
    assert (earning.kind, earning.amount, earning.reference_id) == (
        TransactionKind.EARNING,
        Money(Decimal("2.50")),
        post.id,
    )
    [entry] = await backend.audit()
    assert (entry.action, entry.actor_id, entry.target_id, entry.refusal) == (
        AuditAction.POST_VALIDATION_CHANGED,
        moderator.user_id,
        post.id,
        None,
    )
    assert {(event.name, event.user_id) for event in await backend.owed()} == {
        ("balance_updated", author.user_id),
        ("post_validation_changed", author.user_id),
    }


async def test_a_post_earns_once_in_its_life(backend: Backend) -> None:
    await backend.rate("2.50")
    author, moderator = await backend.user(), await backend.user(Role.MODERATOR)
    post = await backend.post(author)
    await decide(backend, moderator, post, PostStatus.APPROVED, seen=1)
    await decide(backend, moderator, post, PostStatus.REJECTED, reason="copied")

    await decide(backend, moderator, post, PostStatus.APPROVED, seen=3, reason="it was not")

    kinds = [row.kind for row in await backend.ledger(author)]
    assert kinds == [TransactionKind.EARNING, TransactionKind.REVERSAL]
    assert (await backend.wallet(author)).balance == Money(Decimal("0.00"))


async def test_a_decision_that_already_holds_changes_pays_and_records_nothing(backend: Backend) -> None:
    await backend.rate("2.50")
    author, moderator = await backend.user(), await backend.user(Role.MODERATOR)
    post = await backend.post(author)
    await decide(backend, moderator, post, PostStatus.APPROVED, seen=1)

    again = await decide(backend, moderator, post, PostStatus.APPROVED, seen=1)

    assert again.version == 2
    assert len(await backend.audit()) == 1
    assert len(await backend.ledger(author)) == 1


async def test_only_what_was_seen_is_approved(backend: Backend) -> None:
    author, moderator = await backend.user(), await backend.user(Role.MODERATOR)
    post = await backend.post(author)

    with pytest.raises(PreconditionRequired):
        await decide(backend, moderator, post, PostStatus.APPROVED)
    with pytest.raises(VersionMismatch):
        await decide(backend, moderator, post, PostStatus.APPROVED, seen=2)

    assert (await backend.read_post(post.id)).validation_status is PostStatus.PENDING


async def test_a_plain_user_decides_nothing(backend: Backend) -> None:
    author, user = await backend.user(), await backend.user()
    post = await backend.post(author)

    with pytest.raises(Forbidden):
        await decide(backend, user, post, PostStatus.APPROVED, seen=1)

    assert await backend.read_post(post.id) == post


async def test_nobody_decides_on_their_own_post(backend: Backend) -> None:
    moderator = await backend.user(Role.MODERATOR)
    post = await backend.post(moderator)

    with pytest.raises(OwnPost):
        await decide(backend, moderator, post, PostStatus.APPROVED, seen=1)


async def test_without_a_rate_an_approval_pays_nothing(backend: Backend) -> None:
    author, moderator = await backend.user(), await backend.user(Role.MODERATOR)
    post = await backend.post(author)

    await decide(backend, moderator, post, PostStatus.APPROVED, seen=1)

    assert await backend.ledger(author) == []


async def test_an_unknown_post_is_told_to_moderators_only(backend: Backend) -> None:
    author, moderator = await backend.user(), await backend.user(Role.MODERATOR)
    unknown = await _unknown(backend, author)

    with pytest.raises(PostNotFound):
        await decide(backend, moderator, unknown, PostStatus.REJECTED)
    with pytest.raises(Forbidden):
        await decide(backend, author, unknown, PostStatus.REJECTED)


async def _unknown(backend: Backend, author: Principal) -> Post:

    return replace(await backend.post(author), id=uuid4())
