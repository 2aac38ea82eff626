"""Phones that may send photos: each is invited by a QR code with a token that works for one device."""

from __future__ import annotations

import hmac
import secrets
import socket
import time
from dataclasses import dataclass, field

from headstart.errors import DataError

#: Seconds in which an invitation must be used, and in which the device may send photos then.
INVITED, ADMITTED = 600.0, 7200.0
_MOST = 20


class NotInvitedError(DataError):
    """The token is unknown, has run out, or belongs to another device."""


@dataclass
class Invitation:
    """A token for one device: the first that opens its address."""

    label: str
    until: float
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    device: str = ""


class Phones:
    """Invitations that are open.

    Args:
        address: of this machine in its network, such as `http://192.168.1.7:8770`; empty: no phone may be invited.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._open: dict[str, Invitation] = {}

    def invite(self, label: str) -> dict[str, object]:
        """A new invitation: its address, the address as a QR code, and the seconds in which it must be used.

        Raises:
            DataError: phones are not admitted.
        """
        if not self.address:
            raise DataError(
                "Phones cannot reach this page.\nStart the studio again with --lan to let them: headstart studio "
                "FOLDER --lan"
            )
        import segno

        self._close()
        one = Invitation(label, time.monotonic() + INVITED)
        self._open[one.token] = one
        url = f"{self.address}/phone/{one.token}"
        drawing = segno.make(url, micro=False).svg_inline(scale=6, border=2, dark="#000", light="#fff", omitsize=True)
        return {"url": url, "qr": drawing, "until": round(INVITED)}

    def enter(self, token: str) -> str:
        """Admit the first device that opens the address; returns what it shall send as a cookie from then on.

        Raises:
            NotInvitedError: it is not invited, or not the first.
        """
        one = self._invited(token)
        if one.device:
            raise _refused()
        one.device, one.until = secrets.token_urlsafe(16), time.monotonic() + ADMITTED
        return one.device

    def admitted(self, token: str, device: str) -> Invitation:
        """The invitation of a device that has entered.

        Raises:
            NotInvitedError: it has not entered with this token.
        """
        one = self._invited(token)
        if not one.device or not hmac.compare_digest(one.device.encode(), device.encode("utf-8", "replace")):
            raise _refused()
        return one

    def _invited(self, token: str) -> Invitation:
        self._close()
        if token not in self._open:
            raise _refused()
        return self._open[token]

    def _close(self) -> None:
        """Forget invitations that have run out, and the oldest if there are many."""
        now = time.monotonic()
        self._open = {token: one for token, one in list(self._open.items())[-_MOST:] if one.until > now}


def address_in_network() -> str:
    """The address of this machine in its network, by the way that a packet would take; none is sent.

    Raises:
        DataError: it has none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # an address for documentation (RFC 5737)
            return str(asked.getsockname()[0])
        except OSError as error:
            raise DataError(
                f"This machine is in no network: {error.strerror}.\nConnect it to the phone's network, or leave out "
                "--lan."
            ) from error


def _refused() -> NotInvitedError:
    return NotInvitedError(
        "This address was used by another device, or has run out.\nScan a new QR code from the studio's page."
    )
