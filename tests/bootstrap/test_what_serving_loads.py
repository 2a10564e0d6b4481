"""What a worker has loaded when it is ready: each library is megabytes of every worker, and time of every start."""

import subprocess
import sys

LOADED = {
    *(
        "advanced_alchemy",
        "asyncpg",
        "certifi",
        "click",
        "cryptography",
        "dishka",
        "httptools",
        "jwt",
        "litestar",
    ),
    *("msgspec", "prometheus_client", "pydantic_settings", "sqlalchemy", "stamina", "structlog", "uvicorn"),
    # with these
    *(
        "annotated_types",
        "anyio",
        "dotenv",
        "greenlet",
        "multidict",
        "multipart",
        "pydantic",
        "pydantic_core",
    ),
    *("sniffio", "tenacity", "typing_extensions", "typing_inspection", "yaml"),
    # where structlog finds it, for a console's colours
    *("attr", "attrs", "pygments", "rich"),
}
OURS = {"application", "bootstrap", "domain", "infrastructure", "web"}
LOOK = """
import sys
import bootstrap.server
print(*{name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))
"""


def test_a_worker_loads_what_is_listed_here_and_nothing_else() -> None:
    loaded = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True).stdout
    named = {name for name in loaded.split() if not name.startswith("_")} - {"cython_runtime"}
    assert named - OURS <= LOADED
