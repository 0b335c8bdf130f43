#!/bin/sh
# Compares the files of this host with the state on record, and keeps the record.
#
#   meentwerk-aide check     compare; without a record, make the first one
#   meentwerk-aide accept    show what differs, and take the state of now as the record
set -eu
config=/etc/aide/aide.conf
record=/var/lib/aide/aide.db

write_record() {
  rm -f "$record.new"
  # 0 to 7 tell what differs; more is an error
  aide --config="$config" --init > /dev/null || [ $? -le 7 ]
  chmod 0600 "$record.new"
  mv "$record.new" "$record"
  cp -p "$record" "$record.new"
}

case "${1:-}" in
  check)
    [ -e "$record" ] || { echo "no record yet: writing the first one"; write_record; exit 0; }
    exec aide --config="$config" --check
    ;;
  accept)
    [ ! -e "$record" ] || aide --config="$config" --check || [ $? -le 7 ]
    write_record
    echo "the state of now is on record"
    ;;
  *)
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    [ "${1:-}" = --help ] || exit 2
    ;;
esac
