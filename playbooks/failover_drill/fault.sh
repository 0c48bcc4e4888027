#!/usr/bin/env bash
# One fault on this host for playbooks/failover_drill.yml. As a unit of systemd it needs nobody to heal: it ends by itself, and however it
# ends, kill -9 included, systemd heals what it has broken (ExecStopPost). With a reboot all of it is gone, too.
#   fault.sh look FAULT,... ARGUMENT...       what stands against these faults here, and which programs run
#   fault.sh claim DRILL SECONDS              have this host to itself for so long, unless another drill has it
#   fault.sh release DRILL                    no longer
#   fault.sh begin FAULT LEAD LASTS ARGUMENT...  start the unit, which makes one after LEAD seconds, and heals it LASTS seconds later
#   fault.sh await                            until the unit has ended and healed
#   fault.sh end                              have it heal now if it has not, say what it noted, and leave nothing behind if all is well
#   fault.sh make, fault.sh heal              what the unit runs
# Arguments are interface=NAME, script=PATH, and any number of check='USER NAME COMMAND...', file=PATH, vip=ADDRESS and protocol=NUMBER. What it
# says, a line for each thing, goes to stdout; to make and heal a fault, to the file `notes` beside this one. `bash -c` is given this text until
# `begin` has put it there.
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
place=${0%/*}
unit=vipkit-drill.service

say() { printf '%s\n' "$@"; }      # a line for each word
now() { date +%s.%N; }
property() { systemctl show --property="$2" "$1" | cut -d= -f2-; }
unit_of() { say "${1#*_}"; }
under_way() { case $(property "$unit" ActiveState) in inactive | failed) return 1 ;; esac; }
# What healing needs and only the break knows; it is another process that heals. It is there as long as something is broken.
remember() { declare -p keepalived routes addresses >"$place/broken"; }

# Faults: break_… and heal_… of each

break_stop() { systemctl stop "$1"; }
heal_stop() { systemctl start "$1"; }

# systemd brings it back by itself, and that is part of what is looked at
break_kill() {
  local before end=$((SECONDS + lasts + 1))  # it counts whole seconds
  before=$(property "$1" MainPID)
  systemctl kill --signal=KILL "$1"
  while [ "$SECONDS" -lt "$end" ]; do
    if [ "$(property "$1" ActiveState)" = active ] && [ "$(property "$1" MainPID)" != "$before" ]; then
      say "healed $(now)"
      return
    fi
    sleep 0.05
  done
  say "problem systemd has not started $1 again within $lasts s after it was killed: look at Restart= in its unit."
}
heal_kill() { [ "$(property "$1" ActiveState)" = active ] || { systemctl reset-failed "$1"; systemctl start "$1"; }; }

break_freeze() { systemctl kill --signal=STOP keepalived; }
heal_freeze() { systemctl kill --signal=CONT keepalived; }

# A program that always fails in the place of the check, for keepalived alone: no file changes, and with its process the mount is gone as well.
break_failing_check() {
  keepalived=$(property keepalived MainPID)
  remember
  nsenter --target "$keepalived" --mount mount --bind "$(type -P false)" "$script"
}
heal_failing_check() {
  [ -d "/proc/$keepalived" ] || return 0
  nsenter --target "$keepalived" --mount umount "$script" 2>/dev/null
  ! grep -qF " $(readlink -f "$script") " "/proc/$keepalived/mountinfo"
}

# With the link go routes and IPv6 addresses that nobody sets again where no network manager does, also those of VLANs on it.
devices() {                           # an interface, and what lies on it
  local found=("$1") at name
  for ((at = 0; at < ${#found[@]}; at++)); do
    while read -r _ name _; do
      name=${name%:}
      [ "${name#*@}" = "${found[at]}" ] || continue
      case " ${found[*]} " in *" ${name%%@*} "*) ;; *) found+=("${name%%@*}") ;; esac
    done < <(ip -o link show)
  done
  say "${found[@]}"
}
routes_now() {                        # a line for each: the family and the route, also one of several ways
  local device family
  local -a over=()
  for device in $(devices "$interface"); do over+=(-e " dev $device "); done
  for family in -4 -6; do
    # the kernel, routers and keepalived (18) set their own again; what the kernel calls nexthop objects is gone, not where they lead
    ip -o "$family" route show table all | sed -e 's/$/ /' | grep -F "${over[@]}" |
      grep -Ev 'proto (kernel|ra|redirect|keepalived|18) |table local|^(local|multicast|broadcast|anycast) |^ff' |
      sed -E -e 's/(\\?[[:space:]])+/ /g; s/ (linkdown|dead|nhid [0-9]+|expires [0-9]+sec)\b//g; s/ +$//' -e "s/^/$family /"
  done
}
addresses_now() {
  local device address
  for device in $(devices "$interface"); do
    while read -r _ _ _ address _; do
      case " ${vips[*]} " in *" ${address%/*} "*) ;; *) say "$device $address" ;; esac
    done < <(ip -6 -o address show dev "$device" scope global permanent)
  done
}
lacking() { grep -Fxv -f <(routes_now) <<<"$routes"; }
break_link_down() {
  routes=$(routes_now) addresses=$(addresses_now)
  remember
  ip link set dev "$interface" down
}
heal_link_down() {
  local device address family route turn
  ip link set dev "$interface" up || return
  say "healed $(now)"
  while read -r device address; do
    [ -z "$address" ] || ip -6 address add "$address" dev "$device" 2>/dev/null
  done <<<"$addresses"
  [ -n "$routes" ] || return 0
  # one route may need another one, or an IPv6 address that is still being looked for, which takes 2 s and the time for a carrier
  for ((turn = 0; turn < 50; turn++)); do
    [ -n "$(lacking)" ] || return 0
    while read -r family route; do
      # shellcheck disable=SC2086  # a route is several words
      ip "$family" route replace $route 2>/dev/null
    done < <(lacking)
    sleep 0.2
  done
  while read -r family route; do
    say "problem the route '$route' has not come back: add it by hand, or restart the network."
  done < <(lacking)
  return 1
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
  exec >>"$place/notes"
  [ -e "$place/broken" ] || return 0  # it has ended before it has broken anything
  # shellcheck source=/dev/null
  . "$place/broken"
  if dispatch heal; then
    say "healed $(now)"
    rm -f "$place/broken"
  else
    say "problem $fault could not be healed: look at \`journalctl -u vipkit-drill\`."
  fi
}

# What each check itself says, as the user that keepalived runs it with: its exit code, or that it cannot be executed
look_at_checks() {
  local given user name code
  local -a command
  for given in "${checks[@]}"; do
    eval "command=($given)"           # the words of a shell
    user=${command[0]} name=${command[1]} command=("${command[@]:2}") code=forbidden
    # shellcheck disable=SC2016  # the inner bash expands it
    if runuser -u "$user" -- bash -c 'type -P -- "$1"' bash "${command[0]}" >/dev/null; then
      timeout -s KILL 10 runuser -u "$user" -- "${command[@]}" >/dev/null 2>&1
      code=$?
    fi
    say "check $name $code"
  done
}

make() {
  exec >>"$place/notes"
  sleep "$lead"
  remember
  say "injected $(now)"
  dispatch break || { say "problem $fault could not be made: look at \`journalctl -u vipkit-drill\`."; return; }
  sleep "$lasts"                      # from the break on, which may have taken its time
  look_at_checks
}

# One drill at a time: it claims all members, since between two faults nothing else of it is there. That ends by itself.

seconds_now() { cut -d. -f1 /proc/uptime; }
taken() {                             # whether another drill than this one has the host
  local whose='' until=0
  [ ! -e "$place.claim" ] || read -r whose until <"$place.claim"
  [ -n "$whose" ] && [ "$whose" != "$1" ] && [ "$until" -gt "$(seconds_now)" ] || return
  say "another drill is under way, and has claimed this host: wait for its end. If it was killed, remove $place.claim, or wait for $((until - $(seconds_now))) s."
}
with_claims() {                       # nobody else looks or writes meanwhile
  exec 9<"${place%/*}"
  flock 9
}
claim() {
  with_claims
  ! taken "$1" || exit 1
  say "$1 $(($(seconds_now) + $2))" >"$place.claim"
}
release() {
  with_claims
  taken "$1" >/dev/null || rm -f "$place.claim"
}

# The unit around it; what systemd-run can make in old versions has no ExecStopPost

unhealed() {
  [ -e "$place/broken" ] || return
  say "what an earlier drill has broken there was not healed: run \`bash $place/fault heal\` and look at $place/notes, or remove $place if all is well."
}

begin() {
  if under_way; then say "another drill has a fault under way there."; exit 3; fi
  ! unhealed || exit 3
  umask 077
  rm -rf "$place" && mkdir "$place" && say "$BASH_EXECUTION_STRING" >"$place/fault" && say "${arguments[@]}" >"$place/arguments" || exit
  cat >"/run/systemd/system/$unit" <<UNIT
[Unit]
Description=A fault of a failover drill, which heals by itself

[Service]
ExecStart=/bin/bash $place/fault make
ExecStopPost=/bin/bash $place/fault heal
TimeoutStopSec=300
UNIT
  systemctl daemon-reload && systemctl start "$unit"
}

await() { while under_way; do sleep 0.2; done; }

end() {
  systemctl stop "$unit"
  systemctl reset-failed "$unit" 2>/dev/null
  cat "$place/notes"
  [ -e "$place/broken" ] || rm -rf "$place"  # what healing needs is kept for whoever does it by hand
  rm -f "/run/systemd/system/$unit"
  systemctl daemon-reload
}

# Before anything is broken

look() {
  local code name
  say "nginx $("/proc/$(property nginx MainPID)/exe" -v 2>&1 | sed -n 's/.*nginx\///p')"
  if under_way; then say "finding a drill is under way there, and ends by itself: wait for it."; else unhealed | sed 's/^/finding /'; fi
  taken - | sed 's/^/finding /'
  while read -r _ name code; do
    case $code in
      0) ;;
      forbidden) say "finding its check $name cannot be executed by the user that keepalived runs it with: run site.yml." ;;
      *) say "finding its check $name fails (exit code $code), so it would take nothing over: put its service right first." ;;
    esac
  done < <(look_at_checks)
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

mode=$1
shift
case $mode in make | heal) mapfile -t arguments <"$place/arguments" ;; *) arguments=("$@") ;; esac
faults=${arguments[0]} fault=${arguments[0]} lead=${arguments[1]} lasts=${arguments[2]}
interface='' script='' keepalived='' routes='' addresses='' protocols=''
checks=() files=() vips=()
for argument in "${arguments[@]}"; do
  case $argument in
    interface=*) interface=${argument#*=} ;;
    script=*) script=${argument#*=} ;;
    check=*) checks+=("${argument#*=}") ;;
    file=*) files+=("${argument#*=}") ;;
    vip=*) vips+=("${argument#*=}") ;;
    protocol=*) protocols+="${protocols:+ }${argument#*=}" ;;
  esac
done
"$mode" "$@"
