#!/usr/bin/env bash
# Installs what all tests, benchmarks and checks ask for. `npm ci` alone brings what the build, the demo and most tests need.
#   test/packages          frameworks, clients, launchers, what the examples and benchmarks call, and tools of `npm run check`
#   test/support/otel      an application with the automatic instrumentation of OpenTelemetry
#   test/support/node-*    further lines of Node.js
set -euo pipefail
cd "$(dirname "$0")/.."
for folder in . test/packages test/support/otel test/support/node-*; do
  echo "installing $folder" >&2
  (cd "$folder" && npm ci --no-fund --no-audit)
done
