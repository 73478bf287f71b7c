"""What an import costs beside a plain COPY of the same rows into the same indexed tables.

    python -m benchmarks.feed [--members 1000000] [--shuffled] [--json]

Needs PostgreSQL in DATABASE_URL, with the right to create databases: it makes one of its own and drops
it. Each member has an adhésion and an ayant droit, all with a NIR. Goals: the import at half the rate of
COPY at least; the same files again for less than the first time.
"""

import argparse
import json
import os
import random
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import django

from benchmarks.exposure import own_database

CONTRACTS = 1_000
TABLES = ("members_member", "members_adhesion", "members_ayantdroit")
SMALL = {
    "operators.csv": "code;nom\nVIAMEDIS;Viamedis\n",
    "plans.csv": "code;nom\nSOCLE;Socle\n",
    "contracts.csv": "numero_contrat;type;siren_employeur;population;plan;telephone;debut;fin\n"
    + "".join(f"C{n};individuel;;;SOCLE;02 61 91 00 00;2015-01-01;\n" for n in range(CONTRACTS)),
}
HEADERS = {
    "members.csv": "numero_adherent;civilite;nom_naissance;nom_usage;prenoms;date_naissance;"
    "rang_naissance;nir;email;telephone;adresse;code_postal;ville;identifiant",
    "adhesions.csv": "numero_adherent;numero_contrat;debut;fin;motif_fin",
    "ayants_droit.csv": "numero_adherent;reference;lien;nom_naissance;nom_usage;prenoms;"
    "date_naissance;rang_naissance;nir;debut;fin;email;adresse;code_postal;ville",
}


def nir(sex, n):
    number = int(f"{sex}{n % 100:02}{1 + n % 12:02}{n:08}")
    return f"{number}{97 - number % 97:02}"


def lines(n):
    """The three lines of the family number `n`."""
    born = date(1950, 1, 1) + timedelta(days=n * 7919 % 18_000)
    child = date(1998, 1, 1) + timedelta(days=n * 104_729 % 9_000)
    name = f"Nom{n * 7919 % 1_000_003}"
    return (
        f"{n:09};M;{name};;Prénom;{born};1;{nir(1, n)};a{n}@exemple.invalid;"
        f"06{n % 100_000_000:08};12 quai des Brumes;29200;Brest;",
        f"{n:09};C{n % CONTRACTS};2016-01-01;;",
        f"{n:09};01;enfant;{name};;Enfant;{child};1;{nir(2, n)};2016-01-01;;;;;",
    )


def write(folder, members, shuffled):
    for name, text in SMALL.items():
        (folder / name).write_text(text, "utf-8")
    numbers = list(range(members))
    for name, header, at in zip(HEADERS, HEADERS.values(), range(3), strict=True):
        if shuffled:
            random.Random(at).shuffle(numbers)
        with (folder / name).open("w", encoding="utf-8") as file:
            file.write(header + "\n")
            file.writelines(lines(n)[at] + "\n" for n in numbers)


def timed(work):
    start = time.perf_counter()
    outcome = work()
    return round(time.perf_counter() - start, 1), outcome


def imported(folder, working):
    from members.feed.importing import Options, run

    steps = run(folder, working, Options(ends_on=date(2024, 12, 31)), {})
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value.counts


def copied(folder):
    """Takes the rows out, and puts them back in by COPY alone: the seconds of the way in."""
    from django.db import connection

    seconds = 0.0
    with connection.cursor() as cursor:
        for table in TABLES:
            with (folder / table).open("wb") as file, cursor.copy(f"COPY {table} TO STDOUT") as out:
                file.writelines(out)
        cursor.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
        for table in TABLES:
            start = time.perf_counter()
            with (
                (folder / table).open("rb") as file,
                cursor.copy(f"COPY {table} FROM STDIN") as into,
            ):
                while block := file.read(1 << 16):
                    into.write(block)
            seconds += time.perf_counter() - start
    return round(seconds, 1)


def measure(members, shuffled):
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write(folder, members, shuffled)
        first, counts = timed(lambda: imported(folder, folder / "working"))
        again, unchanged = timed(lambda: imported(folder, folder / "working"))
        assert counts["ayants_droit.csv"]["added"] == members, counts
        assert unchanged["members.csv"]["unchanged"] == members, unchanged
        plain = copied(folder)
    return {
        "members": members,
        "rows": 3 * members,
        "copy_s": plain,
        "import_s": first,
        "again_s": again,
        "rate_of_copy": round(plain / first, 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--shuffled", action="store_true", help="files in no order")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    os.environ.setdefault("DEBUG", "1")
    django.setup()
    with own_database("benchmark_feed"):
        result = measure(options.members, options.shuffled)
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(
        f"{result['rows']} rows · COPY {result['copy_s']} s · import {result['import_s']} s"
        f" ({result['rate_of_copy']} of the rate of COPY; goal 0.5)"
        f" · the same again {result['again_s']} s"
    )


if __name__ == "__main__":
    main()
