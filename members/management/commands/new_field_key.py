from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Prints a new key for FIELD_ENCRYPTION_KEYS; put it first, then run rotate_field_keys."
    requires_system_checks = []

    def handle(self, **options):
        self.stdout.write(Fernet.generate_key().decode())
