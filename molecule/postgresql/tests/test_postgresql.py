"""Two database hosts: one reachable by its socket only, one by the network for those who may."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from testinfra.backend.base import CommandResult
from testinfra.host import Host

from tests.refusals import refusals

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
PSQL = "psql -X --no-align --tuples-only --set ON_ERROR_STOP=1"
PASSWORD = "only-for-this-test-1"
BOTH = ["postgresql-1", "postgresql-2"]


@pytest.fixture
def local() -> Host:
    return reach("postgresql-1")


@pytest.fixture
def remote() -> Host:
    return reach("postgresql-2")


def reach(name: str) -> Host:
    return Host.get_host(f"ansible://{name}", ansible_inventory=os.environ["MOLECULE_HOSTS"])


def ask(host: Host, sql: str, user: str = "postgres", database: str = "postgres") -> str:
    """Answer of one statement, asked on the host itself through the socket."""
    return str(host.check_output(f"cd / && runuser -u {user} -- {PSQL} -d {database} -c %s", sql))


def come(
    host: Host, password: str = "only-for-this-test-1", statement: str = "SELECT 1", **parts: str
) -> CommandResult:
    """Come from another host with libpq, the certificate verified unless told otherwise."""
    wanted = {
        "host": "database.example.test",
        "user": "mastodon",
        "dbname": "mastodon",
        "sslmode": "verify-full",
        "sslrootcert": "/etc/ssl/authority.crt",
        "connect_timeout": "5",
    } | parts
    info = " ".join(f"{key}={value}" for key, value in wanted.items())
    return host.run(f"PGPASSWORD=%s {PSQL} %s -c %s", password, info, statement)


def play(inventory: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the scenario's converge on an inventory; results come as JSON, whose lines are never folded."""
    return subprocess.run(
        ["ansible-playbook", f"--inventory={inventory}", *arguments, str(SCENARIO / "converge.yml")],
        capture_output=True,
        text=True,
        check=False,
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        env=dict(os.environ, ANSIBLE_CALLBACK_RESULT_FORMAT="json"),
    )


def converge(limit: str, **variables: object) -> subprocess.CompletedProcess[str]:
    """Converge one of the hosts again with other variables."""
    return play(os.environ["MOLECULE_HOSTS"], f"--limit={limit}", f"--extra-vars={json.dumps(variables)}")


# --- what holds on both hosts


@pytest.mark.parametrize("name", BOTH)
def test_cluster_is_made_to_last(name: str) -> None:
    host = reach(name)
    assert ask(host, "SHOW data_checksums") == "on"
    seen = ask(
        host,
        "SELECT pg_encoding_to_char(encoding), datlocprovider, datlocale, datcollate, datctype"
        " FROM pg_database WHERE datname = 'mastodon'",
    )
    assert seen == "UTF8|b|C.UTF-8|C|C.UTF-8"


@pytest.mark.parametrize("name", BOTH)
def test_cluster_starts_with_the_machine(name: str) -> None:
    """A new cluster waits for its configuration; after that it is one that systemd starts at boot."""
    host = reach(name)
    host.check_output("systemctl daemon-reload")
    wanted = host.check_output("systemctl show --property=Wants --value postgresql.service")
    assert "postgresql@17-main.service" in wanted.split()


@pytest.mark.parametrize("name", BOTH)
def test_letters_beyond_ascii_fold_and_are_found(name: str) -> None:
    """Hashtags are unique without case, accounts are found by words of their display name."""
    host = reach(name)
    assert ask(host, "SELECT lower('ÉCOLE ŁÓDŹ Ünter')", "mastodon", "mastodon") == "école łódź ünter"
    words = ask(host, "SELECT to_tsvector('simple', 'Café Ærø (Ўзбек)')", "mastodon", "mastodon")
    assert set(words.split()) == {"'café':1", "'ærø':2", "'ўзбек':3"}


@pytest.mark.parametrize("name", BOTH)
def test_roles_are_no_superusers(name: str) -> None:
    rights = ask(
        reach(name),
        "SELECT bool_or(rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)"
        " FROM pg_roles WHERE rolcanlogin AND rolname <> 'postgres'",
    )
    assert rights == "f"


@pytest.mark.parametrize("name", BOTH)
def test_configuration_is_closed_to_others(name: str) -> None:
    host = reach(name)
    assert host.check_output("find /etc/postgresql/17/main -perm /o=rwx") == ""
    assert host.file("/var/lib/postgresql/17/main").mode == 0o700


@pytest.mark.parametrize("name", BOTH)
def test_every_setting_of_the_files_is_in_force(name: str) -> None:
    host = reach(name)
    assert ask(host, "SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"
    assert ask(host, "SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == "0"
    assert ask(host, "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == "0"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "postgresql-1",
            {
                "shared_buffers": "256MB",
                "effective_cache_size": "768MB",
                "work_mem": "4MB",
                "maintenance_work_mem": "64MB",
                "autovacuum_work_mem": "32MB",
                "max_connections": "100",
                "max_wal_size": "1GB",
                "min_wal_size": "256MB",
                "track_activity_query_size": "2kB",
                "ssl": "off",
            },
        ),
        (
            "postgresql-2",
            {
                "shared_buffers": "512MB",
                "effective_cache_size": "1536MB",
                "work_mem": "8MB",
                "maintenance_work_mem": "128MB",
                "autovacuum_work_mem": "64MB",
                "max_connections": "60",
                "max_wal_size": "2GB",
                "min_wal_size": "512MB",
                "ssl": "on",
                "ssl_min_protocol_version": "TLSv1.3",
            },
        ),
    ],
)
def test_memory_turns_into_settings(name: str, expected: dict[str, str]) -> None:
    host = reach(name)
    assert {setting: ask(host, f"SHOW {setting}") for setting in expected} == expected


def test_service_comes_back_after_a_boot(local: Host) -> None:
    assert local.service("postgresql").is_enabled
    assert local.check_output("pg_lsclusters -h").split()[3] == "online"
    assert "auto" in local.file("/etc/postgresql/17/main/start.conf").content_string


# --- the socket


def test_nothing_listens_on_the_network(local: Host) -> None:
    assert ":5432" not in local.check_output("ss --no-header --listening --tcp --numeric")


def test_owner_is_known_by_its_operating_system_user(local: Host) -> None:
    assert ask(local, "SELECT current_user", "mastodon", "mastodon") == "mastodon"
    ask(local, "CREATE TABLE probe (id int); DROP TABLE probe", "mastodon", "mastodon")


@pytest.mark.parametrize("role", ["mastodon", "postgres"])
def test_another_operating_system_user_is_nobody(local: Host, role: str) -> None:
    refused = local.run(f"cd / && runuser -u somebody -- {PSQL} -U {role} -d mastodon -c 'SELECT 1'")
    assert refused.rc != 0
    assert "Peer authentication failed" in refused.stderr


@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_owner_enters_no_other_database(local: Host, database: str) -> None:
    refused = local.run(f"cd / && runuser -u mastodon -- {PSQL} -d {database} -c 'SELECT 1'")
    assert refused.rc != 0
    assert "permission denied for database" in refused.stderr


def test_another_role_cannot_create_in_the_public_schema(local: Host) -> None:
    refused = ask(local, "SELECT has_schema_privilege('public', 'public', 'CREATE')", database="mastodon")
    assert refused == "f"


def test_what_people_wrote_is_not_logged(local: Host) -> None:
    ask(local, "CREATE TABLE IF NOT EXISTS people (mail text UNIQUE)", "mastodon", "mastodon")
    ask(local, "INSERT INTO people VALUES ('secret-of@example.org') ON CONFLICT DO NOTHING", "mastodon", "mastodon")
    again = "INSERT INTO people VALUES ('secret-of@example.org')"
    twice = local.run(f"cd / && runuser -u mastodon -- {PSQL} -d mastodon -c %s", again)
    assert twice.rc != 0
    journal = local.check_output("journalctl --unit postgresql@17-main --no-pager")
    assert "duplicate key value violates unique constraint" in journal
    assert "secret-of@example.org" not in journal
    assert "secret-of" not in local.check_output("cat /var/log/postgresql/*.log || true")


def test_statements_are_counted_without_their_values(local: Host) -> None:
    ask(local, "SELECT count(*) FROM people WHERE mail = 'counted@example.org'", "mastodon", "mastodon")
    counters = "SELECT query FROM pg_stat_statements WHERE query LIKE '%FROM people WHERE%'"
    counted = ask(local, counters, "mastodon", "mastodon")
    assert "$1" in counted
    assert "counted@example.org" not in counted


def test_planner_uses_the_settings(local: Host) -> None:
    plan = ask(local, "EXPLAIN (SETTINGS, FORMAT JSON) SELECT * FROM pg_class", "mastodon", "mastodon")
    settings = json.loads(plan)[0]["Settings"]
    assert settings["random_page_cost"] == "1.1"
    assert settings["jit"] == "off"


def test_a_written_row_survives_a_crash_and_a_restart(local: Host) -> None:
    ask(local, "CREATE TABLE IF NOT EXISTS survivors (note text)", "mastodon", "mastodon")
    ask(local, "INSERT INTO survivors VALUES ('written')", "mastodon", "mastodon")
    local.check_output("systemctl kill --signal=KILL postgresql@17-main")
    local.check_output("systemctl restart postgresql@17-main")
    assert ask(local, "SELECT DISTINCT note FROM survivors", "mastodon", "mastodon") == "written"


# --- the network


def test_client_comes_by_name_and_verifies(local: Host) -> None:
    answer = come(
        local,
        statement="SELECT version || ' ' || cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    )
    assert answer.rc == 0, answer.stderr
    assert answer.stdout.startswith("TLSv1.3")


@pytest.mark.parametrize("address", ["10.87.23.12", "fd87:6d65:656e::23:12"])
def test_client_comes_over_both_protocols(local: Host, address: str) -> None:
    answer = come(local, hostaddr=address)
    assert answer.rc == 0, answer.stderr


@pytest.mark.parametrize("address", ["10.87.23.12", "fd87:6d65:656e::23:12"])
def test_without_tls_nobody_comes(local: Host, address: str) -> None:
    refused = come(local, sslmode="disable", hostaddr=address)
    assert refused.rc != 0
    assert "no encryption" in refused.stderr


@pytest.mark.parametrize("protocol", ["TLSv1.1", "TLSv1.2"])
def test_old_tls_is_refused(local: Host, protocol: str) -> None:
    refused = come(local, ssl_min_protocol_version="TLSv1", ssl_max_protocol_version=protocol)
    assert refused.rc != 0


def test_wrong_password_is_refused_and_logged(local: Host, remote: Host) -> None:
    refused = come(local, password="not-the-password")
    assert refused.rc != 0
    assert "password authentication failed" in refused.stderr
    journal = remote.check_output("journalctl --unit postgresql@17-main --no-pager --grep 'authentication failed'")
    assert 'for user "mastodon"' in journal
    assert "not-the-password" not in journal


@pytest.mark.parametrize(
    ("user", "database"), [("mastodon", "archive"), ("archive", "archive"), ("mastodon", "postgres")]
)
def test_other_databases_and_users_are_refused(local: Host, user: str, database: str) -> None:
    refused = come(local, user=user, dbname=database, password=f"only-for-this-test-{2 if user == 'archive' else 1}")
    assert refused.rc != 0
    assert "no pg_hba.conf entry" in refused.stderr


def test_an_address_that_was_not_named_is_refused(remote: Host) -> None:
    """The database host itself is no client: only 10.87.23.11 may come over IPv4."""
    refused = come(remote, hostaddr="10.87.23.12")
    assert refused.rc != 0
    assert "no pg_hba.conf entry" in refused.stderr


def test_passwords_are_kept_as_scram_verifiers(remote: Host) -> None:
    kinds = ask(remote, "SELECT DISTINCT left(rolpassword, 14) FROM pg_authid WHERE rolpassword IS NOT NULL")
    assert kinds == "SCRAM-SHA-256$"


def test_server_waits_for_its_addresses(local: Host, remote: Host) -> None:
    order = "systemctl show --property=After postgresql@17-main"
    assert "network-online.target" in remote.check_output(order)
    assert "network-online.target" not in local.check_output(order)


# --- running the role again


def started(host: Host) -> str:
    return ask(host, "SELECT pg_postmaster_start_time()")


def loaded(host: Host) -> str:
    return ask(host, "SELECT pg_conf_load_time()")


def converge_both(tmp_path: Path, local: dict[str, object], remote: dict[str, object]) -> None:
    """Converge both hosts in one run, each with changes to its own variables."""
    inventory = yaml.safe_load(Path(os.environ["MOLECULE_HOSTS"]).read_text())
    inventory["all"]["hosts"]["postgresql-1"].update(local)
    inventory["all"]["hosts"]["postgresql-2"].update(remote)
    path = tmp_path / "hosts.yml"
    path.write_text(yaml.safe_dump(inventory))
    done = play(str(path))
    assert done.returncode == 0, done.stdout


def test_every_change_costs_what_it_must(local: Host, remote: Host, tmp_path: Path) -> None:
    """Nothing for no change, a reload where that is enough, a restart where PostgreSQL asks for one."""
    before = [started(local), started(remote), loaded(local), loaded(remote)]
    converge_both(tmp_path, {}, {})
    assert [started(local), started(remote), loaded(local), loaded(remote)] == before

    # A setting that can be reloaded; a new password, and a renewed certificate
    users = [{"name": name, "password": f"another-one-for-{name}"} for name in ("mastodon", "archive")]
    remote.check_output("touch /etc/ssl/meentwerk/database.example.test/fullchain.pem")
    converge_both(tmp_path, {"postgresql_random_page_cost": 1.2}, {"postgresql_users": users})
    assert ask(local, "SHOW random_page_cost") == "1.2"
    assert [started(local), started(remote)] == before[:2]
    assert loaded(local) != before[2]
    assert loaded(remote) != before[3]
    assert come(local).rc != 0
    assert come(local, password="another-one-for-mastodon").rc == 0

    # A setting that needs a restart; files that a run cut off before its reload left behind
    remote.check_output("touch /etc/postgresql/17/main/pg_hba.conf")
    reloaded = loaded(remote)
    converge_both(tmp_path, {"postgresql_max_connections": 90}, {})
    assert ask(local, "SHOW max_connections") == "90"
    assert started(local) != before[0]
    assert started(remote) == before[1]
    assert loaded(remote) != reloaded
    assert come(local).rc == 0

    converge_both(tmp_path, {}, {})
    assert ask(local, "SHOW max_connections") == "100"


def test_database_of_another_collation_is_left_alone_and_explained(local: Host) -> None:
    ask(local, "CREATE DATABASE elsewhere TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C.UTF-8'")
    try:
        done = converge("postgresql-1", postgresql_databases=[{"name": "elsewhere", "owner": "mastodon"}])
        assert done.returncode != 0
        assert "Database elsewhere has encoding UTF8, locale provider libc" in done.stdout
        assert "pg_dump -Fc" in done.stdout
    finally:
        ask(local, "DROP DATABASE elsewhere")


def test_missing_certificate_is_refused_before_the_server_is_told(remote: Host) -> None:
    before = loaded(remote)
    nowhere = {"postgresql_tls_certificate": "/etc/ssl/nowhere.pem", "postgresql_tls_key": "/etc/ssl/neither.pem"}
    done = converge("postgresql-2", **nowhere)
    assert done.returncode != 0
    for path in nowhere.values():
        assert f"{path} (postgresql_tls_certificate or postgresql_tls_key) is missing" in done.stdout
    assert loaded(remote) == before


def client(database: str = "mastodon", user: str = "mastodon", address: str = "10.87.23.11") -> dict[str, object]:
    return {"postgresql_allowed_clients": [{"database": database, "user": user, "address": address}]}


# Changes to postgresql-2's variables, and what the operator reads
WRONG: list[tuple[dict[str, object], str]] = [
    ({"postgresql_version": 16}, "postgresql_version is 16"),
    ({"postgresql_memory_mb": 64}, "postgresql_memory_mb is 64"),
    ({"postgresql_max_connections": 5000}, "postgresql_max_connections is 5000"),
    ({"postgresql_users": [{"name": "postgres"}]}, "is not the superuser postgres"),
    ({"postgresql_databases": [{"name": "Mastodon", "owner": "mastodon"}]}, "postgresql_databases names Mastodon"),
    ({"postgresql_databases": [{"name": "template1", "owner": "mastodon"}]}, "none of PostgreSQL's own"),
    ({"postgresql_databases": [{"name": "mastodon", "owner": "nobody"}]}, "has owner(s) nobody"),
    ({"postgresql_extra_settings": {"ssl_ciphers": "ALL"}}, "postgresql_extra_settings sets ssl_ciphers"),
    ({"postgresql_extra_settings": {"log_statement": "all"}}, "postgresql_extra_settings sets log_statement"),
    ({"postgresql_extra_settings": {"FSYNC": "off"}}, "postgresql_extra_settings sets FSYNC"),
    ({"postgresql_allowed_clients": []}, "Set both, or neither for the socket only"),
    ({"postgresql_listen_addresses": ["database.example.test"]}, "listen_addresses has database.example.test"),
    ({"postgresql_tls_key": ""}, "connections from other hosts must be encrypted"),
    ({"postgresql_users": [{"name": "archive"}, {"name": "a", "acts_as": "nobody"}]}, "has acts_as nobody"),
    ({"postgresql_users": [{"name": "mastodon"}, {"name": "archive"}]}, "mastodon may come over the network"),
    (client(address="0.0.0.0/0"), "has address(es) 0.0.0.0/0"),
    (client(address="::/0"), "has address(es) ::/0"),
    (client(address="10.87.23.999"), "has address(es) 10.87.23.999"),
    (client(address="web.example.test"), "has address(es) web.example.test"),
    (client(database="all"), "speaks of database(s) all"),
    (client(user="all"), "user(s) all"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every wrong request in one run."""
    return refusals(play, "postgresql-2", (change for change, _ in WRONG), tmp_path_factory.mktemp("wrong"))


@pytest.mark.parametrize("number", range(len(WRONG)), ids=[message for _, message in WRONG])
def test_wrong_request_is_refused_before_any_host_is_reached(told: dict[str, str], number: int) -> None:
    assert WRONG[number][1] in told[f"wrong-{number}"]
    assert "UNREACHABLE" not in told[f"wrong-{number}"]
