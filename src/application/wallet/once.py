"""The frame of every keyed money use-case: enter, authorise, replay or decide, remember, commit."""

from collections.abc import Callable, Collection
from typing import TypeVar
from uuid import UUID

from application.idempotency import Answer, KeyedRequest, refused, succeeded
from application.unit_of_work import Entry, Lock, UnitOfWork, UnitOfWorkFactory, retry_conflicts
from domain.errors import Refusal
from domain.identity import Assurance, Principal
from domain.policies import Action, Target, authorise

T = TypeVar("T")


@retry_conflicts
async def once(
    units: UnitOfWorkFactory,
    session: Principal,
    request: KeyedRequest,
    *,
    action: Action,
    wallets: Collection[UUID],
    wanted: type[T],
    decide: Callable[[UnitOfWork, Entry], T],
    target: Target = Target(),  # noqa: B008 - frozen
    lock: Lock = Lock.NOTHING,
    vault_assurance: Assurance = Assurance.AAL2,
) -> Answer[T]:
    """Run *decide* once for each key, however often the request comes.

    Whether the caller may do it is settled before any replay, and never touches the key; a refusal of *decide*
    sticks to it. Costs BEGIN, two statements and COMMIT; one more to *lock* the caller's role. *vault_assurance* is
    what the deployment wants of sessions in the vault.

    Raises:
        Unauthenticated, Forbidden: the caller may not.
        IdempotencyKeyReused, IdempotencyKeyInProgress: the key says so.
        Refusal: what *decide* answers, now or at the first request.
    """
    async with units() as uow:
        entry = await uow.enter(session, key=request, wallets=wallets, lock=lock)
        authorise(entry.actor, action, target, vault_assurance=vault_assurance)
        if entry.earlier is not None:
            return Answer(entry.earlier.replay(request, wanted), replayed=True)
        try:
            result = decide(uow, entry)
        except Refusal as refusal:
            uow.remember(request, refused(request, refusal))
            await uow.commit()
            raise
        uow.remember(request, succeeded(request, result))
        await uow.commit()
        return Answer(result, replayed=False)
