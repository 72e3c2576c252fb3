"""Where the page is served: this computer alone, or others too. Imports neither torch nor Gradio."""

from __future__ import annotations

import ipaddress
import socket

from toonforge.errors import Problem, RunError

LOCAL = "127.0.0.1"
HERE = (LOCAL, "localhost", "::1")


def check_port(host: str, port: int | None) -> None:
    """Raise `RunError` where nothing can be served at this address: before seconds are spent on what would be.

    Args:
        host: name or address of this computer.
        port: None where any will do.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise _no_host(host, getattr(error, "strerror", None) or str(error)) from None
    with socket.socket(family, kind, protocol) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(address)
        except OSError as error:
            reason = error.strerror or str(error)
            if port is None:
                raise _no_host(host, reason) from None
            hint = "choose another with --port, or leave it out for the first that is free"
            raise RunError(Problem(message=f"port {port} of {host} cannot be used", found=reason, hint=hint)) from None


def _no_host(host: str, reason: str) -> RunError:
    hint = f"leave --host out for {LOCAL}, which only this computer reaches"
    return RunError(Problem(message=f"{host!r} is no address of this computer", found=reason, hint=hint))


def others_can_reach(host: str) -> bool:
    """Whether an address is one that other computers may reach, too."""
    if host in HERE:
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
