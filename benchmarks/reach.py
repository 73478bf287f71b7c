"""How the reach ledger costs grow with the number of people: filling it, filling it again, counting it.

    python -m benchmarks.reach [--sizes 10000 100000 1000000] [--json]

Needs PostgreSQL in DATABASE_URL, with the right to create databases, as benchmarks/exposure.py, whose people
it takes. Times are compared with those of a plain count of who is exposed, so that they mean the same on a
slow machine; half of the people have read the notice, and letters were printed to the former members.
"""

import argparse
import json
import os
import time

import django

from benchmarks.exposure import AS_OF, TARGETS, fill, own_database


def incident():
    """An incident at both operators, live with one version, by two people of the staff."""

    from incidents import facts, notices
    from incidents.models import Claim, Incident, NoticeVersion, Target
    from members.models import User
    from portal.demo.people import EXPOSED

    author, approver = (
        User.objects.create(identifiant=name, is_staff=True) for name in ("auteur", "approbateur")
    )
    made = Incident.objects.create(
        reference="banc", title="Banc", detected_on=AS_OF, created_by=author, dpo_name="DPO"
    )
    Incident.objects.open_to_members(made)
    for _code, operator in TARGETS:
        target = Target.objects.create(
            incident=made,
            operator_id=operator,
            window_from="2024-02-01",
            window_until="2024-02-07",
            detected_on="2024-02-01",
            what_happened="Un accès volé.",
        )
        for category in EXPOSED:
            Claim.objects.create(
                target=target, category=category, state="exposee", source="Banc", stated_on=AS_OF
            )
    version = notices.start(made, author=author, headline="Banc", public_summary="Banc.")
    NoticeVersion.objects.filter(pk=version.pk).submit()
    NoticeVersion.objects.filter(pk=version.pk).publish(
        approver=approver, facts=facts.of(made).snapshot(), digest="b" * 64
    )
    version.refresh_from_db()
    return made, version


READ = """
INSERT INTO incidents_acknowledgement (member_id, version_id, shown_at, shown, fingerprint)
SELECT member_id, %s, now(), '{}', '' FROM incidents_reach
WHERE ayant_droit_id IS NULL AND member_id %% 2 = 0;
"""
POSTED = """
INSERT INTO incidents_dispatch (person_id, version_id, channel, round, state, made_at, state_at,
    reference, told)
SELECT id, %s, 'letter', 1, 'printed', now(), now(), lpad(id::text, 12, '0'), '[]'
FROM incidents_reach WHERE capacity = 'ancien_adherent';
"""


ADDRESSES = """
UPDATE members_member SET address = '12 quai des Brumes', postal_code = '29200', city = 'Brest';
"""


def timed(do):
    start = time.perf_counter()
    found = do()
    return time.perf_counter() - start, found


def measure(people):
    from django.db import connection

    from incidents import audience, notices, reach, reach_letters

    made, version = incident()
    facts = notices.facts_of(version)
    with connection.cursor() as cursor:
        cursor.execute(ADDRESSES)
        cursor.execute("ANALYZE")
    counting, _counted = timed(lambda: audience.count(facts, AS_OF))
    filling, census = timed(lambda: reach.fill(made))
    with connection.cursor() as cursor:
        cursor.execute(READ, [version.pk])
        cursor.execute(POSTED, [version.pk])
        cursor.execute("ANALYZE")
    again, _census = timed(lambda: reach.fill(made))
    figures, totals = timed(
        lambda: reach.reach_figures.count(made, reach.enough(made))  # what a small page does live
    )
    left = made.reach.to_inform(reach.enough(made)).select_related("member", "ayant_droit")
    page, _rows = timed(lambda: list(left.order_by("pk")[:51]))
    letters = reach_letters.to_print(made, reach.enough(made), unread_days=0)
    batch, _people = timed(lambda: list(letters[:500]))
    return {
        "people": people,
        "in_the_ledger": census.figures["concerned"],
        "count_s": round(counting, 2),
        "fill_s": round(filling, 2),
        "fill_again_s": round(again, 2),
        "figures_s": round(figures, 2),
        "page_ms": round(page * 1000, 1),
        "letters_ms": round(batch * 1000, 1),
        "to_inform": totals.to_inform,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    os.environ.setdefault("DEBUG", "1")
    django.setup()
    results = []
    for people in options.sizes:
        with own_database("benchmark_reach"):
            fill(people)
            results.append(measure(people))
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for one in results:
        ratio, again = (one[name] / one["count_s"] for name in ("fill_s", "fill_again_s"))
        print(
            f"{one['people']:>9} people · {one['in_the_ledger']} in the ledger"
            f" · count {one['count_s']} s · fill {one['fill_s']} s (×{ratio:.1f})"
            f" · again {one['fill_again_s']} s (×{again:.1f}) · figures {one['figures_s']} s"
            f" · a page {one['page_ms']} ms · a file of letters chosen in {one['letters_ms']} ms"
        )


if __name__ == "__main__":
    main()
