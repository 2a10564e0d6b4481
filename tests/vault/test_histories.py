"""Random histories of posts, roles, bans and rates against a model, on memory and on Postgres.

``make chaos`` runs many more of them.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack, ExitStack
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from application.vault.posts import ValidatePost
from application.vault.rewards import ChangeRewardRate
from application.vault.users import ChangeUser
from contract.backend import Backend, MemoryBackend, postgres_backend
from devstack.postgres import LocalPostgres
from domain.audit import REFUSALS_KEPT, AuditAction, RequestInfo
from domain.errors import DomainError
from domain.identity import AccountStatus, Actor, Assurance, Principal, Role
from domain.money import Money
from domain.policies import Action, Requirements, Target, audit_action, refusal
from domain.posts import TRANSITIONS, Decision, Post, PostStatus
from domain.rewards import RewardedAction
from domain.wallet import TransactionKind
from support.database import TEMPLATE, cloned
from support.forms import sized

ORIGIN = RequestInfo("request", "192.0.2.1")
ROLES = (Role.USER, Role.USER, Role.MODERATOR, Role.MODERATOR, Role.ADMIN, Role.ADMIN)
AUTHORS = (0, 0, 1, 2, 4)

people = st.integers(0, len(ROLES) - 1)
posts = st.integers(0, len(AUTHORS) - 1)
versions = st.sampled_from((None, 0, 1))
reasons = st.sampled_from((None, "because"))
T = TypeVar("T")


class Histories(RuleBasedStateMachine):
    """What the vault does, beside a model of roles, bans, statuses and records."""

    projects: ClassVar[LocalPostgres | None] = None
    template: ClassVar[str] = TEMPLATE

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.databases, self.backends = ExitStack(), AsyncExitStack()
        self.recorded: Counter[tuple[Principal, AuditAction, str | None]] = Counter()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(coroutine)

    @initialize()
    def begin(self) -> None:
        self.backend: Backend = MemoryBackend()
        if self.projects is not None:
            database = self.databases.enter_context(cloned(self.projects, self.template))
            self.backend = self.run(self.backends.enter_async_context(postgres_backend(database)))
        self.people = [self.run(self.backend.user(role)) for role in ROLES]
        self.roles = dict(enumerate(ROLES))
        self.banned: set[int] = set()
        made = [self.run(self.backend.post(self.people[author])) for author in AUTHORS]
        self.posts: dict[int, Post] = dict(enumerate(made))
        self.rate = Decimal("2.50")
        self.run(self.backend.rate("2.50"))

    def teardown(self) -> None:
        self.run(self.backends.aclose())
        self.databases.close()
        self.loop.close()

    def attempt(self, who: int, action: Action, target: Target, use_case: Coroutine[Any, Any, T]) -> T | str:
        """Run *use_case*, which must be refused as the table says, and only so."""
        expected = refusal(self.actor(who), action, target, requirements=Requirements(Assurance.AAL1))
        try:
            result: T | str = self.run(use_case)
        except DomainError as error:
            result = error.code
        assert (result == expected.code) if expected else result not in _BY_POLICY
        if expected:
            self.note(who, action, expected.code)
        return result

    def note(self, who: int, action: Action, refused: str | None = None) -> None:
        """Expect a row in the audit log; a plain user's refusals are recorded only so often."""
        me = self.people[who]
        refusals = sum(count for (actor, _, code), count in self.recorded.items() if actor == me and code)
        if refused is None or self.roles[who] is not Role.USER or refusals < REFUSALS_KEPT:
            self.recorded[me, audit_action(action), refused] += 1

    def actor(self, who: int) -> Actor:
        return Actor(
            self.people[who],
            self.roles[who],
            AccountStatus.BANNED if who in self.banned else AccountStatus.ACTIVE,
        )

    def target(self, whom: int) -> Target:
        return Target(self.people[whom].user_id, self.roles[whom], len(self.admins() - {whom}))

    def admins(self) -> set[int]:
        return {who for who, role in self.roles.items() if role is Role.ADMIN} - self.banned

    @rule(who=people, number=posts, status=st.sampled_from(PostStatus), seen=versions, reason=reasons)
    def decide(self, who: int, number: int, status: PostStatus, seen: int | None, reason: str | None) -> None:
        """*seen*: no version, the one in force, or the one before it."""
        post = self.posts[number]
        version = None if seen is None else max(1, post.version - seen)
        decision = Decision(status, reason, version)
        use_case = ValidatePost(self.backend.transactions)
        author = Target(post.author_id)
        result = self.attempt(
            who,
            decision.action,
            author,
            use_case(self.people[who], post.id, decision, ORIGIN),
        )
        if isinstance(result, Post) and result.validation_status is not post.validation_status:
            assert (post.validation_status, status) in TRANSITIONS
            assert version in {None, post.version}
            assert result.version == post.version + 1
            self.note(who, decision.action)
            self.posts[number] = result

    @rule(
        who=st.sampled_from((3, 5)),
        number=posts,
        status=st.sampled_from((PostStatus.APPROVED, PostStatus.REJECTED)),
    )
    def decide_well(self, who: int, number: int, status: PostStatus) -> None:
        """As a moderator does who looks, so that histories come far."""
        self.decide(who, number, status, 0, "because")

    @rule(who=people, whom=people, role=st.sampled_from(Role))
    def change_role(self, who: int, whom: int, role: Role) -> None:
        use_case = ChangeUser(self.backend.transactions).role
        call = use_case(self.people[who], self.people[whom].user_id, role, ORIGIN)
        result = self.attempt(who, Action.CHANGE_ROLE, self.target(whom), call)
        if not isinstance(result, str) and self.roles[whom] is not role:
            self.note(who, Action.CHANGE_ROLE)
            self.roles[whom] = role

    @rule(who=people, whom=people)
    def ban(self, who: int, whom: int) -> None:
        use_case = ChangeUser(self.backend.transactions).ban
        call = use_case(self.people[who], self.people[whom].user_id, "spam", ORIGIN)
        result = self.attempt(who, Action.BAN_USER, self.target(whom), call)
        if not isinstance(result, str) and whom not in self.banned:
            self.note(who, Action.BAN_USER)
            self.banned.add(whom)

    @rule(who=people, whom=people)
    def lift(self, who: int, whom: int) -> None:
        use_case = ChangeUser(self.backend.transactions).lift_ban
        call = use_case(self.people[who], self.people[whom].user_id, ORIGIN)
        result = self.attempt(who, Action.LIFT_BAN, self.target(whom), call)
        if not isinstance(result, str) and whom in self.banned:
            self.note(who, Action.LIFT_BAN)
            self.banned.remove(whom)

    @rule(who=people, amount=st.sampled_from((Decimal(0), Decimal("2.50"), Decimal("99999999.99"))))
    def change_rate(self, who: int, amount: Decimal) -> None:
        use_case = ChangeRewardRate(self.backend.transactions)
        call = use_case(self.people[who], RewardedAction.POST_APPROVED, Money(amount), ORIGIN)
        result = self.attempt(who, Action.CHANGE_REWARD_RATE, Target(), call)
        if not isinstance(result, str) and amount != self.rate:
            self.note(who, Action.CHANGE_REWARD_RATE)
            self.rate = amount

    @invariant()
    def a_post_earns_once_and_the_ledger_explains_every_balance(self) -> None:
        for person in self.people:
            ledger = self.run(self.backend.ledger(person))
            earned = Counter(row.reference_id for row in ledger if row.kind is TransactionKind.EARNING)
            assert all(count == 1 for count in earned.values())
            balance = self.run(self.backend.wallet(person)).balance
            assert balance.amount == sum(row.amount.amount for row in ledger)

    @invariant()
    def the_audit_log_has_every_decision_and_nothing_else(self) -> None:
        by_id = {person.user_id: person for person in self.people}
        entries = self.run(self.backend.audit())
        found = Counter(
            (by_id[entry.actor_id], entry.action, entry.refusal) for entry in entries if entry.actor_id
        )
        assert found == self.recorded

    @invariant()
    def somebody_can_administer(self) -> None:
        stored = {who for who, person in enumerate(self.people) if self.run(self._administers(person))}
        assert stored == self.admins() != set()

    async def _administers(self, person: Principal) -> bool:
        return await self.backend.role(person) is Role.ADMIN and not await self.backend.banned(person)


_BY_POLICY = {"forbidden", "own_post", "banned", "last_admin", "anonymous_session", "mfa_required"}


def _histories(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples * sized(1, 25),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def test_no_history_in_memory_pays_twice_loses_a_record_or_passes_the_table() -> None:
    run_state_machine_as_test(Histories, settings=_histories(60, 40))


@pytest.mark.parametrize("home", ["posts", "clips"])
def test_no_history_on_postgres_pays_twice_loses_a_record_or_passes_the_table(
    home: str, projects: LocalPostgres, request: pytest.FixtureRequest
) -> None:
    class OnPostgres(Histories):
        pass

    OnPostgres.projects = projects
    if home == "clips":
        OnPostgres.template = request.getfixturevalue("clips_template")
    run_state_machine_as_test(OnPostgres, settings=_histories(4, 20))
