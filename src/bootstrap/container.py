"""Which adapter stands behind which port. Everything is made once, and closed when the container is."""

from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import uuid4

from dishka import AsyncContainer, Provider, Scope, from_context, make_async_container, provide
from sqlalchemy.ext.asyncio import AsyncEngine

from application.database import Database
from application.ops import CheckReadiness, ShutdownState
from application.ports import NewId
from application.profile import Accounts, ReadProfile
from application.realtime.pace import Pace
from application.realtime.relay_events import RelayEvents
from application.transactions import Transactions
from application.vault.adjustments import AdjustBalance, ReverseTransaction
from application.vault.approvals import DecideApproval
from application.vault.posts import ValidatePost
from application.vault.reading import ReadVault, VaultReaderFactory
from application.vault.rewards import ChangeRewardRate
from application.vault.users import ChangeUser
from application.vault.withdrawals import SettleWithdrawal
from application.wallet.reading import ReadWallet, Wallets
from application.wallet.transfers import TransferFunds
from application.wallet.withdrawals import WithdrawFunds
from domain.identity import Assurance
from domain.limits import Limits
from domain.money import Money
from domain.policies import Requirements
from infrastructure.metrics import Metrics
from infrastructure.postgres.accounts import PostgresAccounts
from infrastructure.postgres.books import PostgresBooks
from infrastructure.postgres.connections import PostgresSchema, create_engine, create_pool
from infrastructure.postgres.grouped_transactions import GroupedDatabase
from infrastructure.postgres.lease import PostgresLease, relay_name
from infrastructure.postgres.maintenance import (
    MaintenanceWorker,
    PostgresIdempotencyKeys,
    PostgresLegacyTokens,
)
from infrastructure.postgres.notifications import OutboxNotifications
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.vault import vault_readers
from infrastructure.postgres.wallets import PostgresWallets
from infrastructure.relay import MeasuredPublisher, PollSchedule, Relay
from infrastructure.settings import Settings
from infrastructure.supabase.admin import RealtimeEndpoint
from infrastructure.supabase.broadcast import RealtimePublisher
from infrastructure.supabase.claims import TokenRules
from infrastructure.supabase.verifier import SupabaseTokenVerifier, token_verifier
from web.endpoints import Currency
from web.pagination import Cursors


class Infrastructure(Provider):
    """Connections, and the adapters on them."""

    scope = Scope.APP
    settings = from_context(Settings)
    metrics = from_context(Metrics)

    @provide
    async def pool(self, settings: Settings) -> AsyncIterator[Pool]:
        """Connections for money and hot reads."""
        async with create_pool(settings.database, settings.lingualink_pool_size) as pool:
            yield pool

    @provide
    async def engine(self, settings: Settings) -> AsyncIterator[AsyncEngine]:
        """Connections for lists."""
        engine = create_engine(settings.database)
        yield engine
        await engine.dispose()

    @provide
    async def verifier(self, settings: Settings, metrics: Metrics) -> AsyncIterator[SupabaseTokenVerifier]:
        """Knows Supabase's tokens."""
        secret = settings.supabase_jwt_secret
        verifier = token_verifier(
            TokenRules(frozenset(settings.jwt_issuers), settings.supabase_jwt_audience),
            jwks_url=settings.jwks_url,
            jwt_secret=None if secret is None else secret.get_secret_value(),
            local_development=settings.is_local,
            observer=metrics,
        )
        yield verifier
        await verifier.aclose()

    @provide
    def database(self, pool: Pool, relay: Relay) -> Database:
        """Where transactions take place; the relay hears of each that owes an event."""
        return GroupedDatabase(pool, relay.after_commit)

    @provide
    def vault_readers(self, engine: AsyncEngine) -> VaultReaderFactory:
        """The vault's lists."""
        return vault_readers(engine)

    accounts = provide(PostgresAccounts, provides=Accounts)
    wallets = provide(PostgresWallets, provides=Wallets)
    books = provide(PostgresBooks)
    schema = provide(PostgresSchema)

    @provide
    def housekeeping(
        self, pool: Pool, books: PostgresBooks, verifier: SupabaseTokenVerifier
    ) -> MaintenanceWorker:
        """What is cleaned up and kept beside the routes."""
        keys, tokens = PostgresIdempotencyKeys(pool), PostgresLegacyTokens(pool)
        return MaintenanceWorker(keys, books, tokens, lambda: verifier.legacy_accepted_at)


class Realtime(Provider):
    """The way of an event from the commit to Supabase."""

    scope = Scope.APP

    @provide
    def outbox(self, pool: Pool, metrics: Metrics) -> PostgresOutbox:
        """What is owed."""
        return PostgresOutbox(pool, metrics.delivered)

    @provide
    async def publisher(self, settings: Settings, metrics: Metrics) -> AsyncIterator[MeasuredPublisher]:
        """Supabase Realtime. A server on this machine is behind no proxy."""
        endpoint = RealtimeEndpoint.of(settings.supabase_url, settings.supabase_secret_key.get_secret_value())
        publisher = RealtimePublisher(endpoint, through_proxy=not settings.is_local)
        yield MeasuredPublisher(publisher, metrics.published)
        await publisher.aclose()

    @provide
    def relay(
        self,
        settings: Settings,
        lease: PostgresLease,
        outbox: PostgresOutbox,
        publisher: MeasuredPublisher,
        channel: OutboxNotifications,
        metrics: Metrics,
    ) -> Relay:
        """The relay of this process, whether it runs or not."""
        relay_events = RelayEvents(lease, outbox, publisher, Pace(settings.lingualink_realtime_share))
        schedule = PollSchedule(lambda: channel.listening)
        return Relay(relay_events, schedule, metrics.relay_round, channel.notify)

    @provide
    def channel(self, settings: Settings) -> OutboxNotifications:
        """The way to relays in other processes."""
        return OutboxNotifications(settings.database)

    @provide
    def lease(self, pool: Pool, settings: Settings) -> PostgresLease:
        """The right to relay."""
        return PostgresLease(pool, relay_name(settings.lingualink_release))


class UseCases(Provider):
    """What the service does; stateless, so each is made once."""

    scope = Scope.APP
    shutdown = from_context(ShutdownState)

    @provide
    def new_id(self) -> NewId:
        """Random ids (RFC 9562, version 4)."""
        return uuid4

    @provide
    def currency(self, settings: Settings) -> Currency:
        """The deployment's currency."""
        return Currency(settings.lingualink_currency)

    @provide
    def transactions(
        self, settings: Settings, database: Database, new_id: NewId, currency: Currency
    ) -> Transactions:
        """The door; the deployment says what it wants of sessions."""
        needed = Assurance.AAL2 if settings.lingualink_vault_requires_mfa else Assurance.AAL1
        clients = frozenset(settings.lingualink_oauth_clients)
        return Transactions(database, new_id, currency, Requirements(needed, clients))

    @provide
    def readiness(
        self, schema: PostgresSchema, verifier: SupabaseTokenVerifier, shutdown: ShutdownState
    ) -> CheckReadiness:
        """Asks the database, the signing keys, and whether the process is on its way out."""
        return CheckReadiness(schema.read, verifier.prepare, shutdown)

    @provide
    def cursors(self, settings: Settings) -> Cursors:
        """Cursors under a key of their own."""
        return Cursors(settings.supabase_secret_key.get_secret_value())

    @provide
    def limits(self, settings: Settings) -> Limits:
        """What the deployment allows."""
        return Limits(
            withdrawal_minimum=_money(settings.lingualink_withdrawal_minimum),
            withdrawal_daily=_money(settings.lingualink_withdrawal_daily_limit),
            transfer_daily=_money(settings.lingualink_transfer_daily_limit),
            second_admin_above=_money(settings.lingualink_second_admin_above),
        )

    read_vault = provide(ReadVault)
    read_profile = provide(ReadProfile)
    read_wallet = provide(ReadWallet)
    transfer_funds = provide(TransferFunds)
    withdraw_funds = provide(WithdrawFunds)
    validate_post = provide(ValidatePost)
    change_user = provide(ChangeUser)
    settle_withdrawal = provide(SettleWithdrawal)
    adjust_balance = provide(AdjustBalance)
    decide_approval = provide(DecideApproval)
    reverse_transaction = provide(ReverseTransaction)
    change_reward_rate = provide(ChangeRewardRate)


def _money(amount: Decimal | None) -> Money | None:
    return None if amount is None else Money(amount)


def create_container(
    settings: Settings, metrics: Metrics, shutdown: ShutdownState | None = None
) -> AsyncContainer:
    """The container of one process, of whose end *shutdown* tells."""
    return make_async_container(
        Infrastructure(),
        Realtime(),
        UseCases(),
        context={Settings: settings, Metrics: metrics, ShutdownState: shutdown or ShutdownState()},
    )
