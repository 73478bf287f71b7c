"""What chaining the trail costs a sign-in, and what a chain written in the same transaction would cost.

    python -m benchmarks.trail [--events 4000] [--threads 16]

Threads write events, each in a transaction of its own: as the portal does, then with the last link
locked, read and followed in that transaction. One run, one database; only the ratio means something.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks import stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=16)
    chosen = parser.parse_args()
    with stage.services():
        from django.core.management import call_command
        from django.db import connection, transaction

        from members import audit
        from members.models import AuditLink

        call_command("migrate", verbosity=0)

        def later() -> None:
            with transaction.atomic():
                audit.record("benchmark.happened", text="x" * 40)

        def at_once() -> None:
            with transaction.atomic():
                event = audit.record("benchmark.happened", text="x" * 40)
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_xact_lock(1)")  # the one hot row
                position, chain = audit.head()
                AuditLink.objects.create(
                    position=position + 1, event=event, chain=audit._chain(chain, event)
                )

        def rate(act) -> float:
            with ThreadPoolExecutor(chosen.threads) as pool:
                list(pool.map(lambda _n: connection.ensure_connection(), range(chosen.threads * 4)))
                began = time.perf_counter()
                list(pool.map(lambda _n: act(), range(chosen.events)))
                spent = time.perf_counter() - began
                list(pool.map(lambda _n: connection.close(), range(chosen.threads * 4)))
            return chosen.events / spent

        chained_at_once = rate(at_once)
        chained_later = rate(later)
        time.sleep(audit.SETTLED_AFTER.total_seconds() + 0.5)
        began, sealed = time.perf_counter(), 0
        while batch := audit.seal():
            sealed += batch
        sealing = sealed / (time.perf_counter() - began)
        connection.close()
    print(f"Events per second, {chosen.threads} threads")
    print(f"  chained in the transaction   {chained_at_once:7.0f}")
    print(
        f"  chained later, as we do      {chained_later:7.0f}   × {chained_later / chained_at_once:.1f}"
    )
    print(f"  one sealing task chains      {sealing:7.0f}")


if __name__ == "__main__":
    main()
