"""Prints texts where the process was started: for a developer's machine only."""

import sys

from members.sms.gateway import Text


class ConsoleGateway:
    can_call = True

    def send(self, text: Text) -> str:
        rule = "─" * 60
        sys.stdout.write(f"{rule}\nSMS · {text.to}\n\n{text.body}\n{rule}\n")
        sys.stdout.flush()
        return f"console-{text.id}"
