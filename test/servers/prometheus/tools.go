//go:build tools

// Package tools pins the server that is built for the tests.
package tools

import _ "github.com/prometheus/prometheus/cmd/prometheus"
import _ "github.com/prometheus/prometheus/cmd/promtool"
