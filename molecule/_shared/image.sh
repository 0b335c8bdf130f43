# What hosts of the long scenarios have before their play begins: libraries, and programs without a service of their own.
# A third of a first run is apt's work, and it is the same work on each host. The scenarios default, base, hardening, those of a
# single role, and the demo start from a bare Debian: there a package that a role forgets is missing.
apt-get update --quiet
apt-get install --yes --quiet --no-install-recommends \
  aide aide-common apt-listchanges cracklib-runtime debsums libpam-pwquality needrestart \
  curl less tzdata zstd \
  libllvm19 libxslt1.1 postgresql-client-17 ssl-cert pgbackrest restic \
  python3-argon2 python3-cryptography python3-idna python3-jinja2 python3-psycopg python3-psycopg2 \
  python3-python-multipart python3-redis python3-sqlalchemy python3-starlette python3-uvicorn
apt-get clean
