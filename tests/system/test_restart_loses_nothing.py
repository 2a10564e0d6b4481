"""A process that is killed between the commit and the publish loses nothing."""

from uuid import uuid4

import httpx
import pytest

from support.backend import System, api, backend, backend_process
from support.database import Database
from support.javascript import running
from support.people import Person, sign_up
from support.stack import SupabaseStack, free_port, supabase_on

pytestmark = pytest.mark.anyio


async def test_an_event_that_was_committed_arrives_after_the_process_was_killed(
    database: Database,
) -> None:
    with supabase_on(database.cluster, database.name) as supabase:
        port = free_port()
        running_system = System(database, supabase, f"http://127.0.0.1:{port}")
        sender, recipient = await _people(supabase)
        # Realtime does not answer this process: what it commits stays owed.
        deaf = {"SUPABASE_URL": f"http://127.0.0.1:{free_port()}", "SUPABASE_JWKS_URL": _jwks(supabase)}
        deaf["SUPABASE_JWT_ISSUER"] = f"{supabase.url}/auth/v1"
        with backend_process(database, supabase, port, deaf) as process:
            await _fund(running_system, sender)
            async with api(running_system, sender.token) as client:
                body = {"recipient_id": recipient.id, "amount": "3"}
                paid = await client.post(
                    "/wallet/transfers", json=body, headers={"Idempotency-Key": str(uuid4())}
                )
            process.kill()
        assert paid.status_code == 201
        options = {"url": supabase.url, "key": supabase.publishable_key, "token": recipient.token}
        async with running(
            "channel.mjs", **options, topic=recipient.topic, config={"private": True}
        ) as listener:
            assert (await listener.expect("status"))["status"] == "SUBSCRIBED"

            with backend(database, supabase):
                message = (await listener.expect("broadcast", seconds=20))["message"]

    assert (message["event"], message["payload"]["balance"]) == ("balance_updated", "3.00")


def _jwks(supabase: SupabaseStack) -> str:
    return f"{supabase.url}/auth/v1/.well-known/jwks.json"


async def _people(supabase: SupabaseStack) -> tuple[Person, Person]:
    headers = {"apikey": supabase.publishable_key}
    async with httpx.AsyncClient(base_url=supabase.url, headers=headers) as http:
        return await sign_up(http), await sign_up(http)


async def _fund(system: System, person: Person) -> None:
    await system.database.fetch("insert into public.profiles (id) values ($1::text::uuid)", person.id)
    await system.database.fetch(
        "insert into public.wallets (user_id, balance, version) values ($1::text::uuid, 10, 1)", person.id
    )
    # the recipient's account is made by nobody but the payment itself
    await system.database.fetch(
        "insert into public.profiles (id) select id from auth.users where id <> $1::text::uuid", person.id
    )
