"""``make run``: what a person sees who starts the whole system."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from devstack import processes
from support.ports import free_port


def environment(**changes: int) -> dict[str, str]:
    ports = {"API": free_port(), "SUPABASE": free_port(), "POSTGRES": free_port(), **changes}
    return {**os.environ, **{f"LINGUALINK_DEV_{name}_PORT": str(port) for name, port in ports.items()}}


@contextmanager
def started(folder: Path, env: dict[str, str], *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "devstack", *words],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"it ended, having said: {said}")


def sign_in(said: str, env: dict[str, str], name: str) -> dict[str, str]:
    """What to send as a sample person, by the key that the system *said* when it was ready."""
    [key] = re.findall(r"Publishable key (\S+)", said)
    session = httpx.post(
        f"http://127.0.0.1:{env['LINGUALINK_DEV_SUPABASE_PORT']}/auth/v1/token?grant_type=password",
        headers={"apikey": key},
        json={"email": f"{name}@lingualink.test", "password": "password"},
        timeout=30,
    ).json()
    return {"Authorization": f"Bearer {session['access_token']}"}


def run_to_its_end(folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "devstack"]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@dataclass(frozen=True, slots=True)
class Run:
    """A system that runs for several tests."""

    folder: Path
    env: dict[str, str]
    process: "subprocess.Popen[str]"
    said: str

    @property
    def api(self) -> str:
        """Where its backend answers."""
        return f"http://127.0.0.1:{self.env['LINGUALINK_DEV_API_PORT']}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder, env = tmp_path_factory.mktemp("run"), environment()
    with started(folder, env) as process:
        yield Run(folder, env, process, read_until(process, "Publishable key"))


def pay(api: str, headers: dict[str, str]) -> httpx.Response:
    """The learner pays the tutor."""
    return httpx.post(
        f"{api}/wallet/transfers",
        headers={**headers, "Idempotency-Key": "once"},
        json={"recipient_id": "d0000000-0000-4000-8000-000000000004", "amount": "1.50"},
        timeout=30,
    )


def test_a_person_can_sign_in_and_pay(run: Run) -> None:
    headers = sign_in(run.said, run.env, "learner")

    paid = pay(run.api, headers)

    assert paid.status_code == 201
    assert httpx.get(f"{run.api}/wallet", headers=headers, timeout=30).json()["balance"] == "23.50"


def test_the_app_s_own_database_is_taken_over_and_found_again_after_a_restart(folder: Path) -> None:
    env = environment()
    api = f"http://127.0.0.1:{env['LINGUALINK_DEV_API_PORT']}"
    seen = []
    for _ in range(2):
        with started(folder, env, "adopted") as process:
            headers = sign_in(read_until(process, "Publishable key"), env, "moderator")
            profile = httpx.get(f"{api}/profile", headers=headers, timeout=30).json()
            seen.append((profile["role"], profile["balance"]))

    assert seen == [("moderator", "12.30")] * 2


def test_a_second_instance_is_told_in_one_line(run: Run) -> None:
    second = run_to_its_end(run.folder, run.env)

    assert second.returncode == 1
    assert second.stderr == f"LinguaLink already runs from this folder (process {run.process.pid}).\n"


def test_with_a_killed_run_its_parts_end_and_the_next_finds_its_payment_and_nothing_in_its_way(
    folder: Path,
) -> None:
    env = environment()
    api = f"http://127.0.0.1:{env['LINGUALINK_DEV_API_PORT']}"
    killed = subprocess.Popen(
        # As a shell does to what it starts in the background.
        ["/bin/sh", "-c", "trap '' INT TERM; exec \"$0\" -m devstack", sys.executable],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    headers = sign_in(read_until(killed, "Publishable key"), env, "learner")
    paid = pay(api, headers)
    parts = [
        int((folder / ".local" / file).read_text().split("\n", 1)[0])
        for file in ("backend.pid", "postgres/data/postmaster.pid")
    ]
    killed.kill()
    killed.communicate()

    wait_until_gone(parts)
    with started(folder, env) as process:
        assert "is ready" in read_until(process, "is ready")
        wallet = httpx.get(f"{api}/wallet", headers=headers, timeout=30)
    assert (paid.status_code, wallet.json()["balance"]) == (201, "23.50")


def wait_until_gone(pids: list[int]) -> None:
    end = time.monotonic() + 120
    while alive := [pid for pid in pids if processes.is_running(pid)]:
        assert time.monotonic() < end, f"still there: {alive}"
        time.sleep(0.05)  # nobody tells a process of the end of one that is not its child


STUBBORN = "trap '' INT TERM; echo deaf; while :; do sleep 1; done"


def test_an_orphan_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE_S", 1)
    orphan = subprocess.Popen(["/bin/sh", "-c", STUBBORN], stdout=subprocess.PIPE, text=True)
    assert orphan.stdout is not None
    assert orphan.stdout.readline() == "deaf\n"
    file = tmp_path / "orphan.pid"
    file.write_text(f"{orphan.pid}\nmore")
    threading.Thread(target=orphan.wait, daemon=True).start()  # as init would

    processes.stop_orphan(file, "deaf", signal.SIGTERM)

    assert orphan.wait() == -signal.SIGKILL
    orphan.stdout.close()


def test_what_is_tied_to_a_process_ends_with_it_and_not_before() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, STUBBORN], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert processes.is_running(child)
    parent.kill()
    parent.communicate()

    wait_until_gone([child])


PARENT = """
import signal, subprocess, sys
from devstack import processes
processes.GRACE_S = 1
child = subprocess.Popen(["/bin/sh", "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
tie = processes.EndsWithUs(child.pid, signal.SIGTERM)
print(child.pid, flush=True)
signal.pause()
"""


def test_a_taken_port_is_told_in_one_line(folder: Path) -> None:

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = run_to_its_end(folder, environment(SUPABASE=port))

    assert refused.returncode == 1
    assert refused.stderr.strip() == f"Port {port} is taken; set LINGUALINK_DEV_SUPABASE_PORT to another one."


def test_another_device_reaches_it_at_the_named_host(folder: Path) -> None:
    env = {**environment(), "LINGUALINK_DEV_HOST": "127.0.0.2"}
    with started(folder, env) as process:
        said = read_until(process, "Secret key")
        key = re.search(r"Publishable key (\S+)", said)
        assert key is not None
        supabase = f"http://127.0.0.2:{env['LINGUALINK_DEV_SUPABASE_PORT']}"
        api = f"http://127.0.0.2:{env['LINGUALINK_DEV_API_PORT']}"
        token = httpx.post(
            f"{supabase}/auth/v1/token?grant_type=password",
            headers={"apikey": key[1]},
            json={"email": "learner@lingualink.test", "password": "password"},
            timeout=30,
        ).json()["access_token"]
        wallet = httpx.get(f"{api}/wallet", headers={"Authorization": f"Bearer {token}"}, timeout=30)
        page = httpx.get(f"{api}/demo/config.json", timeout=30)

    assert f"{api}/demo" in said
    assert wallet.json()["balance"] == "25.00"
    assert page.json()["supabase_url"] == supabase


def test_a_host_that_is_not_this_machine_is_told_in_one_line(folder: Path) -> None:
    refused = run_to_its_end(folder, {**environment(), "LINGUALINK_DEV_HOST": "192.0.2.250"})

    assert refused.returncode == 1
    assert refused.stderr.startswith("Can't listen on 192.0.2.250, port ")
    assert refused.stderr.count("\n") == 1


def test_a_web_app_that_is_developed_on_this_machine_may_call(run: Run) -> None:
    allowed = {
        origin: httpx.options(
            f"{run.api}/wallet/transfers",
            headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
            timeout=30,
        ).headers.get("access-control-allow-origin")
        for origin in ("http://localhost:5173", "http://127.0.0.1:8081", "https://evil.example")
    }

    assert allowed == {
        "http://localhost:5173": "http://localhost:5173",
        "http://127.0.0.1:8081": "http://127.0.0.1:8081",
        "https://evil.example": None,
    }
