import json
from dataclasses import asdict

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from incidents import reach
from members.models import User
from portal.demo import demandes, incident, people


class Command(BaseCommand):
    help = (
        "Loads the invented people and the incident of February 2024. Safe to run again. Outside a "
        "demonstration, passwords are random, told once, and a database with other people is refused."
    )

    def add_arguments(self, parser):
        parser.add_argument("--json", action="store_true", help="accounts as JSON")

    def handle(self, **options):
        if not settings.DEMO and people.strangers():
            raise CommandError("This database holds other members: no demonstration here.")
        with transaction.atomic():
            accounts = people.load(known_secrets=settings.DEMO)
            loaded = incident.load(
                author=User.objects.get(identifiant="auteur"),
                approver=User.objects.get(identifiant="approbateur"),
            )
            reach.fill(loaded)
            demandes.load(User.objects.get(identifiant="support"))
        if options["json"]:
            told = {"incident": loaded.reference, "accounts": [asdict(one) for one in accounts]}
            self.stdout.write(json.dumps(told, ensure_ascii=False, indent=2))
        else:
            self._print(loaded, accounts)

    def _print(self, loaded, accounts):
        self.stdout.write(f"{loaded.reference} · {loaded.get_state_display()}\n\n")
        for account in accounts:
            password = account.password or "(inchangé)"
            self.stdout.write(f"{account.identifiant:20} {password:20} {account.story}")
            if account.is_staff and not settings.DEMO and account.totp_key:
                self.stdout.write(f"{'':20} TOTP {account.totp_key}")
