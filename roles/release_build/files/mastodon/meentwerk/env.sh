# Sourced by every program in bin/, with $program and $root set: what the application needs to know is checked here, and
# Ruby is told to use this tree alone and to write nothing into it.

fail() {
    echo "bin/$program: $1" >&2
    exit 1
}

# The application refuses to start without some of these, and runs wrongly without the others
missing=
for name in LOCAL_DOMAIN SECRET_KEY_BASE ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY \
    ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY VAPID_PRIVATE_KEY VAPID_PUBLIC_KEY; do
    eval "value=\${$name-}"
    case $value in
    *[![:space:]]*) ;;
    *) missing="${missing:+$missing, }$name" ;;
    esac
done
[ -z "$missing" ] || fail "not set: $missing (the environment file of the service sets them)"
unset name value missing

cd "$root" || fail "$root cannot be entered"
export RAILS_ENV="${RAILS_ENV:-production}" NODE_ENV="${NODE_ENV:-production}"
# systemd hands its output on line by line; without a locale Ruby would take texts for ASCII
export LANG="${LANG:-C.UTF-8}"

# Settings of whoever calls, or of a writable home folder, must not change which code runs
unset RUBYOPT RUBYLIB GEM_HOME GEM_PATH BUNDLE_PATH BUNDLE_WITHOUT BUNDLE_BIN_PATH

# Starts the file meentwerk/$1 in Ruby without the bundle: programs that are asked often
plain_ruby() {
    file=$1
    shift
    exec /usr/bin/ruby --disable=did_you_mean,error_highlight,syntax_suggest "$root/meentwerk/$file" "$@"
}

# Starts the file meentwerk/$1 in Ruby with the gems of this release
bundled_ruby() {
    export BUNDLE_GEMFILE="$root/Gemfile" BUNDLE_APP_CONFIG="$root/.bundle" BUNDLE_USER_HOME="$root/.bundle/none"
    export BUNDLE_FROZEN=true BUNDLE_DISABLE_VERSION_CHECK=true
    # Debian's bundler reads the lockfile well; the version that wrote it would start Ruby a second time
    export BUNDLE_VERSION=system
    # The cache lies in the tree, made when it was built; packing gave the files other times, so contents are compared
    export BOOTSNAP_READONLY=true BOOTSNAP_REVALIDATE=true
    # As upstream sets it in its own image. Without jemalloc, glibc's arenas would take half as much again
    export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
    for library in /usr/lib/*-linux-gnu/libjemalloc.so.2; do
        [ -e "$library" ] || continue
        export LD_PRELOAD="$library"
        export MALLOC_CONF="${MALLOC_CONF:-narenas:2,background_thread:true,thp:never,dirty_decay_ms:1000,muzzy_decay_ms:0}"
    done
    file=$1
    shift
    # Before anything else is loaded: Ruby's own version of a library would not go again
    exec /usr/bin/ruby -r bundler/setup "$root/meentwerk/$file" "$@"
}
