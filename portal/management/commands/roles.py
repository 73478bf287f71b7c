from django.core.management.base import BaseCommand

from portal import roles


class Command(BaseCommand):
    help = "Makes the groups of the staff agree with portal/roles.py."

    def handle(self, **options):
        for group in roles.sync():
            self.stdout.write(f"{group.name}: {group.permissions.count()}")
