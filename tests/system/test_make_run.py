"""``make run``: what a person sees who starts the whole system."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.stack import free_port


def environment(**changes: int) -> dict[str, str]:
    ports = {"API": free_port(), "SUPABASE": free_port(), "POSTGRES": free_port(), **changes}
    return {**os.environ, **{f"LINGUALINK_DEV_{name}_PORT": str(port) for name, port in ports.items()}}


def start(folder: Path, env: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "devstack"]
    return subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@contextmanager
def started(folder: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "devstack"],
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
        process.communicate(timeout=60)


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"it ended, having said: {said}")


def run_to_its_end(folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "devstack"]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_a_person_can_sign_in_pay_and_find_the_payment_after_a_restart(folder: Path) -> None:
    env = environment()
    with started(folder, env) as process:
        read_until(process, "is ready")
        tutor, key = "d0000000-0000-4000-8000-000000000004", ""
        while not (found := re.search(r"Publishable key (\S+)", key)):
            assert process.stdout is not None
            key = process.stdout.readline()
        token = httpx.post(
            f"http://127.0.0.1:{env['LINGUALINK_DEV_SUPABASE_PORT']}/auth/v1/token?grant_type=password",
            headers={"apikey": found[1]},
            json={"email": "learner@lingualink.test", "password": "password"},
        ).json()["access_token"]
        api = f"http://127.0.0.1:{env['LINGUALINK_DEV_API_PORT']}"
        headers = {"Authorization": f"Bearer {token}"}
        paid = httpx.post(
            f"{api}/wallet/transfers",
            headers={**headers, "Idempotency-Key": "once"},
            json={"recipient_id": tutor, "amount": "1.50"},
        )
    with started(folder, env) as process:
        read_until(process, "is ready")
        wallet = httpx.get(f"{api}/wallet", headers=headers)

    assert paid.status_code == 201
    assert wallet.json()["balance"] == "23.50"


def test_a_second_instance_is_told_in_one_line(folder: Path) -> None:
    env = environment()
    with started(folder, env) as process:
        read_until(process, "is ready")
        second = run_to_its_end(folder, env)

    assert second.returncode == 1
    assert second.stderr == f"LinguaLink already runs from this folder (process {process.pid}).\n"


def test_a_killed_run_leaves_nothing_in_the_way_of_the_next(folder: Path) -> None:
    env = environment()
    killed = subprocess.Popen(
        [sys.executable, "-m", "devstack"],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    read_until(killed, "is ready")
    killed.kill()
    killed.communicate()

    with started(folder, env) as process:
        assert "is ready" in read_until(process, "is ready")


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
        ).json()["access_token"]
        wallet = httpx.get(f"{api}/wallet", headers={"Authorization": f"Bearer {token}"})
        page = httpx.get(f"{api}/demo/config.json")

    assert f"{api}/demo" in said
    assert wallet.json()["balance"] == "25.00"
    assert page.json()["supabase_url"] == supabase


def test_a_host_that_is_not_this_machine_is_told_in_one_line(folder: Path) -> None:
    refused = run_to_its_end(folder, {**environment(), "LINGUALINK_DEV_HOST": "192.0.2.250"})

    assert refused.returncode == 1
    assert refused.stderr.startswith("Can't listen on 192.0.2.250, port ")
    assert refused.stderr.count("\n") == 1


def test_a_web_app_that_is_developed_on_this_machine_may_call(folder: Path) -> None:
    env = environment()
    with started(folder, env) as process:
        read_until(process, "is ready")
        api = f"http://127.0.0.1:{env['LINGUALINK_DEV_API_PORT']}"
        allowed = {
            origin: httpx.options(
                f"{api}/wallet/transfers",
                headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
            ).headers.get("access-control-allow-origin")
            for origin in ("http://localhost:5173", "http://127.0.0.1:8081", "https://evil.example")
        }

    assert allowed == {
        "http://localhost:5173": "http://localhost:5173",
        "http://127.0.0.1:8081": "http://127.0.0.1:8081",
        "https://evil.example": None,
    }
