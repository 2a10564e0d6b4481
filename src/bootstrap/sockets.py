"""The one way to a listening socket, for one process or several."""

import socket


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on *host* and *port*; on ``::``, every address of this machine, IPv4's too.

    Raises:
        OSError: the address is not this machine's, or the port is taken.
    """
    [found, *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, address = found[0], found[4]
    return socket.create_server(
        (str(address[0]), port), family=family, backlog=2048, dualstack_ipv6=str(address[0]) == "::"
    )
