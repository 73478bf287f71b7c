import smtplib
from email.message import EmailMessage

import pytest

from tests.services.smtp import SmtpStandIn


@pytest.fixture
def smtp():
    stand_in = SmtpStandIn()
    stand_in.start()
    yield stand_in
    stand_in.stop()


def test_it_keeps_what_it_is_sent(smtp):
    message = EmailMessage()
    message["To"], message["Subject"] = "claire@exemple.invalid", "Marée haute"
    message.set_content("Voici le lien :\n\nhttp://portail.invalid/lien/1-é/\n.\nÀ bientôt\n")
    with smtplib.SMTP(smtp.env["EMAIL_HOST"], int(smtp.env["EMAIL_PORT"])) as client:
        client.send_message(message, "portail@exemple.invalid")
    mail = smtp.wait_for("claire@exemple.invalid", "bientôt")
    assert mail.subject == "Marée haute"
    assert mail.links == ["http://portail.invalid/lien/1-é/"]
    assert "\n.\n" in mail.body


def test_it_waits_for_what_does_not_come(smtp):
    with pytest.raises(TimeoutError):
        smtp.wait_for("claire@exemple.invalid", timeout=0.1)
