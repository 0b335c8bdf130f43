import pytest
from meentwerk_sandbox import models, schema, schema_base
from meentwerk_sandbox.schema import Step


def test_versions_are_unique_and_in_order() -> None:
    versions = [step.version for step in schema.STEPS]
    assert versions == sorted(set(versions))


def test_both_phases_have_steps() -> None:
    assert {step.phase for step in schema.STEPS} == {"pre", "post"}


def test_an_empty_database_has_everything_to_do() -> None:
    todo = schema.pending(())
    assert len(todo["pre"]) + len(todo["post"]) == len(schema.STEPS)


def test_what_is_done_is_not_pending() -> None:
    steps = (Step("1", "a", "pre", ()), Step("2", "b", "post", ()), Step("3", "c", "pre", ()))
    assert schema.pending({"1"}, steps) == {"pre": ["3"], "post": ["2"]}


def test_status_tells_what_the_release_knows_and_what_the_database_records() -> None:
    steps = (Step("1", "a", "pre", ()), Step("3", "c", "pre", ()), Step("2", "b", "post", ()))
    assert schema.status({"1", "9"}, steps) == {
        "pending": {"pre": ["3"], "post": ["2"]},
        "current": "9",
        "known": {"pre": ["1", "3"], "post": ["2"]},
        "applied": ["1", "9"],
    }


@pytest.mark.parametrize("table", sorted(models.Base.metadata.tables))
def test_every_model_has_its_table_and_columns(table: str) -> None:
    statements = [text for step in schema.STEPS for text in step.sql]
    statement = next(text for text in statements if text.startswith(f"CREATE TABLE {table} ("))
    statement += "".join(text for text in statements if text.startswith(f"ALTER TABLE {table} ADD COLUMN"))
    for column in models.Base.metadata.tables[table].columns:
        assert f" {column.name} " in " " + statement.replace("(", " ").replace("\n", " ")


def test_foreign_keys_are_added_unchecked_and_checked_later() -> None:
    assert all(text.endswith("NOT VALID") for text in schema_base.foreign_keys())
    assert len(schema_base.validations()) == len(schema_base.foreign_keys())
