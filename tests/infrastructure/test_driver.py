"""What the database driver reads goes into the domain and onto the wire as it is."""

from uuid import UUID, uuid4

import msgspec
import pytest

from application.encoding import to_json
from support.database import Database

pytestmark = pytest.mark.anyio


async def test_an_id_that_the_driver_reads_is_the_same_id_to_everybody(database: Database) -> None:
    made = uuid4()

    [[read]] = await database.fetch("select $1::uuid", made)  # of a class of the driver's own

    assert isinstance(read, UUID)
    assert (read, hash(read), str(read)) == (made, hash(made), str(made))
    assert to_json({"id": read}) == to_json({"id": made})
    assert msgspec.convert(read, UUID) == made
