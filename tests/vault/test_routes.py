"""The vault's routes as a moderation page uses them, over HTTP."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from domain.identity import AccountStatus, Assurance, Role
from support.clips import add_posts
from vault.factories import Factories

pytestmark = pytest.mark.anyio


async def test_the_queue_is_walked_once_while_posts_come_and_go(factories: Factories) -> None:
    moderator, author = await factories.make_user(Role.MODERATOR), await factories.make_user()
    began = datetime(2020, 1, 1, tzinfo=UTC)
    language = uuid4().hex
    posts = [
        await factories.post(author, language=language, created_at=began + timedelta(minutes=minute))
        for minute in range(5)
    ]
    seen: list[str] = []
    params = {"status": "pending", "language": language, "limit": "2"}

    async with factories.client(moderator) as http:
        while True:
            page = (await http.get("/vault/posts", params=params)).json()
            seen += [post["id"] for post in page["items"]]
            await http.post(f"/vault/posts/{page['items'][0]['id']}/validation", json={"status": "rejected"})
            await factories.post(author, language=language, created_at=began - timedelta(minutes=1))
            if page["next_cursor"] is None:
                break
            params["cursor"] = page["next_cursor"]

    assert seen == [str(post) for post in posts]


async def test_the_queue_is_filtered_by_status_language_kind_and_author(factories: Factories) -> None:
    moderator, author = await factories.make_user(Role.MODERATOR), await factories.make_user()
    wanted = await factories.post(author, language="zu", kind="voice")
    for columns in ({"language": "yo"}, {"kind": "video"}, {"validation_status": "approved"}):
        await factories.post(author, **{"language": "zu", "kind": "voice", **columns})
    await factories.post(await factories.make_user(), language="zu", kind="voice")

    async with factories.client(moderator) as http:
        params = {"status": "pending", "language": "zu", "kind": "voice", "author_id": str(author.id)}
        answer = await http.get("/vault/posts", params=params)

    assert [post["id"] for post in answer.json()["items"]] == [str(wanted)]


async def test_one_post_is_read_with_the_version_that_approves_it_and_the_author_is_told(
    factories: Factories,
) -> None:
    moderator, author = await factories.make_user(Role.MODERATOR), await factories.make_user()
    await factories.platform.execute(
        "insert into private.reward_rates (action, amount) values ('post_approved', 1.50) "
        "on conflict (action) do update set amount = 1.50"
    )
    post = await factories.post(author)

    async with factories.client(moderator) as http:
        found = (await http.get(f"/vault/posts/{post}")).json()
        answer = await http.post(
            f"/vault/posts/{post}/validation",
            json={"status": "approved"},
            headers={"If-Match": f'"{found["version"]}"'},
        )
        missing = await http.get(f"/vault/posts/{uuid4()}")

    assert (answer.status_code, answer.json()["validation_status"]) == (200, "approved")
    assert (missing.status_code, missing.json()["code"]) == (404, "post_not_found")
    owed = await factories.platform.fetch(
        "select event from private.realtime_outbox where topic = $1", f"user:{author.id}"
    )
    assert sorted(row["event"] for row in owed) == ["balance_updated", "post_validation_changed"]


async def test_the_queue_is_counted_for_each_status(factories: Factories) -> None:
    moderator, author = await factories.make_user(Role.MODERATOR), await factories.make_user()

    async with factories.client(moderator) as http:
        before = (await http.get("/vault/posts/counts")).json()
        await factories.post(author)
        await factories.post(author, validation_status="approved")
        after = (await http.get("/vault/posts/counts")).json()

    assert {name: after[name] - before[name] for name in before} == {
        "pending": 1,
        "approved": 1,
        "rejected": 0,
        "limit": 0,
    }


async def test_counting_stops_at_the_limit(factories: Factories) -> None:
    moderator, author = await factories.make_user(Role.MODERATOR), await factories.make_user()
    many = {"author_id": author.id, "validation_status": "rejected"}
    await add_posts(factories.platform, 10_001, **many)

    async with factories.client(moderator) as http:
        counted = (await http.get("/vault/posts/counts")).json()
    await factories.platform.execute("delete from private.posts where author_id = $1", author.id)

    assert counted["rejected"] == counted["limit"] == 10_000


async def test_a_user_is_found_changed_banned_and_forgiven(factories: Factories) -> None:
    name = f"Lindiwe_{uuid4().hex}"
    admin, user = await factories.make_user(Role.ADMIN), await factories.make_user(name=name)

    async with factories.client(admin) as http:
        found = (await http.get("/vault/users", params={"query": name.upper()})).json()
        role = (await http.put(f"/vault/users/{user.id}/role", json={"role": "moderator"})).json()
        banned = (await http.put(f"/vault/users/{user.id}/ban", json={"reason": "spam"})).json()
        read = (await http.get(f"/vault/users/{user.id}")).json()
        lifted = (await http.delete(f"/vault/users/{user.id}/ban")).json()

    [item] = found["items"]
    assert (item["id"], item["role"], item["balance"], item["currency"]) == (
        str(user.id),
        "user",
        "0.00",
        "USD",
    )
    assert role["role"] == "moderator"
    assert banned == read
    assert (banned["banned"], banned["ban"]["reason"]) == (True, "spam")
    assert banned["ban"]["banned_by"] == str(admin.id)
    assert (lifted["banned"], lifted["ban"]) == (False, None)
    assert await factories.account_status_of(user) == ("moderator", False)


async def test_a_ban_of_supabase_auth_shows_too(factories: Factories) -> None:
    moderator, user = await factories.make_user(Role.MODERATOR), await factories.make_user()
    await factories.platform.execute(
        "update auth.users set banned_until = now() + interval '1 hour' where id = $1", user.id
    )

    async with factories.client(moderator) as http:
        read = (await http.get(f"/vault/users/{user.id}")).json()

    assert (read["banned"], read["ban"]) == (True, None)


async def test_deleted_users_are_not_shown(factories: Factories) -> None:
    name = f"Gone_{uuid4().hex}"
    moderator, user = await factories.make_user(Role.MODERATOR), await factories.make_user(name=name)
    await factories.has_account_status(user, AccountStatus.DELETED)

    async with factories.client(moderator) as http:
        listed = (await http.get("/vault/users", params={"query": name})).json()
        read = await http.get(f"/vault/users/{user.id}")

    assert listed["items"] == []
    assert (read.status_code, read.json()["code"]) == (404, "user_not_found")


async def test_an_empty_query_is_refused_and_none_lists_everybody(factories: Factories) -> None:
    moderator = await factories.make_user(Role.MODERATOR)

    async with factories.client(moderator) as http:
        empty = await http.get("/vault/users", params={"query": "", "limit": 1})
        listed = (await http.get("/vault/users", params={"limit": 1})).json()

    assert (empty.status_code, empty.json()["errors"][0]["pointer"]) == (400, "query")
    assert [item["id"] for item in listed["items"]] == [str(moderator.id)]


async def test_rates_are_said_and_turned_off(factories: Factories) -> None:
    admin = await factories.make_user(Role.ADMIN)

    async with factories.client(admin) as http:
        said = await http.put("/vault/reward-rates/post_approved", json={"amount": "2.5"})
        listed = (await http.get("/vault/reward-rates")).json()
        off = await http.put("/vault/reward-rates/post_approved", json={"amount": "0"})

    assert said.json()["amount"] == "2.50"
    assert listed["items"] == [said.json()]
    assert off.json()["amount"] == "0.00"


async def test_the_audit_log_is_read_newest_first_and_filtered(factories: Factories) -> None:
    admin, user = await factories.make_user(Role.ADMIN), await factories.make_user()

    async with factories.client(admin) as http, factories.client(user) as nosy:
        await http.put(f"/vault/users/{user.id}/role", json={"role": "moderator"})
        await http.put(f"/vault/users/{user.id}/ban", json={"reason": "spam"})
        await nosy.get("/vault/audit-log")
        by_target = (await http.get("/vault/audit-log", params={"target_id": str(user.id)})).json()
        refused = (await http.get("/vault/audit-log", params={"actor_id": str(user.id)})).json()
        params = {"target_id": str(user.id), "action": "role.changed", "limit": "1"}
        by_action = (await http.get("/vault/audit-log", params=params)).json()
        params = {"target_id": str(user.id), "limit": "1"}
        first = (await http.get("/vault/audit-log", params=params)).json()
        second = (
            await http.get("/vault/audit-log", params={**params, "cursor": first["next_cursor"]})
        ).json()

    assert [entry["action"] for entry in by_target["items"]] == ["user.banned", "role.changed"]
    assert first["items"] + second["items"] == by_target["items"]
    assert second["next_cursor"] is None
    [changed] = by_action["items"]
    assert (changed["outcome"], changed["refusal"], changed["operator"]) == ("done", None, None)
    assert (changed["actor_id"], changed["session_id"]) == (str(admin.id), str(admin.session_id))
    assert (changed["before"], changed["after"]) == ({"role": "user"}, {"role": "moderator"})
    assert changed["client_address"] == "127.0.0.1"
    assert len(changed["request_id"]) == 32
    assert [(entry["outcome"], entry["refusal"]) for entry in refused["items"]] == [("refused", "banned")]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/vault/users/{id}/role", {"role": "owner"}),
        ("PUT", "/vault/users/{id}/role", {"role": "user", "balance": "1"}),
        ("PUT", "/vault/users/{id}/ban", {}),
        ("PUT", "/vault/users/{id}/ban", {"reason": ""}),
        ("PUT", "/vault/users/{id}/ban", {"reason": "nul \u0000"}),
        ("PUT", "/vault/users/{id}/ban", {"reason": "x" * 501}),
        ("PUT", "/vault/users/{ID}/ban", {"reason": "x"}),
        ("PUT", "/vault/reward-rates/post_approved", {"amount": 1}),
        ("PUT", "/vault/reward-rates/post_approved", {"amount": "-1"}),
        ("PUT", "/vault/reward-rates/post_approved", {"amount": "NaN"}),
        ("PUT", "/vault/reward-rates/post_approved", {"amount": "100000000"}),
        ("GET", "/vault/users?query=%00", None),
        ("GET", "/vault/users?limit=101", None),
        ("GET", "/vault/users?cursor=abc", None),
        ("GET", "/vault/posts?language=%00", None),
        ("GET", "/vault/posts?status=open", None),
        ("GET", "/vault/posts/{ID}", None),
        ("GET", "/vault/audit-log?action=role.burned", None),
        ("GET", "/vault/audit-log?actor_id={ID}", None),
    ],
)
async def test_bad_input_is_refused_and_nothing_is_recorded(
    factories: Factories, method: str, path: str, body: dict[str, object] | None
) -> None:
    admin = await factories.make_user(Role.ADMIN)
    filled = path.replace("{id}", str(admin.id)).replace("{ID}", str(admin.id).upper())

    async with factories.client(admin) as http:
        answer = await http.request(method, filled, json=body)

    assert answer.status_code == 400, answer.text
    assert await factories.audit(admin) == []


async def test_an_unknown_rate_is_no_rate(factories: Factories) -> None:
    admin = await factories.make_user(Role.ADMIN)

    async with factories.client(admin) as http:
        answer = await http.put("/vault/reward-rates/post_liked", json={"amount": "1"})

    assert answer.status_code in {400, 404}


async def test_a_lone_surrogate_in_a_reason_is_bad_input(factories: Factories) -> None:
    admin, user = await factories.make_user(Role.ADMIN), await factories.make_user()

    async with factories.client(admin) as http:
        answer = await http.put(
            f"/vault/users/{user.id}/ban",
            content=b'{"reason": "\\ud800"}',
            headers={"Content-Type": "application/json"},
        )

    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (None, "127.0.0.1"),
        ("198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("203.0.113.9, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("not an address", None),
    ],
)
async def test_behind_a_trusted_proxy_the_right_most_stranger_is_the_client(
    factories: Factories, forwarded: str | None, address: str | None
) -> None:
    admin, user = await factories.make_user(Role.ADMIN, assurance=Assurance.AAL2), await factories.make_user()
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}

    async with factories.client(admin, strict=True) as http:
        await http.put(f"/vault/users/{user.id}/ban", json={"reason": "spam"}, headers=headers)

    recorded = await factories.platform.fetchval(
        "select client_address from private.audit_log where target_id = $1", user.id
    )
    assert recorded == address


async def test_without_trusted_proxies_nobody_chooses_their_address(factories: Factories) -> None:
    admin, user = await factories.make_user(Role.ADMIN), await factories.make_user()

    async with factories.client(admin) as http:
        await http.put(
            f"/vault/users/{user.id}/ban",
            json={"reason": "spam"},
            headers={"X-Forwarded-For": "198.51.100.7"},
        )

    recorded = await factories.platform.fetchval(
        "select client_address from private.audit_log where target_id = $1", user.id
    )
    assert recorded == "127.0.0.1"
