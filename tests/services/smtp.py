"""A stand-in for the mutual's mail server: takes what the portal sends over SMTP, and keeps it."""

import re
import socketserver
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy

from tests.services.processes import wait_until


@dataclass(frozen=True)
class Received:
    to: str
    subject: str
    body: str

    @property
    def links(self) -> list[str]:
        """Every address in the text, whole."""
        return re.findall(r"https?://\S+", self.body)


class SmtpStandIn:
    def __init__(self):
        self.received: list[Received] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def env(self) -> dict[str, str]:
        """What a portal needs to send its e-mails here."""
        return {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(self._server.server_address[1])}

    def start(self):
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def to(self, address: str, part: str = "") -> list[Received]:
        """What came for `address` so far, with `part` in its text, the oldest first."""
        with self._lock:
            return [mail for mail in self.received if mail.to == address and part in mail.body]

    def wait_for(self, address: str, part: str = "", count: int = 1, timeout: float = 20):
        """The last of these e-mails, once there are `count`. Raises TimeoutError."""

        def found():
            mails = self.to(address, part)
            return mails if len(mails) >= count else None

        return wait_until(found, timeout, f"{count} e-mail to {address} with {part!r}")[-1]

    def _keep(self, recipients: list[str], raw: bytes):
        message = message_from_bytes(raw, policy=policy.default)
        body = message.get_content().replace("\r\n", "\n")
        with self._lock:
            for recipient in recipients:
                self.received.append(Received(recipient, str(message["Subject"]), body))

    def _handler(self):
        stand_in = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = 20

            def handle(self):
                self._say("220 tests")
                recipients: list[str] = []
                while line := self.rfile.readline():
                    verb = line[:4].upper().strip()
                    if verb in (b"EHLO", b"HELO", b"NOOP"):
                        self._say("250 tests")
                    elif verb in (b"MAIL", b"RSET"):
                        recipients = []
                        self._say("250 ok")
                    elif verb == b"RCPT":
                        recipients.append(re.search(r"<(.*?)>", line.decode()).group(1))
                        self._say("250 ok")
                    elif verb == b"DATA":
                        self._say("354 go on")
                        stand_in._keep(recipients, self._data())
                        self._say("250 kept")
                    elif verb == b"QUIT":
                        self._say("221 bye")
                        return
                    else:
                        self._say("502 unknown")

            def _data(self) -> bytes:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                return b"".join(lines)

            def _say(self, words: str):
                self.wfile.write(f"{words}\r\n".encode())

        return Handler


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
