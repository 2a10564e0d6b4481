"""The service with every transaction alone: what group commit is measured against. ``python -m bench.alone serve``."""

import bootstrap.container
from bootstrap.cli import main
from infrastructure.postgres.transactions import PostgresDatabase

bootstrap.container.GroupedDatabase = PostgresDatabase  # type: ignore[attr-defined,assignment]

if __name__ == "__main__":
    main()
