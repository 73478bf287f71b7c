from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from members import ibans, sealing
from members.models.delayed import OPEN, DelayedChange, DelayedChangeQuerySet

SERVING = Q(applied_at__isnull=False, ended_at__isnull=True)


class BankAccountQuerySet(DelayedChangeQuerySet):
    def serving(self):
        return self.filter(SERVING)


class BankAccount(DelayedChange):
    """Where a member is reimbursed, from `applied_at` to `ended_at`; before, it waits to serve.

    The IBAN is sealed: `set_iban` seals it, `iban` opens it, `masked` shows its two ends.
    """

    member = models.ForeignKey(
        "members.Member",
        on_delete=models.CASCADE,
        related_name="bank_accounts",
        verbose_name=_("adhérent"),
    )
    holder = models.CharField(_("titulaire"), max_length=70)
    iban_sealed = models.TextField(_("IBAN chiffré"), editable=False)
    iban_start = models.CharField(_("pays et clé"), max_length=4, editable=False)
    iban_end = models.CharField(_("quatre derniers signes"), max_length=4, editable=False)
    ended_at = models.DateTimeField(_("remplacé le"), null=True)
    disowned_at = models.DateTimeField(_("renié le"), null=True)  # by « ce n'est pas moi »
    restores = models.ForeignKey(  # which earlier account it is again, since then
        "self", null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("rétablit")
    )

    objects = BankAccountQuerySet.as_manager()

    class Meta(DelayedChange.Meta):
        verbose_name = _("compte bancaire")
        verbose_name_plural = _("comptes bancaires")
        ordering = ["-asked_at"]
        constraints = [
            *DelayedChange.Meta.constraints,
            models.UniqueConstraint(
                fields=["member"], condition=OPEN, name="bankaccount_one_open_per_member"
            ),
            models.UniqueConstraint(
                fields=["member"], condition=SERVING, name="bankaccount_one_serving_per_member"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("applied_at")),
                name="bankaccount_ends_after_it_served",
            ),
            models.CheckConstraint(
                condition=Q(disowned_at__isnull=True) | Q(ended_at__isnull=False),
                name="bankaccount_disowned_has_ended",
            ),
            models.CheckConstraint(
                condition=Q(
                    iban_start__regex=r"^[A-Z]{2}[0-9]{2}$", iban_end__regex=r"^[0-9A-Z]{4}$"
                )
                & ~Q(iban_sealed=""),
                name="bankaccount_is_sealed_and_shows_its_ends",
            ),
        ]

    def __str__(self):
        return self.masked

    def set_iban(self, number: str) -> None:
        """Seals a valid IBAN. Raises ibans.InvalidIban."""
        number = ibans.compact(number)
        self.iban_sealed = sealing.seal(number)
        self.iban_start, self.iban_end = number[:4], number[-4:]

    @property
    def iban(self) -> str:
        """In clear: for who pays, never for a page."""
        return sealing.unseal(self.iban_sealed)

    @property
    def masked(self) -> str:
        return ibans.masked(self.iban_start, self.iban_end)
