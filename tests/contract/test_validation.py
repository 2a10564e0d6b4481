"""What a decision on a post promises, on every adapter."""

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from application.vault.posts import ValidateCommand, ValidatePost
from contract.world import World
from domain.audit import AuditAction, RequestInfo
from domain.errors import Forbidden, OwnPost, PostNotFound, PreconditionRequired, VersionMismatch
from domain.identity import Principal, Role
from domain.money import Money
from domain.posts import Decision, Post, PostStatus
from domain.wallet import TransactionKind

pytestmark = pytest.mark.anyio

ORIGIN = RequestInfo("request", "127.0.0.1")


async def decide(
    world: World,
    moderator: Principal,
    post: Post,
    status: PostStatus,
    *,
    seen: int | None = None,
    reason: str | None = None,
) -> Post:
    command = ValidateCommand(post.id, Decision(status, reason, seen))
    return await ValidatePost(world.transactions)(moderator, command, ORIGIN)


async def test_an_approval_pays_the_author_records_and_tells(world: World) -> None:
    await world.rate("2.50")
    author, moderator = await world.user(), await world.user(Role.MODERATOR)
    post = await world.post(author)

    approved = await decide(world, moderator, post, PostStatus.APPROVED, seen=1)

    [earning] = await world.ledger(author)
    assert (approved.status, approved.version) == (PostStatus.APPROVED, 2)
    assert approved == await world.read_post(post.id)
    assert (earning.kind, earning.amount, earning.reference_id) == (
        TransactionKind.EARNING,
        Money(Decimal("2.50")),
        post.id,
    )
    [entry] = await world.audit()
    assert (entry.action, entry.actor_id, entry.target_id, entry.refusal) == (
        AuditAction.POST_VALIDATION_CHANGED,
        moderator.user_id,
        post.id,
        None,
    )
    assert {(event.name, event.user_id) for event in await world.owed()} == {
        ("balance_updated", author.user_id),
        ("post_validation_changed", author.user_id),
    }


async def test_a_post_earns_once_in_its_life(world: World) -> None:
    await world.rate("2.50")
    author, moderator = await world.user(), await world.user(Role.MODERATOR)
    post = await world.post(author)
    await decide(world, moderator, post, PostStatus.APPROVED, seen=1)
    await decide(world, moderator, post, PostStatus.REJECTED, reason="copied")

    await decide(world, moderator, post, PostStatus.APPROVED, seen=3, reason="it was not")

    kinds = [row.kind for row in await world.ledger(author)]
    assert kinds == [TransactionKind.EARNING, TransactionKind.REVERSAL]
    assert (await world.wallet(author)).balance == Money(Decimal("0.00"))


async def test_a_decision_that_already_holds_changes_pays_and_records_nothing(world: World) -> None:
    await world.rate("2.50")
    author, moderator = await world.user(), await world.user(Role.MODERATOR)
    post = await world.post(author)
    await decide(world, moderator, post, PostStatus.APPROVED, seen=1)

    again = await decide(world, moderator, post, PostStatus.APPROVED, seen=1)

    assert again.version == 2
    assert len(await world.audit()) == 1
    assert len(await world.ledger(author)) == 1


async def test_only_what_was_seen_is_approved(world: World) -> None:
    author, moderator = await world.user(), await world.user(Role.MODERATOR)
    post = await world.post(author)

    with pytest.raises(PreconditionRequired):
        await decide(world, moderator, post, PostStatus.APPROVED)
    with pytest.raises(VersionMismatch):
        await decide(world, moderator, post, PostStatus.APPROVED, seen=2)

    assert (await world.read_post(post.id)).status is PostStatus.PENDING


async def test_a_plain_user_decides_nothing(world: World) -> None:
    author, user = await world.user(), await world.user()
    post = await world.post(author)

    with pytest.raises(Forbidden):
        await decide(world, user, post, PostStatus.APPROVED, seen=1)

    assert await world.read_post(post.id) == post


async def test_nobody_decides_on_their_own_post(world: World) -> None:
    moderator = await world.user(Role.MODERATOR)
    post = await world.post(moderator)

    with pytest.raises(OwnPost):
        await decide(world, moderator, post, PostStatus.APPROVED, seen=1)


async def test_without_a_rate_an_approval_pays_nothing(world: World) -> None:
    author, moderator = await world.user(), await world.user(Role.MODERATOR)
    post = await world.post(author)

    await decide(world, moderator, post, PostStatus.APPROVED, seen=1)

    assert await world.ledger(author) == []


async def test_an_unknown_post_is_told_to_moderators_only(world: World) -> None:
    author, moderator = await world.user(), await world.user(Role.MODERATOR)
    unknown = await _unknown(world, author)

    with pytest.raises(PostNotFound):
        await decide(world, moderator, unknown, PostStatus.REJECTED)
    with pytest.raises(Forbidden):
        await decide(world, author, unknown, PostStatus.REJECTED)


async def _unknown(world: World, author: Principal) -> Post:

    return replace(await world.post(author), id=uuid4())
