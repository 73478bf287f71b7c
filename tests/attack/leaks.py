"""What a thief of the database, of Redis or of the logs would read that he must not."""

import re

from portal.demo import people
from tests.attack.town import NEW_PASSWORD, NIR, PASSWORD, Town, in_plain


def leaks(town: Town) -> list[str]:
    """Each secret that stands where it must not, as « where: what »."""
    dump = {place: in_plain(text) for place, text in town.portal.dump().items()}
    everywhere = {
        "code": {_alone(code) for code in town.sent_codes()},
        "password": {re.escape(word) for word in (PASSWORD, NEW_PASSWORD, people.PASSWORD)},
        "token of a link": town.sent_tokens(),
        "saved code": {
            f"(?i){group[0]}.?{group[1]}.?{group[2]}.?{group[3]}"
            for group in (code.split("-") for code in town.saved_codes)
        },
        "code of a letter": {
            f"(?i){citizen.letter[:5]}.?{citizen.letter[6:]}"
            for citizen in town.citizens
            if citizen.letter
        },
        "NIR": {NIR, *(person.nir for person in people.CAST if person.nir)},
    }
    phones = {text.to for text in list(town.twilio.requests)}
    outside = {
        "phone": {re.escape(phone.removeprefix("+")) for phone in phones}
        | {rf"0{phone[3:]}\b" for phone in phones},
    }
    found = []
    for place, text in dump.items():
        kinds = everywhere if place == "database" else everywhere | outside
        for kind, patterns in kinds.items():
            for pattern in patterns:
                if match := re.search(pattern, text):
                    around = text[max(match.start() - 80, 0) : match.end() + 40]
                    found.append(f"{place}: {kind}: …{around!r}…")
    return found


def _alone(code: str) -> str:
    """Six digits by themselves: not part of a number, of a fraction of a second or of a digest."""
    return rf"(?<![\w.+/-]){code}(?![\w+/=])"
