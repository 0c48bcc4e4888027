# shellcheck shell=bash
# Sourced by the scripts of this folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

STATE=.state                          # what these tools make and may throw away
mkdir -p "$STATE"

say() { printf '== %s\n' "$*" >&2; }
die() { printf 'ERROR: %s\n' "$*" >&2; exit 1; }

# Debian and its kin, as root, can be given packages; any other system is only told what it lacks.
can_install() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

install_packages() {
  say "installing from the distribution: $*"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >"$STATE/apt.log" 2>&1 </dev/null ||
    { tail -n 10 "$STATE/apt.log" >&2; die "apt-get could not install $*: the whole log is in $STATE/apt.log"; }
}
