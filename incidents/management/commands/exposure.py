import json

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from incidents import audience, exposure, notices
from incidents.models import Incident
from members.models import Member


class Command(BaseCommand):
    help = (
        "Says who an incident exposes: everybody counted, or one member's people. "
        "Reads the facts of the published version, else those of the draft. (docs/exposure.md)"
    )

    def add_arguments(self, parser):
        parser.add_argument("reference", help="the incident's reference")
        parser.add_argument("--member", metavar="NUMERO", help="the number of one member")
        parser.add_argument("--json", action="store_true", help="JSON, as docs/exposure.md says")

    def handle(self, reference, member, **options):
        incident = Incident.objects.filter(reference=reference).first()
        if incident is None:
            raise CommandError(f"No incident has the reference {reference}.")
        version, facts = notices.told(incident)
        if member is None:
            counted = audience.count(facts, as_of=timezone.localdate())
            answer = {"incident": reference, "version": version and version.number}
            answer |= counted.as_json()
            table = _count_table
        else:
            found = Member.objects.filter(number=member).first()
            if found is None:
                raise CommandError(f"No member has the number {member}.")
            people = exposure.of_member(found, facts)
            answer = {
                "incident": reference,
                "member": member,
                "persons": [person.as_json() for person in people],
            }
            table = _member_table
        if options["json"]:
            self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2))
        else:
            self.stdout.write("\n".join(table(answer)))


def _count_table(answer):
    said = f"version {answer['version']}" if answer["version"] else "draft: nothing published"
    yield f"{answer['incident']} · {said} · on {answer['as_of']}"
    kinds = list(answer["totals"])
    rows = [("all operators", answer["totals"])]
    for operator in answer["operators"]:
        rows.append((operator["operator"], operator["persons"]))
        rows += [(f"  {code}", numbers) for code, numbers in operator["categories"].items()]
    yield " " * 24 + "".join(f"{kind:>22}" for kind in kinds)
    for label, numbers in rows:
        yield f"{label:24}" + "".join(f"{numbers[kind]:>22}" for kind in kinds)


def _member_table(answer):
    yield f"{answer['incident']} · member {answer['member']}"
    for person in answer["persons"]:
        yield f"{person['name']} ({person['kind']}): {person['state']}"
        for one in person["operators"]:
            days = f"{one['from'] or '…'} → {one['until'] or '…'}"
            yield f"  {one['operator']:12} {one['state']:10} {one['reason']:15} {days}"
            if one["categories"]:
                yield f"  {'':12} {' '.join(one['categories'])}"
