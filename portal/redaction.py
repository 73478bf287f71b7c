"""Log lines without the tokens of our links: Django writes the path of whatever it refuses.

A reset link that met a full gate (503) or a page without CSRF cookie (403) has not been used yet: who
reads the logs could use it. Nor does a log hold the code of an attestation or of a card.
"""

import logging
import re

# members.links.token is a number, a dash and 64 digits. Mail programs cut some off, glue others on, lose the
# number or the dash: whatever stands around that many digits goes too.
TOKEN = re.compile(r"/(\d+-)?(?:[^/\s]*[0-9a-f]{32}[^/\s]*|(?<=-)[0-9a-f]{8,})", re.IGNORECASE)

# The addresses that the QR of an attestation and that of a card lead to.
CODE = re.compile(r"(/(?:attestations|cartes|carte)/)[^/\s]+")


class WithoutTokens(logging.Filter):
    """Passes every record on, the secret part of each link in its message replaced by an ellipsis."""

    def filter(self, record):
        message = record.getMessage()
        safe = CODE.sub(r"\1…", TOKEN.sub(r"/\1…", message))
        if safe != message:
            record.msg, record.args = safe, ()
        return True
