import getpass

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django_otp.plugins.otp_totp.models import TOTPDevice

from members import audit
from members.models import User


class Command(BaseCommand):
    help = (
        "Opens a staff account with its authenticator app, in front of its holder: he types his "
        "password and adds the printed address to his app. The only way in for a first administrator."
    )

    def add_arguments(self, parser):
        parser.add_argument("identifiant")
        parser.add_argument("--name", default="", help="the name shown to colleagues")
        parser.add_argument("--superuser", action="store_true", help="an administrator")

    def handle(self, identifiant, name, superuser, **options):
        identifiant = User.objects.normalize_identifiant(identifiant)
        if User.objects.filter(identifiant=identifiant).exists():
            raise CommandError(f"{identifiant} has an account already.")
        user = User(identifiant=identifiant, name=name, is_staff=True, is_superuser=superuser)
        user.set_password(self._ask_password(user))
        try:
            with transaction.atomic():
                user.full_clean()
                user.save()
                device = TOTPDevice.objects.create(user=user, name="totp", confirmed=True)
                audit.record("staff.enrolled", user=user, superuser=superuser)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from None
        self.stdout.write("Add this address to the authenticator app; it is shown only once:")
        self.stdout.write(device.config_url)

    def _ask_password(self, user) -> str:
        password = getpass.getpass("Password: ")
        if password != getpass.getpass("Again: "):
            raise CommandError("The two passwords differ.")
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        return password
