"""The URL map.

GET  /profile                              your profile, role and balance
GET  /wallet                               your balance
GET  /wallet/transactions                  your ledger
POST /wallet/transfers                     pay another user
GET  /vault/posts                          the moderation queue
POST /vault/posts/{post_id}/validation     approve or reject
GET  /health/live, /health/ready           for load balancers
GET  /schema, /schema/openapi.json         the OpenAPI document
"""

from typing import Final

from litestar.types import ControllerRouterHandler

from web.ops.controller import HealthController
from web.profile.controller import ProfileController
from web.vault.controller import VaultController
from web.wallet.controller import WalletController

ROUTES: Final[list[ControllerRouterHandler]] = [
    ProfileController,
    WalletController,
    VaultController,
    HealthController,
]
