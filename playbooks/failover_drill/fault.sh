#!/usr/bin/env bash
# One fault on this host for playbooks/failover_drill.yml. As a transient unit of systemd it needs nobody to heal: it ends by itself, and
# however it ends, it heals what it has broken. With a reboot all of it is gone, too.
#   fault.sh look FAULT,...                   what stands against these faults here, and which programs run
#   fault.sh make FAULT LEAD LASTS            make one after LEAD seconds, and heal it LASTS seconds later
# Further arguments are interface=NAME, user=NAME, and any number of script=PATH, file=PATH, vip=ADDRESS and protocol=NUMBER. What it says, a line for
# each thing, goes to stdout; to make a fault, to the file `notes` beside this one.
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

say() { printf '%s\n' "$*"; }
now() { date +%s.%N; }
pause() { sleep "$1" & wait $!; }     # a signal ends the wait, not only the sleep
property() { systemctl show --property="$2" "$1" | cut -d= -f2-; }
unit_of() { say "${1#*_}"; }

# Faults: break_… and heal_… of each

break_stop() { systemctl stop "$1"; }
heal_stop() { systemctl start "$1"; }

# systemd brings it back by itself, and that is part of what is looked at
break_kill() {
  local before end=$((SECONDS + lasts))
  before=$(property "$1" MainPID)
  systemctl kill --signal=KILL "$1"
  while [ "$SECONDS" -lt "$end" ]; do
    if [ "$(property "$1" ActiveState)" = active ] && [ "$(property "$1" MainPID)" != "$before" ]; then
      say "healed $(now)"
      return
    fi
    pause 0.05
  done
  say "problem systemd has not started $1 again within $lasts s after it was killed: look at Restart= in its unit."
}
heal_kill() { [ "$(property "$1" ActiveState)" = active ] || { systemctl reset-failed "$1"; systemctl start "$1"; }; }

break_freeze() { systemctl kill --signal=STOP keepalived; }
heal_freeze() { systemctl kill --signal=CONT keepalived; }

# A program that always fails in the place of the check, for keepalived alone: no file changes, and with its process the mount is gone as well.
break_failing_check() {
  local script
  keepalived=$(property keepalived MainPID)
  for script in "${scripts[@]}"; do nsenter --target "$keepalived" --mount mount --bind "$(type -P false)" "$script" || return; done
}
heal_failing_check() {
  local script failed=0
  [ -d "/proc/$keepalived" ] || return 0
  for script in "${scripts[@]}"; do nsenter --target "$keepalived" --mount umount "$script" || failed=1; done
  return $failed
}

# With the link go routes and IPv6 addresses that nobody sets again where no network manager does.
break_link_down() {
  routes=$(for family in -4 -6; do
    ip "$family" route show table all dev "$interface" | grep -Ev 'proto (kernel|ra|redirect)|table local|^(local|multicast|broadcast|anycast) |^ff' |
      sed -e 's/ linkdown\b//; s/ dead\b//' -e "s/^/$family /"
  done)
  addresses=$(ip -6 -o address show dev "$interface" scope global permanent | while read -r _ _ _ address _; do
    case " ${vips[*]} " in *" ${address%/*} "*) ;; *) say "$address" ;; esac
  done)
  ip link set dev "$interface" down
}
heal_link_down() {
  local address family route
  ip link set dev "$interface" up || return
  for address in $addresses; do ip -6 address add "$address" dev "$interface" 2>/dev/null; done
  for _ in 1 2 3; do                  # one route may need another one, or an address that is still being looked for
    while read -r family route; do
      # shellcheck disable=SC2086  # a route is several words
      [ -z "$route" ] || ip "$family" route replace $route dev "$interface" 2>/dev/null
    done <<<"$routes"
    pause 0.2
  done
  while read -r family route; do
    [ -z "$route" ] || [ -n "$(ip "$family" route show table all dev "$interface" to exact "${route%% *}")" ] ||
      say "problem the route '$route' of $interface has not come back: add it by hand, or restart the network."
  done <<<"$routes"
}

break_vrrp_blocked() {
  local command chain protocol
  if type -P nft >/dev/null; then
    nft -f - <<RULES
table inet vipkit_drill {
  chain input { type filter hook input priority -300; meta l4proto { ${protocols// /, } } drop; }
  chain output { type filter hook output priority -300; meta l4proto { ${protocols// /, } } drop; }
}
RULES
    return
  fi
  for command in iptables ip6tables; do
    for chain in INPUT OUTPUT; do
      for protocol in $protocols; do
        "$command" -w -I "$chain" -p "$protocol" -m comment --comment vipkit-drill -j DROP || [ "$command" = ip6tables ] || return
      done
    done
  done
}
heal_vrrp_blocked() {                 # whoever loads all rules anew has healed it already
  local command chain protocol failed=0
  if type -P nft >/dev/null; then
    ! nft list table inet vipkit_drill >/dev/null 2>&1 || nft delete table inet vipkit_drill
    return
  fi
  for command in iptables ip6tables; do
    for chain in INPUT OUTPUT; do
      for protocol in $protocols; do
        "$command" -w -C "$chain" -p "$protocol" -m comment --comment vipkit-drill -j DROP 2>/dev/null || continue
        "$command" -w -D "$chain" -p "$protocol" -m comment --comment vipkit-drill -j DROP || failed=1
      done
    done
  done
  return $failed
}

# The playbook drains the host and undrains it; this is for when it cannot do the latter any more.
break_drain() { :; }
heal_drain() {
  local file
  for file in "${files[@]}"; do [ ! -s "$file" ] || printf '0\n' >"$file"; done
}

# The fault from its beginning to its end

dispatch() {                          # stop_nginx is `stop nginx`
  case $fault in
    stop_* | kill_*) "$1_${fault%%_*}" "$(unit_of "$fault")" ;;
    *) "$1_$fault" ;;
  esac
}

heal() {
  trap '' TERM INT HUP
  trap - EXIT
  if dispatch heal; then say "healed $(now)"; else say "problem $fault could not be healed: look at \`journalctl -u vipkit-drill\`."; fi
  exit 0
}

# What the check itself says, as the user that keepalived runs it with
check() { timeout -s KILL 10 runuser -u "$user" -- "$1" >/dev/null 2>&1; }
look_at_checks() {
  local script code
  for script in "${scripts[@]}"; do
    code=forbidden
    if runuser -u "$user" -- test -x "$script"; then check "$script"; code=$?; fi
    say "check ${script##*/} $code"
  done
}

make() {
  exec >"${0%/*}/notes"
  trap 'exit 0' TERM INT HUP
  pause "$lead"
  trap heal EXIT
  say "injected $(now)"
  local end=$((SECONDS + lasts + 1))  # it counts whole seconds
  dispatch break || { say "problem $fault could not be made: look at \`journalctl -u vipkit-drill\`."; exit; }
  while [ "$SECONDS" -lt "$end" ]; do pause 0.1; done
  [ "$fault" = failing_check ] || look_at_checks
}

# Before anything is broken

look() {
  local script code name
  say "nginx $("/proc/$(property nginx MainPID)/exe" -v 2>&1 | sed -n 's/.*nginx\///p')"
  [ "$(property vipkit-drill ActiveState)" != active ] || say "finding a drill is under way there, and ends by itself: wait for it."
  type -P systemd-run >/dev/null || say "finding there is no systemd-run, so no fault could heal by itself: install systemd's tools."
  for script in "${scripts[@]}"; do
    name=${script##*/}
    if ! runuser -u "$user" -- test -x "$script"; then say "finding its check $name cannot be executed by $user: run site.yml."; continue; fi
    check "$script"; code=$?
    [ "$code" -eq 0 ] || say "finding its check $name fails (exit code $code), so it would take nothing over: put its service right first."
  done
  for fault in ${faults//,/ }; do
    case $fault in
      *_nginx) [ "$(property nginx ActiveState)" = active ] || say "finding its nginx does not run as a unit of systemd: leave $fault out of vipkit_faults." ;;
      failing_check) type -P nsenter >/dev/null || say "finding there is no nsenter: install util-linux, or leave failing_check out of vipkit_faults." ;;
      vrrp_blocked)
        type -P nft >/dev/null || type -P iptables >/dev/null ||
          say "finding there is neither nft nor iptables: install one, or leave vrrp_blocked out of vipkit_faults." ;;
    esac
  done
}

mode=$1 faults=$2 fault=$2
shift 2
if [ "$mode" = make ]; then lead=$1 lasts=$2; shift 2; fi
interface='' user=root keepalived='' routes='' addresses='' protocols=''
scripts=() files=() vips=()
for argument; do
  case $argument in
    interface=*) interface=${argument#*=} ;;
    user=*) user=${argument#*=} ;;
    script=*) scripts+=("${argument#*=}") ;;
    file=*) files+=("${argument#*=}") ;;
    vip=*) vips+=("${argument#*=}") ;;
    protocol=*) protocols+="${protocols:+ }${argument#*=}" ;;
  esac
done
"$mode"
