"""Print, as NAME=VALUE lines, how `make test-supabase` reaches the project that `supabase start` runs here.

supabase status --output json | python scripts/supabase_env.py >> "$GITHUB_ENV"
"""

import json
import sys
from urllib.parse import urlsplit


def variables(status: dict[str, str]) -> dict[str, str]:
    """The variables of ``make test-supabase``; the database's superuser is supabase_admin, as the CLI makes it."""
    database = urlsplit(status["DB_URL"])
    superuser = f"supabase_admin:{database.password}@{database.hostname}:{database.port}"
    return {
        "SUPABASE_URL": status["API_URL"],
        "SUPABASE_PUBLISHABLE_KEY": status["PUBLISHABLE_KEY"],
        "SUPABASE_SECRET_KEY": status["SECRET_KEY"],
        "TEST_DATABASE_URL": f"postgresql://{superuser}{database.path}",
    }


if __name__ == "__main__":
    for name, value in variables(json.load(sys.stdin)).items():
        sys.stdout.write(f"{name}={value}\n")
