"""What a letter told of somebody may leave its row, once its incident is closed. Nothing else does.

SQLite drops the triggers of a table that it makes again: a later migration that alters incidents_dispatch
there repeats them.
"""

from importlib import import_module

from django.db import migrations

ledger = import_module("incidents.migrations.0009_reach_ledger")
TABLE, RULE = ledger.TABLE, ledger.RULE

CLOSED = """EXISTS (SELECT 1 FROM incidents_reach person
    JOIN incidents_incident incident ON incident.id = person.incident_id
    WHERE person.id = OLD.person_id AND incident.state = 'closed')"""


def _forgets(differs, nothing):
    kept = [name for name in (*ledger.KEPT, "state", "state_at") if name != "told"]
    changed = " OR ".join(f"NEW.{name} {differs} OLD.{name}" for name in kept)
    return f"NEW.told = {nothing} AND NOT ({changed}) AND {CLOSED}"


def allow(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"""
            CREATE OR REPLACE FUNCTION {RULE}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'UPDATE' THEN
                    IF NOT ({ledger._forbidden("IS DISTINCT FROM")}) THEN RETURN NEW; END IF;
                    IF {_forgets("IS DISTINCT FROM", "'[]'::jsonb")} THEN RETURN NEW; END IF;
                END IF;
                RAISE EXCEPTION '{RULE}' USING
                    ERRCODE = 'integrity_constraint_violation', CONSTRAINT = '{RULE}', TABLE = '{TABLE}';
            END $$""",
            params=None,
        )
        return
    schema_editor.execute(f"DROP TRIGGER {RULE}", params=None)
    schema_editor.execute(
        f"CREATE TRIGGER {RULE} BEFORE UPDATE ON {TABLE} "
        f"WHEN ({ledger._forbidden('IS NOT')}) AND NOT ({_forgets('IS NOT', chr(39) + '[]' + chr(39))}) "
        f"BEGIN SELECT RAISE(ABORT, '{RULE}'); END",
        params=None,
    )


def forbid(apps, schema_editor):
    ledger.release(apps, schema_editor)
    ledger.protect(apps, schema_editor)


class Migration(migrations.Migration):
    dependencies = [("incidents", "0012_duties_without_object")]

    operations = [migrations.RunPython(allow, forbid)]
