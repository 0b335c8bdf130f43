#!/bin/sh
# The floor: the least that turns a bare host into the same instance. Runs as root on a fresh embedded host, in a folder with
#   packages             names of all Debian packages that the site playbook brought to its host
#   before.tar           settings that must be there before a package starts its service
#   settings.tar         every other file that the playbook wrote and the services need
#   ID.tar.zst           the release
# Nothing is compared, verified, hardened or explained here; see docs/performance.md.
set -eu
cd "$(dirname -- "$0")"
release=$(basename ./*.tar.zst .tar.zst)
export DEBIAN_FRONTEND=noninteractive

tar -C / -xf before.tar
apt-get -qq update
# shellcheck disable=SC2046  # a list of names
apt-get -qq install -y --no-install-recommends $(cat packages) >/dev/null

useradd --system --home-dir /var/lib/mastodon --shell /usr/sbin/nologin --groups valkey mastodon
install -d -o mastodon -g mastodon -m 0711 /var/lib/mastodon
install -d -o mastodon -g www-data -m 2750 /var/lib/mastodon/media
install -d /opt/mastodon/releases
tar -C / -xf settings.tar
tar -C /opt/mastodon/releases -I zstd -xf "$release.tar.zst"
ln -s "releases/$release" /opt/mastodon/current

systemctl daemon-reload
systemctl restart postgresql@17-main valkey-server nginx
runuser -u postgres -- createuser mastodon
runuser -u postgres -- createdb --owner=mastodon mastodon

mastodon-run migrate pre >/dev/null
mastodon-run migrate post >/dev/null
systemctl enable --quiet --now mastodon.target "mastodon-web@$release" "mastodon-sidekiq@$release" "mastodon-streaming@$release"
until mastodon-run check >check.json; do sleep 0.2; done
