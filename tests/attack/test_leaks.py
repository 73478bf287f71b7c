"""What is left at rest and in the logs after everything that a member can do, and much that he cannot.

`town` looks again when the last attack of the suite is over.
"""

import pytest

from tests.attack.leaks import leaks
from tests.attack.stranger import FORM, wrong
from tests.attack.town import (
    NEW_PASSWORD,
    PASSWORD,
    in_plain,
    settle,
    type_code,
    type_password,
)


@pytest.fixture(scope="module")
def traffic(town):
    """Each kind of secret has gone through the portal: typed right, typed wrong, refused on the way."""
    citizen, newcomer = town.citizen(), town.citizen(account=False, letter=True)
    browser, code = town.half_way(citizen)
    type_code(browser, wrong(code))
    type_code(browser, code)
    type_code(browser, code)
    town.saved_codes_of(browser)
    browser.post("/espace/securite/telephone/", {"phone": f"+33698{citizen.phone[-6:]}"})
    browser.post("/espace/securite/email/", {"email": f"nouvelle-{citizen.email}"})
    town.link_to(f"nouvelle-{citizen.email}", "/contact/email/confirmer/")
    recovering = town.recovers(town.citizen())
    recovering.post("/connexion/code/aide/telephone/", {"phone": f"+33699{citizen.phone[-6:]}"})

    link = town.asks_reset(citizen)
    choice = {"new_password": NEW_PASSWORD, "new_password_again": NEW_PASSWORD}
    stranger = town.stranger()
    stranger.send("POST", link, b"csrfmiddlewaretoken=x", {"Content-Type": FORM})
    stranger.send("POST", link, b"x", {"Content-Type": "multipart/form-data; boundary="})
    stranger.send("PUT", link, b"")
    stranger.get(f"{link[:-1]}")
    stranger.get(link, Host="attaque.invalid")
    assert stranger.post(link, choice).status == 302
    stranger.post(link, choice)

    fields = {"number": newcomer.number, "code": newcomer.letter}
    stranger = town.stranger()
    stranger.post("/activation/courrier/", fields | {"code": newcomer.letter[::-1]})
    stranger.post("/activation/courrier/", fields)
    stranger.post("/activation/mot-de-passe/", choice | {"identifiant": newcomer.number})
    stranger.post("/activation/telephone/")
    type_password(town.stranger(), PASSWORD, citizen.identifiant)  # in the wrong fields
    stranger.get(f"/connexion/?identifiant={citizen.identifiant}&password=x")
    settle(lambda: (len(town.twilio.requests), len(town.smtp.received)))
    return citizen


def test_nothing_at_rest_and_no_log_tells_a_secret(town, verdict, traffic):
    secrets = [*town.sent_codes(), *town.sent_tokens(), *town.saved_codes]
    assert len(town.sent_codes()) >= 4
    assert len(town.sent_tokens()) >= 4
    told = leaks(town)
    verdict(len(secrets), len(told), what="\n".join(told))


def test_the_scan_reads_the_database_the_logs_and_the_broker(town, traffic):
    dump = town.portal.dump()
    assert traffic.identifiant in dump["database"]
    assert "Forbidden (" in dump["logs"]
    assert "Gone: /mot-de-passe/nouveau/" in dump["logs"]
    assert "send_sms" in dump["logs"]
    with town.portal.broker() as broker:
        broker.set("tests", "x" * 20)
        assert "tests" in town.portal.dump()["redis"]
        broker.delete("tests")


def test_the_scan_sees_a_secret_that_leaks(town, traffic):
    code, token = next(iter(town.sent_codes())), next(iter(town.sent_tokens()))
    log = town.portal.folder / "commands.log"
    kept = log.read_text() if log.exists() else ""
    try:
        log.write_text(f"code={code} token={token} {PASSWORD} {traffic.phone}\n")
        kinds = {found.split(": ")[1] for found in leaks(town)}
    finally:
        log.write_text(kept)
    assert kinds == {"code", "token of a link", "password", "phone"}


def test_the_scan_reads_what_is_in_base64():
    assert "secret of somebody" in in_plain("body: c2VjcmV0IG9mIHNvbWVib2R5 end")
