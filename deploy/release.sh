#!/bin/sh
# Releases one host behind a load balancer: takes the instance out, restarts it, and waits until it is back.
#   release.sh COMMAND…      COMMAND restarts the application, for example: systemctl restart orders
# CONTROL is the control server of the plugin (default http://127.0.0.1:54199); WAIT is the longest wait for each step in seconds
# (default 60; it must be longer than the grace period). With LOSSLESS_STATUS_FILE and LOSSLESS_ENTRY_PORTS the offline includes
# the proxy beside the application. Exit codes: 0 released; 1 not taken out, nothing restarted; 2 usage; 3 restarted and not ready;
# any other code comes from COMMAND.
set -eu
control=${CONTROL:-http://127.0.0.1:54199}
wait=${WAIT:-60}
[ $# -gt 0 ] || { echo 'usage: release.sh COMMAND…' >&2; exit 2; }

curl --fail --silent --show-error --max-time "$wait" --request POST "$control/offline?wait=true" >/dev/null || {
  echo "$control did not take the instance out within $wait s; nothing was restarted" >&2
  exit 1
}
"$@"
left=$((wait * 4))
until curl --fail --silent --max-time 1 "$control/readiness" >/dev/null; do
  left=$((left - 1))
  [ "$left" -gt 0 ] || { echo "$control is not ready $wait s after: $*" >&2; exit 3; }
  sleep 0.25
done
