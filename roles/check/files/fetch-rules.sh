#!/bin/sh
# fetch-rules.sh PLACE: unpack the newest ssg-debian of Debian's unstable archive below PLACE, signature checked.
# A mirror may be some weeks old: older rules measure as well, and their signature is checked all the same.
# apt gets lists and a cache of its own there: the host's sources do not change.
set -eu
place=$1
site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | head -n 1)
mkdir -p "$place/apt/lists/partial" "$place/apt/cache/archives/partial"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${site%/} sid main" > "$place/apt/sid.list"
chown -R _apt "$place/apt" && chmod 0711 "$place"
own="-o Dir::Etc::SourceList=$place/apt/sid.list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$place/apt/lists
 -o Dir::Cache=$place/apt/cache -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false"
# shellcheck disable=SC2086  # a list of options
apt-get -qq $own update
cd "$place/apt"
# shellcheck disable=SC2086
apt-get -qq $own download ssg-debian
dpkg-deb --extract ssg-debian_*.deb "$place"
rm -rf "$place/apt"
