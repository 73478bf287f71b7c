"""How exposure costs grow with the number of people: one member's answer, and the whole count.

    python -m benchmarks.exposure [--sizes 10000 100000 1000000] [--json]

Needs PostgreSQL in DATABASE_URL, with the right to create databases: it makes one of its own, fills it by
INSERT … SELECT, measures, and drops it. Numbers of two sizes are compared as ratios, so that they mean the
same on a slow machine: one member's answer must not grow, and the count stays two statements. In parts, as
a job counts, the sum is the same.
"""

import argparse
import json
import os
import statistics
import time
from collections import Counter
from contextlib import contextmanager
from datetime import date

import django

TARGETS = (("VIAMEDIS", 1), ("ALMERYS", 2))
AS_OF = date(2024, 3, 1)
TRIES = 30


@contextmanager
def own_database(name="benchmark_exposure"):
    from django.db import connection

    settings_of_mine = connection.settings_dict
    outside = {**settings_of_mine}

    def administer(statement):
        settings_of_mine["NAME"] = outside["NAME"]
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    administer(f"DROP DATABASE IF EXISTS {name}")
    administer(f"CREATE DATABASE {name}")
    settings_of_mine["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        administer(f"DROP DATABASE {name}")


# One member out of two has two ayants droit: n people are n/2 members and n/2 ayants droit. The first hundred
# contracts are employers', the others individual: one member out of ten has one. Two members out of three
# have an account, three out of four a phone. Everyone was at Viamedis, nine out of ten contracts are at
# Almerys now; one member out of twenty left in 2023; one child out of ten is covered by two members.
FILL = """
INSERT INTO members_operator (id, code, name)
VALUES (1, 'VIAMEDIS', 'Viamedis'), (2, 'ALMERYS', 'Almerys'), (3, 'OTHER', 'Autre');

INSERT INTO members_employer (id, siren, name)
SELECT n, (100000000 + n)::text, 'Employeur ' || n FROM generate_series(1, 100) n;

INSERT INTO members_plan (id, code, name) VALUES (1, 'PLAN', 'Plan');

INSERT INTO members_contract (id, number, kind, employer_id, population, plan_id, phone, contact, start)
SELECT n, 'C' || n, CASE WHEN n <= 100 THEN 'collectif' ELSE 'individuel' END,
    CASE WHEN n <= 100 THEN n END, '', 1, '0', '', '2015-01-01'
FROM generate_series(1, {contracts}) n;

INSERT INTO members_delegation
    (operator_id, contract_id, start, "end", convention_type, csr, categories)
SELECT 1, n, '2015-01-01'::date, '2023-12-31'::date, '', '', {sent}
FROM generate_series(1, {contracts}) n
UNION ALL
SELECT CASE WHEN n % 10 = 0 THEN 3 ELSE 2 END, n, '2024-01-01', NULL, '', '', {sent}
FROM generate_series(1, {contracts}) n;

INSERT INTO members_holding (operator_id, contract_id, evidence, purged_on)
SELECT 1, n, CASE WHEN n % 7 = 0 THEN 'Attestation' ELSE '' END,
    CASE WHEN n % 7 = 0 THEN '2024-01-15'::date END
FROM generate_series(1, {contracts}) n;

INSERT INTO members_user
    (id, identifiant, password, name, email, is_superuser, is_staff, is_active, created_at)
SELECT n, 'm' || n, '', '', '', false, false, true, now()
FROM generate_series(1, {members}) n WHERE n % 3 > 0;

INSERT INTO members_member
    (id, user_id, number, phone, civility, birth_name, usage_name, first_names, birth_date, birth_rank,
     nir_sealed, nir_digest, nir_absence, noemie, email, address, postal_code, city)
SELECT n, CASE WHEN n % 3 > 0 THEN n END, 'M' || lpad(n::text, 9, '0'),
    CASE WHEN n % 4 > 0 THEN '+336' || lpad(n::text, 8, '0') ELSE '' END, '', 'Nom' || n, '', 'Prenom',
    '1950-01-01'::date + (n::bigint * 7919 % 18000)::int, 1,
    'sealed', md5('member' || n)::uuid, '', '{noemie}', '', '', '', ''
FROM generate_series(1, {members}) n;

INSERT INTO members_adhesion (member_id, contract_id, start, "end", end_reason)
SELECT n, CASE WHEN n % 10 = 0 THEN 100 + n / 10 ELSE 1 + n % 100 END,
    '2016-01-01'::date + (n * 31 % 2800)::int,
    CASE WHEN n % 20 = 3 THEN '2023-10-31'::date END, ''
FROM generate_series(1, {members}) n;

INSERT INTO members_ayantdroit
    (member_id, reference, link, start, civility, birth_name, usage_name, first_names, birth_date,
     birth_rank, nir_sealed, nir_digest, nir_absence, noemie, email, address, postal_code, city)
SELECT n, k::text, 'enfant', '2016-01-01', '', 'Nom' || n, '', 'Enfant',
    '1998-01-01'::date + ((n::bigint * 104729 + k) % 9000)::int, k,
    'sealed', md5('child' || CASE WHEN n % 10 = 2 THEN n - 2 ELSE n END || '.' || k)::uuid,
    '', '{noemie}', '', '', '', ''
FROM generate_series(2, {members}, 2) n, generate_series(1, 2) k;
"""


def fill(people):
    from django.core.management import call_command
    from django.db import connection

    from members.models.category import mask_of
    from members.models.member import Noemie
    from portal.demo.people import SENT

    call_command("migrate", verbosity=0)
    members = people // 2
    with connection.cursor() as cursor:
        sizes = {"contracts": 100 + members // 10, "members": members, "sent": mask_of(SENT)}
        sizes |= {"noemie": Noemie.UNKNOWN}
        cursor.execute(FILL.format(**sizes))
        cursor.execute("ANALYZE")


def february():
    from incidents.facts import ClaimFacts, ContactFacts, Facts, TargetFacts
    from portal.demo.people import EXPOSED

    claims = tuple(ClaimFacts(str(one), "exposee", "source", AS_OF) for one in EXPOSED)
    targets = tuple(
        TargetFacts(
            operator_id=pk,
            operator=code,
            operator_name=code,
            window_from=date(2024, 2, 1),
            window_until=date(2024, 2, 7),
            window_source="",
            detected_on=date(2024, 2, 1),
            what_happened="",
            claims=claims,
        )
        for code, pk in TARGETS
    )
    return Facts("bench", "", AS_OF, ContactFacts("", "", "", ""), targets)


def measure(people):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from incidents import audience, exposure
    from members.models import Member

    facts = february()
    numbers = [1 + n * 37 % (people // 2) for n in range(TRIES)]
    members = list(Member.objects.filter(pk__in=numbers))
    exposure.of_member(members[0], facts)
    times = []
    for member in members:
        start = time.perf_counter()
        exposure.of_member(member, facts)
        times.append(time.perf_counter() - start)
    with CaptureQueriesContext(connection) as of_one:
        exposure.of_member(members[0], facts)
    with CaptureQueriesContext(connection) as of_all:
        start = time.perf_counter()
        counted = audience.count(facts, AS_OF)
        whole = time.perf_counter() - start
    parts, found = [], Counter()
    for part in audience.parts():
        start = time.perf_counter()
        found += audience.groups(part, facts, AS_OF)
        parts.append(time.perf_counter() - start)
    assert audience.tally(found, facts, AS_OF).as_json() == counted.as_json()
    return {
        "people": people,
        "one_member_ms": round(statistics.median(times) * 1000, 2),
        "one_member_statements": len(of_one),
        "count_s": round(whole, 2),
        "count_statements": len(of_all),
        "parts": len(parts),
        "parts_s": round(sum(parts), 2),
        "longest_part_s": round(max(parts), 2),
        "groups": len(found),
        "contracts": max(len(operator.contracts) for operator in counted.operators),
        "concerned": {kind.value: counted.totals[kind] for kind in audience.Kind},
        "persons": sum(counted.totals[kind] for kind in audience.CAPACITIES),
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
        with own_database():
            fill(people)
            results.append(measure(people))
    if options.json:
        print(json.dumps(results, indent=2))
        return
    first = results[0]
    for result in results:
        one = result["one_member_ms"] / first["one_member_ms"]
        print(
            f"{result['people']:>9} people"
            f" · one member {result['one_member_ms']} ms (×{one:.2f}),"
            f" {result['one_member_statements']} statements"
            f" · everybody {result['count_s']} s"
            f" ({result['count_s'] * 1e6 / result['people']:.1f} µs each),"
            f" {result['count_statements']} statements"
            f" · in {result['parts']} parts {result['parts_s']} s,"
            f" the longest {result['longest_part_s']} s"
            f" · {result['persons']} concerned, {result['contracts']} contracts"
        )


if __name__ == "__main__":
    main()
