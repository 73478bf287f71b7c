"""Key rotation: what an old key sealed is sealed again under the newest. (docs/operations.md)"""

from collections.abc import Callable

from django.db import transaction

from members import sealing
from members.models import BankAccount, Joining
from members.models.member import NIR_PURPOSE, Person

BATCH = 500


def reseal(
    model: type[Person | Joining], on_progress: Callable[[str], object] = lambda line: None
) -> int:
    """Seals again each NIR of `model` that is not under the first key; how many.

    Idempotent and resumable: one short transaction per batch, and a row already under the first key is
    left alone. Raises sealing.CannotOpen when a key is missing, having changed nothing in that batch.
    """
    done = last = 0
    while True:
        people = list(
            model.objects.filter(pk__gt=last)
            .exclude(nir_sealed="")
            .only("pk", "nir_sealed", "nir_digest")
            .order_by("pk")[:BATCH]
        )
        if not people:
            return done
        last = people[-1].pk
        stale = [person for person in people if not sealing.is_current(person.nir_sealed)]
        for person in stale:
            number = person.nir
            before = person.nir_sealed
            person.nir_sealed = sealing.seal(number)
            person.nir_digest = sealing.digest(number, NIR_PURPOSE)
            person.before = before
        with transaction.atomic():
            for person in stale:
                # only if nobody wrote a new NIR meanwhile
                done += model.objects.filter(pk=person.pk, nir_sealed=person.before).update(
                    nir_sealed=person.nir_sealed, nir_digest=person.nir_digest
                )
        on_progress(f"… {last}")


def reseal_accounts(on_progress: Callable[[str], object] = lambda line: None) -> int:
    """The same for the IBANs of bank accounts: each row by itself, for nobody ever rewrites one."""
    done = 0
    for account in BankAccount.objects.only("pk", "iban_sealed").order_by("pk").iterator(BATCH):
        if not sealing.is_current(account.iban_sealed):
            sealed = sealing.seal(account.iban)
            done += BankAccount.objects.filter(pk=account.pk).update(iban_sealed=sealed)
            if done % BATCH == 0:
                on_progress(f"… {account.pk}")
    return done
