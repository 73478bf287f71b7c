"""Rows that are written once: a later fact is another row, so that nothing said disappears."""

from django.db import models


class WrittenOnce(Exception):
    """This row was recorded, stated or published: another one may follow it, none replaces it."""


class WrittenOnceQuerySet(models.QuerySet):
    """No general door: each allowed move is a method named for it, which calls `_move`."""

    def update(self, **kwargs):
        raise WrittenOnce

    def delete(self):
        raise WrittenOnce

    def _move(self, **changes) -> bool:
        """The conditional update behind a move: whether a row was still where it had to be."""
        return bool(super().update(**changes))


class WrittenOnceModel(models.Model):
    """Neither saved again nor deleted. What it points to is protected: no cascade passes here either.

    Django's collector asks neither `delete` nor the manager, so each of its foreign keys is PROTECT.
    """

    objects = WrittenOnceQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args, **kwargs):
        if not self._may_be_saved():
            raise WrittenOnce
        super().save(*args, **kwargs)

    def delete(self, *args, **kwargs):
        raise WrittenOnce

    def _may_be_saved(self) -> bool:
        return self._state.adding
