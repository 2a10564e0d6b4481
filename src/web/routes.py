"""The URL map.

GET  /profile                              your profile, role and balance
GET  /wallet                               your balance
GET  /wallet/transactions                  your ledger
GET  /wallet/statement                     your statement, for a spreadsheet too
POST /wallet/transfers                     pay another user
POST /wallet/withdrawals                   take money out
GET  /wallet/withdrawals                   what became of it
GET  /vault/posts                          the moderation queue
GET  /vault/posts/counts                   how long it is
GET  /vault/posts/{post_id}                one post
POST /vault/posts/{post_id}/validation     approve or reject
GET  /vault/users                          find users
GET  /vault/users/{user_id}                one user
PUT  /vault/users/{user_id}/role           make them a user, a moderator or an admin
PUT  /vault/users/{user_id}/ban            ban them; DELETE lifts the ban
GET  /vault/reward-rates                   what approvals pay
PUT  /vault/reward-rates/{action}          change it
GET  /vault/audit-log                      who did what to whom
GET  /vault/withdrawals                    withdrawals to settle
POST /vault/withdrawals/{withdrawal_id}/settlement
POST /vault/users/{user_id}/transactions   bonus, penalty or refund
GET  /vault/books                          what every account comes to
POST /vault/transactions/{transaction_id}/reversal
GET  /vault/approvals                      what waits for a second admin
POST /vault/approvals/{approval_id}        approve or reject it
GET  /health/live, /health/ready           for load balancers
GET  /schema, /schema/openapi.json         the OpenAPI document
"""

from typing import Final

from litestar.types import ControllerRouterHandler

from web.health import HealthController
from web.profile import ProfileController
from web.vault.adjustments import AdjustmentsController
from web.vault.approvals import ApprovalsController
from web.vault.audit_log import AuditLogController
from web.vault.books import BooksController
from web.vault.posts import PostsController
from web.vault.rewards import RewardRatesController
from web.vault.users import UsersController
from web.vault.withdrawals import WithdrawalQueueController
from web.wallet.wallet import WalletController
from web.wallet.withdrawals import WithdrawalsController

ROUTES: Final[list[ControllerRouterHandler]] = [
    ProfileController,
    WalletController,
    WithdrawalsController,
    PostsController,
    UsersController,
    RewardRatesController,
    AuditLogController,
    WithdrawalQueueController,
    AdjustmentsController,
    BooksController,
    ApprovalsController,
    HealthController,
]
