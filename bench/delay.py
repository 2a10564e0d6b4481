"""A database at a distance: bytes pass in order, some milliseconds late. ``python -m bench.delay PORT TARGET MS``."""

import asyncio
import sys
from contextlib import suppress


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await late.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)

    delivering = asyncio.create_task(deliver())
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            late.put_nowait((loop.time() + seconds, data))
    late.put_nowait((loop.time() + seconds, b""))
    with suppress(ConnectionError):
        await delivering


async def serve(port: int, target: int, milliseconds: float) -> None:
    """Pass on what comes to *port*, and what *target* answers, *milliseconds* late: a round trip costs twice that."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_read, to_write = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(
            _pass_on(reader, to_write, milliseconds / 1e3), _pass_on(to_read, writer, milliseconds / 1e3)
        )

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
