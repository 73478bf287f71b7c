"""The database itself refuses to rewrite what was submitted, published, claimed or acknowledged.

Nothing guards TRUNCATE: emptying a database is no way to rewrite it unseen. SQLite drops the triggers of a
table that it makes again: a later migration that alters one of these tables there repeats them.
"""

from django.db import migrations

# table → (name of the rule, what it forbids: conditions on a row before and after an update)
GUARDED = {
    "incidents_noticeversion": (
        "notice_version_is_written_once",
        (
            "{changed:id,incident_id,number,author_id,created_at}",
            "OLD.state <> 'draft' AND ({changed:headline,public_summary,what_happened,consequences,"
            "what_to_do,reassurance,change_note,material})",
            "NOT (OLD.state = 'submitted' AND NEW.state = 'published')"
            " AND ({changed:approver_id,published_at,facts,digest})",
            "NOT (OLD.state = 'draft' AND NEW.state = 'submitted') AND ({changed:submitted_at})",
            "NOT (OLD.state <> 'withdrawn' AND NEW.state = 'withdrawn')"
            " AND ({changed:withdrawn_at,withdrawn_reason})",
            "OLD.state <> NEW.state AND OLD.state || '>' || NEW.state NOT IN"
            " ('draft>submitted', 'draft>withdrawn', 'submitted>published', 'submitted>withdrawn',"
            " 'published>withdrawn')",
        ),
        True,
    ),
    "incidents_acknowledgement": (
        "acknowledgement_is_written_once",
        (
            "OLD.acknowledged_at IS NOT NULL",
            "{changed:id,member_id,version_id}",
            "NEW.acknowledged_at IS NOT NULL AND ({changed:shown_at,shown,fingerprint})",
        ),
        True,
    ),
    "incidents_claim": (
        "claim_is_written_once",
        (
            "{changed:id,target_id,category,state,source,stated_on,recorded_at}",
            "OLD.superseded_at IS NOT NULL AND ({changed:superseded_at})",
            "OLD.superseded_by_id IS NOT NULL AND ({changed:superseded_by_id})",
        ),
        True,
    ),
    # its claims are those of its operator
    "incidents_target": ("target_keeps_its_operator", ("{changed:id,incident_id,operator_id}",), False),
}


def install(apps, schema_editor):
    make = _postgresql if schema_editor.connection.vendor == "postgresql" else _sqlite
    for table, (rule, forbidden, forever) in GUARDED.items():
        for statement in make(table, rule, forbidden, forever):
            schema_editor.execute(statement, params=None)


def remove(apps, schema_editor):
    for table, (rule, _forbidden, forever) in GUARDED.items():
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP TRIGGER {rule} ON {table}")
            schema_editor.execute(f"DROP FUNCTION {rule}()")
            continue
        schema_editor.execute(f"DROP TRIGGER {rule}")
        if forever:
            schema_editor.execute(f"DROP TRIGGER {rule}_forever")


def _condition(forbidden, differs):
    clauses = []
    for clause in forbidden:
        before, found, rest = clause.partition("{changed:")
        if found:
            columns, _end, after = rest.partition("}")
            rest = " OR ".join(f"NEW.{name} {differs} OLD.{name}" for name in columns.split(","))
            rest += after
        clauses.append(f"({before}{rest})")
    return " OR ".join(clauses)


def _postgresql(table, rule, forbidden, forever):
    # in a function: a WHEN clause would forbid any later change of the type of these columns
    yield f"""
        CREATE FUNCTION {rule}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' THEN
                IF NOT ({_condition(forbidden, "IS DISTINCT FROM")}) THEN RETURN NEW; END IF;
            END IF;
            RAISE EXCEPTION '{rule}' USING
                ERRCODE = 'integrity_constraint_violation', CONSTRAINT = '{rule}', TABLE = '{table}';
        END $$"""
    events = "UPDATE OR DELETE" if forever else "UPDATE"
    yield f"""
        CREATE TRIGGER {rule} BEFORE {events} ON {table}
        FOR EACH ROW EXECUTE FUNCTION {rule}()"""


def _sqlite(table, rule, forbidden, forever):
    refuse = f"BEGIN SELECT RAISE(ABORT, '{rule}'); END"
    yield f"CREATE TRIGGER {rule} BEFORE UPDATE ON {table} WHEN {_condition(forbidden, 'IS NOT')} {refuse}"
    if forever:
        yield f"CREATE TRIGGER {rule}_forever BEFORE DELETE ON {table} {refuse}"


class Migration(migrations.Migration):

    dependencies = [
        ('incidents', '0004_days_of_claims_and_attacks'),
    ]

    operations = [migrations.RunPython(install, remove)]
